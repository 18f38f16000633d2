//! GetObjectAttributes.

use super::get::part_limit;
use super::headers::checksum_text;
use super::version;
use crate::access::Ask;
use crate::authorise::Wish;
use crate::dates;
use crate::encryption;
use crate::error::S3Error;
use crate::request::Request;
use crate::response::{self, Response, set};
use crate::server::Gateway;
use crate::storage::Entry;
use crate::xml::Document;
use gateway_client::Rados;
use http::StatusCode;

const KNOWN: [&str; 5] = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"];

/// Describes an object as far as it is asked to.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_of_anybody(gw).await?;
    let lines: Vec<&str> =
        rq.headers.get_all("x-amz-object-attributes").iter().map(|v| v.to_str().unwrap_or("?")).collect();
    let wanted: Vec<&str> =
        lines.iter().flat_map(|l| l.split(',')).map(str::trim).filter(|w| !w.is_empty()).collect();
    if wanted.is_empty() || wanted.iter().any(|w| !KNOWN.contains(w)) {
        let message = "Invalid attribute name specified.";
        return Err(S3Error::invalid_argument(message, "x-amz-object-attributes", &wanted.join(",")));
    }
    let mut entry = version::find(gw, &rq, &bucket, false).await?;
    encryption::unlock_for_read(gw, &rq, &mut entry).await?;
    let wish = Wish::new(Ask::ATTRIBUTES, Some(rq.key())).version(version::which(&rq)?);
    rq.check_not_denied(gw, &bucket, wish.object(&entry))?;
    let wants = |name| wanted.contains(&name);

    let mut d = Document::new("GetObjectAttributesResponse");
    if wants("ETag") {
        d.leaf("ETag", &entry.etag.to_string());
    }
    if let (true, Some(checksum)) = (wants("Checksum"), &entry.checksum) {
        d.open("Checksum");
        d.leaf(checksum.checksum.algorithm.element(), &checksum_text(checksum, entry.etag.parts));
        d.leaf("ChecksumType", checksum.kind.name()).close();
    }
    if wants("ObjectParts") && !entry.parts.is_empty() {
        write_parts(&mut d, &rq, &entry)?;
    }
    if wants("StorageClass") {
        let class = &entry.attrs.storage_class;
        d.leaf("StorageClass", if class.is_empty() { "STANDARD" } else { class });
    }
    if wants("ObjectSize") {
        d.leaf("ObjectSize", &entry.size.to_string());
    }
    let mut response = response::document(StatusCode::OK, d);
    set(response.headers_mut(), "last-modified", &dates::http(entry.mtime.seconds()));
    version::set_version(response.headers_mut(), &bucket, entry.version);
    Ok(response)
}

fn write_parts(d: &mut Document, rq: &Request, entry: &Entry) -> Result<(), S3Error> {
    let marker = part_limit(rq, "x-amz-part-number-marker", 0)?;
    let max = part_limit(rq, "x-amz-max-parts", 1000)?.min(1000);
    let behind = || entry.parts.iter().filter(|p| u32::from(p.number) > marker);
    let page: Vec<_> = behind().take(max as usize).collect();
    let truncated = behind().count() > page.len();
    let next = page.last().map_or(marker, |p| u32::from(p.number));

    d.open("ObjectParts").leaf("PartsCount", &entry.parts.len().to_string());
    d.leaf("PartNumberMarker", &marker.to_string()).leaf("NextPartNumberMarker", &next.to_string());
    d.leaf("MaxParts", &max.to_string()).leaf("IsTruncated", if truncated { "true" } else { "false" });
    for part in page {
        d.open("Part").leaf("PartNumber", &part.number.to_string()).leaf("Size", &part.size.to_string());
        if let Some(checksum) = &part.checksum {
            d.leaf(checksum.algorithm.element(), &checksum.base64());
        }
        d.close();
    }
    d.close();
    Ok(())
}
