//! What callers say to a shard and what it answers.

use super::object_lock::ObjectLock;
use super::rows::{
    Counters, Detail, GarbageRow, Head, Header, Part, Split, Tag, UploadRow, Version, Versioning, Which,
};
use bytes::Bytes;

/// The class's name.
pub const CLASS: &str = "index";
/// The generation of a caller that believes in none: only the range is checked.
pub const ANY_GENERATION: u64 = 0;
/// The longest key, bytes.
pub const KEY_BYTES_MAX: usize = 1024;
/// No gateway puts more than this inline, whatever its settings, bytes.
pub const INLINE_BYTES_MAX: usize = 1 << 20;
/// The most items of one page of a listing.
pub const PAGE_MAX: u32 = 2000;

/// Why a shard refused; it travels as the detail of the error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another generation, or a key outside the range (ESTALE): this is what the shard is now.
    Elsewhere {
        /// The shard's header.
        header: Header,
    },
    /// The shard is still being filled by a split of that parent (EAGAIN).
    NotYet {
        /// The shard that splits.
        parent: u64,
    },
    /// The bucket is being deleted, or is gone (ESTALE).
    Retired,
    /// The caller's gateway instance was revoked, or the run was disowned (ECANCELED).
    Revoked,
    /// A condition does not hold (ECANCELED).
    Precondition,
    /// `If-Match`, and there is no object (ENOENT).
    Absent,
    /// There is no such upload (ENOENT).
    NoSuchUpload,
    /// The upload has no such part (EINVAL).
    InvalidPart {
        /// Which.
        number: u16,
    },
    /// Objects are left (ENOTEMPTY).
    NotEmpty,
    /// The split has another driver by now, or is over (ESTALE).
    NotDriver,
    /// There is nothing that could be split (ENODATA).
    Unsplittable,
    /// The attributes are not those that the caller has seen (ECANCELED): read them again.
    Changed,
    /// A retention or a legal hold forbids it (EACCES).
    Locked,
}
stdx::codec_enum!(Refusal {
    0 => Elsewhere { header },
    1 => NotYet { parent },
    2 => Retired,
    3 => Revoked,
    4 => Precondition,
    5 => Absent,
    6 => NoSuchUpload,
    7 => InvalidPart { number },
    8 => NotEmpty,
    9 => NotDriver,
    10 => Unsplittable,
    11 => Changed,
    12 => Locked,
});

/// An ETag in a condition: digest and number of parts.
pub type Tagged = ([u8; 16], u16);

/// One side of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// Any object.
    Any,
    /// One of these ETags.
    Tags(Vec<Tagged>),
}
stdx::codec_enum!(Match { 0 => Any, 1 => Tags(t) });

impl Match {
    /// Whether an object matches.
    pub fn holds(&self, head: &Head) -> bool {
        match self {
            Match::Any => true,
            Match::Tags(tags) => tags.contains(&(head.md5, head.parts)),
        }
    }
}

/// What must hold of the object before it is replaced or removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// It exists and matches.
    pub if_match: Option<Match>,
    /// It does not exist, or does not match.
    pub if_none_match: Option<Match>,
}
stdx::codec_plain!(Conditions { if_match, if_none_match });

/// How full the shard is after a write: the caller decides whether it should split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Objects and versions.
    pub keys: u64,
    /// Bytes of rows.
    pub row_bytes: u64,
    /// Whether a split is under way.
    pub splitting: bool,
}
stdx::codec_plain!(Stat { keys, row_bytes, splitting });

/// `init`: makes a shard. Repeating it with the same identity is harmless; a shard that is being filled
/// adopts the new driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Init {
    /// What it is to be: Active, or Filling.
    pub header: Header,
}
stdx::codec_plain!(Init { header });

/// Output of `stat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardStat {
    /// What it is.
    pub header: Header,
    /// What it holds.
    pub counters: Counters,
    /// The split under way.
    pub split: Option<Split>,
}
stdx::codec_plain!(ShardStat { header, counters, split });

/// `put_row`: the object of a key, in place of what was there. Answers `PutReply`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutRow {
    /// Believed generation.
    pub generation: u64,
    /// The key.
    pub key: Bytes,
    /// What a listing shows.
    pub head: Head,
    /// The rest.
    pub detail: Detail,
    /// The bytes, if there are no runs.
    pub inline: Bytes,
    /// What must hold.
    pub conditions: Conditions,
    /// What is replaced becomes garbage so much later.
    pub gc_delay_ms: u64,
    /// What becomes of the version that is current.
    pub versioning: Versioning,
    /// Random and not 0: makes the new version's name unique. Used only if versioning is enabled.
    pub nonce: u64,
}
stdx::codec_versioned!(PutRow, 2 { generation, key, head, detail, inline, conditions, gc_delay_ms }
    since 2 { versioning, nonce });

/// Output of `put_row`, `delete_row` and `upload_complete`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutReply {
    /// Whether there was what is replaced or removed.
    pub replaced: bool,
    /// The object that is there now (of `upload_complete`: perhaps by an earlier completion).
    pub head: Option<Head>,
    /// How full the shard is.
    pub stat: Stat,
    /// The version that was made, or the one that was removed.
    pub version: Version,
    /// Whether that is a delete marker.
    pub marker: bool,
}
stdx::codec_versioned!(PutReply, 1 { replaced, head, stat, version, marker });

/// The most rows of one `put_rows`.
pub const BULK_MAX: usize = 1000;

/// `put_rows`: many puts in one transaction, for loading. Keys ascend. The first must be this shard's; those behind
/// its range are left out. Answers `BulkReply`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bulk {
    /// Believed generation; that of the rows does not count.
    pub generation: u64,
    /// At least one, at most `BULK_MAX`.
    pub rows: Vec<PutRow>,
}
stdx::codec_plain!(Bulk { generation, rows });

/// Output of `put_rows`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkReply {
    /// How many were stored, from the first.
    pub stored: u32,
    /// How full the shard is.
    pub stat: Stat,
}
stdx::codec_plain!(BulkReply { stored, stat });

/// `get_row`: answers `Option<GotRow>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetRow {
    /// Believed generation.
    pub generation: u64,
    /// The key.
    pub key: Bytes,
    /// Whether the inline bytes are wanted.
    pub inline: bool,
    /// Which version.
    pub which: Which,
}
stdx::codec_versioned!(GetRow, 1 { generation, key, inline, which });

/// An object with everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GotRow {
    /// What a listing shows.
    pub head: Head,
    /// The rest.
    pub detail: Detail,
    /// The inline bytes, if asked for.
    pub inline: Bytes,
    /// Which version it is.
    pub version: Version,
    /// Whether it is a delete marker; then there is nothing else of it.
    pub marker: bool,
}
stdx::codec_versioned!(GotRow, 1 { head, detail, inline, version, marker });

/// `delete_row`: removes the object of a key, or hides it behind a delete marker, or removes one version for good.
/// Answers `PutReply`; that there is nothing to remove is no error, whatever the conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteRow {
    /// Believed generation.
    pub generation: u64,
    /// The key.
    pub key: Bytes,
    /// What must hold.
    pub conditions: Conditions,
    /// It was put in this second since 1970.
    pub if_mtime_s: Option<u64>,
    /// It has so many bytes.
    pub if_size: Option<u64>,
    /// It has these attributes.
    pub if_attrs: Option<Bytes>,
    /// What is removed becomes garbage so much later.
    pub gc_delay_ms: u64,
    /// What a delete of the current version does.
    pub versioning: Versioning,
    /// As in `PutRow`, for a delete marker.
    pub nonce: u64,
    /// `Current`: the key; else one version, for good.
    pub which: Which,
    /// Whether the caller may bypass a retention of the mode Governance.
    pub bypass: bool,
    /// It is this version, put at this millisecond, else `Changed`: for one who decided on what a listing showed.
    pub if_seen: Option<(Version, u64)>,
}
stdx::codec_versioned!(DeleteRow, 2 {
    generation, key, conditions, if_mtime_s, if_size, if_attrs, gc_delay_ms, versioning, nonce, which
} since 2 { bypass, if_seen });

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

/// `empty`: of a bucket that was removed with all that is in it. Answers whether nothing is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Empty {
    /// Data that loses its object is freed so much later.
    pub gc_delay_ms: u64,
    /// At most so many objects and versions.
    pub max: u32,
}
stdx::codec_plain!(Empty { gc_delay_ms, max });

/// `retire`, `condemn` and `unretire`: the bucket is to be deleted (`condemn`: with all that is in it), or is not after
/// all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retire {
    /// Names the attempt; later ones have higher tokens.
    pub token: u64,
}
stdx::codec_plain!(Retire { token });
