//! A scripted cluster for tests: OSDs that learn of maps late, sessions that break, primaries that wander.
//! Its OSDs keep the three promises that the objecter relies on: only the true primary executes, a request id
//! is executed once, and operations aimed with a map older than the primacy are refused.

use osd_object::{ObjectName, Op, RequestId, SnapContext, Version};
use placement_map::osd::OsdInfo;
use placement_map::{ClusterMap, Epoch, Mapping, OsdId, PgId, Pool, PoolId, PoolKind, Uuid};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use stdx::time::WallTime;
use wire_codec::{OpTarget, OsdOp, OsdOpReply, OsdOutcome};

use crate::{Request, Target};

pub(crate) const POOL: PoolId = PoolId(1);

pub(crate) fn pool(pg_num: u32) -> Pool {
    Pool {
        name: "data".into(),
        kind: PoolKind::Replicated,
        size: 1,
        min_size: 1,
        pg_num,
        pgp_num: pg_num,
        crush_rule: 0,
        hashpspool: true,
        application: String::new(),
        options: BTreeMap::new(),
        created: Epoch(1),
        snaps: Default::default(),
    }
}

pub(crate) fn osd(id: u32, up_from: u32) -> OsdInfo {
    let addr = SocketAddr::from(([127, 0, 0, 1], 7000 + id as u16));
    OsdInfo { up: true, addr: Some(addr), up_from: Epoch(up_from), ..OsdInfo::new(Uuid([id as u8; 16])) }
}

/// A map whose PGs are steered by pg_temp alone: an empty `Mapping` gives no up sets.
pub(crate) fn first_map(osds: u32, pg_num: u32) -> ClusterMap {
    let mut map = ClusterMap { epoch: Epoch(1), ..ClusterMap::default() };
    map.pools.insert(POOL, pool(pg_num));
    for id in 0..osds {
        map.osds.insert(OsdId(id), osd(id, 1));
    }
    for pg in map.pgs().collect::<Vec<_>>() {
        map.pg_temp.insert(pg, vec![OsdId(pg.seed % osds)]);
    }
    map
}

pub(crate) fn write(name: &str) -> Request {
    Request {
        pool: POOL,
        target: Target::Object { name: ObjectName::new(name), ops: vec![Op::Create { exclusive: false }] },
        mtime: WallTime(0),
        snaps: SnapContext::default(),
        deadline: None,
    }
}

/// One OSD's side of the story.
#[derive(Default)]
pub(crate) struct FakeOsd {
    /// The epoch it knows.
    pub(crate) knows: u32,
    pub(crate) session: bool,
    pub(crate) inbox: VecDeque<OsdOp>,
    pub(crate) outbox: VecDeque<OsdOpReply>,
    waiting: VecDeque<OsdOp>,
}

pub(crate) struct FakeCluster {
    /// All maps so far, by epoch - 1; the last is the truth.
    pub(crate) maps: Vec<Arc<ClusterMap>>,
    /// Since which epoch a PG's primary is primary without a break, by epoch - 1.
    since: Vec<BTreeMap<PgId, u32>>,
    pub(crate) osds: BTreeMap<OsdId, FakeOsd>,
    executed: BTreeMap<RequestId, u64>,
    /// Request numbers by object, in the order they were executed.
    pub(crate) order: BTreeMap<String, Vec<u64>>,
}

impl FakeCluster {
    pub(crate) fn new(map: ClusterMap) -> FakeCluster {
        let osds = map.osds.keys().map(|id| (*id, FakeOsd { knows: 1, ..FakeOsd::default() })).collect();
        let since = map.pgs().map(|pg| (pg, 1)).collect();
        FakeCluster {
            maps: vec![Arc::new(map)],
            since: vec![since],
            osds,
            executed: BTreeMap::new(),
            order: BTreeMap::new(),
        }
    }

    pub(crate) fn truth(&self) -> &Arc<ClusterMap> {
        self.maps.last().expect("there is always one")
    }

    /// Publishes the map that `change` makes of the present one.
    pub(crate) fn publish(&mut self, change: impl FnOnce(&mut ClusterMap)) {
        let old = self.truth().clone();
        let mut new = (*old).clone();
        new.epoch = Epoch(old.epoch.0 + 1);
        change(&mut new);
        let mut since = self.since.last().expect("as long as maps").clone();
        for pg in new.pgs().collect::<Vec<_>>() {
            let aim = |m: &ClusterMap| primary(m, pg).map(|o| (o, m.incarnation(o)));
            if aim(&old) != aim(&new) || !old.has_pg(pg) {
                since.insert(pg, new.epoch.0);
            }
        }
        self.since.push(since);
        self.maps.push(Arc::new(new));
    }

    /// An OSD restarts: it forgets what it was told, and its session breaks.
    pub(crate) fn restart(&mut self, id: OsdId) {
        let osd = self.osds.get_mut(&id).expect("exists");
        *osd = FakeOsd { knows: osd.knows, ..FakeOsd::default() };
    }

    pub(crate) fn learn(&mut self, id: OsdId, epoch: u32) {
        let osd = self.osds.get_mut(&id).expect("exists");
        osd.knows = osd.knows.max(epoch);
        self.work(id);
    }

    pub(crate) fn receive(&mut self, id: OsdId) {
        let osd = self.osds.get_mut(&id).expect("exists");
        if let Some(op) = osd.inbox.pop_front() {
            osd.waiting.push_back(op);
            self.work(id);
        }
    }

    /// Does what can be done, in order within each PG.
    fn work(&mut self, id: OsdId) {
        let osd = self.osds.get_mut(&id).expect("exists");
        let (knows, waiting) = (osd.knows, std::mem::take(&mut osd.waiting));
        let mut stuck: Vec<OsdOp> = Vec::new();
        for op in waiting {
            if stuck.iter().any(|s| s.pg == op.pg) {
                stuck.push(op);
                continue;
            }
            match self.judge(id, knows, &op) {
                Some(outcome) => {
                    let reply = OsdOpReply { request: op.request, epoch: Epoch(knows), outcome };
                    let osd = self.osds.get_mut(&id).expect("exists");
                    if osd.session {
                        osd.outbox.push_back(reply);
                    }
                }
                None => stuck.push(op),
            }
        }
        self.osds.get_mut(&id).expect("exists").waiting = stuck.into();
    }

    /// None: it has to wait for a map, or for the truth to reach this OSD.
    fn judge(&mut self, id: OsdId, knows: u32, op: &OsdOp) -> Option<OsdOutcome> {
        if op.epoch.0 > knows {
            return None;
        }
        let at = knows as usize - 1;
        if primary(&self.maps[at], op.pg) != Some(id) || op.epoch.0 < self.since[at][&op.pg] {
            return Some(OsdOutcome::NotPrimary);
        }
        let since_then = self.since.last().expect("as long as maps").get(&op.pg);
        if since_then != self.since[at].get(&op.pg) {
            // It believes to be primary and is not (or not yet again): nobody in sync would acknowledge.
            return None;
        }
        let OpTarget::Object { object, .. } = &op.target else { return None };
        let next = self.executed.len() as u64 + 1;
        let seq = *self.executed.entry(op.request).or_insert_with(|| {
            self.order.entry(object.name.name.clone()).or_default().push(op.request.seq);
            next
        });
        Some(OsdOutcome::Done { version: Version { interval: 1, seq }, outcome: Ok(Vec::new()) })
    }
}

fn primary(map: &ClusterMap, pg: PgId) -> Option<OsdId> {
    Mapping::default().acting_primary(map, pg)
}
