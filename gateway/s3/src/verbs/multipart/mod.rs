//! Verbs about multipart uploads.

pub(crate) mod abort;
mod checksums;
pub(crate) mod complete;
pub(crate) mod copy_part;
pub(crate) mod create;
pub(crate) mod list_parts;
pub(crate) mod list_uploads;
pub(crate) mod upload_part;

use crate::access::Acl;
use crate::error::{Code, S3Error};
use crate::people::People;
use crate::request::Request;
use crate::storage::{Bucket, UploadId, UploadInfo};
use crate::xml::Document;

/// The highest part number.
const MAX_PART: u16 = 10_000;

/// The upload that `uploadId` names. `NoSuchUpload` for what can be no upload's id.
fn upload_id(rq: &Request) -> Result<UploadId, S3Error> {
    let text = rq.query.get("uploadId").unwrap_or("");
    UploadId::parse(text).ok_or_else(|| S3Error::new(Code::NoSuchUpload).field("UploadId", text))
}

/// The part that `partNumber` names. `InvalidArgument` unless it is 1 to 10000.
fn part_number(rq: &Request) -> Result<u16, S3Error> {
    let text = rq.query.get("partNumber").unwrap_or("");
    text.parse().ok().filter(|n| (1..=MAX_PART).contains(n)).ok_or_else(|| {
        let message = "Part number must be an integer between 1 and 10000, inclusive";
        S3Error::invalid_argument(message, "partNumber", text)
    })
}

/// Writes who began an upload and who will own the object, as its ACL says.
fn write_people(d: &mut Document, people: &People, owner: &str) {
    for element in ["Initiator", "Owner"] {
        people.write(d, element, owner);
    }
}

/// Who began an upload.
fn owner(bucket: &Bucket, upload: &UploadInfo) -> Result<String, S3Error> {
    Ok(Acl::of(&upload.attrs.extra)?.map_or_else(|| bucket.owner.clone(), |acl| acl.owner))
}
