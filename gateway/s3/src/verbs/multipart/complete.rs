//! CompleteMultipartUpload. It only moves rows of the index, so the answer never needs to be kept waiting with
//! white space.

use super::checksums::Claimed;
use super::{MAX_PART, upload_id};
use crate::access::Ask;
use crate::access_log::Change;
use crate::checksum::{Checksum, ChecksumAlgorithm};
use crate::encryption;
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::storage::{Bucket, CompletePart, ETag, Sealing, UploadId};
use crate::uri;
use crate::verbs::object::version::set_new_version;
use crate::verbs::object::{checksum_text, write_conditions};
use crate::xml::{self, Document};
use gateway_client::Rados;
use http::StatusCode;

/// The largest document: 10000 parts with an ETag and a SHA-256 each are below 3 MiB.
const MAX_DOCUMENT_BYTES: u64 = 4 << 20;
/// A `Part` has up to seven elements in it.
const MAX_ELEMENTS: usize = MAX_PART as usize * 8 + 8;

/// Makes the object of the parts that the document names.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, mut rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::PUT).await?;
    let id = upload_id(&rq)?;
    let claimed = Claimed::of_headers(&rq.headers)?;
    let conditions = write_conditions(&rq.headers);
    // Its checksum headers are about the object, not about this document.
    for algorithm in ChecksumAlgorithm::ALL {
        rq.headers.remove(algorithm.header());
    }
    let mut parts = parse(&rq.document(MAX_DOCUMENT_BYTES).await?)?;
    // A part that was sent twice may be named twice: the last one counts, as in RGW.
    parts.reverse();
    parts.dedup_by_key(|part| part.number);
    parts.reverse();
    if !parts.is_sorted_by(|a, b| a.number < b.number) {
        return Err(Code::InvalidPartOrder.into());
    }
    let sealing = sealing(gw, &rq, &bucket, id).await?;
    let named = parts.clone();
    let done = gw
        .storage
        .upload_complete(&bucket, rq.key(), id, parts, conditions, move |upload, stored| {
            claimed.check(upload, stored, &named)
        })
        .await?;

    rq.noted().changed(Change {
        key: rq.key().to_string(),
        size: done.size,
        version: None,
        etag: done.etag.to_string(),
    });

    let mut d = Document::new("CompleteMultipartUploadResult");
    let host = rq.header("host").unwrap_or("");
    let location =
        format!("{}://{host}/{}/{}", rq.scheme(), bucket.name, uri::encode(rq.key().as_bytes(), true));
    d.leaf("Location", &location).leaf("Bucket", &bucket.name).leaf("Key", rq.key());
    d.leaf("ETag", &format!("\"{}\"", done.etag));
    if let Some(checksum) = &done.checksum {
        let element = checksum.checksum.algorithm.element();
        d.leaf(element, &checksum_text(checksum, done.etag.parts)).leaf("ChecksumType", checksum.kind.name());
    }
    let mut response = response::document(StatusCode::OK, d);
    encryption::describe(response.headers_mut(), sealing.as_ref(), &rq.headers);
    set_new_version(response.headers_mut(), done.version);
    Ok(response)
}

/// How the upload is encrypted; its customer's key must come along again. None also of one that is complete already.
async fn sealing<R: Rados>(
    gw: &Gateway<R>,
    rq: &Request,
    bucket: &Bucket,
    id: UploadId,
) -> Result<Option<Sealing>, S3Error> {
    match gw.storage.upload_get(bucket, rq.key(), id).await {
        Ok(upload) => {
            let seal = encryption::seal_of_upload(gw, &rq.headers, &upload.attrs.extra).await?;
            Ok(seal.map(|seal| seal.sealing))
        }
        Err(e) if e.code() == Code::NoSuchUpload => Ok(None),
        Err(e) => Err(e),
    }
}

#[derive(Default)]
struct Named {
    number: Option<u16>,
    etag: Option<String>,
    checksum: Option<Checksum>,
}

/// Whether a document is read: for the fuzzer.
pub(crate) fn reads_document(document: &[u8]) -> bool {
    parse(document).is_ok()
}

/// The parts in the document's order. `MalformedXML` for none, for more than there can be, and for one without
/// a number or an ETag.
fn parse(document: &[u8]) -> Result<Vec<CompletePart>, S3Error> {
    let malformed = || S3Error::new(Code::MalformedXML);
    let (mut parts, mut current) = (Vec::new(), Named::default());
    xml::walk(document, "CompleteMultipartUpload", MAX_ELEMENTS, |path, text| {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match path[..] {
            ["Part", "PartNumber"] => {
                let number: i64 = text.trim().parse().map_err(|_| malformed())?;
                let number = u16::try_from(number).ok().filter(|n| (1..=MAX_PART).contains(n));
                current.number = Some(number.ok_or_else(|| {
                    let message = "PartNumber must be >= 1 and <= 10000";
                    S3Error::invalid_argument(message, "PartNumber", text)
                })?);
            }
            ["Part", "ETag"] => current.etag = Some(text.trim().to_string()),
            ["Part", name] => {
                if let Some(algorithm) = ChecksumAlgorithm::ALL.into_iter().find(|a| a.element() == name) {
                    let checksum = Checksum::from_base64(algorithm, text);
                    current.checksum = Some(checksum.ok_or_else(|| S3Error::new(Code::InvalidPart))?);
                }
            }
            ["Part"] => {
                let Named { number, etag, checksum } = std::mem::take(&mut current);
                let (number, etag) = number.zip(etag).ok_or_else(malformed)?;
                if parts.len() >= usize::from(MAX_PART) {
                    return Err(malformed());
                }
                parts.push(CompletePart { number, etag: ETag::parse(&etag), checksum });
            }
            _ => {}
        }
        Ok(())
    })?;
    if parts.is_empty() { Err(malformed()) } else { Ok(parts) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_read_and_bounded() {
        let part = |n: &str, rest: &str| format!("<Part><PartNumber>{n}</PartNumber>{rest}</Part>");
        let of = |inner: &str| {
            let text = format!("<CompleteMultipartUpload xmlns='x'>{inner}</CompleteMultipartUpload>");
            parse(text.as_bytes()).map_err(|e| e.code())
        };
        let etag = "<ETag>\"5d41402abc4b2a76b9719d911017c592\"</ETag>";
        let parts = of(&part("7", &format!("{etag}<ChecksumCRC32>y/Q5Jg==</ChecksumCRC32>"))).unwrap();
        assert_eq!((parts[0].number, parts[0].etag), (7, ETag::parse("5d41402abc4b2a76b9719d911017c592")));
        assert!(parts[0].checksum.is_some());
        assert_eq!(of(&part("1", "<ETag>x</ETag>")).unwrap()[0].etag, None);
        assert_eq!(of(""), Err(Code::MalformedXML));
        assert_eq!(of(&part("1", "")), Err(Code::MalformedXML));
        assert_eq!(of(&part("x", etag)), Err(Code::MalformedXML));
        assert_eq!(of(&part("0", etag)), Err(Code::InvalidArgument));
        assert_eq!(of(&part("10001", etag)), Err(Code::InvalidArgument));
        assert_eq!(of(&part("1", "<ETag>x</ETag>").repeat(10_001)), Err(Code::MalformedXML));
    }
}
