//! The values of a shard's rows (docs/formats/bucket-index.md).

use super::object_lock::ObjectLock;
use bytes::Bytes;
use stdx::codec::{DecodeError, Reader};

/// Names one run of data objects for ever: which gateway instance wrote it, and its how-manieth it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// The instance's random id.
    pub instance: u64,
    /// Counts its runs, from 1.
    pub seq: u64,
}
stdx::codec_plain!(Tag { instance, seq });

/// Names one version of a key, and says how it sorts among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Later versions have higher numbers. Near the time of day it was made, nanoseconds since 1970; 0 in a
    /// bucket that never had versions.
    pub seq: u64,
    /// Random; 0: the version that S3 calls `null`.
    pub nonce: u64,
}
stdx::codec_plain!(Version { seq, nonce });

impl Version {
    /// Whether it is the one called `null`.
    pub fn is_null(&self) -> bool {
        self.nonce == 0
    }
}

/// Whether a bucket keeps what is replaced and deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versioning {
    /// It does not, and never did.
    #[default]
    Off,
    /// It does.
    Enabled,
    /// It keeps what it has; what is new replaces the version called `null`.
    Suspended,
}
stdx::codec_enum!(Versioning { 0 => Off, 1 => Enabled, 2 => Suspended });

/// Which version of a key is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// The newest, whatever it is.
    #[default]
    Current,
    /// The one called `null`.
    Null,
    /// This one.
    Version(Version),
}
stdx::codec_enum!(Which { 0 => Current, 1 => Null, 2 => Version(v) });

/// What a listing shows of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Bytes.
    pub size: u64,
    /// MD5 of the body, or of the parts' MD5s.
    pub md5: [u8; 16],
    /// Number of parts; 0: not a multipart object.
    pub parts: u16,
    /// When it was put, milliseconds since 1970.
    pub mtime_ms: u64,
    /// Number of the additional checksum's algorithm; 0: none. Opaque here.
    pub checksum_algorithm: u8,
    /// Number of what that checksum is over; 0: none. Opaque here.
    pub checksum_kind: u8,
    /// Storage class; empty for STANDARD.
    pub storage_class: String,
}
stdx::codec_plain!(Head { size, md5, parts, mtime_ms, checksum_algorithm, checksum_kind, storage_class });

/// A run of data objects, and the part it is (number 0 for an object that has no parts).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Part number, 1 to 10000; 0: the whole of an object put at once.
    pub number: u16,
    /// Bytes.
    pub size: u64,
    /// MD5 of the bytes.
    pub md5: [u8; 16],
    /// When it was put, milliseconds since 1970.
    pub mtime_ms: u64,
    /// Its additional checksum. Opaque here.
    pub checksum: Bytes,
    /// The run.
    pub tag: Tag,
    /// Bytes of each data object but the last.
    pub object_bytes: u32,
}
stdx::codec_plain!(Part { number, size, md5, mtime_ms, checksum, tag, object_bytes });

/// What a listing does not show of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// Headers, metadata, checksum value: opaque here.
    pub attrs: Bytes,
    /// Where the bytes are, in order; empty: in the inline row (or there are none).
    pub runs: Vec<Part>,
    /// The upload it was completed from, to recognise a repetition of the completion.
    pub upload: Option<u128>,
    /// What keeps it from being removed; none: nothing ever did.
    pub lock: Option<ObjectLock>,
    /// Of encrypted bytes that were moved: for each run the name that its key was derived from. Empty: its own.
    pub sealed_as: Vec<Tag>,
}
stdx::codec_versioned!(Detail, 3 { attrs, runs, upload } since 2 { lock } since 3 { sealed_as });

/// The row of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRow {
    /// What a listing shows.
    pub head: Head,
    /// The rest, if it is small; else it has a row of its own.
    pub detail: Option<Detail>,
    /// Which version it is.
    pub version: Version,
    /// Whether it is a delete marker: the key has no object from here on.
    pub marker: bool,
}
stdx::codec_versioned!(ObjectRow, 2 { head, detail } since 2 { version, marker });

impl ObjectRow {
    /// The head of an encoded row, which stands first in it: a listing needs nothing else of a thousand rows.
    pub(super) fn decode_head(row: Bytes) -> Result<Head, DecodeError> {
        Reader::new(row).versioned(2, |r, _| r.get())
    }
}

/// An upload under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRow {
    /// When it began, milliseconds since 1970.
    pub initiated_ms: u64,
    /// What the object is to have. Opaque here.
    pub attrs: Bytes,
    /// As in `Head`.
    pub checksum_algorithm: u8,
    /// As in `Head`.
    pub checksum_kind: u8,
}
stdx::codec_versioned!(UploadRow, 1 { initiated_ms, attrs, checksum_algorithm, checksum_kind });

/// A run that nothing refers to any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GarbageRow {
    /// Free it after this time of day, milliseconds since 1970.
    pub due_ms: u64,
    /// Bytes.
    pub size: u64,
    /// Bytes of each data object but the last.
    pub object_bytes: u32,
}
stdx::codec_plain!(GarbageRow { due_ms, size, object_bytes });

/// Whether a shard serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It does.
    Active,
    /// It is being filled by a split of `parent`; only absorbs.
    Filling {
        /// The shard that splits.
        parent: u64,
        /// Who drives the split.
        driver: u64,
    },
    /// Its bucket is being deleted.
    Retired {
        /// Names the attempt.
        token: u64,
    },
}
stdx::codec_enum!(State { 0 => Active, 1 => Filling { parent, driver }, 2 => Retired { token } });

/// What a shard is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The bucket.
    pub bucket: u64,
    /// The shard's id within it; 0 is the first.
    pub shard: u64,
    /// The least key it serves.
    pub from: Bytes,
    /// The least key behind those it serves; none: all up from `from`.
    pub to: Option<Bytes>,
    /// The shard that begins at `to`.
    pub right: Option<u64>,
    /// Counts the changes of its range.
    pub generation: u64,
    /// Whether it serves.
    pub state: State,
    /// While it splits: the key that the child begins with.
    pub splitting: Option<Bytes>,
}
stdx::codec_versioned!(Header, 1 { bucket, shard, from, to, right, generation, state, splitting });

impl Header {
    /// Whether a key lies in the range.
    pub fn owns(&self, key: &[u8]) -> bool {
        key >= &self.from[..] && self.to.as_ref().is_none_or(|to| key < &to[..])
    }
}

/// What a shard holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Objects that are current.
    pub keys: u64,
    /// Uploads under way.
    pub uploads: u64,
    /// Runs queued as garbage.
    pub garbage: u64,
    /// Bytes of the rows that belong to keys.
    pub row_bytes: u64,
    /// Sum of the sizes of all objects and versions.
    pub object_bytes: u64,
    /// Counts changes of rows, to stamp them while the shard splits.
    pub changes: u64,
    /// Versions that are no current object: older ones, and delete markers.
    pub versions: u64,
}
stdx::codec_versioned!(Counters, 2 { keys, uploads, garbage, row_bytes, object_bytes, changes } since 2 { versions });

impl Counters {
    /// Current objects and all other versions: what makes a shard large.
    pub fn entries(&self) -> u64 {
        self.keys.saturating_add(self.versions)
    }
}

/// A split under way, as the parent remembers it; or a merge, as the shard remembers it that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The shard that comes to be. Of a merge: the left neighbour.
    pub child: u64,
    /// The key it begins with. Of a merge: the shard's own first.
    pub at: Bytes,
    /// Who drives the split.
    pub driver: u64,
    /// The child has all rows up to this one, but for changes since.
    pub cursor: Bytes,
    /// The child has them all, but for changes since.
    pub copied: bool,
    /// The parent gave up the range: the commit.
    pub handed: bool,
    /// It is a merge: its name.
    pub merge: Option<u64>,
}
stdx::codec_versioned!(Split, 2 { child, at, driver, cursor, copied, handed } since 2 { merge });

/// What a shard remembers that takes its right neighbour in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Absorbing {
    /// The shard that goes.
    pub(super) right: u64,
    /// Names the merge.
    pub(super) nonce: u64,
    /// Who drives it.
    pub(super) driver: u64,
    /// What has been taken in so far.
    pub(super) counters: Counters,
}
stdx::codec_versioned!(Absorbing, 1 { right, nonce, driver, counters });
