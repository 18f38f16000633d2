//! PutBucketLogging, GetBucketLogging; and PostBucketLogging, RGW's way to have a log delivered now.

use crate::access::Ask;
use crate::authorise::Wish;
use crate::bucket_log::{Logging, check_target, of_document, to_document};
use crate::dates;
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::{self, Response, set};
use crate::server::Gateway;
use crate::storage::{Bucket, full_name, split_name};
use crate::verbs::bucket::name;
use crate::xml::Document;
use gateway_client::Rados;
use http::StatusCode;

/// The largest document, bytes.
const MAX_DOCUMENT_BYTES: u64 = 64 * 1024;

/// Shows where the bucket's log goes, and since when.
pub(crate) async fn get<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::GET_LOGGING).await?;
    let logging = Logging::of(&bucket.settings)?;
    let mut response =
        response::document(StatusCode::OK, to_document(logging.as_ref(), gw.bucket_logs.roll_s()));
    if let Some(logging) = logging {
        set(response.headers_mut(), "last-modified", &dates::http(logging.set_ms / 1000));
    }
    Ok(response)
}

/// Sets it, or sets none. What was logged by what is replaced is delivered first.
pub(crate) async fn put<R: Rados>(gw: &Gateway<R>, mut rq: Request) -> Result<Response, S3Error> {
    // Only for the owner, whatever its policy says.
    let bucket = rq.bucket(gw).await?;
    rq.check_not_denied(gw, &bucket, Wish::new(Ask::PUT_LOGGING, None))?;
    let mut wanted = of_document(&rq.document(MAX_DOCUMENT_BYTES).await?)?;
    if let Some(logging) = &mut wanted {
        logging.target = target_name(&bucket, &logging.target_named);
        logging.set_ms = gw.storage.rados().now().millis();
        if logging.target == bucket.full_name() {
            let message = "A bucket cannot be the target of its own log.";
            return Err(S3Error::invalid_argument(message, "TargetBucket", &logging.target_named));
        }
        let missing = || {
            let message = "The target bucket for logging does not exist.";
            S3Error::with_message(Code::NoSuchKey, message)
                .field("TargetBucket", logging.target_named.clone())
        };
        if name::check(split_name(&logging.target).1).is_err() {
            return Err(missing());
        }
        let target = gw.storage.settled(&logging.target).await?.ok_or_else(missing)?;
        check_target(&target, (&bucket.full_name(), &bucket.owner), &[&logging.prefix])?;
    }
    let old = Logging::of(&bucket.settings)?;
    let unchanged = old.as_ref().zip(wanted.as_ref()).is_some_and(|(old, new)| old.says(new));
    if unchanged || (old.is_none() && wanted.is_none()) {
        return Ok(response::empty(StatusCode::OK));
    }
    let change = |bucket: &mut Bucket| {
        Logging::keep(wanted.as_ref(), &mut bucket.settings);
        Ok(())
    };
    gw.storage.bucket_change(&bucket, change).await?;
    let flushed = match &old {
        None => None,
        Some(old) => gw.bucket_logs.flush(&gw.storage, &bucket, old, false).await.unwrap_or_else(|e| {
            // It is delivered when it is due, if it ever can be.
            tracing::debug!(bucket = bucket.name, "a log that is replaced was not delivered at once: {e}");
            None
        }),
    };
    Ok(match flushed {
        None => response::empty(StatusCode::OK),
        Some(key) => answer("PutBucketLoggingOutput", &key),
    })
}

/// Delivers what was logged so far, and says in which object.
pub(crate) async fn flush<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket(gw).await?;
    rq.check_not_denied(gw, &bucket, Wish::new(Ask::PUT_LOGGING, None))?;
    let logging = Logging::of(&bucket.settings)?.ok_or_else(|| {
        S3Error::with_message(Code::NoSuchKey, "The bucket has no logging that could be flushed.")
    })?;
    let key = gw.bucket_logs.flush(&gw.storage, &bucket, &logging, true).await?;
    Ok(answer("PostBucketLoggingOutput", key.as_deref().unwrap_or("")))
}

fn answer(root: &'static str, key: &str) -> Response {
    let mut d = Document::new(root);
    d.leaf("FlushedLoggingObject", key);
    response::document(StatusCode::OK, d)
}

/// The full name of what is named `NAME`, in the bucket's own tenant, or `TENANT:NAME`.
fn target_name(bucket: &Bucket, named: &str) -> String {
    let (tenant, name) = named.split_once(':').unwrap_or((&bucket.tenant, named));
    full_name(tenant, name)
}
