//! `GET /?usage`, an extension of RGW: what the sender's account holds and may hold.

use crate::error::S3Error;
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::xml::Document;
use gateway_client::Rados;
use http::StatusCode;

/// Sums up the sender's account.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let user = rq.owner(gw).await?;
    let used = gw.storage.user_usage(&user.uid).await?;
    let mut d = Document::plain("Usage");
    d.open("Entries").close();
    d.open("Summary");
    d.leaf("QuotaMaxBytes", &user.user_quota.max_bytes.to_string());
    d.leaf("QuotaMaxBuckets", &user.max_buckets.to_string());
    d.leaf("QuotaMaxObjCount", &user.user_quota.max_objects.to_string());
    d.leaf("QuotaMaxBytesPerBucket", &user.bucket_quota.max_bytes.to_string());
    d.leaf("QuotaMaxObjCountPerBucket", &user.bucket_quota.max_objects.to_string());
    // Nothing is rounded to stripes here.
    d.leaf("TotalBytes", &used.bytes.to_string()).leaf("TotalBytesRounded", &used.bytes.to_string());
    d.leaf("TotalEntries", &used.objects.to_string());
    Ok(response::document(StatusCode::OK, d))
}
