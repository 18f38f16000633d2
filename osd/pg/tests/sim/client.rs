//! Clients: one operation at a time each, sent again under the same name until it is answered.

use crate::oracle::Record;
use crate::world::{Happening, Kind, World};
use bytes::Bytes;
use osd_class::{ClassError, Method, MethodContext, ObjectClass};
use osd_object::op::Compare;
use osd_object::{ObjectId, OmapRange, Op, RequestId, SnapContext, SnapId};
use placement_map::{ClusterState, PgId, PoolSnaps};
use std::rc::Rc;
use std::time::Duration;
use stdx::time::WallTime;
use stdx::{Rng, Time};
use wire_codec::{OpTarget, OsdOp, OsdOpReply, OsdOutcome};

/// A class whose method must not happen twice.
pub(crate) struct Counter;

impl ObjectClass for Counter {
    fn name(&self) -> &'static str {
        "counter"
    }
    fn methods(&self) -> &'static [Method] {
        const { &[Method::write("add")] }
    }
    fn call(&self, _: &str, ctx: &mut MethodContext<'_, '_>, input: Bytes) -> Result<Bytes, ClassError> {
        let old = ctx.object().omap_get(b"count")?;
        let old = old.and_then(|v| v[..].try_into().ok()).map_or(0, u64::from_le_bytes);
        let new = Bytes::copy_from_slice(&(old + input.len() as u64).to_le_bytes());
        ctx.object_mut().omap_set(vec![(Bytes::from_static(b"count"), new.clone())]);
        Ok(new)
    }
}

/// One client.
pub(crate) struct Client {
    number: usize,
    map: Rc<ClusterState>,
    current: Option<Current>,
    requests: u64,
    turn: u64,
}

struct Current {
    op: OsdOp,
    started: Time,
    last_to: Option<placement_map::OsdId>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let waiting =
            self.current.as_ref().map(|c| (c.op.request, c.op.pg, c.started, c.last_to, &c.op.target));
        write!(f, "client {} map {} waiting for {waiting:?}", self.number, self.map.map().epoch)
    }
}

impl Client {
    pub(crate) fn new(number: usize, map: Rc<ClusterState>) -> Client {
        Client { number, map, current: None, requests: 0, turn: 0 }
    }
    pub(crate) fn idle(&self) -> bool {
        self.current.is_none()
    }
    /// What it waits for, if it is this.
    pub(crate) fn waits_for(&self, request: RequestId) -> Option<&OsdOp> {
        self.current.as_ref().map(|c| &c.op).filter(|op| op.request == request)
    }
}

/// Bytes of data; of an erasure-coded pool enough for some stripes.
fn data(rng: &mut Rng, max: u64, kind: Kind) -> Bytes {
    bytes(rng, max * scale(kind))
}

fn scale(kind: Kind) -> u64 {
    match kind {
        Kind::Copies => 1,
        // A stripe and a half are enough to change parts of.
        Kind::Shards(k, _) => 80 * u64::from(k.min(4)),
    }
}

fn bytes(rng: &mut Rng, max: u64) -> Bytes {
    let mut buf = vec![0; rng.below(max) as usize];
    if rng.chance(4, 5) {
        rng.fill(&mut buf);
    }
    buf.into()
}

fn row_key(rng: &mut Rng) -> Bytes {
    Bytes::from(vec![b'a' + rng.below(6) as u8])
}

/// A compound operation of which success means that something was written, or one that only reads.
fn ops(rng: &mut Rng, kind: Kind) -> Vec<Op> {
    let shards = kind.is_shards();
    let mut ops = Vec::new();
    match rng.below(8) {
        0 => ops.push(Op::AssertExists),
        1 => ops.push(Op::AssertVersion { seq: rng.below(30) }),
        2 if shards => {
            let (name, value) = ("x".into(), bytes(rng, 3));
            ops.push(Op::CmpXattr { name, compare: Compare::Ge, value });
        }
        2 => ops.push(Op::CmpOmap { key: row_key(rng), compare: Compare::Lt, value: bytes(rng, 3) }),
        _ => {}
    }
    let read = |rng: &mut Rng| match rng.below(4) {
        0 => Op::Stat,
        1 if shards => {
            let offset = rng.below(150 * scale(kind));
            Op::Read { offset, len: 1 + rng.below(60 * scale(kind)) }
        }
        1 => Op::OmapGetRange { range: OmapRange::all() },
        2 => Op::GetXattrs,
        _ => Op::Read { offset: 0, len: 0 },
    };
    match rng.below(20) {
        0..=6 => {
            for _ in 0..=rng.below(2) {
                ops.push(read(rng));
            }
        }
        7..=9 => ops.push(Op::WriteFull { data: data(rng, 150, kind) }),
        10..=12 => ops.push(Op::Append { data: data(rng, 30, kind) }),
        13 => ops.push(Op::Write { offset: rng.below(100 * scale(kind)), data: data(rng, 60, kind) }),
        14 if shards => ops.push(Op::Truncate { size: rng.below(200 * scale(kind)) }),
        14 => {
            ops.push(Op::OmapSet {
                rows: (0..1 + rng.below(4)).map(|_| (row_key(rng), bytes(rng, 30))).collect(),
            });
        }
        15 => ops.push(Op::SetXattr { name: "x".into(), value: bytes(rng, 20) }),
        16 => ops.push(Op::Delete),
        17 => {
            // Reads what it replaces.
            ops.push(Op::Read { offset: 0, len: 0 });
            ops.push(Op::WriteFull { data: data(rng, 50, kind) });
        }
        18 if shards => {
            let (offset, len) = (rng.below(150 * scale(kind)), 1 + rng.below(100 * scale(kind)));
            ops.push(Op::Create { exclusive: false });
            ops.push(Op::Zero { offset, len });
        }
        _ if shards => ops.push(Op::Write { offset: rng.below(100 * scale(kind)), data: data(rng, 3, kind) }),
        _ => {
            let input = Bytes::from(vec![0; 1 + rng.below(3) as usize]);
            ops.push(Op::Call { class: "counter".into(), method: "add".into(), input });
            if rng.chance(1, 2) {
                ops.push(Op::Append { data: bytes(rng, 10) });
            }
        }
    }
    ops
}

/// What a client that goes by this map says with a write: mostly all snapshots that are there; now and then those of
/// some time ago, or none.
fn context(rng: &mut Rng, snaps: &PoolSnaps) -> SnapContext {
    let seq = match rng.below(10) {
        0 => 0,
        1 => rng.below(snaps.seq + 1),
        _ => snaps.seq,
    };
    let live = (1..=seq).rev().filter(|snap| snaps.is_live(*snap));
    SnapContext { seq, snaps: live.map(SnapId).collect() }
}

/// Something about a snapshot: it is read, listed, or gone back to.
fn of_snapshot(rng: &mut Rng, key: &ObjectId, snaps: &PoolSnaps, kind: Kind) -> (ObjectId, Vec<Op>) {
    let snap = SnapId(1 + rng.below(snaps.seq));
    match rng.below(8) {
        0 => (key.clone(), vec![Op::ListSnaps]),
        1 => (key.clone(), vec![Op::Rollback { snap }]),
        2 => (
            key.clone(),
            vec![Op::SetXattr { name: "y".into(), value: bytes(rng, 5) }, Op::Rollback { snap }],
        ),
        3 if kind.is_shards() => {
            let (offset, len) = (rng.below(150 * scale(kind)), 1 + rng.below(60 * scale(kind)));
            (ObjectId { snap, ..key.clone() }, vec![Op::Stat, Op::Read { offset, len }])
        }
        3 => (ObjectId { snap, ..key.clone() }, vec![Op::Stat, Op::OmapGetRange { range: OmapRange::all() }]),
        _ => (ObjectId { snap, ..key.clone() }, vec![Op::Read { offset: 0, len: 0 }, Op::GetXattrs]),
    }
}

impl World {
    pub(crate) fn client_turn(&mut self, client: usize, turn: u64) {
        if self.clients[client].turn != turn {
            return;
        }
        if self.clients[client].idle() {
            if self.healing {
                return;
            }
            self.begin_op(client);
        }
        self.send_current(client);
        self.next_turn(client, Duration::from_millis(700));
    }

    fn begin_op(&mut self, n: usize) {
        let kind = self.kind;
        let rng = &mut self.rng;
        let key = self.keys[rng.below(self.keys.len() as u64) as usize].clone();
        let snaps = if self.snapshots {
            self.clients[n].map.map().pool(self.pool).expect("the pool").snaps.clone()
        } else {
            PoolSnaps::default()
        };
        let told = if snaps.seq > 0 { context(rng, &snaps) } else { SnapContext::default() };
        let target = if rng.chance(1, 25) {
            OpTarget::List { after: None, max: 1 + rng.below(20) as u32 }
        } else if snaps.seq > 0 && rng.chance(1, 4) {
            let (object, ops) = of_snapshot(rng, &key, &snaps, kind);
            OpTarget::Object { object, ops }
        } else {
            OpTarget::Object { object: key.clone(), ops: ops(rng, kind) }
        };
        let pg = self.pg_of(&key).expect("the pool exists");
        let c = &mut self.clients[n];
        c.requests += 1;
        let request = RequestId { client: n as u64, seq: c.requests };
        let (epoch, mtime) = (c.map.map().epoch, WallTime(self.now.0));
        let op = OsdOp { request, epoch, pg, target, mtime, snaps: told };
        c.current = Some(Current { op, started: self.now, last_to: None });
    }

    fn send_current(&mut self, n: usize) {
        let c = &mut self.clients[n];
        let Some(current) = c.current.as_mut() else { return };
        let to = c.map.mapping().acting_primary(c.map.map(), current.op.pg);
        current.last_to = to;
        current.op.epoch = c.map.map().epoch;
        let op = current.op.clone();
        if let Some(to) = to {
            self.send_op(n, to, op);
        }
    }

    fn next_turn(&mut self, client: usize, after: Duration) {
        self.clients[client].turn += 1;
        let turn = self.clients[client].turn;
        self.at(after, Happening::ClientTurn { client, turn });
    }

    pub(crate) fn client_map(&mut self, n: usize, state: Rc<ClusterState>) {
        let c = &mut self.clients[n];
        if c.map.map().epoch >= state.map().epoch {
            return;
        }
        c.map = state;
        let aim = |pg: PgId| c.map.mapping().acting_primary(c.map.map(), pg);
        let moved = c.current.as_ref().is_some_and(|current| current.last_to != aim(current.op.pg));
        if moved {
            self.next_turn(n, Duration::ZERO);
        }
    }

    pub(crate) fn client_reply(&mut self, n: usize, reply: OsdOpReply) {
        if self.clients[n].waits_for(reply.request).is_none() {
            return;
        }
        let think = Duration::from_millis(self.rng.below(120));
        match reply.outcome {
            OsdOutcome::NotPrimary => {
                // Told of a newer map, it fetches that.
                self.faults.hear(n);
                return self.next_turn(n, think + Duration::from_millis(20));
            }
            OsdOutcome::Done { version, outcome } => {
                let current = self.clients[n].current.take().expect("just seen");
                let Current { op, started, .. } = current;
                if let OpTarget::Object { object, ops } = op.target {
                    let (pg, mtime, snaps, ended) = (op.pg, op.mtime, op.snaps, self.now);
                    self.oracle.record(Record {
                        pg,
                        object,
                        ops,
                        mtime,
                        snaps,
                        started,
                        ended,
                        version,
                        outcome,
                    });
                }
            }
            OsdOutcome::Listed { objects, .. } => {
                let current = self.clients[n].current.take().expect("just seen");
                self.check_listing(current.op.pg, &objects);
            }
        }
        self.summary.ops += 1;
        self.next_turn(n, think);
    }

    fn check_listing(&self, pg: PgId, objects: &[ObjectId]) {
        assert!(objects.is_sorted(), "a listing is in order");
        assert!(objects.iter().all(|o| self.keys.contains(o) && self.pg_of(o) == Some(pg)), "{objects:?}");
    }
}
