//! What the monitors record of one PG beyond what CRUSH computes (decision D3): who is in sync, who is
//! primary, and whether that primary was ever allowed to serve.

use crate::ids::{OsdId, PgId};

/// One PG's row in the monitors' side table. Rows have versions of their own and mint no map epochs.
///
/// Rules that `apply` keeps:
/// * only the monitors change a row, and a daemon's proposal is a compare-and-set on `revision`;
/// * `primary` is a member of `in_sync` and up, or none;
/// * `in_sync` never becomes empty except through stores known to be lost, which sets `lost`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PgRow {
    /// Grows with each new tenure of a primary (another OSD, or the same one restarted). Messages between
    /// members carry it; a member that knows a later interval refuses those of an earlier one.
    /// 0: the PG was never given to anybody.
    pub interval: u64,
    /// Grows with every change of the row.
    pub revision: u64,
    /// Members that hold every acknowledged write, the primary first while it is one of them.
    pub in_sync: Vec<OsdId>,
    /// Who may activate this interval and then serve. None: nobody in sync is up, the PG is down.
    pub primary: Option<OsdId>,
    /// Whether the primary committed its activation of `interval`. Until then members that go down stay in
    /// `in_sync`, since nobody can have written without them.
    pub activated: bool,
    /// Every in-sync store was lost (another uuid, damage): the PG is incomplete, never silently empty.
    pub lost: bool,
}
stdx::codec_versioned!(PgRow, 1 { interval, revision, in_sync, primary, activated, lost });

/// A change of one row that its primary proposes. Refused unless `revision` is the row's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowChange {
    /// The PG.
    pub pg: PgId,
    /// The proposer, who must be the row's primary.
    pub from: OsdId,
    /// The revision that the change was computed from.
    pub revision: u64,
    /// What changes.
    pub kind: RowChangeKind,
}
stdx::codec_versioned!(RowChange, 1 { pg, from, revision, kind });

/// Kinds of change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowChangeKind {
    /// Serve from here on: all of `in_sync` (a non-empty subset of the row's, the primary in it) have the
    /// primary's head.
    Activate {
        /// The new in-sync set.
        in_sync: Vec<OsdId>,
    },
    /// Go on without these members (never without the last one).
    Shrink {
        /// Members to drop; not the proposer.
        drop: Vec<OsdId>,
    },
    /// These joiners are caught up and already acknowledge every write.
    Grow {
        /// Members to add.
        add: Vec<OsdId>,
    },
}
stdx::codec_enum!(RowChangeKind { 0 => Activate { in_sync }, 1 => Shrink { drop }, 2 => Grow { add } });
