//! PutBucketEncryption, GetBucketEncryption, DeleteBucketEncryption.

use crate::access::Ask;
use crate::encryption::BucketEncryption;
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::storage::Bucket;
use gateway_client::Rados;
use http::StatusCode;

/// The largest document, bytes.
const MAX_DOCUMENT_BYTES: u64 = 16 * 1024;

/// Shows what new objects are encrypted with.
pub(crate) async fn get<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::GET_ENCRYPTION).await?;
    let absent = || {
        S3Error::new(Code::ServerSideEncryptionConfigurationNotFoundError)
            .field("BucketName", bucket.name.clone())
    };
    let encryption = BucketEncryption::of(&bucket.settings)?.ok_or_else(absent)?;
    Ok(response::document(StatusCode::OK, encryption.document()))
}

/// Sets it. What is there already stays as it is.
pub(crate) async fn put<R: Rados>(gw: &Gateway<R>, mut rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::PUT_ENCRYPTION).await?;
    let encryption = BucketEncryption::of_document(&rq.document(MAX_DOCUMENT_BYTES).await?)?;
    set(gw, &bucket, Some(&encryption)).await?;
    Ok(response::empty(StatusCode::OK))
}

/// Removes it.
pub(crate) async fn delete<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::PUT_ENCRYPTION).await?;
    set(gw, &bucket, None).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

async fn set<R: Rados>(
    gw: &Gateway<R>,
    bucket: &Bucket,
    encryption: Option<&BucketEncryption>,
) -> Result<(), S3Error> {
    let change = |bucket: &mut Bucket| {
        BucketEncryption::keep(encryption, &mut bucket.settings);
        Ok(())
    };
    gw.storage.bucket_change(bucket, change).await.map(|_| ())
}
