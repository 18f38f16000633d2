//! PutObjectRetention, GetObjectRetention.

use super::locks::{bypass, check_bucket};
use super::version;
use crate::access::Ask;
use crate::authorise::Wish;
use crate::error::{Code, S3Error};
use crate::object_lock;
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::storage::LockChange;
use gateway_client::Rados;
use http::StatusCode;

/// The largest document, bytes.
const MAX_DOCUMENT_BYTES: u64 = 16 * 1024;

/// Shows how long a version is retained.
pub(crate) async fn get<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_of_anybody(gw).await?;
    let entry = version::find_for(gw, &rq, &bucket, Wish::new(Ask::GET_RETENTION, Some(rq.key()))).await?;
    check_bucket(&bucket)?;
    let retention = entry.attrs.lock.and_then(|lock| lock.retention);
    let absent = || S3Error::new(Code::NoSuchObjectLockConfiguration).field("Key", rq.key());
    let document = object_lock::retention_document(retention.ok_or_else(absent)?);
    Ok(response::document(StatusCode::OK, document))
}

/// Sets it.
pub(crate) async fn put<R: Rados>(gw: &Gateway<R>, mut rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_of_anybody(gw).await?;
    version::find_for(gw, &rq, &bucket, Wish::new(Ask::PUT_RETENTION, Some(rq.key()))).await?;
    check_bucket(&bucket)?;
    let retention = object_lock::retention_of_document(&rq.document(MAX_DOCUMENT_BYTES).await?, gw.now())?;
    let bypass = bypass(gw, &rq, &bucket, rq.key());
    let (which, change) = (version::which(&rq)?, LockChange::Retention(retention));
    let changed = gw.storage.set_lock(&bucket, rq.key(), which, change, bypass).await?;
    let mut response = response::empty(StatusCode::OK);
    version::set_version(response.headers_mut(), &bucket, changed);
    Ok(response)
}
