//! Reading what may be attached to an object and is not built.

use super::version;
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::Response;
use crate::server::Gateway;
use gateway_client::Rados;

/// Answers GET of any other subresource.
pub(crate) async fn get<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket(gw).await?;
    version::find(gw, &rq, &bucket, false).await?;
    if rq.query.has("torrent") {
        // As RGW answers where nobody turned torrents on.
        return Err(S3Error::new(Code::NoSuchKey).field("Key", rq.key()));
    }
    Err(Code::NotImplemented.into())
}
