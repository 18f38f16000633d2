//! PutObjectLockConfiguration, GetObjectLockConfiguration.

use crate::access::Ask;
use crate::error::{Code, S3Error};
use crate::object_lock;
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::storage::{Bucket, Versioning};
use gateway_client::Rados;
use http::StatusCode;

/// The largest document, bytes.
const MAX_DOCUMENT_BYTES: u64 = 16 * 1024;

/// Shows how long new objects are retained.
pub(crate) async fn get<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::GET_BUCKET_LOCK).await?;
    let absent =
        || S3Error::new(Code::ObjectLockConfigurationNotFoundError).field("BucketName", bucket.name.clone());
    let lock = bucket.lock()?.ok_or_else(absent)?;
    Ok(response::document(StatusCode::OK, object_lock::bucket_document(&lock)))
}

/// Sets it. A bucket that keeps versions can get an object lock by it, and never loses it.
pub(crate) async fn put<R: Rados>(gw: &Gateway<R>, mut rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::PUT_BUCKET_LOCK).await?;
    let lock = object_lock::bucket_of_document(&rq.document(MAX_DOCUMENT_BYTES).await?)?;
    let change = |bucket: &mut Bucket| {
        if bucket.versioning() != Versioning::Enabled {
            let message = "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration";
            return Err(S3Error::with_message(Code::InvalidBucketState, message));
        }
        bucket.set_lock(&lock);
        Ok(())
    };
    gw.storage.bucket_change(&bucket, change).await?;
    Ok(response::empty(StatusCode::OK))
}
