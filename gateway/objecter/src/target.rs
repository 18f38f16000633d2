//! What a caller asks for, before it is aimed anywhere.

use osd_object::ObjectId;
use osd_object::{ObjectName, Op, SnapContext, SnapId};
use placement_map::{ClusterMap, PgId, PoolId};
use stdx::Time;
use stdx::time::WallTime;
use wire_codec::{OpTarget, PgOp};

/// A request of a caller.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The pool.
    pub pool: PoolId,
    /// What about it.
    pub target: Target,
    /// Time of day stamped on what is written.
    pub mtime: WallTime,
    /// Snapshots that existed when the write was issued.
    pub snaps: SnapContext,
    /// Give up then with ETIMEDOUT. The operation may have happened, or may happen yet: giving up forgets it,
    /// it does not undo it. None: keep at it for ever.
    pub deadline: Option<Time>,
}

/// What a request is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A compound operation on one live object.
    Object {
        /// Its name.
        name: ObjectName,
        /// Steps, applied atomically.
        ops: Vec<Op>,
    },
    /// Reading one object as it was at a snapshot.
    Snapshot {
        /// Its name.
        name: ObjectName,
        /// The snapshot.
        snap: SnapId,
        /// Steps that read.
        ops: Vec<Op>,
    },
    /// A page of one PG's live objects.
    List {
        /// The PG's seed.
        seed: u32,
        /// Start after this object.
        after: Option<ObjectId>,
        /// At most so many.
        max: u32,
    },
    /// Something about one PG as a whole.
    Pg {
        /// The PG's seed.
        seed: u32,
        /// What.
        op: PgOp,
    },
}

/// A target with its placement hash, as it goes over the wire.
pub(crate) fn place(map: &ClusterMap, pool: PoolId, target: Target) -> (Placement, OpTarget) {
    match target {
        Target::Object { name, ops } => {
            let hash = map.object_hash(&name.namespace, &name.locator, &name.name);
            (Placement::Hash(hash), OpTarget::Object { object: ObjectId::head(pool, hash, name), ops })
        }
        Target::Snapshot { name, snap, ops } => {
            let hash = map.object_hash(&name.namespace, &name.locator, &name.name);
            let object = ObjectId { snap, ..ObjectId::head(pool, hash, name) };
            (Placement::Hash(hash), OpTarget::Object { object, ops })
        }
        Target::List { seed, after, max } => (Placement::Seed(seed), OpTarget::List { after, max }),
        Target::Pg { seed, op } => (Placement::Seed(seed), OpTarget::Pg(op)),
    }
}

/// What decides the PG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    Hash(u32),
    Seed(u32),
}

impl Placement {
    /// The PG by `map`; none if the pool, or a PG asked for by its seed, does not exist.
    pub(crate) fn pg(self, map: &ClusterMap, pool: PoolId) -> Option<PgId> {
        match self {
            Placement::Hash(hash) => map.pg_of(pool, hash),
            Placement::Seed(seed) => Some(PgId { pool, seed }).filter(|pg| map.has_pg(*pg)),
        }
    }
}
