//! PutBucketOwnershipControls, GetBucketOwnershipControls, DeleteBucketOwnershipControls.

use crate::access::{Acl, Ask, Ownership};
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::storage::Bucket;
use gateway_client::Rados;
use http::StatusCode;

/// The largest document, bytes.
const MAX_DOCUMENT_BYTES: u64 = 16 * 1024;

/// Shows who owns what others write.
pub(crate) async fn get<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::GET_OWNERSHIP).await?;
    let absent =
        || S3Error::new(Code::OwnershipControlsNotFoundError).field("BucketName", bucket.name.clone());
    Ok(response::document(StatusCode::OK, Ownership::of(&bucket.settings)?.ok_or_else(absent)?.document()))
}

/// Sets it.
pub(crate) async fn put<R: Rados>(gw: &Gateway<R>, mut rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::PUT_OWNERSHIP).await?;
    let wanted = Ownership::of_document(&rq.document(MAX_DOCUMENT_BYTES).await?)?;
    set(gw, &bucket, Some(wanted)).await?;
    Ok(response::empty(StatusCode::OK))
}

/// Removes it.
pub(crate) async fn delete<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::PUT_OWNERSHIP).await?;
    set(gw, &bucket, None).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

async fn set<R: Rados>(gw: &Gateway<R>, bucket: &Bucket, wanted: Option<Ownership>) -> Result<(), S3Error> {
    let change = |bucket: &mut Bucket| {
        let acl = Acl::of(&bucket.settings)?;
        if wanted == Some(Ownership::Enforced) && acl.is_some_and(|acl| acl != Acl::private(&bucket.owner)) {
            return Err(Code::InvalidBucketAclWithObjectOwnership.into());
        }
        Ownership::keep(wanted, &mut bucket.settings);
        Ok(())
    };
    gw.storage.bucket_change(bucket, change).await.map(|_| ())
}
