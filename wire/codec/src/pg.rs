//! Messages between the members of a PG (decision D3), drawn in docs/formats/messages.md.
//!
//! Each carries the sender's interval. A member that knows a later one answers `Stale`; only `Query` may
//! tell a member of a later interval. Conversations that bring a member level with the primary carry an
//! *attempt*, a number the primary never repeats within its tenure, so that an answer to an abandoned
//! attempt is recognised and a member that restarted in the middle says so (`Rejoin`).

mod log;
mod push;
mod scrub;

pub use log::{Condition, LogEntry};
pub use push::{Push, PushBody, PushHead};
pub use scrub::{Inconsistent, InconsistentCopy, InconsistentList, ScrubEntry, ScrubError, ScrubStamps};

use bytes::Bytes;
use osd_object::{ObjectId, Transaction, Version};
use placement_map::{FEATURE_LEVEL_BASE, Feature};
use std::time::Duration;
use stdx::codec_enum;

/// Between members of a PG.
#[derive(Clone, Debug, PartialEq)]
pub enum PgMessage {
    /// The receiver knows a later interval than the message it answers.
    Stale {
        /// The interval the receiver knows.
        interval: u64,
    },
    /// Primary to member: I am the primary of this interval; obey no earlier one, and say what you have.
    Query {
        /// The interval, which may be news to the member.
        interval: u64,
        /// Opens this attempt.
        attempt: u64,
        /// In an erasure-coded PG: the shard that the member holds, or is to hold.
        shard: Option<u8>,
    },
    /// The same of a pool whose PGs were split since it was made. A member whose map has another number of PGs does
    /// not know this interval yet as what it is, and waits for its map.
    QueryDivided {
        /// The interval, which may be news to the member.
        interval: u64,
        /// Opens this attempt.
        attempt: u64,
        /// In an erasure-coded PG: the shard that the member holds, or is to hold.
        shard: Option<u8>,
        /// The number of the pool's PGs that the primary goes by.
        pg_num: u32,
    },
    /// Answer to `Query`, sent when the interval and all the member's log are durable.
    Head {
        /// The interval.
        interval: u64,
        /// The attempt.
        attempt: u64,
        /// The version of the last entry that was trimmed off the member's log.
        tail: Version,
        /// The version of its last entry (the tail's, if there are none).
        head: Version,
        /// The first version of each interval in the log, in order: enough to find where two logs part.
        runs: Vec<Version>,
        /// Whether its objects are what its log says.
        condition: Condition,
        /// In an erasure-coded PG: the shard that they are.
        shard: Option<u8>,
    },
    /// Primary to member: what is in your log after this, and which objects are not what it says?
    LogRequest {
        /// The interval.
        interval: u64,
        /// The attempt.
        attempt: u64,
        /// Where the logs part.
        after: Version,
    },
    /// Answer to `LogRequest`.
    Log {
        /// The interval.
        interval: u64,
        /// The attempt.
        attempt: u64,
        /// As asked.
        after: Version,
        /// Objects named in entries after that, and objects that an interrupted recovery touched.
        objects: Vec<ObjectId>,
    },
    /// Primary to joiner: from now on you get every write after `after`; apply those that carry effects,
    /// but keep your own log until `Adopt`.
    Join {
        /// The interval.
        interval: u64,
        /// The attempt.
        attempt: u64,
        /// The sequence number that the stream of writes starts behind.
        after: u64,
        /// Your log is of no use: objects are compared one by one.
        backfill: bool,
        /// In an erasure-coded PG: the shard that you are filled as.
        shard: Option<u8>,
        /// Writes in your log through this one happened; what you put aside for others did not.
        keep: Option<Version>,
    },
    /// Primary to member: one write, to be applied in the order of the log.
    Replicate {
        /// The interval.
        interval: u64,
        /// The log entry, with the version.
        entry: LogEntry,
        /// The version of the entry before it.
        prev: Version,
        /// The log may be trimmed through this.
        trim_to: Version,
        /// All writes through this sequence number are durable on every in-sync member.
        committed_to: u64,
        /// The primary's clock when it sent this, echoed in the acknowledgement.
        stamp: u64,
        /// The lease that receiving this grants the primary.
        lease: Duration,
        /// The effects on the object. Empty for a joiner that will get the object whole.
        transaction: Transaction,
    },
    /// Member to primary: all writes through this one are durable here.
    Replicated {
        /// The interval.
        interval: u64,
        /// Sequence number of the last durable write.
        durable_to: u64,
        /// Stamp of the newest `Replicate` that this follows from.
        stamp: u64,
    },
    /// Primary to member: do you still know of no later interval?
    LeaseRequest {
        /// The interval.
        interval: u64,
        /// The primary's clock when it sent this.
        stamp: u64,
        /// The lease asked for.
        lease: Duration,
    },
    /// Yes: until `lease` after I got your request I shall obey no other primary.
    LeaseGrant {
        /// The interval.
        interval: u64,
        /// The stamp of the request.
        stamp: u64,
    },
    /// Primary to member: a piece of an object.
    Push(Push),
    /// Member to primary: the piece is durable.
    Pushed {
        /// The interval.
        interval: u64,
        /// The attempt.
        attempt: u64,
        /// The push.
        push: u64,
        /// Its piece.
        chunk: u32,
    },
    /// Primary to member: your objects are level with mine; make my log yours, in one transaction.
    Adopt {
        /// The interval.
        interval: u64,
        /// The attempt.
        attempt: u64,
        /// Your log stays up to here, or, if it does not contain this version, goes altogether.
        after: Version,
        /// My entries behind that, a page of them.
        entries: Vec<LogEntry>,
        /// Whether this is the first page.
        first: bool,
        /// Whether this is the last page, which makes it happen.
        last: bool,
        /// For a member in sync: how many staged pushes take effect in the same transaction. For a joiner:
        /// none.
        staged: Option<u32>,
    },
    /// Member to primary: your log is mine through this sequence number, durably.
    Adopted {
        /// The interval.
        interval: u64,
        /// The attempt.
        attempt: u64,
        /// Sequence number of the head adopted.
        head: u64,
    },
    /// Member to primary: I know nothing of this attempt (I restarted); begin again.
    Rejoin {
        /// The interval.
        interval: u64,
        /// The attempt that is unknown.
        attempt: u64,
    },
    /// Primary to joiner: which objects have you, behind this one?
    Scan {
        /// The interval.
        interval: u64,
        /// The attempt.
        attempt: u64,
        /// Start after this; none: from the PG's first.
        after: Option<ObjectId>,
        /// At most so many.
        max: u32,
    },
    /// Answer to `Scan`.
    Scanned {
        /// The interval.
        interval: u64,
        /// The attempt.
        attempt: u64,
        /// As asked.
        after: Option<ObjectId>,
        /// Objects and their versions, in hobject order.
        objects: Vec<(ObjectId, Version)>,
        /// Whether the PG goes on behind the last of them.
        more: bool,
    },
    /// To the primary: I hold a copy of the PG, but by my map I am no member. Shall it go?
    Stray {
        /// The interval.
        interval: u64,
    },
    /// Yes: the PG is complete without you, and I shall count you in only after a new `Query`. Void for who
    /// has heard of a later attempt than this.
    Remove {
        /// The interval.
        interval: u64,
        /// The primary's last attempt with anybody.
        attempt: u64,
    },
    /// Primary to member: I have stopped answering for good, so nobody need wait for my lease to end.
    Resigned {
        /// The interval.
        interval: u64,
    },
    /// To the members in sync with me: I stop, and this is the end of my log, all of it durable. Since feature level 2.
    LastWords {
        /// The interval.
        interval: u64,
        /// The last entry.
        head: Version,
    },
    /// Primary to member of an erasure-coded PG: a range of your shard of an object, please.
    ShardRead {
        /// The interval.
        interval: u64,
        /// Names the read within the primary's tenure.
        read: u64,
        /// The object.
        object: ObjectId,
        /// The version that it must be of.
        version: Version,
        /// First byte, within the shard.
        offset: u64,
        /// Bytes, not zero.
        len: u64,
        /// All writes through this sequence number are certain: they are put in place first.
        committed_to: u64,
    },
    /// Answer to `ShardRead`.
    ShardData {
        /// The interval.
        interval: u64,
        /// As asked.
        read: u64,
        /// The bytes; none if they cannot be read, or are not of that version.
        data: Option<Bytes>,
    },
    /// Primary to member of an erasure-coded PG: all writes through this one are certain; put them in place.
    Committed {
        /// The interval.
        interval: u64,
        /// Sequence number of the write.
        committed_to: u64,
    },
    /// Answer to `Committed`.
    Applied {
        /// The interval.
        interval: u64,
        /// As told.
        applied_to: u64,
    },
    /// Primary to member of an erasure-coded PG: this is what your shard should hold there, and could not be read.
    ShardRepair {
        /// The interval.
        interval: u64,
        /// The object.
        object: ObjectId,
        /// The version of it that this is of.
        version: Version,
        /// First byte, within the shard.
        offset: u64,
        /// The bytes: whole chunks.
        data: Bytes,
    },
    /// Answer to `ShardRepair`: it is durable.
    ShardRepaired {
        /// The interval.
        interval: u64,
        /// The object.
        object: ObjectId,
    },
    /// Primary to member: what do you hold of these objects?
    ScrubAsk {
        /// The interval.
        interval: u64,
        /// Names the round within the interval.
        scrub: u64,
        /// From behind this object on; none: from the PG's first.
        after: Option<ObjectId>,
        /// To this one, it included; none: to the PG's end.
        end: Option<ObjectId>,
        /// If not empty: only these.
        only: Vec<ObjectId>,
        /// Whether data is read.
        deep: bool,
        /// All writes through this sequence number are certain: they are put in place first.
        committed_to: u64,
    },
    /// Answer to `ScrubAsk`.
    ScrubMap {
        /// The interval.
        interval: u64,
        /// As asked.
        scrub: u64,
        /// The objects, in order; none: this OSD takes part in as many scrubs as it may.
        entries: Option<Vec<ScrubEntry>>,
        /// They go only up to here; none: through the end of the range.
        reach: Option<ObjectId>,
    },
    /// Primary to member: no more of this scrub.
    ScrubEnd {
        /// The interval.
        interval: u64,
        /// To be noted, if it came to its end.
        stamps: Option<ScrubStamps>,
    },
}

codec_enum!(PgMessage {
    0 => Stale { interval },
    1 => Query { interval, attempt, shard },
    2 => Head { interval, attempt, tail, head, runs, condition, shard },
    3 => LogRequest { interval, attempt, after },
    4 => Log { interval, attempt, after, objects },
    5 => Join { interval, attempt, after, backfill, shard, keep },
    6 => Replicate { interval, entry, prev, trim_to, committed_to, stamp, lease, transaction },
    7 => Replicated { interval, durable_to, stamp },
    8 => LeaseRequest { interval, stamp, lease },
    9 => LeaseGrant { interval, stamp },
    10 => Push(push),
    11 => Pushed { interval, attempt, push, chunk },
    12 => Adopt { interval, attempt, after, entries, first, last, staged },
    13 => Adopted { interval, attempt, head },
    14 => Rejoin { interval, attempt },
    15 => Scan { interval, attempt, after, max },
    16 => Scanned { interval, attempt, after, objects, more },
    17 => Stray { interval },
    18 => Remove { interval, attempt },
    19 => Resigned { interval },
    20 => ShardRead { interval, read, object, version, offset, len, committed_to },
    21 => ShardData { interval, read, data },
    22 => Committed { interval, committed_to },
    23 => Applied { interval, applied_to },
    24 => ShardRepair { interval, object, version, offset, data },
    25 => ShardRepaired { interval, object },
    26 => ScrubAsk { interval, scrub, after, end, only, deep, committed_to },
    27 => ScrubMap { interval, scrub, entries, reach },
    28 => ScrubEnd { interval, stamps },
    29 => LastWords { interval, head },
    30 => QueryDivided { interval, attempt, shard, pg_num },
});

impl PgMessage {
    /// The interval of the sender (of `Stale`: that the sender knows of).
    pub fn interval(&self) -> u64 {
        match self {
            PgMessage::Stale { interval }
            | PgMessage::Query { interval, .. }
            | PgMessage::QueryDivided { interval, .. }
            | PgMessage::Head { interval, .. }
            | PgMessage::LogRequest { interval, .. }
            | PgMessage::Log { interval, .. }
            | PgMessage::Join { interval, .. }
            | PgMessage::Replicate { interval, .. }
            | PgMessage::Replicated { interval, .. }
            | PgMessage::LeaseRequest { interval, .. }
            | PgMessage::LeaseGrant { interval, .. }
            | PgMessage::Push(Push { interval, .. })
            | PgMessage::Pushed { interval, .. }
            | PgMessage::Adopt { interval, .. }
            | PgMessage::Adopted { interval, .. }
            | PgMessage::Rejoin { interval, .. }
            | PgMessage::Scan { interval, .. }
            | PgMessage::Scanned { interval, .. }
            | PgMessage::Stray { interval }
            | PgMessage::Remove { interval, .. }
            | PgMessage::ShardRead { interval, .. }
            | PgMessage::ShardData { interval, .. }
            | PgMessage::Committed { interval, .. }
            | PgMessage::Applied { interval, .. }
            | PgMessage::ShardRepair { interval, .. }
            | PgMessage::ShardRepaired { interval, .. }
            | PgMessage::ScrubAsk { interval, .. }
            | PgMessage::ScrubMap { interval, .. }
            | PgMessage::ScrubEnd { interval, .. }
            | PgMessage::LastWords { interval, .. }
            | PgMessage::Resigned { interval } => *interval,
        }
    }

    /// The feature level of the map from which on it may be sent: an older member could not read it.
    pub fn level(&self) -> u32 {
        match self {
            PgMessage::LastWords { .. } => Feature::RestingMembers.level(),
            PgMessage::QueryDivided { .. } => Feature::Split.level(),
            _ => FEATURE_LEVEL_BASE,
        }
    }
}

#[cfg(test)]
#[path = "pg/pg_test.rs"]
mod tests;
