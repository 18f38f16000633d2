//! One OSD: a store whose undurable transactions a crash loses, and the PG machines over it.

use crate::oracle::Logged;
use crate::world::{Io, Kind, Out};
use osd_class::Registry;
use osd_object::model::Model;
use osd_object::{Mutation, ObjectId, ObjectRead, Transaction, Version};
use osd_pg::{Effect, Event, Pg, PgConfig, PgStatus, PoolSpec, ScrubOrder, SessionId, Ticket, TrimPace};
use placement_map::{ClusterState, OsdId, PgId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;
use stdx::checksum::crc32c;
use stdx::codec::from_bytes;
use stdx::time::WallTime;
use stdx::{Rng, Time};
use wire_codec::pg::{LogEntry, ScrubEntry};
use wire_codec::{OsdOp, PgMessage};

/// An OSD's own affairs.
#[derive(Clone, Debug)]
pub(crate) enum OsdEvent {
    /// The oldest transaction is durable.
    Durable,
    /// A read comes back.
    Read { pg: PgId, ticket: Ticket, object: ObjectId, offset: u64, len: u64 },
    /// The store says what it holds.
    Scrub { pg: PgId, ticket: Ticket, objects: Vec<ObjectId> },
    /// A timer: the one for that time, or one that the throttle asked for.
    Tick { pg: PgId, at: Option<Time> },
    /// It tells the monitors (again) that it is there.
    Boot,
}

/// One OSD.
pub(crate) struct Osd {
    pub(crate) id: OsdId,
    kind: Kind,
    running: bool,
    /// It said that it stops.
    resigned: bool,
    life: u64,
    store: u64,
    rng: Rng,
    /// What survives a crash.
    pub(crate) durable: Model,
    /// What is visible.
    pub(crate) view: Model,
    pending: VecDeque<(PgId, Ticket, Transaction)>,
    pgs: BTreeMap<PgId, Pg>,
    state: Option<Rc<ClusterState>>,
    /// A map showed this life as up. Before that the machines hear nothing: rows still speak of a former
    /// life, whose store this one may not have.
    booted: bool,
    waiting: Vec<(SessionId, OsdOp)>,
    ticks: BTreeMap<PgId, Time>,
    /// Its clock: an origin of its own, and drift.
    clock_origin: u64,
    clock_ppm: i64,
    slow_disk: bool,
}

/// Small limits, so that a short run meets them. The log must outlast a client's patience, or replays are
/// not recognised.
pub(crate) fn config(kind: Kind) -> PgConfig {
    if kind.is_shards() {
        // Stripes are KiB, not bytes.
        let copies = config(Kind::Copies);
        return PgConfig {
            in_flight_bytes_max: 60_000,
            apply_bytes_max: 100,
            push_bytes_max: 3_000,
            write_results_max: 1 << 20,
            ..copies
        };
    }
    PgConfig {
        log_entries_max: 250,
        in_flight_max: 8,
        in_flight_bytes_max: 400,
        pushes_max: 2,
        push_bytes_max: 40,
        scan_max: 2,
        scrub_objects: 2,
        scrub_deep_objects: 3,
        scrub_resend: Duration::from_secs(1),
        laggard: Duration::from_secs(15),
        ..PgConfig::default()
    }
}

pub(crate) fn registry() -> Registry {
    Registry::new(&[&crate::client::Counter])
}

impl Osd {
    pub(crate) fn new(id: OsdId, kind: Kind, rng: &mut Rng) -> Osd {
        Osd {
            id,
            kind,
            running: true,
            resigned: false,
            life: 0,
            store: 0,
            rng: Rng::new(rng.next_u64()),
            durable: Model::new(),
            view: Model::new(),
            pending: VecDeque::new(),
            pgs: BTreeMap::new(),
            state: None,
            booted: false,
            waiting: Vec::new(),
            ticks: BTreeMap::new(),
            clock_origin: rng.below(1 << 40),
            clock_ppm: rng.below(200) as i64 - 100,
            slow_disk: false,
        }
    }
    pub(crate) fn running(&self) -> bool {
        self.running
    }
    /// How many stores it had before the one it has.
    pub(crate) fn store(&self) -> u64 {
        self.store
    }
    pub(crate) fn life(&self) -> u64 {
        self.life
    }
    pub(crate) fn lives(&self, life: u64) -> bool {
        self.running && self.life == life
    }
    /// What it boots as, if it is still this life.
    pub(crate) fn booting(&self, life: u64) -> Option<(u64, u64)> {
        self.lives(life).then_some((self.life, self.store))
    }
    pub(crate) fn status(&self, pg: PgId) -> Option<PgStatus> {
        self.pgs.get(&pg).filter(|_| self.running).map(Pg::status)
    }
    /// Nothing is on its way to the disk.
    pub(crate) fn quiet(&self) -> bool {
        self.pending.is_empty()
    }

    /// About to stop in order.
    pub(crate) fn resign(&mut self, io: &mut Io) {
        self.resigned = true;
        for pg in self.pgs.keys().copied().collect::<Vec<_>>() {
            self.feed(io, pg, Event::Resign);
        }
    }

    /// Loses all that was not durable; some of what was on its way made it.
    pub(crate) fn crash(&mut self) {
        (self.running, self.resigned) = (false, false);
        let made_it = self.rng.below(self.pending.len() as u64 + 1);
        for (_, _, transaction) in self.pending.drain(..).take(made_it as usize) {
            self.durable.apply(&transaction);
        }
        self.pending.clear();
        self.view = Model::new();
        self.pgs.clear();
        self.state = None;
        self.waiting.clear();
        self.ticks.clear();
    }

    /// Starts a new life; with an empty store if `wiped`.
    pub(crate) fn start(&mut self, wiped: bool) {
        assert!(!self.running, "it runs already");
        self.running = true;
        self.life += 1;
        self.booted = false;
        self.clock_origin = self.rng.below(1 << 40);
        self.slow_disk = self.rng.chance(1, 10);
        if wiped {
            self.store += 1;
            self.durable = Model::new();
        }
        self.view = self.durable.clone();
    }

    fn clock(&self, now: Time) -> Time {
        let drift = i128::from(now.0) * i128::from(self.clock_ppm) / 1_000_000;
        Time((i128::from(self.clock_origin) + i128::from(now.0) + drift) as u64)
    }

    pub(crate) fn message(&mut self, io: &mut Io, from: OsdId, pg: PgId, message: PgMessage) {
        if !self.booted {
            return;
        }
        self.ensure(io, pg);
        self.feed(io, pg, Event::Peer { from, message });
    }

    pub(crate) fn client_op(&mut self, io: &mut Io, session: SessionId, op: OsdOp) {
        if !self.booted || self.state.as_ref().is_none_or(|s| s.map().epoch < op.epoch) {
            self.waiting.push((session, op));
            return;
        }
        let pg = op.pg;
        self.ensure(io, pg);
        self.feed(io, pg, Event::ClientOp { session, op });
    }

    pub(crate) fn own(&mut self, io: &mut Io, event: OsdEvent) {
        match event {
            OsdEvent::Durable => {
                let (pg, ticket, transaction) = self.pending.pop_front().expect("one for each");
                self.durable.apply(&transaction);
                self.feed(io, pg, Event::Stored { ticket });
            }
            OsdEvent::Read { pg, ticket, object, offset, len } => {
                // Late on purpose: whoever let the object change meanwhile shows it.
                let result = self.view.read(&object, offset, len);
                self.feed(io, pg, Event::ReadDone { ticket, result });
            }
            OsdEvent::Scrub { pg, ticket, objects } => {
                let entries = objects.iter().filter_map(|o| self.entry(o)).collect();
                let entries = (!self.rng.chance(1, 50)).then_some(entries);
                self.feed(io, pg, Event::Scrubbed { ticket, entries });
            }
            OsdEvent::Tick { pg, at: None } => self.feed(io, pg, Event::Tick),
            OsdEvent::Tick { pg, at } => {
                // Only the one that is waited for: were those that a sooner one replaced to go on beside it, there would be
                // more and more of them. Should the clock drift so that it comes too early, the machine asks again.
                if self.ticks.get(&pg).copied() == at {
                    self.ticks.remove(&pg);
                    self.feed(io, pg, Event::Tick);
                }
            }
            OsdEvent::Boot => io.out.push(Out::Boot),
        }
    }

    /// The monitors say.
    pub(crate) fn map(&mut self, io: &mut Io, state: Rc<ClusterState>) {
        if let Some(old) = &self.state
            && (old.map().epoch, old.rows_version()) >= (state.map().epoch, state.rows_version())
        {
            return;
        }
        let map = state.map();
        let up = map.osd(self.id).is_some_and(|o| o.up && o.nonce == self.life);
        if !up {
            io.out.push(Out::Boot);
        }
        self.booted |= up;
        self.state = Some(state.clone());
        if !self.booted {
            return;
        }
        let known: BTreeSet<PgId> = self.pgs.keys().copied().collect();
        for pg in state.mapping().iter().map(|(pg, _)| pg).collect::<Vec<_>>() {
            let row = state.row(pg).expect("a row for each PG");
            let up = &state.mapping().up(pg).expect("mapped").set;
            let holds = || self.durable.objects.contains_key(&osd_pg::names::meta_object(pg));
            if up.contains(&self.id) || row.in_sync.contains(&self.id) || known.contains(&pg) || holds() {
                self.ensure(io, pg);
                self.tell(io, pg, &state);
            }
        }
        let epoch = map.epoch;
        let (ready, waiting) = self.waiting.drain(..).partition(|(_, op)| op.epoch <= epoch);
        self.waiting = waiting;
        let ready: Vec<(SessionId, OsdOp)> = ready;
        for (session, op) in ready {
            self.client_op(io, session, op);
        }
    }

    fn tell(&mut self, io: &mut Io, pg: PgId, state: &ClusterState) {
        let (map, row) = (state.map(), state.row(pg).expect("a row").clone());
        let up = state.mapping().up(pg).expect("mapped").set.clone();
        let alive =
            up.iter().chain(&row.in_sync).filter_map(|osd| Some((*osd, map.incarnation(*osd)?))).collect();
        let pool = map.pool(pg.pool).expect("the pool");
        let pool = PoolSpec::of(pool);
        // As if some OSDs did not know records yet: writes then go to sidecars.
        let pool = PoolSpec { records: pg.seed.is_multiple_of(2), may_yield: true, ..pool };
        self.feed(io, pg, Event::Map { epoch: map.epoch, row, up, alive, pool });
    }

    /// What it holds of an object.
    fn entry(&self, id: &ObjectId) -> Option<ScrubEntry> {
        let o = self.view.objects.get(id)?;
        let digest = |rows: Vec<u8>| crc32c(&rows);
        let omap = o.omap.iter().flat_map(|(k, v)| [&k[..], &[0], v, &[0]].concat());
        let attrs = o.xattrs.iter().flat_map(|(k, v)| [k.as_bytes(), &[0], v, &[0]].concat());
        Some(ScrubEntry {
            object: id.clone(),
            version: o.meta.version,
            size: o.meta.size,
            data_digest: crc32c(&o.data),
            attr_digest: digest(attrs.collect()),
            omap_digest: digest(omap.collect()),
            bad: Vec::new(),
        })
    }

    fn ensure(&mut self, io: &mut Io, pg: PgId) {
        if self.pgs.contains_key(&pg) {
            return;
        }
        let now = self.clock(io.now);
        let machine = Pg::new(pg, self.id, now, &self.view, config(self.kind), registry())
            .expect("a model's rows are never damaged");
        self.pgs.insert(pg, machine);
        let sleep = Duration::from_millis(if self.rng.chance(1, 3) { 300 } else { 0 });
        let pace = TrimPace { at_once: 1 + self.rng.below(3) as usize, sleep };
        if self.resigned {
            self.feed(io, pg, Event::Resign);
        }
        self.feed(io, pg, Event::TrimPace(pace));
        self.drain(io, pg);
        if let Some(state) = self.state.clone() {
            self.tell(io, pg, &state);
        }
    }

    fn feed(&mut self, io: &mut Io, pg: PgId, event: Event) {
        let now = self.clock(io.now);
        // The shell's throttle, closed now and then; the next event opens it again, a tick at the latest.
        let throttle = self.rng.chance(1, 40);
        if throttle {
            let event = OsdEvent::Tick { pg, at: None };
            io.out.push(Out::Later { after: Duration::from_millis(50), event });
        }
        let Some(machine) = self.pgs.get_mut(&pg) else { return };
        if self.rng.chance(1, 300) {
            // A shell that scrubs much more often than a real one.
            let order = ScrubOrder { deep: self.rng.chance(1, 2), at: WallTime(io.now.0) };
            machine.handle(now, Event::Scrub(order), &self.view);
            self.drain(io, pg);
        }
        let Some(machine) = self.pgs.get_mut(&pg) else { return };
        machine.handle(now, Event::MayRecover(!throttle), &self.view);
        self.drain(io, pg);
        let Some(machine) = self.pgs.get_mut(&pg) else { return };
        machine.handle(now, event, &self.view);
        self.drain(io, pg);
    }

    /// Tells the oracle of writes that are put into a log, with what this OSD knows of snapshots.
    fn note_logged(&self, io: &mut Io, pg: PgId, transaction: &Transaction) {
        let pool = self.state.as_ref().and_then(|state| state.map().pool(pg.pool));
        let Some(snaps) = pool.map(|pool| &pool.snaps).filter(|snaps| snaps.seq > 0) else { return };
        let meta = osd_pg::names::meta_object(pg);
        let rows = |m: &Mutation| match m {
            Mutation::OmapSet { object, rows } if *object == meta => rows.clone(),
            _ => Vec::new(),
        };
        let mut before: Option<Version> = None;
        for (key, value) in transaction.mutations.iter().flat_map(rows).filter(|(key, _)| key[0] == b'l') {
            let entry: LogEntry = from_bytes(value).expect("an entry");
            let mut key = key.to_vec();
            key[1..].copy_from_slice(&(entry.version.seq - 1).to_be_bytes());
            let row = self.view.omap_get(&meta, &key).expect("a model reads");
            let stored = row.map(|row| from_bytes::<LogEntry>(row).expect("an entry").version);
            let prev = before.filter(|v| v.seq + 1 == entry.version.seq).or(stored);
            before = Some(entry.version);
            let effects = match self.kind {
                Kind::Copies => {
                    let all = transaction.mutations.iter();
                    all.filter(|m| !osd_pg::names::is_internal(m.object())).cloned().collect()
                }
                Kind::Shards(..) => crate::own_writes::own_effects(&entry, transaction),
            };
            let effects = Transaction { mutations: effects };
            io.out.push(Out::Logged(Box::new(Logged {
                pg,
                entry,
                prev,
                removed: snaps.removed.clone(),
                effects,
            })));
        }
    }

    fn drain(&mut self, io: &mut Io, pg: PgId) {
        let now = self.clock(io.now);
        loop {
            let Some(effect) = self.pgs.get_mut(&pg).and_then(Pg::poll) else { break };
            match effect {
                Effect::Send { to, message } => io.out.push(Out::Send { to, pg, message }),
                Effect::Store { ticket, transaction } => {
                    self.note_logged(io, pg, &transaction);
                    self.view.apply(&transaction);
                    self.pending.push_back((pg, ticket, transaction));
                    let us = if self.slow_disk { 20_000 } else { 1_000 };
                    let after = Duration::from_micros(100 + self.rng.below(us));
                    io.out.push(Out::Later { after, event: OsdEvent::Durable });
                }
                Effect::Read { ticket, object, offset, len } => {
                    let event = OsdEvent::Read { pg, ticket, object, offset, len };
                    let after = Duration::from_micros(50 + self.rng.below(3_000));
                    io.out.push(Out::Later { after, event });
                }
                Effect::Scrub { ticket, objects, .. } => {
                    let event = OsdEvent::Scrub { pg, ticket, objects };
                    let after = Duration::from_micros(50 + self.rng.below(20_000));
                    io.out.push(Out::Later { after, event });
                }
                Effect::ScrubEnded => {}
                Effect::Reply { session, reply } => io.out.push(Out::Reply { session, reply }),
                Effect::Divided { .. } => unreachable!("no pool grows here: tests/sim has that"),
                // Nobody watches here.
                Effect::Tell { .. } => {}
                Effect::Propose(change) => io.out.push(Out::Propose(change)),
            }
        }
        if self.pgs[&pg].status().removed {
            self.pgs.remove(&pg);
            self.ticks.remove(&pg);
            return;
        }
        if let Some(at) = self.pgs[&pg].next_timeout() {
            let sooner = self.ticks.get(&pg).is_none_or(|old| at < *old);
            if sooner {
                self.ticks.insert(pg, at);
                // The clock drifts by up to 100 ppm; a tick that comes too early comes again.
                let after = at.since(now) + Duration::from_nanos(1);
                io.out.push(Out::Later { after, event: OsdEvent::Tick { pg, at: Some(at) } });
            }
        }
    }
}
