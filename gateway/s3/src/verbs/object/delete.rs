//! DeleteObject.

use super::write_conditions;
use crate::error::S3Error;
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::storage::Conditions;
use crate::verbs::refuse_unbuilt;
use gateway_client::Rados;
use http::StatusCode;

/// Removes an object. That there is none is no error.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket(gw).await?;
    refuse_unbuilt(&rq)?;
    // Only If-Match is defined for deletes.
    let conditions = Conditions { if_none_match: None, ..write_conditions(&rq.headers) };
    gw.storage.delete(&bucket, rq.key(), conditions).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}
