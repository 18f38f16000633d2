//! Between what verbs see and what rows hold.

use super::encryption::Sealing;
use super::manifest::{Manifest, Run};
use super::types::{
    BucketId, Conditions, ETag, Entry, ListEntry, Match, ObjectAttrs, ObjectChecksum, PartInfo, UploadId,
    UploadInfo,
};
use super::version_types::VersionId;
use crate::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind};
use crate::error::S3Error;
use bytes::Bytes;
use osd_class::index::{self, GotRow, Head, ObjectLock, Part, UploadRow};
use std::collections::BTreeMap;
use stdx::codec::{DecodeError, from_bytes, to_bytes};
use stdx::time::WallTime;

/// Attributes as they are kept, opaque to the class: what the client said, and the checksum's value.
struct StoredAttrs {
    headers: BTreeMap<String, String>,
    metadata: BTreeMap<String, String>,
    extra: BTreeMap<String, Bytes>,
    checksum: Bytes,
    storage_class: String,
    /// Of an upload: what is to keep the object. (Of an object its row says it.)
    lock: Option<ObjectLock>,
}
stdx::codec_versioned!(StoredAttrs, 2 { headers, metadata, extra, checksum, storage_class } since 2 { lock });

/// Damaged metadata is an internal error, with the place in the log.
pub(crate) fn damaged(what: &str, key: &str, e: &DecodeError) -> S3Error {
    S3Error::internal(format!("{what} of {key:?} cannot be read: {e}"))
}

/// Milliseconds, as S3 shows times.
pub(crate) fn wall(ms: u64) -> WallTime {
    WallTime(ms.saturating_mul(1_000_000))
}

pub(crate) fn attrs_to_bytes(attrs: &ObjectAttrs, checksum: Option<&ObjectChecksum>) -> Bytes {
    to_bytes(&StoredAttrs {
        headers: attrs.headers.clone(),
        metadata: attrs.metadata.clone(),
        extra: attrs.extra.clone(),
        checksum: checksum.map_or_else(Bytes::new, |c| c.checksum.value.clone()),
        storage_class: attrs.storage_class.clone(),
        lock: None,
    })
}

/// The same of an upload.
pub(crate) fn upload_attrs_to_bytes(attrs: &ObjectAttrs) -> Bytes {
    to_bytes(&StoredAttrs {
        headers: attrs.headers.clone(),
        metadata: attrs.metadata.clone(),
        extra: attrs.extra.clone(),
        checksum: Bytes::new(),
        storage_class: attrs.storage_class.clone(),
        lock: attrs.lock,
    })
}

fn attrs_from(bytes: Bytes, key: &str) -> Result<(ObjectAttrs, Bytes), S3Error> {
    let a: StoredAttrs = from_bytes(bytes).map_err(|e| damaged("metadata", key, &e))?;
    let attrs = ObjectAttrs {
        headers: a.headers,
        metadata: a.metadata,
        extra: a.extra,
        storage_class: a.storage_class,
        lock: a.lock,
        seal: None,
    };
    Ok((attrs, a.checksum))
}

/// Algorithm and kind as rows hold them; 0 is none.
pub(crate) fn checksum_numbers(c: Option<(ChecksumAlgorithm, ChecksumKind)>) -> (u8, u8) {
    c.map_or((0, 0), |(a, k)| (a.number(), k.number()))
}

fn checksum_kind(algorithm: u8, kind: u8) -> Option<(ChecksumAlgorithm, ChecksumKind)> {
    Some((ChecksumAlgorithm::from_number(algorithm)?, ChecksumKind::from_number(kind)?))
}

/// A part's checksum as its row holds it: the algorithm's number and the value; empty for none.
pub(crate) fn part_checksum_to_bytes(checksum: Option<&Checksum>) -> Bytes {
    checksum.map_or_else(Bytes::new, |c| {
        let mut out = Vec::with_capacity(1 + c.value.len());
        out.push(c.algorithm.number());
        out.extend(&c.value[..]);
        out.into()
    })
}

pub(crate) fn part_info(part: &Part) -> PartInfo {
    let checksum = part
        .checksum
        .first()
        .and_then(|n| ChecksumAlgorithm::from_number(*n))
        .map(|algorithm| Checksum { algorithm, value: part.checksum.slice(1..) });
    PartInfo {
        number: part.number,
        size: part.size,
        etag: ETag { md5: part.md5, parts: 0 },
        mtime: wall(part.mtime_ms),
        checksum,
    }
}

/// Other attributes in place of those that a row has; the checksum's value stays.
pub(crate) fn change_attrs(
    old: Bytes,
    key: &str,
    change: impl FnOnce(&mut ObjectAttrs) -> Result<(), S3Error>,
) -> Result<Bytes, S3Error> {
    let mut stored: StoredAttrs = from_bytes(old.clone()).map_err(|e| damaged("metadata", key, &e))?;
    let (mut attrs, _) = attrs_from(old, key)?;
    change(&mut attrs)?;
    (stored.headers, stored.metadata, stored.extra) = (attrs.headers, attrs.metadata, attrs.extra);
    Ok(to_bytes(&stored))
}

/// The same attributes in another storage class.
pub(crate) fn with_class(old: Bytes, key: &str, class: &str) -> Result<Bytes, S3Error> {
    let mut stored: StoredAttrs = from_bytes(old).map_err(|e| damaged("metadata", key, &e))?;
    stored.storage_class = class.to_string();
    Ok(to_bytes(&stored))
}

/// Whether attributes say that the bytes are encrypted.
pub(crate) fn is_sealed(attrs: Bytes, key: &str) -> Result<bool, S3Error> {
    let (attrs, _) = attrs_from(attrs, key)?;
    Ok(Sealing::of(&attrs.extra)?.is_some())
}

pub(crate) fn entry(key: &str, row: GotRow) -> Result<Entry, S3Error> {
    let (mut attrs, value) = attrs_from(row.detail.attrs, key)?;
    attrs.lock = row.detail.lock;
    let checksum = checksum_kind(row.head.checksum_algorithm, row.head.checksum_kind)
        .filter(|(algorithm, _)| algorithm.value_len() == value.len())
        .map(|(algorithm, kind)| ObjectChecksum { checksum: Checksum { algorithm, value }, kind });
    let runs = &row.detail.runs;
    let parts = if row.head.parts > 0 { runs.iter().map(part_info).collect() } else { Vec::new() };
    let data = if runs.is_empty() {
        Manifest::Inline(row.inline)
    } else {
        let mut runs: Vec<Run> = runs.iter().map(Run::of).collect();
        for (run, sealed_as) in runs.iter_mut().zip(row.detail.sealed_as) {
            run.sealed_as = sealed_as;
        }
        Manifest::Runs(runs)
    };
    Ok(Entry {
        key: key.to_string(),
        size: row.head.size,
        etag: etag(&row.head),
        mtime: wall(row.head.mtime_ms),
        checksum,
        attrs,
        parts,
        version: VersionId(row.version),
        data,
        seal: None,
    })
}

pub(crate) fn etag(head: &Head) -> ETag {
    ETag { md5: head.md5, parts: head.parts }
}

pub(crate) fn list_entry(key: &Bytes, head: Head) -> Result<ListEntry, S3Error> {
    Ok(ListEntry {
        key: text(key)?,
        size: head.size,
        etag: etag(&head),
        mtime: wall(head.mtime_ms),
        checksum: checksum_kind(head.checksum_algorithm, head.checksum_kind),
        storage_class: head.storage_class,
    })
}

/// Keys are UTF-8 when they come in; a common prefix too, since the delimiter is.
pub(crate) fn text(key: &Bytes) -> Result<String, S3Error> {
    String::from_utf8(key.to_vec()).map_err(|_| S3Error::internal("a key in the index is not UTF-8"))
}

pub(crate) fn upload_info(key: &str, id: UploadId, row: UploadRow) -> Result<UploadInfo, S3Error> {
    let (attrs, _) = attrs_from(row.attrs, key)?;
    Ok(UploadInfo {
        key: key.to_string(),
        id,
        initiated: wall(row.initiated_ms),
        checksum: checksum_kind(row.checksum_algorithm, row.checksum_kind),
        attrs,
    })
}

pub(crate) fn conditions(c: &Conditions) -> index::Conditions {
    let side = |m: &Option<Match>| {
        m.as_ref().map(|m| match m {
            Match::Any => index::Match::Any,
            Match::Tags(tags) => index::Match::Tags(tags.iter().map(|t| (t.md5, t.parts)).collect()),
        })
    };
    index::Conditions { if_match: side(&c.if_match), if_none_match: side(&c.if_none_match) }
}

/// Whom a run was written for: kept with its first data object, so that a sweeper finds the row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) bucket: u64,
    pub(crate) key: Bytes,
}
stdx::codec_versioned!(Owner, 1 { bucket, key });

impl Owner {
    pub(crate) fn new(bucket: BucketId, key: &str) -> Owner {
        Owner { bucket: bucket.0, key: Bytes::copy_from_slice(key.as_bytes()) }
    }
}
