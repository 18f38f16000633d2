//! UploadPart.

use super::{checksums, part_number, upload_id};
use crate::access::Ask;
use crate::encryption;
use crate::error::S3Error;
use crate::request::Request;
use crate::response::{self, Response, set};
use crate::server::Gateway;
use crate::storage::Body;
use gateway_client::Rados;
use http::StatusCode;

/// Stores a part.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, mut rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::PUT).await?;
    let number = part_number(&rq)?;
    let id = upload_id(&rq)?;
    // Before the body, so that nobody sends 5 GiB to an upload that is gone.
    let upload = gw.storage.upload_get(&bucket, rq.key(), id).await?;
    let seal = encryption::seal_of_upload(gw, &rq.headers, &upload.attrs.extra).await?;
    let mut body = rq.take_body()?;
    checksums::check_part(&upload, body.announced_algorithm())?;
    if let Some((algorithm, _)) = upload.checksum {
        body.also_compute(algorithm);
    }
    gw.storage.check_quota(&bucket, body.length_hint().unwrap_or(0)).await?;
    let place = (upload.attrs.storage_class.as_str(), seal.as_ref());
    let part = gw.storage.part_put_in(&bucket, rq.key(), (id, number), &mut body, place).await?;

    let mut response = response::empty(StatusCode::OK);
    let headers = response.headers_mut();
    encryption::describe(headers, seal.as_ref().map(|seal| &seal.sealing), &rq.headers);
    set(headers, "etag", &format!("\"{}\"", part.etag));
    if let Some(checksum) = &part.checksum {
        set(headers, checksum.algorithm.header(), &checksum.base64());
    }
    Ok(response)
}
