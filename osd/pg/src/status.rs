//! What a PG says of itself, in the words operators know from Ceph.

use osd_object::Version;
use placement_map::{OsdId, PgId};

/// A PG as its OSD sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PgStatus {
    /// Which.
    pub pg: PgId,
    /// Whether this OSD is its primary; only then do the other fields tell the whole.
    pub primary: bool,
    /// State words joined by `+`, as `active+clean`.
    pub state: String,
    /// The up set.
    pub up: Vec<OsdId>,
    /// The in-sync set as the row has it.
    pub in_sync: Vec<OsdId>,
    /// The newest write in the log.
    pub log_head: Version,
    /// The newest write trimmed off it.
    pub log_tail: Version,
    /// Interval.
    pub interval: u64,
    /// Members being filled, and what each still lacks.
    pub joiners: Vec<JoinerStatus>,
    /// Objects that could not be read while copying them.
    pub unreadable: u64,
    /// Operations queued or under way, and the bytes they carry.
    pub ops: u64,
    /// Bytes carried by those.
    pub op_bytes: u64,
    /// Nothing of the PG is left here, and it is not this OSD's: the shell forgets the machine.
    pub removed: bool,
}

/// A member being filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinerStatus {
    /// Which.
    pub osd: OsdId,
    /// Objects known to be missing or different (in a backfill: of the range being compared).
    pub missing: u64,
    /// Objects copied so far.
    pub pushed: u64,
    /// Whether all objects are compared (backfill) rather than those in the log (recovery).
    pub backfill: bool,
}
