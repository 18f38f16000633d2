//! What a request counts as: RGW's names of operations, which usage logs are read by.

use crate::server::Target;
use http::Method;

/// The category of a request; `sub` is the parameter that says what of the bucket or object it is about.
pub(crate) fn category(method: &Method, target: &Target, sub: Option<&str>, copies: bool) -> &'static str {
    match target {
        Target::Service if sub.is_none() => "list_buckets",
        Target::Service => "other",
        Target::Bucket(_) => of_bucket(method.as_str(), sub),
        Target::Object(..) => of_object(method.as_str(), sub, copies),
    }
}

fn of_bucket(method: &str, sub: Option<&str>) -> &'static str {
    match (method, sub) {
        ("GET", None | Some("versions")) => "list_bucket",
        ("HEAD", _) => "stat_bucket",
        ("PUT", None) => "create_bucket",
        ("DELETE", None) => "delete_bucket",
        ("POST", None) => "post_obj",
        ("POST", Some("delete")) => "multi_object_delete",
        ("OPTIONS", _) => "options_cors",
        ("GET", Some("uploads")) => "list_bucket_multiparts",
        ("GET", Some("location")) => "get_bucket_location",
        ("GET", Some("acl")) => "get_acls",
        ("PUT", Some("acl")) => "put_acls",
        ("GET", Some("versioning")) => "get_bucket_versioning",
        ("PUT", Some("versioning")) => "set_bucket_versioning",
        ("GET", Some("website")) => "get_bucket_website",
        ("PUT", Some("website")) => "set_bucket_website",
        ("DELETE", Some("website")) => "delete_bucket_website",
        ("GET", Some("tagging")) => "get_bucket_tags",
        ("PUT", Some("tagging")) => "put_bucket_tags",
        ("DELETE", Some("tagging")) => "delete_bucket_tags",
        ("GET", Some("policy")) => "get_bucket_policy",
        ("PUT", Some("policy")) => "put_bucket_policy",
        ("DELETE", Some("policy")) => "delete_bucket_policy",
        ("GET", Some("policyStatus")) => "get_bucket_policy_status",
        ("GET", Some("cors")) => "get_cors",
        ("PUT", Some("cors")) => "put_cors",
        ("DELETE", Some("cors")) => "delete_cors",
        ("GET", Some("lifecycle")) => "get_lifecycle",
        ("PUT", Some("lifecycle")) => "put_lifecycle",
        ("DELETE", Some("lifecycle")) => "delete_lifecycle",
        ("GET", Some("requestPayment")) => "get_request_payment",
        ("PUT", Some("requestPayment")) => "set_request_payment",
        ("GET", Some("object-lock")) => "get_bucket_object_lock",
        ("PUT", Some("object-lock")) => "put_bucket_object_lock",
        ("GET", Some("encryption")) => "get_bucket_encryption",
        ("PUT", Some("encryption")) => "put_bucket_encryption",
        ("DELETE", Some("encryption")) => "delete_bucket_encryption",
        ("GET", Some("publicAccessBlock")) => "get_bucket_public_access_block",
        ("PUT", Some("publicAccessBlock")) => "put_bucket_public_access_block",
        ("DELETE", Some("publicAccessBlock")) => "delete_bucket_public_access_block",
        ("GET", Some("ownershipControls")) => "get_bucket_ownership_controls",
        ("PUT", Some("ownershipControls")) => "put_bucket_ownership_controls",
        ("DELETE", Some("ownershipControls")) => "delete_bucket_ownership_controls",
        _ => "other",
    }
}

fn of_object(method: &str, sub: Option<&str>, copies: bool) -> &'static str {
    match (method, sub) {
        ("GET" | "HEAD", None) => "get_obj",
        ("PUT", None | Some("uploadId")) if copies => "copy_obj",
        ("PUT", None | Some("uploadId")) => "put_obj",
        ("DELETE", None) => "delete_obj",
        ("GET", Some("uploadId")) => "list_multipart",
        ("POST", Some("uploadId")) => "complete_multipart",
        ("DELETE", Some("uploadId")) => "abort_multipart",
        ("POST", Some("uploads")) => "init_multipart",
        ("OPTIONS", _) => "options_cors",
        ("GET", Some("attributes")) => "get_obj_attrs",
        ("GET", Some("acl")) => "get_acls",
        ("PUT", Some("acl")) => "put_acls",
        ("GET", Some("tagging")) => "get_obj_tags",
        ("PUT", Some("tagging")) => "put_obj_tags",
        ("DELETE", Some("tagging")) => "delete_obj_tags",
        ("GET", Some("retention")) => "get_obj_retention",
        ("PUT", Some("retention")) => "put_obj_retention",
        ("GET", Some("legal-hold")) => "get_obj_legal_hold",
        ("PUT", Some("legal-hold")) => "put_obj_legal_hold",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_rgws_names() {
        let bucket = Target::Bucket("b".into());
        let object = Target::Object("b".into(), "k".into());
        assert_eq!(category(&Method::GET, &Target::Service, None, false), "list_buckets");
        assert_eq!(category(&Method::PUT, &bucket, None, false), "create_bucket");
        assert_eq!(category(&Method::GET, &bucket, Some("versions"), false), "list_bucket");
        assert_eq!(category(&Method::HEAD, &object, None, false), "get_obj");
        assert_eq!(category(&Method::PUT, &object, Some("uploadId"), true), "copy_obj");
        assert_eq!(category(&Method::PUT, &object, Some("uploadId"), false), "put_obj");
        assert_eq!(category(&Method::PATCH, &object, None, false), "other");
    }
}
