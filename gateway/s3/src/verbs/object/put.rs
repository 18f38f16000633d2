//! PutObject.

use super::version::set_new_version;
use super::{attrs, lock_of_headers, set_checksum, set_expiration, write_conditions};
use crate::access::Ask;
use crate::authorise::{Wish, new_acl};
use crate::encryption;
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::{self, Response, set};
use crate::server::Gateway;
use crate::storage::{Body, PutDone};
use crate::tags;
use gateway_client::Rados;
use http::StatusCode;

/// Stores an object. All that can be refused beforehand is, before the client is asked for the body.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, mut rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::PUT).await?;
    if rq.headers.contains_key("x-amz-write-offset-bytes") {
        return Err(S3Error::new(Code::NotImplemented).field("Header", "x-amz-write-offset-bytes"));
    }
    let mut attrs = attrs::of_headers(&rq.headers)?;
    gw.storage.check_storage_class(&attrs.storage_class).await?;
    if rq.headers.contains_key("x-amz-tagging") {
        rq.check_not_denied(gw, &bucket, Wish::new(Ask::PUT_TAGS, Some(rq.key())))?;
    }
    new_acl(gw, &rq, &bucket).await?.keep(&mut attrs.extra, &bucket.owner);
    attrs.lock = lock_of_headers(gw, &rq, &bucket)?;
    attrs.seal = encryption::seal_of_new(gw, &rq, &bucket).await?;
    let sealing = attrs.seal.as_ref().map(|seal| seal.sealing.clone());
    let tags = tags::of(&attrs.extra)?;
    let conditions = write_conditions(&rq.headers);
    let mut body = rq.take_body()?;
    gw.storage.check_quota(&bucket, body.length_hint().unwrap_or(0)).await?;
    let done = gw.storage.put(&bucket, rq.key(), attrs, conditions, &mut body).await?;
    let mut response = answer(&done);
    encryption::describe(response.headers_mut(), sealing.as_ref(), &rq.headers);
    set_expiration(response.headers_mut(), &bucket, rq.key(), (done.size, done.mtime), &tags)?;
    Ok(response)
}

fn answer(done: &PutDone) -> Response {
    let mut response = response::empty(StatusCode::OK);
    let headers = response.headers_mut();
    set(headers, "etag", &format!("\"{}\"", done.etag));
    set_new_version(headers, done.version);
    if let Some(checksum) = &done.checksum {
        set_checksum(headers, checksum, done.etag.parts);
    }
    response
}
