//! PutBucketCors, GetBucketCors, DeleteBucketCors.

use crate::access::Ask;
use crate::cors;
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::storage::Bucket;
use gateway_client::Rados;
use http::StatusCode;

/// The largest document, bytes.
const MAX_DOCUMENT_BYTES: u64 = 64 * 1024;

/// Shows the rules.
pub(crate) async fn get<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::GET_CORS).await?;
    let rules = cors::of(&bucket.settings)?;
    if rules.is_empty() {
        return Err(S3Error::new(Code::NoSuchCORSConfiguration).field("BucketName", bucket.name.clone()));
    }
    Ok(response::document(StatusCode::OK, cors::document(&rules)))
}

/// Sets the rules.
pub(crate) async fn put<R: Rados>(gw: &Gateway<R>, mut rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::PUT_CORS).await?;
    let rules = cors::of_document(&rq.document(MAX_DOCUMENT_BYTES).await?)?;
    set(gw, &bucket, &rules).await?;
    Ok(response::empty(StatusCode::OK))
}

/// Removes them.
pub(crate) async fn delete<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::PUT_CORS).await?;
    set(gw, &bucket, &Vec::new()).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

async fn set<R: Rados>(gw: &Gateway<R>, bucket: &Bucket, rules: &Vec<cors::Rule>) -> Result<(), S3Error> {
    let change = |bucket: &mut Bucket| {
        cors::keep(&mut bucket.settings, rules);
        Ok(())
    };
    gw.storage.bucket_change(bucket, change).await.map(|_| ())
}
