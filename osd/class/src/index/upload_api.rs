//! Multipart uploads: what callers ask and what is answered.

use super::api::Conditions;
use super::object_lock::ObjectLock;
use super::rows::{Head, Part, UploadRow, Versioning};
use bytes::Bytes;

/// `upload_create`: answers `Stat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadCreate {
    /// Believed generation.
    pub generation: u64,
    /// The key.
    pub key: Bytes,
    /// The upload's id, drawn by the caller.
    pub upload: u128,
    /// Its row.
    pub row: UploadRow,
}
stdx::codec_plain!(UploadCreate { generation, key, upload, row });

/// `part_put`: answers `Stat`. A part of that number is replaced, and its run becomes garbage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartPut {
    /// Believed generation.
    pub generation: u64,
    /// The key.
    pub key: Bytes,
    /// The upload.
    pub upload: u128,
    /// The part.
    pub part: Part,
}
stdx::codec_plain!(PartPut { generation, key, upload, part });

/// `part_list`: answers `PartPage`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartList {
    /// Believed generation.
    pub generation: u64,
    /// The key.
    pub key: Bytes,
    /// The upload.
    pub upload: u128,
    /// Parts behind this number.
    pub after: u16,
    /// At most so many; 0: only the upload.
    pub max: u32,
}
stdx::codec_plain!(PartList { generation, key, upload, after, max });

/// A page of parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartPage {
    /// The upload.
    pub upload: UploadRow,
    /// Parts by number.
    pub parts: Vec<Part>,
    /// Whether there are more.
    pub more: bool,
}
stdx::codec_plain!(PartPage { upload, parts, more });

/// `upload_list`: answers `UploadPage`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadList {
    /// Believed generation.
    pub generation: u64,
    /// The least key wanted; must lie in the range.
    pub start: Bytes,
    /// Of the key `start` itself only uploads behind this one.
    pub after: Option<u128>,
    /// Keys that start so.
    pub prefix: Bytes,
    /// Rolls up, as in `List`.
    pub delimiter: Bytes,
    /// At most so many items.
    pub max: u32,
}
stdx::codec_plain!(UploadList { generation, start, after, prefix, delimiter, max });

/// One item of a listing of uploads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadItem {
    /// An upload.
    Upload {
        /// Its key.
        key: Bytes,
        /// Its id.
        upload: u128,
        /// Its row.
        row: UploadRow,
    },
    /// Keys rolled up.
    Prefix {
        /// Up to and with the delimiter.
        prefix: Bytes,
    },
}
stdx::codec_enum!(UploadItem { 0 => Upload { key, upload, row }, 1 => Prefix { prefix } });

/// A page of uploads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadPage {
    /// Items in order.
    pub items: Vec<UploadItem>,
    /// Where to go on, as `start` and `after`; none: there is nothing more.
    pub next: Option<(Bytes, Option<u128>)>,
}
stdx::codec_plain!(UploadPage { items, next });

/// `upload_complete`: answers `PutReply`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadComplete {
    /// Believed generation.
    pub generation: u64,
    /// The key.
    pub key: Bytes,
    /// The upload.
    pub upload: u128,
    /// The parts wanted, by ascending number, with the digest each must have.
    pub parts: Vec<(u16, [u8; 16])>,
    /// What a listing is to show; its size must be the sum of the parts'.
    pub head: Head,
    /// The object's attributes.
    pub attrs: Bytes,
    /// What must hold.
    pub conditions: Conditions,
    /// What is replaced becomes garbage so much later.
    pub gc_delay_ms: u64,
    /// As in `PutRow`.
    pub versioning: Versioning,
    /// As in `PutRow`.
    pub nonce: u64,
    /// As in `Detail`.
    pub lock: Option<ObjectLock>,
}
stdx::codec_versioned!(UploadComplete, 3 { generation, key, upload, parts, head, attrs, conditions, gc_delay_ms }
    since 2 { versioning, nonce } since 3 { lock });

/// `upload_abort`: answers `Stat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadAbort {
    /// Believed generation.
    pub generation: u64,
    /// The key.
    pub key: Bytes,
    /// The upload.
    pub upload: u128,
}
stdx::codec_plain!(UploadAbort { generation, key, upload });
