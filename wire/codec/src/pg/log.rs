//! The PG log's entries, as members exchange and keep them.

use osd_object::op::OpOutcome;
use osd_object::{ObjectId, RequestId, SnapId, Version};
use stdx::{codec_enum, codec_versioned};

/// One write of a PG's log: enough to know which object differs and what a replay is answered.
///
/// Operations that may write are logged even if they failed or changed nothing: a copy of the request that
/// is still on its way must not find a later state in which it succeeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// The write's version. Two logs that hold the same version hold the same entries before it.
    pub version: Version,
    /// The object written.
    pub object: ObjectId,
    /// The client's request.
    pub request: RequestId,
    /// Whether the object changed. If not, the entry only answers replays.
    pub changed: bool,
    /// The object's version that the client was or will be told.
    pub told: Version,
    /// What else the client was or will be told, results included (bounded by the primary).
    pub outcome: OpOutcome,
    /// Clones of the object that the write made or removed. Members that differ in the object differ in these too.
    pub clones: Vec<SnapId>,
}
codec_versioned!(LogEntry, 2 { version, object, request, changed, told, outcome } since 2 { clones });

impl LogEntry {
    /// All objects that the write changed; none if it changed nothing.
    pub fn changed_objects(&self) -> impl Iterator<Item = ObjectId> + '_ {
        let clone = |snap: &SnapId| ObjectId { snap: *snap, ..self.object.clone() };
        let all = std::iter::once(self.object.clone()).chain(self.clones.iter().map(clone));
        all.filter(|_| self.changed)
    }
}

/// Whether a member's objects are what its log says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// They are.
    #[default]
    Complete,
    /// Except for objects it has listed: a recovery was interrupted.
    Recovering,
    /// They are not: a backfill or a removal was interrupted, every object must be compared.
    Backfilling,
}
codec_enum!(Condition { 0 => Complete, 1 => Recovering, 2 => Backfilling });
