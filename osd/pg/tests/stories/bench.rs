//! Some OSDs, mostly three, their stores, and hands on everything: links, disks, clock and monitors.

use bytes::Bytes;
use erasure::{Profile, Technique};
use osd_class::Registry;
use osd_object::model::{Model, ModelObject};
use osd_object::{Mutation, ObjectId, ObjectName, Op, RequestId, SnapContext, Transaction, Version};
use osd_pg::{EcSpec, Effect, Event, Pg, PgConfig, PoolSpec, ScrubOrder, SessionId, Ticket};
use placement_map::{Epoch, OsdId, PgId, PgRow, PoolId, PoolSnaps, RowChange, RowChangeKind};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use stdx::checksum::crc32c;
use stdx::time::WallTime;
use stdx::{Errno, Time};
use wire_codec::pg::ScrubEntry;
use wire_codec::watch::WatchEvent;
use wire_codec::{OpTarget, OsdOp, OsdOutcome, PgMessage};

pub(crate) const PG: PgId = PgId { pool: PoolId(1), seed: 0 };

fn copies() -> PoolSpec {
    PoolSpec {
        size: 3,
        min_size: 2,
        pg_num: 1,
        pg_num_made: 1,
        ec: None,
        records: true,
        fast_read: false,
        snaps: PoolSnaps::default(),
        may_yield: true,
    }
}

pub(crate) fn osd(n: u32) -> OsdId {
    OsdId(n)
}

pub(crate) fn object(name: &str) -> ObjectId {
    let hash = name.bytes().fold(7u32, |h, b| h.wrapping_mul(0x9e37_79b9) ^ u32::from(b));
    ObjectId::head(PG.pool, hash, ObjectName::new(name))
}

pub(crate) fn row(interval: u64, in_sync: &[u32], primary: Option<u32>, activated: bool) -> PgRow {
    let in_sync = in_sync.iter().copied().map(OsdId).collect();
    PgRow { interval, in_sync, primary: primary.map(OsdId), activated, ..PgRow::default() }
}

pub(crate) fn ops_of(object: ObjectId, ops: Vec<Op>) -> OpTarget {
    OpTarget::Object { object, ops }
}

/// One OSD.
pub(crate) struct Node {
    pub(crate) pg: Pg,
    pub(crate) durable: Model,
    pub(crate) view: Model,
    pending: VecDeque<(Ticket, Transaction)>,
    up: bool,
    life: u32,
    disk_held: bool,
    cut: bool,
    deaf: bool,
    rotten: BTreeSet<ObjectId>,
    /// Its store answers no reads for now; those that wait.
    reads_held: Option<Vec<(Ticket, Result<Bytes, Errno>)>>,
    /// Ranges of data that its store read, by their bytes.
    reads: Vec<u64>,
    /// It takes part in enough scrubs.
    pub(crate) scrubs_elsewhere: bool,
    /// Questions of scrubs that its store answered.
    pub(crate) scrubs: u32,
}

/// Everything.
pub(crate) struct Bench {
    now: Time,
    epoch: u32,
    row: PgRow,
    up: Vec<u32>,
    alive: Vec<u32>,
    pool: PoolSpec,
    nodes: Vec<Node>,
    mail: VecDeque<(OsdId, OsdId, PgMessage)>,
    scans: VecDeque<(usize, Ticket, Option<Vec<ScrubEntry>>)>,
    requests: u64,
    sent: BTreeMap<SessionId, OsdOp>,
    answers: BTreeMap<SessionId, OsdOutcome>,
    delivered: usize,
    /// What watchers were told since it was last looked at.
    pub(crate) told: Vec<(SessionId, WatchEvent)>,
}

/// What a store says of an object in a scrub.
fn entry(view: &Model, id: &ObjectId, rotten: bool) -> Option<ScrubEntry> {
    let o = view.objects.get(id)?;
    let parts = |rows: Vec<(&[u8], &[u8])>| {
        rows.into_iter().fold(0, |d, (k, v)| crc32c(&[&[d as u8], k, v].concat()))
    };
    Some(ScrubEntry {
        object: id.clone(),
        version: o.meta.version,
        size: o.meta.size,
        data_digest: crc32c(&o.data),
        attr_digest: parts(o.xattrs.iter().map(|(k, v)| (k.as_bytes(), &v[..])).collect()),
        omap_digest: parts(o.omap.iter().map(|(k, v)| (&k[..], &v[..])).collect()),
        bad: (0..o.meta.size.div_ceil(4096)).filter(|_| rotten).map(|unit| unit * 4096).collect(),
    })
}

fn machine(n: u32, now: Time, view: &Model) -> Pg {
    let config = PgConfig {
        push_bytes_max: 100,
        scrub_objects: 2,
        scrub_deep_objects: 2,
        logged_bytes_max: 256 << 10,
        ..PgConfig::default()
    };
    Pg::new(PG, OsdId(n), now, view, config, Registry::new(&[])).expect("a model's rows are never damaged")
}

impl Bench {
    /// All three in sync, osd.0 primary of interval 1, serving.
    pub(crate) fn active() -> Bench {
        Bench::of(copies())
    }

    /// The same with shards, two of data and one of parity: osd.N holds shard N.
    pub(crate) fn active_shards() -> Bench {
        let profile = Profile::isa(2, 1).expect("a code that there is");
        Bench::of(PoolSpec { ec: Some(EcSpec { profile, stripe_unit: 32 }), ..copies() })
    }

    /// Eight OSDs with shards in two local groups: 0, 1 of data, 2 of parity, 3 of the group's own; and 4 to 7.
    pub(crate) fn active_groups() -> Bench {
        let profile = Profile::new(Technique::Local { l: 3 }, 4, 2).expect("a code that there is");
        let ec = Some(EcSpec { profile, stripe_unit: 64 });
        Bench::of(PoolSpec { ec, size: 8, min_size: 6, ..copies() })
    }

    fn of(pool: PoolSpec) -> Bench {
        let size = pool.size;
        let now = Time(1_000_000_000);
        let node = |n| Node {
            pg: machine(n, now, &Model::new()),
            durable: Model::new(),
            view: Model::new(),
            pending: VecDeque::new(),
            up: true,
            life: 1,
            disk_held: false,
            cut: false,
            deaf: false,
            rotten: BTreeSet::new(),
            reads_held: None,
            reads: Vec::new(),
            scrubs_elsewhere: false,
            scrubs: 0,
        };
        let mut bench = Bench {
            now,
            epoch: 1,
            row: PgRow::default(),
            up: vec![],
            alive: vec![],
            pool,
            nodes: (0..size).map(node).collect(),
            mail: VecDeque::new(),
            scans: VecDeque::new(),
            requests: 0,
            sent: BTreeMap::new(),
            answers: BTreeMap::new(),
            delivered: 0,
            told: Vec::new(),
        };
        let all: Vec<u32> = (0..size).collect();
        bench.map(row(1, &all, Some(0), false), &all);
        bench.settle();
        assert!(bench.row.activated, "the new PG is active");
        bench
    }

    pub(crate) fn node(&self, n: usize) -> &Node {
        &self.nodes[n]
    }
    pub(crate) fn row(&self) -> PgRow {
        self.row.clone()
    }

    /// The monitors say: this row, these OSDs up and all of them members.
    pub(crate) fn map(&mut self, row: PgRow, alive: &[u32]) {
        self.map_of(row, alive, alive);
    }

    /// The monitors say: this row, this up set, these OSDs alive.
    pub(crate) fn map_of(&mut self, mut row: PgRow, up: &[u32], alive: &[u32]) {
        row.revision = self.row.revision + 1;
        if self.pool.ec.is_some() {
            row.shards = row.in_sync.iter().map(|osd| (*osd, osd.0 as u8)).collect();
        }
        self.row = row;
        self.up = up.to_vec();
        self.alive = alive.to_vec();
        self.epoch += 1;
        self.publish();
    }

    fn publish(&mut self) {
        let up: Vec<OsdId> = self.up.iter().copied().map(OsdId).collect();
        let life = |o: OsdId| Epoch(self.nodes[o.0 as usize].life);
        let alive: BTreeMap<OsdId, Epoch> = self.alive.iter().map(|o| (OsdId(*o), life(OsdId(*o)))).collect();
        for n in 0..self.nodes.len() {
            if self.nodes[n].up && !self.nodes[n].deaf {
                let (row, up, alive) = (self.row.clone(), up.clone(), alive.clone());
                self.feed(
                    n,
                    Event::Map { epoch: Epoch(self.epoch), row, up, alive, pool: self.pool.clone() },
                );
            }
        }
    }

    /// The monitors' answer to a proposal: taken as it is, if it is computed from the row as it is.
    fn proposed(&mut self, change: RowChange) {
        if change.revision != self.row.revision || Some(change.from) != self.row.primary {
            return;
        }
        let mut row = self.row.clone();
        match change.kind {
            RowChangeKind::Activate { in_sync } => {
                (row.in_sync, row.resting) = in_sync.into_iter().partition(|o| self.alive.contains(&o.0));
                row.activated = true;
            }
            RowChangeKind::Shrink { drop } => {
                row.in_sync.retain(|o| !drop.contains(o));
                row.resting.retain(|o| !drop.contains(o));
            }
            RowChangeKind::Grow { add } => row.in_sync.extend(add),
            RowChangeKind::Yield { to } => {
                assert!(!row.activated && row.in_sync.contains(&to) && self.alive.contains(&to.0));
                (row.interval, row.primary) = (row.interval + 1, Some(to));
            }
        }
        let (up, alive) = (self.up.clone(), self.alive.clone());
        self.map_of(row, &up, &alive);
    }

    fn feed(&mut self, n: usize, event: Event) {
        let node = &mut self.nodes[n];
        node.pg.handle(self.now, event, &node.view);
        self.carry_out(n);
    }

    fn carry_out(&mut self, n: usize) {
        while let Some(effect) = self.nodes[n].pg.poll() {
            match effect {
                Effect::Send { to, message } => self.mail.push_back((OsdId(n as u32), to, message)),
                Effect::Store { ticket, transaction } => {
                    self.nodes[n].view.apply(&transaction);
                    for m in &transaction.mutations {
                        if let Mutation::Write { object, .. } | Mutation::Rename { to: object, .. } = m {
                            self.nodes[n].rotten.remove(object);
                        }
                    }
                    self.nodes[n].pending.push_back((ticket, transaction));
                }
                Effect::Read { ticket, object, offset, len } => {
                    self.nodes[n].reads.push(len);
                    let node = &self.nodes[n];
                    let rotten = node.rotten.contains(&object);
                    let result = if rotten { Err(Errno::EIO) } else { node.view.read(&object, offset, len) };
                    match self.nodes[n].reads_held.as_mut() {
                        Some(held) => held.push((ticket, result)),
                        None => self.feed(n, Event::ReadDone { ticket, result }),
                    }
                }
                Effect::Scrub { ticket, objects, deep } => {
                    let node = &self.nodes[n];
                    let told = |o: &ObjectId| entry(&node.view, o, deep && node.rotten.contains(o));
                    let entries = (!node.scrubs_elsewhere).then(|| objects.iter().filter_map(told).collect());
                    self.nodes[n].scrubs += 1;
                    self.scans.push_back((n, ticket, entries));
                }
                Effect::ScrubEnded => {}
                Effect::Reply { session, reply } => {
                    assert_eq!(reply.request, self.sent[&session].request);
                    let twice = self.answers.insert(session, reply.outcome);
                    assert_eq!(twice, None, "answered twice");
                }
                Effect::Divided { .. } => unreachable!("the pool has one PG"),
                Effect::Tell { session, event } => self.told.push((session, event)),
                Effect::Propose(change) => self.proposed(change),
            }
        }
    }

    /// Lets everything happen that can happen without time passing.
    pub(crate) fn settle(&mut self) {
        while self.turn().is_some() {}
    }

    /// Lets everything happen but what is on its way to node `n`.
    pub(crate) fn settle_without(&mut self, n: usize) {
        let mut held: VecDeque<(OsdId, OsdId, PgMessage)> = VecDeque::new();
        loop {
            let (for_n, rest) =
                std::mem::take(&mut self.mail).into_iter().partition(|(_, to, _)| to.0 as usize == n);
            held.extend::<VecDeque<_>>(for_n);
            self.mail = rest;
            if self.turn().is_none() {
                self.mail = held;
                return;
            }
        }
    }

    /// Lets things happen until a message like this is on its way; it and what follows it stay undelivered.
    pub(crate) fn until(&mut self, wanted: impl Fn(&Effect) -> bool) {
        loop {
            let coming = self
                .mail
                .iter()
                .any(|(_, to, message)| wanted(&Effect::Send { to: *to, message: message.clone() }));
            if coming {
                return;
            }
            self.turn().expect("it comes to that");
        }
    }

    fn turn(&mut self) -> Option<()> {
        for n in 0..self.nodes.len() {
            if self.nodes[n].up && self.nodes[n].pg.next_timeout().is_some_and(|at| at <= self.now) {
                self.feed(n, Event::Tick);
                return Some(());
            }
        }
        for n in 0..self.nodes.len() {
            let node = &mut self.nodes[n];
            if node.up && !node.disk_held && !node.pending.is_empty() {
                let (ticket, transaction) = node.pending.pop_front().expect("just seen");
                node.durable.apply(&transaction);
                self.feed(n, Event::Stored { ticket });
                return Some(());
            }
        }
        if let Some((n, ticket, entries)) = self.scans.pop_front() {
            self.feed(n, Event::Scrubbed { ticket, entries });
            return Some(());
        }
        let (from, to, message) = self.mail.pop_front()?;
        let (a, b) = (&self.nodes[from.0 as usize], &self.nodes[to.0 as usize]);
        if a.up && b.up && !a.cut && !b.cut {
            self.delivered += 1;
            self.feed(to.0 as usize, Event::Peer { from, message });
        }
        Some(())
    }

    /// Lets time pass, everything happening that should.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.settle();
            let next = self.nodes.iter().filter(|n| n.up).filter_map(|n| n.pg.next_timeout()).min();
            match next {
                Some(at) if at <= end => self.now = self.now.max(at),
                _ => break,
            }
        }
        self.now = end;
        self.settle();
    }

    /// Messages delivered since the last call.
    pub(crate) fn count_messages(&mut self) -> usize {
        std::mem::take(&mut self.delivered)
    }

    /// Ranges that the stores read since the last call, by their bytes.
    pub(crate) fn take_reads(&mut self) -> Vec<Vec<u64>> {
        self.nodes.iter_mut().map(|node| std::mem::take(&mut node.reads)).collect()
    }

    pub(crate) fn op(&mut self, to: usize, name: &str, ops: Vec<Op>) -> SessionId {
        self.send(to, ops_of(object(name), ops))
    }
    pub(crate) fn list(&mut self, to: usize, after: Option<ObjectId>, max: u32) -> SessionId {
        self.send(to, OpTarget::List { after, max })
    }
    /// Asks something; each request has a session of its own.
    pub(crate) fn send(&mut self, to: usize, target: OpTarget) -> SessionId {
        self.send_in(to, target, SnapContext::default())
    }
    /// The same under a snapshot context.
    pub(crate) fn send_in(&mut self, to: usize, target: OpTarget, snaps: SnapContext) -> SessionId {
        self.requests += 1;
        let request = RequestId { client: 1, seq: self.requests };
        let op = OsdOp { request, epoch: Epoch(self.epoch), pg: PG, target, mtime: WallTime(5), snaps };
        self.ask(to, op)
    }
    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.epoch)
    }
    /// Asks something, aimed by a map of this epoch.
    pub(crate) fn op_of(&mut self, epoch: Epoch, to: usize, name: &str, ops: Vec<Op>) -> SessionId {
        let now = std::mem::replace(&mut self.epoch, epoch.0);
        let session = self.op(to, name, ops);
        self.epoch = now;
        session
    }
    /// Asks the same again, aimed by the map of now.
    pub(crate) fn replay(&mut self, to: usize, session: SessionId) -> SessionId {
        let op = OsdOp { epoch: Epoch(self.epoch), ..self.sent[&session].clone() };
        self.ask(to, op)
    }
    fn ask(&mut self, to: usize, op: OsdOp) -> SessionId {
        let session = SessionId(self.sent.len() as u64);
        self.sent.insert(session, op.clone());
        self.feed(to, Event::ClientOp { session, op });
        session
    }
    /// The connection ends by which something was asked.
    pub(crate) fn hang_up(&mut self, n: usize, session: SessionId) {
        self.feed(n, Event::SessionGone { session });
    }
    pub(crate) fn answer(&self, session: SessionId) -> Option<OsdOutcome> {
        self.answers.get(&session).cloned()
    }

    pub(crate) fn hold_disk(&mut self, n: usize) {
        self.nodes[n].disk_held = true;
    }
    pub(crate) fn release_disk(&mut self, n: usize) {
        self.nodes[n].disk_held = false;
    }
    pub(crate) fn hold_reads(&mut self, n: usize) {
        self.nodes[n].reads_held = Some(Vec::new());
    }
    pub(crate) fn release_reads(&mut self, n: usize) {
        for (ticket, result) in self.nodes[n].reads_held.take().unwrap_or_default() {
            self.feed(n, Event::ReadDone { ticket, result });
        }
    }
    /// A message that the machines here did not send.
    pub(crate) fn say(&mut self, from: u32, to: usize, message: PgMessage) {
        self.feed(to, Event::Peer { from: OsdId(from), message });
    }
    /// What is on its way to node `n`.
    pub(crate) fn mail_to(&self, n: u32) -> Vec<PgMessage> {
        self.mail.iter().filter(|(_, to, _)| to.0 == n).map(|(_, _, message)| message.clone()).collect()
    }
    pub(crate) fn cut(&mut self, n: usize) {
        self.nodes[n].cut = true;
    }
    pub(crate) fn join_link(&mut self, n: usize) {
        self.nodes[n].cut = false;
    }
    pub(crate) fn deaf(&mut self, n: usize) {
        self.nodes[n].deaf = true;
    }
    pub(crate) fn full(&mut self, n: usize, full: &[u32]) {
        self.feed(n, Event::Full(full.iter().copied().map(OsdId).collect()));
    }
    pub(crate) fn resign(&mut self, n: usize) {
        self.feed(n, Event::Resign);
    }
    /// The monitors say: so many snapshots were made, and these are gone.
    pub(crate) fn snaps(&mut self, seq: u64, removed: &[u64]) {
        self.pool.snaps.seq = seq;
        for snap in removed {
            self.pool.snaps.removed.insert(*snap);
        }
        let (row, up, alive) = (self.row.clone(), self.up.clone(), self.alive.clone());
        self.map_of(row, &up, &alive);
    }
    pub(crate) fn fast_read(&mut self) {
        self.pool.fast_read = true;
        let (row, up, alive) = (self.row.clone(), self.up.clone(), self.alive.clone());
        self.map_of(row, &up, &alive);
    }
    pub(crate) fn pool_size(&mut self, size: u32) {
        self.pool.size = size;
    }
    pub(crate) fn pool_deleted(&mut self, n: usize) {
        self.feed(n, Event::PoolDeleted);
    }
    pub(crate) fn may_recover(&mut self, n: usize, may: bool) {
        self.feed(n, Event::MayRecover(may));
    }
    pub(crate) fn rot(&mut self, n: usize, name: &str) {
        self.nodes[n].rotten.insert(object(name));
    }
    /// A person brought it back.
    pub(crate) fn mend(&mut self, n: usize, name: &str) {
        self.nodes[n].rotten.remove(&object(name));
    }
    pub(crate) fn node_mut(&mut self, n: usize) -> &mut Node {
        &mut self.nodes[n]
    }
    /// A store holds something else than it should, and its checksums match that.
    pub(crate) fn falsify(&mut self, n: usize, name: &str, how: impl Fn(&mut ModelObject)) {
        let node = &mut self.nodes[n];
        for model in [&mut node.view, &mut node.durable] {
            how(model.objects.get_mut(&object(name)).expect("it is there"));
        }
    }
    /// A store forgets an object.
    pub(crate) fn lose(&mut self, n: usize, name: &str) {
        let node = &mut self.nodes[n];
        for model in [&mut node.view, &mut node.durable] {
            model.objects.remove(&object(name)).expect("it is there");
        }
    }
    /// A store has an object, empty and of this version, that it should not have.
    pub(crate) fn forge(&mut self, n: usize, name: &str, version: Version) {
        let node = &mut self.nodes[n];
        for model in [&mut node.view, &mut node.durable] {
            let mutations = vec![
                Mutation::Touch { object: object(name) },
                Mutation::Stamp { object: object(name), version, mtime: WallTime(1) },
            ];
            model.apply(&Transaction { mutations });
        }
    }
    pub(crate) fn scrub(&mut self, n: usize, deep: bool) {
        self.feed(n, Event::Scrub(ScrubOrder { deep, at: WallTime(9) }));
    }
    pub(crate) fn baseline(&mut self, n: usize, at: u64) {
        self.feed(n, Event::ScrubBaseline(WallTime(at)));
    }
    /// Lets one thing happen, if anything can; whether it did.
    pub(crate) fn step(&mut self) -> bool {
        self.turn().is_some()
    }
    /// The process dies: what was not durable is gone.
    pub(crate) fn stop(&mut self, n: usize) {
        self.nodes[n].up = false;
        self.mail.retain(|(from, to, _)| from.0 as usize != n && to.0 as usize != n);
    }
    /// It comes back with what its disk has.
    pub(crate) fn start(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        node.pending.clear();
        node.view = node.durable.clone();
        node.life += 1;
        node.up = true;
        node.disk_held = false;
        node.pg = machine(n as u32, self.now, &node.view);
        self.carry_out(n);
    }
}
