//! What requests say about object locks in their headers.

use crate::access::Ask;
use crate::authorise::Wish;
use crate::error::{Code, S3Error};
use crate::object_lock::{parse_mode, retention};
use crate::request::Request;
use crate::server::Gateway;
use crate::storage::{Bucket, ObjectLock};
use gateway_client::Rados;

const MODE: &str = "x-amz-object-lock-mode";
const UNTIL: &str = "x-amz-object-lock-retain-until-date";
const HOLD: &str = "x-amz-object-lock-legal-hold";

/// Refuses what is about locks where nothing can be locked. `InvalidRequest`.
pub(super) fn check_bucket(bucket: &Bucket) -> Result<(), S3Error> {
    if bucket.lock()?.is_some() {
        return Ok(());
    }
    Err(S3Error::with_message(Code::InvalidRequest, "Bucket is missing Object Lock Configuration"))
}

/// The lock that a new object is to have, if its headers name one. `InvalidRequest`, `InvalidArgument`,
/// `AccessDenied`.
pub(crate) fn of_headers<R: Rados>(
    gw: &Gateway<R>,
    rq: &Request,
    bucket: &Bucket,
) -> Result<Option<ObjectLock>, S3Error> {
    let (mode, until, hold) = (rq.header(MODE), rq.header(UNTIL), rq.header(HOLD));
    if mode.is_none() && until.is_none() && hold.is_none() {
        return Ok(None);
    }
    check_bucket(bucket)?;
    let retention = match (mode, until) {
        (None, None) => None,
        (Some(mode), Some(until)) => {
            let unknown = || S3Error::invalid_argument("Unknown wormMode directive.", MODE, mode);
            rq.check(gw, bucket, Wish::new(Ask::PUT_RETENTION, Some(rq.key())))?;
            Some(retention(parse_mode(mode).ok_or_else(unknown)?, until, gw.now())?)
        }
        _ => {
            let message =
                "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied";
            return Err(S3Error::invalid_argument(message, MODE, mode.unwrap_or("")));
        }
    };
    let legal_hold = match hold {
        None => None,
        Some(word @ ("ON" | "OFF")) => {
            rq.check(gw, bucket, Wish::new(Ask::PUT_LEGAL_HOLD, Some(rq.key())))?;
            Some(word == "ON")
        }
        Some(other) => {
            let message = "Legal Hold must be either of 'ON' or 'OFF'";
            return Err(S3Error::invalid_argument(message, HOLD, other));
        }
    };
    Ok(Some(ObjectLock { retention, legal_hold }))
}

/// Whether the sender wants to pass over retentions of the mode Governance, and may.
pub(crate) fn bypass<R: Rados>(gw: &Gateway<R>, rq: &Request, bucket: &Bucket, key: &str) -> bool {
    let asks =
        rq.header("x-amz-bypass-governance-retention").is_some_and(|word| word.eq_ignore_ascii_case("true"));
    asks && rq.check(gw, bucket, Wish::new(Ask::BYPASS_RETENTION, Some(key))).is_ok()
}
