//! PutBucketAcl and PutObjectAcl, as far as they ask for what is the case: the owner alone.

use super::{object, refuse_unbuilt};
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::{Gateway, Target};
use gateway_client::Rados;
use http::StatusCode;

/// Takes the canned ACLs that change nothing; any other ACL is not built.
pub(super) async fn run<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket(gw).await?;
    refuse_unbuilt(&rq)?;
    if rq.header("x-amz-acl").is_none() {
        return Err(Code::NotImplemented.into());
    }
    if let Target::Object(..) = &rq.target {
        object::version::find(gw, &rq, &bucket, false).await?;
    }
    Ok(response::empty(StatusCode::OK))
}
