//! What callers say to a shard and what it answers.

pub use super::garbage_api::*;
pub use super::list_api::*;
pub use super::split_api::*;
pub use super::upload_api::*;

use super::rows::{Counters, Detail, Head, Header, Split, Version, Versioning, Which};
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
