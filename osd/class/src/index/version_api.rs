//! What callers say to a shard about versions, and what it answers.

use super::rows::{Head, Version, Which};
use bytes::Bytes;

/// `set_attrs`: replaces the attributes of one version, if they are those that the caller has seen. Answers
/// `Stat`; `Absent`, `Changed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAttrs {
    /// Believed generation.
    pub generation: u64,
    /// The key.
    pub key: Bytes,
    /// Which version.
    pub which: Which,
    /// What the caller has seen.
    pub seen: Bytes,
    /// What is to be.
    pub attrs: Bytes,
}
stdx::codec_versioned!(SetAttrs, 1 { generation, key, which, seen, attrs });

/// `list_versions`: answers `VersionPage`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionList {
    /// Believed generation.
    pub generation: u64,
    /// The least key wanted; must lie in the range.
    pub start: Bytes,
    /// Of the key `start` itself only versions older than this one. (It need not be there any more. Where it is
    /// the one called `null`, and there is none, nothing of the key.)
    pub after: Option<Which>,
    /// Keys that start so.
    pub prefix: Bytes,
    /// Rolls up, as in `List`.
    pub delimiter: Bytes,
    /// At most so many items.
    pub max: u32,
}
stdx::codec_versioned!(VersionList, 1 { generation, start, after, prefix, delimiter, max });

/// One item of a listing of versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionItem {
    /// An object or a delete marker.
    Version {
        /// Its key.
        key: Bytes,
        /// Which version it is.
        version: Version,
        /// What a listing shows.
        head: Head,
        /// Whether it is a delete marker.
        marker: bool,
        /// Whether it is the newest of its key.
        latest: bool,
    },
    /// Keys rolled up.
    Prefix {
        /// Up to and with the delimiter.
        prefix: Bytes,
    },
}
stdx::codec_enum!(VersionItem { 0 => Version { key, version, head, marker, latest }, 1 => Prefix { prefix } });

/// A page of versions: by key, the newest of a key first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionPage {
    /// Items in order.
    pub items: Vec<VersionItem>,
    /// Where to go on, as `start` and the version behind which; none: there is nothing more.
    pub next: Option<(Bytes, Option<Version>)>,
}
stdx::codec_plain!(VersionPage { items, next });
