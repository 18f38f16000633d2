//! What a request is called in a bucket's log: `REST.METHOD.RESOURCE`.
//!
//! Amazon S3 user guide, "Amazon S3 server access log format", and for copies and multi-object deletes, which go by
//! other names there, radosgw manual, "Bucket Logging".

use crate::server::Target;

/// What the subresources of a bucket and of an object are called. What is not here goes by its own name in capitals.
#[rustfmt::skip]
const RESOURCES: &[(&str, &str, &str)] = &[
    ("acl", "ACL", "ACL"),
    ("attributes", "ATTRIBUTES", "OBJECT_ATTRIBUTES"),
    ("cors", "CORS", "CORS"),
    ("delete", "DELETE_MULTI_OBJECT", "DELETE"),
    ("encryption", "ENCRYPTION", "ENCRYPTION"),
    ("legal-hold", "LEGAL_HOLD", "LEGAL_HOLD"),
    ("logging", "LOGGING_STATUS", "LOGGING_STATUS"),
    ("object-lock", "OBJECT_LOCK_CONFIGURATION", "OBJECT_LOCK_CONFIGURATION"),
    ("ownershipControls", "OWNERSHIP_CONTROLS", "OWNERSHIP_CONTROLS"),
    ("policy", "BUCKETPOLICY", "BUCKETPOLICY"),
    ("policyStatus", "POLICY_STATUS", "POLICY_STATUS"),
    ("publicAccessBlock", "PUBLIC_ACCESS_BLOCK", "PUBLIC_ACCESS_BLOCK"),
    ("requestPayment", "REQUEST_PAYMENT", "REQUEST_PAYMENT"),
    ("tagging", "TAGGING", "OBJECT_TAGGING"),
    ("versions", "BUCKETVERSIONS", "BUCKETVERSIONS"),
];

/// The name. `site`: it is asked for by a browser, as of a website.
pub(crate) fn name(method: &str, target: &Target, subresource: Option<&str>, site: bool) -> String {
    let on_object = target.key().is_some();
    let door = if site { "WEBSITE" } else { "REST" };
    let resource = match subresource {
        _ if method == "OPTIONS" => "PREFLIGHT".to_string(),
        None if on_object => "OBJECT".into(),
        None => "BUCKET".into(),
        // A part is put, but the upload is completed, listed and aborted.
        Some("uploadId") if method == "PUT" => "PART".into(),
        Some("uploadId") => "UPLOAD".into(),
        Some(word) => match RESOURCES.iter().find(|(name, ..)| *name == word) {
            Some((_, _, object)) if on_object => (*object).into(),
            Some((_, bucket, _)) => (*bucket).into(),
            None => word.to_ascii_uppercase(),
        },
    };
    format!("{door}.{method}.{resource}")
}

/// Whether a request changes an object, so that journals have it.
pub(crate) fn is_journalled(method: &str, target: &Target, subresource: Option<&str>) -> bool {
    match target {
        Target::Service => false,
        Target::Bucket(_) => method == "POST" && matches!(subresource, None | Some("delete")),
        Target::Object(..) => matches!(
            (method, subresource),
            ("PUT" | "DELETE", None)
                | ("POST", Some("uploadId"))
                | ("PUT", Some("acl" | "legal-hold" | "retention" | "tagging"))
                | ("DELETE", Some("tagging"))
        ),
    }
}

/// Whether a journal that cannot be written keeps the request from being carried out: deletes are carried out all the
/// same, as in RGW.
pub(crate) fn needs_journal(method: &str, subresource: Option<&str>) -> bool {
    method != "DELETE" && subresource != Some("delete")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_names_that_readers_of_logs_know() {
        let (bucket, object) = (Target::Bucket("b".into()), Target::Object("b".into(), "k".into()));
        for (method, target, subresource, wanted) in [
            ("GET", &bucket, None, "REST.GET.BUCKET"),
            ("GET", &bucket, Some("versions"), "REST.GET.BUCKETVERSIONS"),
            ("PUT", &bucket, Some("logging"), "REST.PUT.LOGGING_STATUS"),
            ("PUT", &bucket, Some("policy"), "REST.PUT.BUCKETPOLICY"),
            ("GET", &bucket, Some("uploads"), "REST.GET.UPLOADS"),
            ("POST", &bucket, Some("delete"), "REST.POST.DELETE_MULTI_OBJECT"),
            ("OPTIONS", &object, None, "REST.OPTIONS.PREFLIGHT"),
            ("HEAD", &object, None, "REST.HEAD.OBJECT"),
            ("GET", &object, Some("tagging"), "REST.GET.OBJECT_TAGGING"),
            ("POST", &object, Some("uploads"), "REST.POST.UPLOADS"),
            ("PUT", &object, Some("uploadId"), "REST.PUT.PART"),
            ("POST", &object, Some("uploadId"), "REST.POST.UPLOAD"),
        ] {
            assert_eq!(name(method, target, subresource, false), wanted);
        }
        assert_eq!(name("GET", &object, None, true), "WEBSITE.GET.OBJECT");
        assert!(is_journalled("PUT", &object, None) && !is_journalled("PUT", &object, Some("uploadId")));
        assert!(!is_journalled("GET", &object, None) && !is_journalled("PUT", &bucket, None));
    }
}
