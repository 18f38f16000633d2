//! DeleteBucket.

use crate::access::Ask;
use crate::error::S3Error;
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use gateway_client::Rados;
use http::StatusCode;

/// Removes an empty bucket.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::DELETE_BUCKET).await?;
    gw.storage.bucket_delete(&bucket.full_name()).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}
