//! Garbage, and fences against gateways that died: what callers ask and what is answered.

use super::rows::{GarbageRow, Tag};
use bytes::Bytes;

/// `gc_list`: garbage that is due; answers `GarbagePage`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GarbageList {
    /// Rows behind this one; empty: from the first.
    pub after: Bytes,
    /// The time of day to compare with, milliseconds since 1970.
    pub now_ms: u64,
    /// At most so many.
    pub max: u32,
}
stdx::codec_plain!(GarbageList { after, now_ms, max });

/// A run to be freed, and the row that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Garbage {
    /// The row, for `gc_done`.
    pub row: Bytes,
    /// The run.
    pub tag: Tag,
    /// How long it is.
    pub value: GarbageRow,
}
stdx::codec_plain!(Garbage { row, tag, value });

/// A page of garbage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GarbagePage {
    /// What is due.
    pub due: Vec<Garbage>,
    /// Where to go on; none: all of the shard was looked at.
    pub next: Option<Bytes>,
    /// The shard to the right of this one.
    pub right: Option<u64>,
}
stdx::codec_plain!(GarbagePage { due, next, right });

/// `fence`: from now on nothing of that gateway instance commits here, nor that run. Answers whether the
/// run is referred to (by the object, a part or a garbage row of the key), that is: must not be freed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// Believed generation.
    pub generation: u64,
    /// The key that the run was meant for.
    pub key: Bytes,
    /// The run.
    pub tag: Tag,
    /// Whether the whole instance is revoked (its sweeper asks) or only the run (its owner asks).
    pub instance: bool,
}
stdx::codec_plain!(Fence { generation, key, tag, instance });
