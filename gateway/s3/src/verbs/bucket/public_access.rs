//! PutPublicAccessBlock, GetPublicAccessBlock, DeletePublicAccessBlock.

use crate::access::{Ask, Block};
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::storage::Bucket;
use gateway_client::Rados;
use http::StatusCode;

/// The largest document, bytes.
const MAX_DOCUMENT_BYTES: u64 = 16 * 1024;

/// Shows the block of public access.
pub(crate) async fn get<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::GET_BLOCK).await?;
    let absent =
        || S3Error::new(Code::NoSuchPublicAccessBlockConfiguration).field("BucketName", bucket.name.clone());
    Ok(response::document(StatusCode::OK, Block::of(&bucket.settings)?.ok_or_else(absent)?.document()))
}

/// Sets it.
pub(crate) async fn put<R: Rados>(gw: &Gateway<R>, mut rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::PUT_BLOCK).await?;
    let wanted = Block::of_document(&rq.document(MAX_DOCUMENT_BYTES).await?)?;
    set(gw, &bucket, Some(wanted)).await?;
    Ok(response::empty(StatusCode::OK))
}

/// Removes it.
pub(crate) async fn delete<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::PUT_BLOCK).await?;
    set(gw, &bucket, None).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

async fn set<R: Rados>(gw: &Gateway<R>, bucket: &Bucket, wanted: Option<Block>) -> Result<(), S3Error> {
    let change = |bucket: &mut Bucket| {
        Block::keep(wanted, &mut bucket.settings);
        Ok(())
    };
    gw.storage.bucket_change(bucket, change).await.map(|_| ())
}
