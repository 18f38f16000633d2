//! Reading what may be attached to an object, when nothing is.

use super::version;
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::verbs::bucket::settings::access_control;
use gateway_client::Rados;
use http::StatusCode;

/// Answers GET of the subresource `name`.
pub(crate) async fn get<R: Rados>(gw: &Gateway<R>, rq: Request, name: &str) -> Result<Response, S3Error> {
    let bucket = rq.bucket(gw).await?;
    version::find(gw, &rq, &bucket, false).await?;
    let document = match name {
        "acl" => access_control(rq.uid(), &rq.credential.user.display_name),
        "retention" | "legal-hold" => {
            let message = "Bucket is missing Object Lock Configuration";
            return Err(S3Error::with_message(Code::InvalidRequest, message));
        }
        _ => return Err(Code::NotImplemented.into()),
    };
    Ok(response::document(StatusCode::OK, document))
}
