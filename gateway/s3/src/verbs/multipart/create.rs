//! CreateMultipartUpload.

use super::checksums;
use crate::access::Ask;
use crate::authorise::{Wish, new_acl};
use crate::dates;
use crate::encryption;
use crate::error::S3Error;
use crate::lifecycle;
use crate::request::Request;
use crate::response::{self, Response, set};
use crate::server::Gateway;
use crate::verbs::object::{attrs, lock_of_headers};
use crate::xml::Document;
use gateway_client::Rados;
use http::StatusCode;

/// Begins an upload.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::PUT).await?;
    let mut attrs = attrs::of_headers(&rq.headers)?;
    gw.storage.check_storage_class(&attrs.storage_class).await?;
    if rq.headers.contains_key("x-amz-tagging") {
        rq.check_not_denied(gw, &bucket, Wish::new(Ask::PUT_TAGS, Some(rq.key())))?;
    }
    new_acl(gw, &rq, &bucket).await?.keep(&mut attrs.extra, &bucket.owner);
    attrs.lock = lock_of_headers(gw, &rq, &bucket)?;
    attrs.seal = encryption::seal_of_new(gw, &rq, &bucket).await?;
    let sealing = attrs.seal.as_ref().map(|seal| seal.sealing.clone());
    let checksum = checksums::agreed(&rq.headers)?;
    let id = gw.storage.upload_create(&bucket, rq.key(), attrs, checksum).await?;

    let mut d = Document::new("InitiateMultipartUploadResult");
    d.leaf("Bucket", &bucket.name).leaf("Key", rq.key()).leaf("UploadId", &id.to_string());
    let mut response = response::document(StatusCode::OK, d);
    encryption::describe(response.headers_mut(), sealing.as_ref(), &rq.headers);
    let rules = lifecycle::of(&bucket.settings)?;
    if let Some((at, id)) = lifecycle::abort_of(&rules, rq.key(), gw.now() * 1000) {
        set(response.headers_mut(), "x-amz-abort-date", &dates::http(at));
        set(response.headers_mut(), "x-amz-abort-rule-id", id);
    }
    if let Some((algorithm, kind)) = checksum {
        set(response.headers_mut(), "x-amz-checksum-algorithm", algorithm.name());
        set(response.headers_mut(), "x-amz-checksum-type", kind.name());
    }
    Ok(response)
}
