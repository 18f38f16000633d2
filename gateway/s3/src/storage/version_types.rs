//! Versions as the verbs see them: their names, what finding and removing them gives, their listings.

use super::types::{Bucket, Conditions, Entry, ListEntry};
use bytes::Bytes;
use osd_class::index::Version;
pub use osd_class::index::{Versioning, Which};
use std::fmt;
use stdx::time::WallTime;

/// The setting that says whether a bucket keeps versions.
const VERSIONING: &str = "versioning";

impl Bucket {
    /// Whether it keeps versions.
    pub fn versioning(&self) -> Versioning {
        match self.settings.get(VERSIONING).map(|v| &v[..]) {
            Some(b"Enabled") => Versioning::Enabled,
            Some(b"Suspended") => Versioning::Suspended,
            _ => Versioning::Off,
        }
    }
    /// Sets it, in this copy of the record. (A bucket that had versions once is never `Off` again.)
    pub fn set_versioning(&mut self, versioning: Versioning) {
        let word = match versioning {
            Versioning::Off => return,
            Versioning::Enabled => "Enabled",
            Versioning::Suspended => "Suspended",
        };
        self.settings.insert(VERSIONING.into(), Bytes::from(word));
    }
}

/// Names one version of a key. Opaque to clients, but for `null`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VersionId(pub(crate) Version);

impl VersionId {
    /// Reads what `Display` wrote; none if it is no version's id.
    pub fn parse(text: &str) -> Option<Which> {
        if text == "null" {
            return Some(Which::Null);
        }
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let (seq, nonce) = text.split_at(16);
        let number = |hex| u64::from_str_radix(hex, 16).ok();
        let version = Version { seq: number(seq)?, nonce: number(nonce)? };
        Some(Which::Version(version)).filter(|_| !version.is_null())
    }
    /// It as what a caller may mean.
    pub fn which(self) -> Which {
        if self.is_null() { Which::Null } else { Which::Version(self.0) }
    }
    /// Whether it is the one called `null`.
    pub fn is_null(&self) -> bool {
        self.0.is_null()
    }
}
impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_null() {
            return f.write_str("null");
        }
        write!(f, "{:016x}{:016x}", self.0.seq, self.0.nonce)
    }
}

/// What is to be removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deletion {
    /// The key.
    pub key: String,
    /// `Current`: the object, kept as an older version where the bucket keeps versions; else one version, for good.
    pub which: Which,
    /// What must hold of it, if it is there.
    pub conditions: Conditions,
    /// It was last put in this second since 1970, else `PreconditionFailed`.
    pub if_modified_at: Option<u64>,
    /// It has so many bytes, else `PreconditionFailed`.
    pub if_size: Option<u64>,
    /// It is what was seen before, else `OperationAborted`.
    pub if_seen: Option<Seen>,
    /// Whether a retention of the mode Governance does not count.
    pub bypass: bool,
}

/// What a version was when somebody decided about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Which version.
    pub version: VersionId,
    /// When it was put.
    pub mtime: WallTime,
}

/// What a deletion did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// Whether there was anything.
    pub existed: bool,
    /// The delete marker that was made, or the version that was removed.
    pub version: VersionId,
    /// Whether that is a delete marker.
    pub marker: bool,
}

/// What there is of a key's version.
#[derive(Clone, Debug)]
pub enum Found {
    /// An object.
    Object(Box<Entry>),
    /// A delete marker.
    Marker {
        /// Which version it is.
        version: VersionId,
        /// When it was made.
        mtime: WallTime,
    },
    /// No such version, or no such key.
    Nothing,
}

impl Found {
    /// The object, if it is one.
    pub fn object(self) -> Option<Entry> {
        match self {
            Found::Object(entry) => Some(*entry),
            Found::Marker { .. } | Found::Nothing => None,
        }
    }
}

/// A version as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionEntry {
    /// The object; of a delete marker only key and time mean something.
    pub object: ListEntry,
    /// Which version it is.
    pub version: VersionId,
    /// Whether it is a delete marker.
    pub marker: bool,
    /// Whether it is the newest of its key.
    pub latest: bool,
}

/// Which versions to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionQuery {
    /// Keys that start so.
    pub prefix: String,
    /// As for objects.
    pub delimiter: Option<String>,
    /// Only keys behind this one (or common prefixes behind it).
    pub key_marker: Option<String>,
    /// With `key_marker`: also that key's versions older than this one.
    pub version_marker: Option<Which>,
    /// At most so many versions and common prefixes together.
    pub max: u32,
}

/// A page of versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionListing {
    /// Versions by key, the newest of a key first.
    pub versions: Vec<VersionEntry>,
    /// Common prefixes.
    pub common_prefixes: Vec<String>,
    /// Whether more may follow.
    pub truncated: bool,
    /// The last key or common prefix of this page; set when it is truncated.
    pub next_key_marker: Option<String>,
    /// The last version of this page, if a version came last.
    pub next_version_marker: Option<VersionId>,
}
