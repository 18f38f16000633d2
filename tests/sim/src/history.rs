//! What clients were told, and what they were never told.

use crate::workload::registry;
use osd_class::Access;
use osd_object::op::OpOutcome;
use osd_object::{ObjectId, Op, RequestId, SnapContext, Version};
use placement_map::PgId;
use stdx::time::WallTime;
use stdx::{Errno, Time};

/// One operation.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) request: RequestId,
    pub(crate) pg: PgId,
    pub(crate) object: ObjectId,
    pub(crate) ops: Vec<Op>,
    pub(crate) mtime: WallTime,
    /// What it said of snapshots.
    pub(crate) snaps: SnapContext,
    pub(crate) started: Time,
    pub(crate) ended: Time,
    pub(crate) version: Version,
    pub(crate) outcome: OpOutcome,
}

impl Record {
    /// Whether it changed the object. (Going back to where it was not yet, where it is not, does not.)
    pub(crate) fn wrote(&self) -> bool {
        self.outcome.is_ok() && self.may_write() && self.version != Version::ZERO
    }
    /// Whether it was meant to.
    pub(crate) fn may_write(&self) -> bool {
        registry().access(&self.ops) == Access::Write
    }
    /// Refused for a reason that is not the object's: it changed nothing, whenever it was.
    pub(crate) fn was_turned_away(&self) -> bool {
        // The last: it names a snapshot that the OSD knew to be gone.
        matches!(&self.outcome, Err(f) if [Errno::ENOSPC, Errno::EIO, Errno::ESTALE].contains(&f.code))
    }
}

/// The history of a run.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Answered operations, in the order of their answers.
    pub(crate) answered: Vec<Record>,
    /// Operations that were given up, or whose client ended; version and outcome mean nothing.
    pub(crate) unknown: Vec<Record>,
}
