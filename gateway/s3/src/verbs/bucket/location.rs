//! GetBucketLocation.

use crate::access::Ask;
use crate::error::S3Error;
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::xml::Document;
use gateway_client::Rados;
use http::StatusCode;

/// Names the region; `us-east-1` is the empty name.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    rq.bucket_for(gw, Ask::LOCATION).await?;
    let mut d = Document::new("LocationConstraint");
    d.text(if gw.region == "us-east-1" { "" } else { &gw.region });
    Ok(response::document(StatusCode::OK, d))
}
