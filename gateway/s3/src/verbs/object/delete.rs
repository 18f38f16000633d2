//! DeleteObject.

use super::version::{set_delete_marker, set_version, which};
use super::{bypass, write_conditions};
use crate::access::Ask;
use crate::authorise::Wish;
use crate::dates;
use crate::error::S3Error;
use crate::request::Request;
use crate::response::{self, Response, set};
use crate::server::Gateway;
use crate::storage::{Conditions, Deletion, Versioning};
use gateway_client::Rados;
use http::StatusCode;

/// Removes an object, or one version of it. That there is none is no error.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_of_anybody(gw).await?;
    rq.check(gw, &bucket, Wish::new(Ask::DELETE, Some(rq.key())).version(which(&rq)?))?;
    let deletion = Deletion { bypass: bypass(gw, &rq, &bucket, rq.key()), ..deletion(&rq)? };
    let done = gw.storage.delete(&bucket, &deletion).await?;
    let mut response = response::empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    if done.marker {
        set_delete_marker(headers);
    }
    match rq.query.get("versionId") {
        Some(id) if bucket.versioning() != Versioning::Off => set(headers, "x-amz-version-id", id),
        None if done.marker => set_version(headers, &bucket, done.version),
        _ => {}
    }
    Ok(response)
}

fn deletion(rq: &Request) -> Result<Deletion, S3Error> {
    let invalid = |name, text: &str| S3Error::invalid_argument("", name, text);
    let modified = rq.header("x-amz-if-match-last-modified-time");
    let size = rq.header("x-amz-if-match-size");
    Ok(Deletion {
        key: rq.key().to_string(),
        which: which(rq)?,
        // If-None-Match is not defined for deletes.
        conditions: Conditions { if_none_match: None, ..write_conditions(&rq.headers) },
        if_modified_at: modified
            .map(|t| dates::parse_http(t).ok_or_else(|| invalid("x-amz-if-match-last-modified-time", t)))
            .transpose()?,
        if_size: size.map(|t| t.parse().map_err(|_| invalid("x-amz-if-match-size", t))).transpose()?,
        ..Deletion::default()
    })
}
