//! HeadBucket.

use crate::access::Ask;
use crate::error::S3Error;
use crate::request::Request;
use crate::response::{self, Response, set};
use crate::server::Gateway;
use crate::storage::Bucket;
use gateway_client::Rados;
use http::{HeaderMap, StatusCode};

/// Says whether the bucket exists and the sender may use it; with RGW's `read-stats` also how much it holds.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::LIST).await?;
    let mut response = response::empty(StatusCode::OK);
    set(response.headers_mut(), "x-amz-bucket-region", &gw.region);
    if rq.query.get("read-stats").is_some_and(|word| word.is_empty() || word.eq_ignore_ascii_case("true")) {
        set_stats(gw, &rq, &bucket, response.headers_mut()).await?;
    }
    Ok(response)
}

/// RGW's headers about what a bucket holds, and, for its owner, about what it may hold.
async fn set_stats<R: Rados>(
    gw: &Gateway<R>,
    rq: &Request,
    bucket: &Bucket,
    headers: &mut HeaderMap,
) -> Result<(), S3Error> {
    let used = gw.storage.bucket_stats(bucket.id).await?.usage;
    set(headers, "x-rgw-object-count", &used.objects.to_string());
    set(headers, "x-rgw-bytes-used", &used.bytes.to_string());
    if rq.uid() != Some(&bucket.owner) {
        return Ok(());
    }
    let owner = rq.owner(gw).await?;
    set(headers, "x-rgw-quota-user-size", &owner.user_quota.max_bytes.to_string());
    set(headers, "x-rgw-quota-user-objects", &owner.user_quota.max_objects.to_string());
    set(headers, "x-rgw-quota-max-buckets", &owner.max_buckets.to_string());
    let of_bucket = bucket.quota()?.unwrap_or(owner.bucket_quota);
    set(headers, "x-rgw-quota-bucket-size", &of_bucket.max_bytes.to_string());
    set(headers, "x-rgw-quota-bucket-objects", &of_bucket.max_objects.to_string());
    Ok(())
}
