//! PutObjectLegalHold, GetObjectLegalHold.

use super::locks::check_bucket;
use super::version;
use crate::access::Ask;
use crate::authorise::Wish;
use crate::error::{Code, S3Error};
use crate::object_lock;
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::storage::LockChange;
use crate::xml::Document;
use gateway_client::Rados;
use http::StatusCode;

/// The largest document, bytes.
const MAX_DOCUMENT_BYTES: u64 = 16 * 1024;

/// Shows whether a version is held.
pub(crate) async fn get<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_of_anybody(gw).await?;
    let entry = version::find_for(gw, &rq, &bucket, Wish::new(Ask::GET_LEGAL_HOLD, Some(rq.key()))).await?;
    check_bucket(&bucket)?;
    let hold = entry.attrs.lock.and_then(|lock| lock.legal_hold);
    let absent = || S3Error::new(Code::NoSuchObjectLockConfiguration).field("Key", rq.key());
    let on = hold.ok_or_else(absent)?;
    let mut d = Document::new("LegalHold");
    d.leaf("Status", if on { "ON" } else { "OFF" });
    Ok(response::document(StatusCode::OK, d))
}

/// Puts a hold on a version, or takes it off.
pub(crate) async fn put<R: Rados>(gw: &Gateway<R>, mut rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_of_anybody(gw).await?;
    version::find_for(gw, &rq, &bucket, Wish::new(Ask::PUT_LEGAL_HOLD, Some(rq.key()))).await?;
    check_bucket(&bucket)?;
    let on = object_lock::hold_of_document(&rq.document(MAX_DOCUMENT_BYTES).await?)?;
    let (which, change) = (version::which(&rq)?, LockChange::LegalHold(on));
    let changed = gw.storage.set_lock(&bucket, rq.key(), which, change, false).await?;
    let mut response = response::empty(StatusCode::OK);
    version::set_version(response.headers_mut(), &bucket, changed);
    Ok(response)
}
