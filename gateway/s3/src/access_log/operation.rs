//! What a request asks for, in RGW's names of operations.

use crate::server::Target;
use crate::uri::Query;
use http::HeaderMap;

/// Subresources that name the operation, for buckets (`true`) or objects: first in the order in which requests are
/// told apart.
#[rustfmt::skip]
const NAMES: &[(bool, &str, [(&str, &str); 3])] = &[
    (true, "acl", [("GET", "get_acls"), ("PUT", "put_acls"), ("", "")]),
    (true, "cors", [("GET", "get_cors"), ("PUT", "put_cors"), ("DELETE", "delete_cors")]),
    (true, "delete", [("POST", "multi_object_delete"), ("", ""), ("", "")]),
    (true, "encryption", [("GET", "get_bucket_encryption"), ("PUT", "put_bucket_encryption"), ("DELETE", "delete_bucket_encryption")]),
    (true, "lifecycle", [("GET", "get_lifecycle"), ("PUT", "put_lifecycle"), ("DELETE", "delete_lifecycle")]),
    (true, "location", [("GET", "get_bucket_location"), ("", ""), ("", "")]),
    (true, "logging", [("GET", "get_bucket_logging"), ("PUT", "put_bucket_logging"), ("", "")]),
    (true, "object-lock", [("GET", "get_bucket_object_lock"), ("PUT", "put_bucket_object_lock"), ("", "")]),
    (true, "ownershipControls", [("GET", "get_bucket_ownership_controls"), ("PUT", "put_bucket_ownership_controls"), ("DELETE", "delete_bucket_ownership_controls")]),
    (true, "policy", [("GET", "get_bucket_policy"), ("PUT", "put_bucket_policy"), ("DELETE", "delete_bucket_policy")]),
    (true, "policyStatus", [("GET", "get_bucket_policy_status"), ("", ""), ("", "")]),
    (true, "publicAccessBlock", [("GET", "get_bucket_public_access_block"), ("PUT", "put_bucket_public_access_block"), ("DELETE", "delete_bucket_public_access_block")]),
    (true, "requestPayment", [("GET", "get_request_payment"), ("PUT", "set_request_payment"), ("", "")]),
    (true, "tagging", [("GET", "get_bucket_tags"), ("PUT", "put_bucket_tags"), ("DELETE", "delete_bucket_tags")]),
    (true, "uploads", [("GET", "list_bucket_multiparts"), ("", ""), ("", "")]),
    (true, "versioning", [("GET", "get_bucket_versioning"), ("PUT", "set_bucket_versioning"), ("", "")]),
    (true, "versions", [("GET", "list_bucket_versions"), ("", ""), ("", "")]),
    (true, "website", [("GET", "get_bucket_website"), ("PUT", "set_bucket_website"), ("DELETE", "delete_bucket_website")]),
    (false, "acl", [("GET", "get_acls"), ("PUT", "put_acls"), ("", "")]),
    (false, "attributes", [("GET", "get_obj_attrs"), ("", ""), ("", "")]),
    (false, "legal-hold", [("GET", "get_obj_legal_hold"), ("PUT", "put_obj_legal_hold"), ("", "")]),
    (false, "retention", [("GET", "get_obj_retention"), ("PUT", "put_obj_retention"), ("", "")]),
    (false, "tagging", [("GET", "get_obj_tags"), ("PUT", "put_obj_tags"), ("DELETE", "delete_obj_tags")]),
    (false, "uploadId", [("GET", "list_multipart"), ("POST", "complete_multipart"), ("DELETE", "abort_multipart")]),
    (false, "uploads", [("POST", "init_multipart"), ("", ""), ("", "")]),
];

/// What is asked that has no name of its own here.
pub(super) const UNKNOWN: &str = "unknown";

/// The operation's name.
pub(super) fn name(method: &str, target: &Target, query: &Query, headers: &HeaderMap) -> &'static str {
    if method == "OPTIONS" {
        return "options_cors";
    }
    let on_bucket = match target {
        Target::Service => return if method == "GET" { "list_buckets" } else { UNKNOWN },
        Target::Bucket(_) => true,
        Target::Object(..) => false,
    };
    let subresource = NAMES.iter().find(|(bucket, word, _)| *bucket == on_bucket && query.has(word));
    // A part is put as an object is, and may be a copy.
    if let Some((_, word, names)) = subresource
        && !(*word == "uploadId" && method == "PUT")
    {
        return names.iter().find(|(m, _)| *m == method).map_or(UNKNOWN, |(_, name)| name);
    }
    match (method, on_bucket) {
        ("GET", true) => "list_bucket",
        ("HEAD", true) => "stat_bucket",
        ("PUT", true) => "create_bucket",
        ("DELETE", true) => "delete_bucket",
        ("POST", true) => "post_obj",
        ("GET" | "HEAD", false) => "get_obj",
        ("PUT", false) if headers.contains_key("x-amz-copy-source") => "copy_obj",
        ("PUT", false) => "put_obj",
        ("DELETE", false) => "delete_obj",
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_rgws_names() {
        let plain = HeaderMap::new();
        let mut copy = HeaderMap::new();
        copy.insert("x-amz-copy-source", http::HeaderValue::from_static("/b/k"));
        let service = Target::Service;
        let (bucket, object) = (Target::Bucket("b".into()), Target::Object("b".into(), "k".into()));
        for (method, target, query, headers, wanted) in [
            ("GET", &service, "", &plain, "list_buckets"),
            ("GET", &bucket, "list-type=2", &plain, "list_bucket"),
            ("POST", &bucket, "delete", &plain, "multi_object_delete"),
            ("POST", &bucket, "", &plain, "post_obj"),
            ("GET", &bucket, "uploads", &plain, "list_bucket_multiparts"),
            ("HEAD", &object, "", &plain, "get_obj"),
            ("PUT", &object, "", &copy, "copy_obj"),
            ("PUT", &object, "uploadId=u&partNumber=1", &plain, "put_obj"),
            ("PUT", &object, "uploadId=u&partNumber=1", &copy, "copy_obj"),
            ("POST", &object, "uploadId=u", &plain, "complete_multipart"),
            ("POST", &object, "uploads", &plain, "init_multipart"),
            ("PATCH", &object, "", &plain, UNKNOWN),
            ("DELETE", &bucket, "acl", &plain, UNKNOWN),
            ("OPTIONS", &bucket, "", &plain, "options_cors"),
        ] {
            let query = Query::parse(query).unwrap();
            assert_eq!(name(method, target, &query, headers), wanted, "{method} {target:?} {query:?}");
        }
    }
}
