//! Reading what may be attached to an object, when nothing is.

use super::version;
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::Response;
use crate::server::Gateway;
use gateway_client::Rados;

/// Answers GET of the subresource `name`.
pub(crate) async fn get<R: Rados>(gw: &Gateway<R>, rq: Request, name: &str) -> Result<Response, S3Error> {
    let bucket = rq.bucket(gw).await?;
    version::find(gw, &rq, &bucket, false).await?;
    match name {
        "retention" | "legal-hold" => {
            let message = "Bucket is missing Object Lock Configuration";
            Err(S3Error::with_message(Code::InvalidRequest, message))
        }
        _ => Err(Code::NotImplemented.into()),
    }
}
