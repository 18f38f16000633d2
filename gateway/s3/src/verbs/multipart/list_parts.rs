//! ListParts.

use super::{owner, upload_id, write_people};
use crate::access::Ask;
use crate::dates;
use crate::error::S3Error;
use crate::people::People;
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::verbs::bucket::{Encoding, limit};
use crate::xml::Document;
use gateway_client::Rados;
use http::StatusCode;

/// Lists a page of an upload's parts behind `part-number-marker`.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::LIST_PARTS).await?;
    let encoding = Encoding::of(&rq.query)?;
    let max = limit(&rq.query, "max-parts")?;
    let marker = match rq.query.get("part-number-marker").filter(|t| !t.is_empty()) {
        None => 0,
        Some(text) => text.parse().map(|n: u32| u16::try_from(n).unwrap_or(u16::MAX)).map_err(|_| {
            S3Error::invalid_argument("Provided value not an integer", "part-number-marker", text)
        })?,
    };
    let id = upload_id(&rq)?;
    // A page of one part still says whether the upload exists.
    let mut page = gw.storage.part_list(&bucket, rq.key(), id, marker, max.max(1)).await?;
    if max == 0 {
        page.parts.clear();
        page.truncated = false;
    }

    let owner = owner(&bucket, &page.upload)?;
    let people = People::of(gw, [owner.as_str()]).await?;
    let mut d = Document::new("ListPartsResult");
    d.leaf("Bucket", &bucket.name).leaf("Key", &encoding.of_key(rq.key())).leaf("UploadId", &id.to_string());
    write_people(&mut d, &people, &owner);
    let class = if page.upload.attrs.storage_class.is_empty() {
        "STANDARD"
    } else {
        &page.upload.attrs.storage_class
    };
    d.leaf("StorageClass", class);
    d.leaf("PartNumberMarker", &marker.to_string());
    let next = page.parts.last().map_or(marker, |p| p.number);
    d.leaf("NextPartNumberMarker", &next.to_string()).leaf("MaxParts", &max.to_string());
    encoding.write(&mut d);
    d.leaf("IsTruncated", if page.truncated { "true" } else { "false" });
    if let Some((algorithm, kind)) = page.upload.checksum {
        d.leaf("ChecksumAlgorithm", algorithm.name()).leaf("ChecksumType", kind.name());
    }
    for part in &page.parts {
        d.open("Part").leaf("PartNumber", &part.number.to_string());
        d.leaf("LastModified", &dates::iso(part.mtime)).leaf("ETag", &format!("\"{}\"", part.etag));
        d.leaf("Size", &part.size.to_string());
        if let Some(checksum) = &part.checksum {
            d.leaf(checksum.algorithm.element(), &checksum.base64());
        }
        d.close();
    }
    Ok(response::document(StatusCode::OK, d))
}
