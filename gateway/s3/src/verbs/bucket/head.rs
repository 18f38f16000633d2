//! HeadBucket.

use crate::access::Ask;
use crate::error::S3Error;
use crate::request::Request;
use crate::response::{self, Response, set};
use crate::server::Gateway;
use gateway_client::Rados;
use http::StatusCode;

/// Says whether the bucket exists and the sender may use it.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    rq.bucket_for(gw, Ask::LIST).await?;
    let mut response = response::empty(StatusCode::OK);
    set(response.headers_mut(), "x-amz-bucket-region", &gw.region);
    Ok(response)
}
