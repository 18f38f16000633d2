//! PutBucketWebsite, GetBucketWebsite, DeleteBucketWebsite.

use crate::access::Ask;
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::storage::Bucket;
use crate::website::{self, Website};
use gateway_client::Rados;
use http::StatusCode;

/// The largest document, bytes.
const MAX_DOCUMENT_BYTES: u64 = 128 * 1024;

/// Shows the configuration.
pub(crate) async fn get<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::GET_WEBSITE).await?;
    let absent = || S3Error::new(Code::NoSuchWebsiteConfiguration).field("BucketName", bucket.name.clone());
    let website = website::of(&bucket.settings)?.ok_or_else(absent)?;
    Ok(response::document(StatusCode::OK, website::to_document(&website)))
}

/// Sets it.
pub(crate) async fn put<R: Rados>(gw: &Gateway<R>, mut rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::PUT_WEBSITE).await?;
    let website = website::of_document(&rq.document(MAX_DOCUMENT_BYTES).await?)?;
    set(gw, &bucket, Some(&website)).await?;
    Ok(response::empty(StatusCode::OK))
}

/// Removes it: the bucket is no website any more.
pub(crate) async fn delete<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::DELETE_WEBSITE).await?;
    set(gw, &bucket, None).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

async fn set<R: Rados>(gw: &Gateway<R>, bucket: &Bucket, website: Option<&Website>) -> Result<(), S3Error> {
    let change = |bucket: &mut Bucket| {
        website::keep(&mut bucket.settings, website);
        Ok(())
    };
    gw.storage.bucket_change(bucket, change).await.map(|_| ())
}
