//! Listings of objects: what callers ask and what is answered.

use super::rows::Head;
use bytes::Bytes;

/// `list`: answers `ListPage`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Believed generation.
    pub generation: u64,
    /// The least key wanted; must lie in the range.
    pub start: Bytes,
    /// Keys that start so.
    pub prefix: Bytes,
    /// Rolls up keys that hold it behind the prefix; empty: nothing.
    pub delimiter: Bytes,
    /// At most so many items.
    pub max: u32,
}
stdx::codec_plain!(List { generation, start, prefix, delimiter, max });

/// One item of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListItem {
    /// An object.
    Object {
        /// Its key.
        key: Bytes,
        /// What a listing shows.
        head: Head,
    },
    /// Keys rolled up.
    Prefix {
        /// Up to and with the delimiter.
        prefix: Bytes,
    },
}
stdx::codec_enum!(ListItem { 0 => Object { key, head }, 1 => Prefix { prefix } });

/// A page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListPage {
    /// Items in order.
    pub items: Vec<ListItem>,
    /// Where to go on, perhaps in the next shard; none: there is nothing more.
    pub next: Option<Bytes>,
}
stdx::codec_plain!(ListPage { items, next });
