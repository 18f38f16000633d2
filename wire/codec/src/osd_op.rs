//! A client's operation on an OSD and its answer.

use osd_object::op::OpOutcome;
use osd_object::{ObjectId, Op, RequestId, SnapContext, Version};
use placement_map::{Epoch, PgId};
use stdx::time::WallTime;
use stdx::{codec_enum, codec_versioned};

/// An operation, aimed at the primary of a PG as the client's map has it.
#[derive(Clone, Debug, PartialEq)]
pub struct OsdOp {
    /// Names the request for ever; resending it is harmless.
    pub request: RequestId,
    /// The client's map epoch. An OSD with an older map fetches it before it answers.
    pub epoch: Epoch,
    /// The PG.
    pub pg: PgId,
    /// What is asked.
    pub target: OpTarget,
    /// Time of day at the client, stamped on what is written.
    pub mtime: WallTime,
    /// Snapshots that existed when the write was issued.
    pub snaps: SnapContext,
}
codec_versioned!(OsdOp, 1 { request, epoch, pg, target, mtime, snaps });

/// What an operation is about.
#[derive(Clone, Debug, PartialEq)]
pub enum OpTarget {
    /// A compound operation on one object.
    Object {
        /// The object.
        object: ObjectId,
        /// Steps, applied atomically.
        ops: Vec<Op>,
    },
    /// A page of the PG's live objects in hobject order.
    List {
        /// Start after this object; none: from the PG's first.
        after: Option<ObjectId>,
        /// At most so many.
        max: u32,
    },
    /// Something about the PG as a whole.
    Pg(PgOp),
}
codec_enum!(OpTarget { 0 => Object { object, ops }, 1 => List { after, max }, 2 => Pg(op) });

/// What an operator asks of a PG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PgOp {
    /// Compare its copies soon, and repair what can be proved. Answered with `OpResult::Done` when it is noted.
    Scrub {
        /// All data is read.
        deep: bool,
    },
    /// What was found inconsistent: `OpResult::Data` of an [`InconsistentList`](crate::pg::InconsistentList).
    ListInconsistent,
}
codec_enum!(PgOp { 0 => Scrub { deep }, 1 => ListInconsistent });

/// The answer to an `OsdOp`.
#[derive(Clone, Debug, PartialEq)]
pub struct OsdOpReply {
    /// Which request.
    pub request: RequestId,
    /// The OSD's map epoch.
    pub epoch: Epoch,
    /// The answer.
    pub outcome: OsdOutcome,
}
codec_versioned!(OsdOpReply, 1 { request, epoch, outcome });

/// Kinds of answer.
#[derive(Clone, Debug, PartialEq)]
pub enum OsdOutcome {
    /// The operation was carried out or refused; if it changed anything, that is durable on every in-sync
    /// member.
    Done {
        /// The object's version after it (of the write), or as read.
        version: Version,
        /// Results or failure.
        outcome: OpOutcome,
    },
    /// A page of a listing.
    Listed {
        /// Live objects.
        objects: Vec<ObjectId>,
        /// Whether there are more behind the last one.
        more: bool,
    },
    /// Not the primary (any more): aim anew with a map of at least the reply's epoch.
    NotPrimary,
}
codec_enum!(OsdOutcome { 0 => Done { version, outcome }, 1 => Listed { objects, more }, 2 => NotPrimary });
