//! HeadObject.

use super::get::Answer;
use super::version;
use crate::encryption;
use crate::error::S3Error;
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use gateway_client::Rados;

/// Describes an object as GET would, without its bytes.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_of_anybody(gw).await?;
    let mut entry = version::find(gw, &rq, &bucket, false).await?;
    let answer = Answer::of(&rq, &entry)?;
    encryption::unlock_for_read(gw, &rq, &mut entry).await?;
    let mut response = response::empty(answer.status);
    answer.describe(response.headers_mut(), &rq, &entry)?;
    version::set_version(response.headers_mut(), &bucket, entry.version);
    version::set_expiration_of(response.headers_mut(), &rq, &bucket, &entry)?;
    Ok(response)
}
