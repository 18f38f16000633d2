//! GetBucketLocation.

use super::create::LOCATION;
use crate::access::Ask;
use crate::error::S3Error;
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::xml::Document;
use gateway_client::Rados;
use http::StatusCode;

/// Names the region; `us-east-1` is the empty name. A bucket made with RGW's name for it gives that back.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::LOCATION).await?;
    let named = bucket.settings.get(LOCATION).and_then(|name| std::str::from_utf8(name).ok());
    let mut d = Document::new("LocationConstraint");
    d.text(named.unwrap_or(if gw.region == "us-east-1" { "" } else { &gw.region }));
    Ok(response::document(StatusCode::OK, d))
}
