//! What can happen to a PG.

use crate::effect::Ticket;
use crate::erasure_coded::shape::EcSpec;
use crate::scrub::ScrubOrder;
use crate::trim::TrimPace;
use bytes::Bytes;
use placement_map::{Epoch, OsdId, PgRow, Pool, PoolSnaps};
use std::collections::{BTreeMap, BTreeSet};
use stdx::Errno;
use stdx::time::WallTime;
use wire_codec::pg::ScrubEntry;
use wire_codec::{OsdOp, PgMessage};

/// A client's connection, as the shell numbers them; never reused while the process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// What of the pool concerns its PGs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSpec {
    /// Copies (or shards) wanted.
    pub size: u32,
    /// Fewest in-sync copies (or different shards) with which writes are accepted.
    pub min_size: u32,
    /// Number of PGs of the pool.
    pub pg_num: u32,
    /// Number of PGs that it was made with.
    pub pg_num_made: u32,
    /// How it codes, if it is erasure-coded.
    pub ec: Option<EcSpec>,
    /// Whether all OSDs know records of small writes (`erasure_coded/record.rs`); once they do, for good.
    pub records: bool,
    /// Whether reads ask all shards and take those that come first.
    pub fast_read: bool,
    /// Its self-managed snapshots.
    pub snaps: PoolSnaps,
    /// Whether the monitors understand `RowChangeKind::Yield` ([`placement_map::FEATURE_YIELD`]).
    pub may_yield: bool,
}

impl PoolSpec {
    /// What of a pool concerns its PGs, in a cluster of the lowest feature level.
    pub fn of(pool: &Pool) -> PoolSpec {
        let ec = pool.ec_profile().map(|p| EcSpec { profile: p.code(), stripe_unit: p.stripe_unit() });
        PoolSpec {
            size: pool.size,
            min_size: pool.min_size,
            pg_num: pool.pg_num,
            pg_num_made: pool.pg_num_made(),
            ec,
            records: false,
            fast_read: pool.fast_read(),
            snaps: pool.snaps.clone(),
            may_yield: false,
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The map or the PG's row changed, or is told for the first time.
    Map {
        /// The map's epoch.
        epoch: Epoch,
        /// The PG's row.
        row: PgRow,
        /// The up set by CRUSH, the up primary first (by primary affinity too). Of an erasure-coded PG: by position,
        /// with holes (`OsdId::NONE`).
        up: Vec<OsdId>,
        /// Those of `up` and of the in-sync set that are up, with their incarnations: a member that restarted
        /// may have another store, so what it said before is void.
        alive: BTreeMap<OsdId, Epoch>,
        /// The pool.
        pool: PoolSpec,
    },
    /// The pool is gone: delete all of it.
    PoolDeleted,
    /// Members and joiners whose stores take no more. With any of them, operations that take space are refused
    /// with ENOSPC; and such a joiner is not filled, since its store could only stop.
    Full(BTreeSet<OsdId>),
    /// Whether joiners may be filled now: a shell with many PGs lets some begin while others wait, so that
    /// clients come first and memory is bounded. True until told otherwise. What a PG needs in order to
    /// serve is never held back.
    MayRecover(bool),
    /// How fast removed snapshots are let go, from now on.
    TrimPace(TrimPace),
    /// This process is about to stop in order: serve nobody any more, and let whoever comes next not wait
    /// for our leases to end. Cannot be undone.
    Resign,
    /// A client asks something.
    ClientOp {
        /// Where the answer goes.
        session: SessionId,
        /// What is asked.
        op: OsdOp,
    },
    /// A client's connection ended: nothing more is answered there.
    SessionGone {
        /// Which.
        session: SessionId,
    },
    /// Another member says something.
    Peer {
        /// Who.
        from: OsdId,
        /// What.
        message: PgMessage,
    },
    /// The transaction of this ticket is durable.
    Stored {
        /// Which.
        ticket: Ticket,
    },
    /// A read of data ended.
    ReadDone {
        /// Which.
        ticket: Ticket,
        /// The bytes, as many as were asked for; EIO if they cannot be read or do not match their checksum.
        result: Result<Bytes, Errno>,
    },
    /// The store looked at the objects of `Effect::Scrub`.
    Scrubbed {
        /// Which.
        ticket: Ticket,
        /// Those that are there, in the order in which they were asked for; none: this OSD takes part in as many
        /// scrubs as it may.
        entries: Option<Vec<ScrubEntry>>,
    },
    /// It is time to compare the copies. Of a PG that is not served from here, nothing.
    Scrub(ScrubOrder),
    /// From this time of day on the PG counts as compared, if it does not know of an earlier one.
    ScrubBaseline(WallTime),
    /// `next_timeout` has come.
    Tick,
}
