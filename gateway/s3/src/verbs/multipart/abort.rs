//! AbortMultipartUpload.

use super::upload_id;
use crate::access::Ask;
use crate::error::S3Error;
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use gateway_client::Rados;
use http::StatusCode;

/// Ends an upload and frees its parts.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::ABORT).await?;
    gw.storage.upload_abort(&bucket, rq.key(), upload_id(&rq)?).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}
