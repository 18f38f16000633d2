//! Reading the settings of a bucket that has none: what S3 answers for a new bucket. Setting them comes with
//! the features behind them; until then PUT and DELETE of them answer `NotImplemented`.

use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::xml::Document;
use gateway_client::Rados;
use http::StatusCode;

/// Answers GET of the subresource `name`.
pub(crate) async fn get<R: Rados>(gw: &Gateway<R>, rq: Request, name: &str) -> Result<Response, S3Error> {
    let bucket = rq.bucket(gw).await?;
    let absent = |code| Err(S3Error::new(code).field("BucketName", bucket.name.clone()));
    let document = match name {
        "accelerate" => Document::new("AccelerateConfiguration"),
        "logging" => Document::new("BucketLoggingStatus"),
        "notification" => Document::new("NotificationConfiguration"),
        "replication" => return absent(Code::ReplicationConfigurationNotFoundError),
        _ => return Err(Code::NotImplemented.into()),
    };
    Ok(response::document(StatusCode::OK, document))
}
