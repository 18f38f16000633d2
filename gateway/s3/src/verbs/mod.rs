//! One file per verb, and which request is which verb.

mod acl;
pub(crate) mod bucket;
pub(crate) mod multipart;
pub(crate) mod object;
mod service;
mod tagging;

use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::Response;
use crate::server::{Gateway, Target};
use crate::uri::Query;
use gateway_client::Rados;
use http::Method;

/// Carries out a request.
pub(crate) async fn dispatch<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    match &rq.target {
        Target::Service if rq.method == Method::GET && rq.query.has("usage") => {
            service::usage::run(gw, rq).await
        }
        Target::Service if rq.method == Method::GET => service::list_buckets::run(gw, rq).await,
        Target::Service => Err(Code::MethodNotAllowed.into()),
        Target::Bucket(_) => on_bucket(gw, rq).await,
        Target::Object(..) => on_object(gw, rq).await,
    }
}

/// Query parameters that make a request about something else than the bucket or object itself. What is not
/// built answers `NotImplemented`: nothing is accepted and then not done.
const SUBRESOURCES: &[&str] = &[
    "abac",
    "accelerate",
    "acl",
    "analytics",
    "attributes",
    "cors",
    "delete",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "renameObject",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "session",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versioning",
    "versions",
    "website",
];

/// The parameter that says what of a bucket or object a request is about.
pub(crate) fn subresource(query: &Query) -> Option<&'static str> {
    SUBRESOURCES.iter().copied().find(|name| query.has(name))
}

async fn on_bucket<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    match (rq.method.as_str(), subresource(&rq.query)) {
        ("GET", None) if rq.query.get("list-type") == Some("2") => bucket::list_objects_v2::run(gw, rq).await,
        ("GET", None) => bucket::list_objects::run(gw, rq).await,
        ("GET", Some("versions")) => bucket::list_versions::run(gw, rq).await,
        ("GET", Some("acl")) => acl::get(gw, rq).await,
        ("GET", Some("versioning")) => bucket::versioning::get(gw, rq).await,
        ("PUT", Some("versioning")) => bucket::versioning::put(gw, rq).await,
        ("GET", Some("tagging")) => tagging::get(gw, rq).await,
        ("PUT", Some("tagging")) => tagging::put(gw, rq).await,
        ("DELETE", Some("tagging")) => tagging::delete(gw, rq).await,
        ("GET", Some("policy")) => bucket::policy::get(gw, rq).await,
        ("PUT", Some("policy")) => bucket::policy::put(gw, rq).await,
        ("DELETE", Some("policy")) => bucket::policy::delete(gw, rq).await,
        ("GET", Some("policyStatus")) => bucket::policy::status(gw, rq).await,
        ("GET", Some("publicAccessBlock")) => bucket::public_access::get(gw, rq).await,
        ("PUT", Some("publicAccessBlock")) => bucket::public_access::put(gw, rq).await,
        ("DELETE", Some("publicAccessBlock")) => bucket::public_access::delete(gw, rq).await,
        ("GET", Some("ownershipControls")) => bucket::ownership::get(gw, rq).await,
        ("PUT", Some("ownershipControls")) => bucket::ownership::put(gw, rq).await,
        ("DELETE", Some("ownershipControls")) => bucket::ownership::delete(gw, rq).await,
        ("GET", Some("cors")) => bucket::cors::get(gw, rq).await,
        ("PUT", Some("cors")) => bucket::cors::put(gw, rq).await,
        ("DELETE", Some("cors")) => bucket::cors::delete(gw, rq).await,
        ("GET", Some("encryption")) => bucket::encryption::get(gw, rq).await,
        ("PUT", Some("encryption")) => bucket::encryption::put(gw, rq).await,
        ("DELETE", Some("encryption")) => bucket::encryption::delete(gw, rq).await,
        ("GET", Some("requestPayment")) => bucket::request_payment::get(gw, rq).await,
        ("PUT", Some("requestPayment")) => bucket::request_payment::put(gw, rq).await,
        ("GET", Some("lifecycle")) => bucket::lifecycle::get(gw, rq).await,
        ("PUT", Some("lifecycle")) => bucket::lifecycle::put(gw, rq).await,
        ("DELETE", Some("lifecycle")) => bucket::lifecycle::delete(gw, rq).await,
        ("GET", Some("object-lock")) => bucket::object_lock::get(gw, rq).await,
        ("PUT", Some("object-lock")) => bucket::object_lock::put(gw, rq).await,
        ("GET", Some("website")) => bucket::website::get(gw, rq).await,
        ("PUT", Some("website")) => bucket::website::put(gw, rq).await,
        ("DELETE", Some("website")) => bucket::website::delete(gw, rq).await,
        ("GET", Some("logging")) => bucket::logging::get(gw, rq).await,
        ("PUT", Some("logging")) => bucket::logging::put(gw, rq).await,
        ("POST", Some("logging")) => bucket::logging::flush(gw, rq).await,
        ("GET", Some("uploads")) => multipart::list_uploads::run(gw, rq).await,
        ("GET", Some("location")) => bucket::location::run(gw, rq).await,
        ("GET", Some(name)) => bucket::settings::get(gw, rq, name).await,
        ("HEAD", None) => bucket::head::run(gw, rq).await,
        ("PUT", None) => bucket::create::run(gw, rq).await,
        ("PUT", Some("acl")) => acl::put(gw, rq).await,
        ("DELETE", None) => bucket::delete::run(gw, rq).await,
        ("POST", None) => object::post::run(gw, rq).await,
        ("POST", Some("delete")) => bucket::delete_objects::run(gw, rq).await,
        ("PUT" | "DELETE", Some(name)) => bucket::settings::change(gw, rq, name).await,
        ("POST", _) => not_implemented(gw, rq).await,
        _ => Err(Code::MethodNotAllowed.into()),
    }
}

async fn on_object<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let copies = rq.headers.contains_key("x-amz-copy-source");
    match (rq.method.as_str(), subresource(&rq.query)) {
        ("GET", None) => object::get::run(gw, rq).await,
        ("HEAD", None) => object::head::run(gw, rq).await,
        ("PUT", None) if copies => object::copy::run(gw, rq).await,
        ("PUT", None) => object::put::run(gw, rq).await,
        ("DELETE", None) => object::delete::run(gw, rq).await,
        ("GET", Some("attributes")) => object::attributes::run(gw, rq).await,
        ("PUT", Some("acl")) => acl::put(gw, rq).await,
        ("GET", Some("acl")) => acl::get(gw, rq).await,
        ("GET", Some("tagging")) => tagging::get(gw, rq).await,
        ("PUT", Some("tagging")) => tagging::put(gw, rq).await,
        ("DELETE", Some("tagging")) => tagging::delete(gw, rq).await,
        ("GET", Some("retention")) => object::retention::get(gw, rq).await,
        ("PUT", Some("retention")) => object::retention::put(gw, rq).await,
        ("GET", Some("legal-hold")) => object::legal_hold::get(gw, rq).await,
        ("PUT", Some("legal-hold")) => object::legal_hold::put(gw, rq).await,
        ("GET", Some("uploadId")) => multipart::list_parts::run(gw, rq).await,
        ("PUT", Some("uploadId")) if copies => multipart::copy_part::run(gw, rq).await,
        ("PUT", Some("uploadId")) => multipart::upload_part::run(gw, rq).await,
        ("POST", Some("uploadId")) => multipart::complete::run(gw, rq).await,
        ("DELETE", Some("uploadId")) => multipart::abort::run(gw, rq).await,
        ("POST", Some("uploads")) => multipart::create::run(gw, rq).await,
        ("GET", Some(_)) => object::settings::get(gw, rq).await,
        ("PUT" | "DELETE" | "POST", Some(_)) => not_implemented(gw, rq).await,
        _ => Err(Code::MethodNotAllowed.into()),
    }
}

/// What is known but not built, for those who may use the bucket.
async fn not_implemented<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    rq.bucket(gw).await?;
    Err(Code::NotImplemented.into())
}
