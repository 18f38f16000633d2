//! UploadPartCopy.

use super::{part_number, upload_id};
use crate::access::Ask;
use crate::dates;
use crate::encryption;
use crate::error::S3Error;
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::verbs::object::{CopySource, Span, copy_range};
use crate::xml::Document;
use gateway_client::Rados;
use http::StatusCode;

/// Stores a part made of another object's bytes, all or a range.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::PUT).await?;
    let number = part_number(&rq)?;
    let id = upload_id(&rq)?;
    let upload = gw.storage.upload_get(&bucket, rq.key(), id).await?;
    let seal = encryption::seal_of_upload(gw, &rq.headers, &upload.attrs.extra).await?;
    let source = CopySource::find(gw, &rq).await?;
    let span = match rq.header("x-amz-copy-source-range") {
        Some(text) => copy_range(text, source.entry.size)?,
        None => Span { offset: 0, length: source.entry.size },
    };
    gw.storage.check_quota(&bucket, span.length).await?;
    let mut body = source.body(&gw.storage, span, upload.checksum.map(|(algorithm, _)| algorithm))?;
    let place = (upload.attrs.storage_class.as_str(), seal.as_ref());
    let part = gw.storage.part_put_in(&bucket, rq.key(), (id, number), &mut body, place).await?;

    let mut d = Document::new("CopyPartResult");
    d.leaf("LastModified", &dates::iso(part.mtime)).leaf("ETag", &format!("\"{}\"", part.etag));
    if let Some(checksum) = &part.checksum {
        d.leaf(checksum.algorithm.element(), &checksum.base64());
    }
    let mut response = response::document(StatusCode::OK, d);
    encryption::describe(response.headers_mut(), seal.as_ref().map(|seal| &seal.sealing), &rq.headers);
    source.set_version(response.headers_mut());
    Ok(response)
}
