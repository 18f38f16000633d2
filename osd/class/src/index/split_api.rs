//! The steps of a split: what its driver asks and what is answered.

use bytes::Bytes;

/// `split_take`: begins a split, or takes over the one under way. Answers `ShardStat`, or `Unsplittable`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitTake {
    /// The child's id, should a split begin.
    pub child: u64,
    /// Who drives from now on.
    pub driver: u64,
    /// A split is begun only if the shard holds more than so many keys, or ...
    pub keys_max: u64,
    /// ... so many bytes of rows. One under way is taken over in any case.
    pub row_bytes_max: u64,
}
stdx::codec_plain!(SplitTake { child, driver, keys_max, row_bytes_max });

/// `split_page`: the next rows to copy, a read. Answers `RowPage`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitPage {
    /// The driver.
    pub driver: u64,
    /// Rows behind this one; empty: from the first.
    pub after: Bytes,
    /// About so many bytes.
    pub bytes_max: u32,
}
stdx::codec_plain!(SplitPage { driver, after, bytes_max });

/// `split_mark`: the child has absorbed everything up to a row: remembered, for whoever takes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitMark {
    /// The driver.
    pub driver: u64,
    /// The row.
    pub cursor: Bytes,
    /// Whether that was the last.
    pub copied: bool,
}
stdx::codec_plain!(SplitMark { driver, cursor, copied });

/// Rows to copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowPage {
    /// Row keys and values.
    pub rows: Vec<(Bytes, Bytes)>,
    /// Whether everything is copied.
    pub done: bool,
}
stdx::codec_plain!(RowPage { rows, done });

/// `split_ack`: changes that the child has absorbed, row and stamp. One that changed again since stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitAck {
    /// The driver.
    pub driver: u64,
    /// Row and stamp.
    pub absorbed: Vec<(Bytes, u64)>,
}
stdx::codec_plain!(SplitAck { driver, absorbed });

/// `split_delta`: what changed since it was copied, a read. Answers `DeltaPage`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitDelta {
    /// The driver.
    pub driver: u64,
    /// At most so many.
    pub max: u32,
    /// About so many bytes.
    pub bytes_max: u32,
    /// The last row of the page before in this pass, empty at its beginning: what was acknowledged lies there as so many
    /// removed rows, and walking over them for each page would cost the more the longer a split takes.
    pub after: Bytes,
}
stdx::codec_plain!(SplitDelta { driver, max, bytes_max, after });

/// A row as it is now, with the stamp of its last change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// The row.
    pub row: Bytes,
    /// Stamp of the change.
    pub stamp: u64,
    /// Its value; none: it is gone.
    pub value: Option<Bytes>,
}
stdx::codec_plain!(Delta { row, stamp, value });

/// Changes to absorb.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeltaPage {
    /// The changes.
    pub changes: Vec<Delta>,
    /// Whether there are more.
    pub more: bool,
}
stdx::codec_plain!(DeltaPage { changes, more });

/// `split_commit` and `split_finish`: one step of the driver. `split_finish` answers whether it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitStep {
    /// The driver.
    pub driver: u64,
}
stdx::codec_plain!(SplitStep { driver });

/// `absorb`: rows of the parent, as they are; none: gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absorb {
    /// The driver.
    pub driver: u64,
    /// Rows.
    pub rows: Vec<(Bytes, Option<Bytes>)>,
}
stdx::codec_plain!(Absorb { driver, rows });

/// `split_middle`: a few steps of the search for the key in the middle, a read, so that no operation walks half a shard.
/// Answers `MiddleStep`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SplitMiddle {
    /// Where the step before ended; the default: the search begins.
    pub from: MiddleStep,
    /// At most about so many rows are walked over.
    pub rows_max: u32,
}
stdx::codec_plain!(SplitMiddle { from, rows_max });

/// How far the search for the middle is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MiddleStep {
    /// The kind of rows that are searched: what there was most of when the search began; 0: none so far.
    pub section: u8,
    /// The row that was seen last.
    pub after: Bytes,
    /// Rows that were seen.
    pub seen: u64,
    /// It is over.
    pub over: bool,
    /// The key in the middle; none at the end of a search that found none, as it is with a single key, or where a split
    /// is under way: `split_take` knows what to do.
    pub at: Option<Bytes>,
}
stdx::codec_plain!(MiddleStep { section, after, seen, over, at });

/// `split_take_at`: as `split_take`, but a split that begins is at this key, which must be within the range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitTakeAt {
    /// What `split_take` takes.
    pub take: SplitTake,
    /// The first key of the child.
    pub at: Bytes,
}
stdx::codec_plain!(SplitTakeAt { take, at });
