//! The headers that describe an object in answers.

use super::attrs::DEFAULT_CONTENT_TYPE;
use crate::checksum::ChecksumKind;
use crate::dates;
use crate::encryption;
use crate::error::{Code, S3Error};
use crate::lifecycle;
use crate::object_lock;
use crate::request::Request;
use crate::response::{header_value, set};
use crate::storage::{Bucket, Entry, ObjectChecksum, ObjectLock};
use crate::tags::{self, Tag};
use http::HeaderMap;
use http::header::HeaderName;
use stdx::time::WallTime;

/// Query parameters that replace headers of the answer.
const OVERRIDES: [(&str, &str); 6] = [
    ("response-cache-control", "cache-control"),
    ("response-content-disposition", "content-disposition"),
    ("response-content-encoding", "content-encoding"),
    ("response-content-language", "content-language"),
    ("response-content-type", "content-type"),
    ("response-expires", "expires"),
];

/// Sets what is known of an object, with the replacements that the request asks for. `InvalidRequest` for a
/// replacement that is no header.
pub(crate) fn describe(headers: &mut HeaderMap, entry: &Entry, rq: &Request) -> Result<(), S3Error> {
    set(headers, "etag", &format!("\"{}\"", entry.etag));
    set(headers, "last-modified", &dates::http(entry.mtime.seconds()));
    set(headers, "accept-ranges", "bytes");
    set(headers, "content-type", DEFAULT_CONTENT_TYPE);
    for (name, value) in &entry.attrs.headers {
        insert(headers, name, value);
    }
    for (name, value) in &entry.attrs.metadata {
        insert(headers, &format!("x-amz-meta-{name}"), value);
    }
    // S3 names the class only where it is not the usual one.
    if !entry.attrs.storage_class.is_empty() {
        set(headers, "x-amz-storage-class", &entry.attrs.storage_class);
    }
    if let Some(lock) = &entry.attrs.lock {
        set_lock(headers, lock);
    }
    encryption::describe(headers, entry.sealing()?.as_ref(), &rq.headers);
    let tags = tags::of(&entry.attrs.extra)?.len();
    if tags > 0 {
        set(headers, "x-amz-tagging-count", &tags.to_string());
    }
    for (parameter, name) in OVERRIDES {
        let Some(value) = rq.query.get(parameter) else { continue };
        let bytes: String = value.bytes().map(char::from).collect();
        let value = header_value(&bytes).ok_or_else(|| {
            S3Error::with_message(Code::InvalidRequest, format!("{parameter} cannot be sent as a header."))
        })?;
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(())
}

/// Says when a current object expires, where a lifecycle rule ends it.
pub(crate) fn set_expiration(
    headers: &mut HeaderMap,
    bucket: &Bucket,
    key: &str,
    (size, mtime): (u64, WallTime),
    tags: &[Tag],
) -> Result<(), S3Error> {
    let rules = lifecycle::of(&bucket.settings)?;
    if let Some((at, id)) = lifecycle::expiration_of(&rules, key, size, mtime.millis(), tags) {
        let text = format!("expiry-date=\"{}\", rule-id=\"{id}\"", dates::http(at));
        set(headers, "x-amz-expiration", &text);
    }
    Ok(())
}

fn set_lock(headers: &mut HeaderMap, lock: &ObjectLock) {
    if let Some(retention) = lock.retention {
        set(headers, "x-amz-object-lock-mode", object_lock::mode_name(retention.mode));
        let until = dates::iso(WallTime(retention.until_ms.saturating_mul(1_000_000)));
        set(headers, "x-amz-object-lock-retain-until-date", &until);
    }
    if let Some(on) = lock.legal_hold {
        set(headers, "x-amz-object-lock-legal-hold", if on { "ON" } else { "OFF" });
    }
}

fn insert(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Some(value)) = (HeaderName::from_bytes(name.as_bytes()), header_value(value)) {
        headers.insert(name, value);
    }
}

/// Sets the additional checksum of an object of so many parts; 0 for one part, or for an object of a single put.
pub(crate) fn set_checksum(headers: &mut HeaderMap, checksum: &ObjectChecksum, parts: u16) {
    let name = checksum.checksum.algorithm.header();
    set(headers, name, &checksum_text(checksum, parts));
    set(headers, "x-amz-checksum-type", checksum.kind.name());
}

/// A checksum as headers and documents carry it: a composite one ends with the number of parts.
pub(crate) fn checksum_text(checksum: &ObjectChecksum, parts: u16) -> String {
    match checksum.kind {
        ChecksumKind::Composite if parts > 0 => format!("{}-{parts}", checksum.checksum.base64()),
        ChecksumKind::Composite | ChecksumKind::FullObject => checksum.checksum.base64(),
    }
}
