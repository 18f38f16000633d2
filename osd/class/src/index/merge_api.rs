//! What the driver of a merge says to the two shards (docs/formats/bucket-index.md, "Merge").

use bytes::Bytes;

/// `merge_take`, to the shard that goes: begins to give all it has to its left neighbour, or takes over the merge under
/// way. Answers `ShardStat`; EBUSY while it splits or takes in another itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeTake {
    /// The left neighbour, should a merge begin.
    pub left: u64,
    /// Names the merge, should one begin. Random.
    pub nonce: u64,
    /// Who drives from now on.
    pub driver: u64,
}
stdx::codec_plain!(MergeTake { left, nonce, driver });

/// `merge_open`, to the left neighbour: it is to take rows in beyond its range. Answers `Joining`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeOpen {
    /// The shard that goes.
    pub right: u64,
    /// Where that begins.
    pub at: Bytes,
    /// Names the merge.
    pub nonce: u64,
    /// Who drives it.
    pub driver: u64,
    /// Whether nothing was taken in yet: what is left of earlier merges is dropped.
    pub fresh: bool,
}
stdx::codec_plain!(MergeOpen { right, at, nonce, driver, fresh });

/// How the left neighbour stands to a merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joining {
    /// It takes rows in.
    Open,
    /// It serves the range of the shard that goes.
    Done,
    /// Neither, and it will not: nothing of that merge is in it.
    Apart,
}
stdx::codec_enum!(Joining { 0 => Open, 1 => Done, 2 => Apart });

/// `merge_activate`, to the left neighbour: it serves the range of the shard that goes from here on. That one has handed
/// its range over before, and the left one has all its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeActivate {
    /// Names the merge.
    pub nonce: u64,
    /// Who drives it.
    pub driver: u64,
    /// The end of the range, as in the other's header.
    pub to: Option<Bytes>,
    /// The shard that begins there.
    pub right: Option<u64>,
    /// The other's generation.
    pub generation: u64,
}
stdx::codec_plain!(MergeActivate { nonce, driver, to, right, generation });

/// `merge_drop` (answers `Joining`, never `Open`) and `merge_forget`, to the left neighbour: it takes nothing more in;
/// the other is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergeEnd {
    /// Names the merge.
    pub nonce: u64,
}
stdx::codec_plain!(MergeEnd { nonce });
