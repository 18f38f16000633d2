//! The world: virtual time, the agenda, the links, the monitors.

use crate::Summary;
use crate::client::Client;
use crate::faults::Faults;
use crate::oracle::{Logged, Oracle};
use crate::osd::{Osd, OsdEvent};
use osd_object::{ObjectId, ObjectName};
use osd_pg::SessionId;
use placement_map::{
    Bootstrap, ClusterState, Command, Epoch, OsdBoot, OsdId, PgId, PoolCreate, PoolId, RowChange, Uuid,
    WEIGHT_ONE,
};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;
use stdx::time::WallTime;
use stdx::{Rng, Time};
use wire_codec::{OsdOp, OsdOpReply, PgMessage};

/// What may happen in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Nothing but delays.
    Calm,
    /// OSDs crash and come back, lose messages.
    Crashes,
    /// Also links break, OSDs lose the monitors, stores are lost.
    Everything,
    /// OSDs are marked out and in, so that data moves, and crash meanwhile.
    Moves,
}

/// What kind of pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Whole copies.
    Copies,
    /// Data and parity shards.
    Shards(u32, u32),
}

impl Kind {
    pub(crate) fn is_shards(self) -> bool {
        self != Kind::Copies
    }
    /// So many members with what was acknowledged must be left, or it is lost.
    pub(crate) fn fewest(self) -> usize {
        match self {
            Kind::Copies => 1,
            Kind::Shards(k, _) => k as usize,
        }
    }
    fn osds(self) -> u32 {
        match self {
            Kind::Copies => OSDS,
            Kind::Shards(k, m) => k + m + 1,
        }
    }
}

/// Something on the agenda.
pub(crate) enum Happening {
    /// A message between OSDs arrives.
    Message { from: OsdId, to: OsdId, pg: PgId, message: PgMessage },
    /// An OSD's own affairs; void if it crashed since.
    Osd { osd: OsdId, life: u64, event: OsdEvent },
    /// The monitors' state arrives at an OSD.
    MapAtOsd { osd: OsdId, state: Rc<ClusterState> },
    /// The monitors' state arrives at a client.
    MapAtClient { client: usize, state: Rc<ClusterState> },
    /// An operation arrives at an OSD.
    Op { to: OsdId, session: SessionId, op: OsdOp },
    /// An answer arrives at a client.
    Reply { client: usize, reply: OsdOpReply },
    /// A client does something: begins, or sends again.
    ClientTurn { client: usize, turn: u64 },
    /// A proposal arrives at the monitors.
    Proposal { change: RowChange },
    /// An OSD says that it serves.
    Boot { osd: OsdId, life: u64 },
    /// The monitors notice that an OSD is gone.
    NoticeDown { osd: OsdId, life: u64 },
    /// What an OSD says last arrives at the monitors.
    Goodbye { osd: OsdId, incarnation: Epoch },
    /// An OSD that resigned stops.
    Stop { osd: OsdId },
    /// A client gets news of maps again.
    Hear { client: usize },
    /// A crashed OSD comes back.
    Start { osd: OsdId },
    /// The next fault.
    Fault,
    /// A snapshot is made or removed.
    Snapshot,
}

/// Everything.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) kind: Kind,
    /// Whether there are any.
    pub(crate) snapshots: bool,
    pub(crate) rng: Rng,
    pub(crate) now: Time,
    agenda: BTreeMap<(Time, u64), Happening>,
    scheduled: u64,
    /// Links keep their order: when the last message of each arrives.
    link_free: BTreeMap<(u32, u32), Time>,
    pub(crate) monitors: Rc<ClusterState>,
    pub(crate) pool: PoolId,
    pub(crate) osds: BTreeMap<OsdId, Osd>,
    pub(crate) clients: Vec<Client>,
    pub(crate) faults: Faults,
    pub(crate) oracle: Oracle,
    pub(crate) keys: Vec<ObjectId>,
    pub(crate) healing: bool,
    pub(crate) summary: Summary,
    /// Of 1,000 messages, so many are lost while faults last.
    loss: u64,
    /// Print what happens.
    trace: bool,
    /// Steps since time last moved on visibly.
    busy: u32,
}

const OSDS: u32 = 5;
const PGS: u32 = 2;
const KEYS: usize = 10;
const CLIENTS: usize = 4;
/// The monitors' number among link ends; clients follow.
const MONITORS: u32 = 1000;

impl World {
    pub(crate) fn new(seed: u64, plan: Plan, kind: Kind) -> World {
        let mut rng = Rng::new(seed ^ 0x6e61_6372);
        let mut state = ClusterState::default();
        let fsid = Uuid([9; 16]);
        let monitors = vec![("mon.0".to_string(), "10.9.0.1:3300".parse().unwrap())];
        let mut apply = |command: &Command| {
            state.apply(WallTime(1), command).reply.unwrap_or_else(|e| panic!("{command:?}: {e}"));
        };
        apply(&Command::Bootstrap(Bootstrap {
            fsid,
            monitors,
            config: vec![],
            feature_level: placement_map::FEATURE_LEVEL,
        }));
        for id in 0..kind.osds() {
            apply(&Command::OsdBoot(boot(OsdId(id), 0, 0)));
        }
        let size = if rng.chance(1, 4) { 2 } else { 3 };
        let min_size = size.min(1 + rng.below(2) as u32).max(size - 1);
        let (size, min_size, erasure) = match kind {
            Kind::Copies => (Some(size), min_size, None),
            Kind::Shards(k, m) => {
                (None, k + rng.below(2) as u32, Some(format!("k={k} m={m} stripe_unit=4K")))
            }
        };
        let create = PoolCreate {
            name: "p".into(),
            size,
            min_size: Some(min_size),
            erasure,
            pg_num: Some(PGS),
            failure_domain: Some("osd".into()),
            application: "rados".into(),
            ..PoolCreate::default()
        };
        apply(&Command::PoolCreate(create));
        let pool = state.map().pool_id("p").expect("just made");
        let keys = (0..KEYS)
            .map(|i| {
                let name = format!("key{i}");
                ObjectId::head(pool, placement_map::object_hash("", "", &name), ObjectName::new(name))
            })
            .collect();
        let osds = (0..kind.osds()).map(|id| (OsdId(id), Osd::new(OsdId(id), kind, &mut rng))).collect();
        let loss = if plan == Plan::Calm { 0 } else { [0, 2, 20, 60][rng.below(4) as usize] };
        let monitors = Rc::new(state);
        let clients = (0..CLIENTS).map(|n| Client::new(n, monitors.clone())).collect();
        let mut world = World {
            plan,
            kind,
            snapshots: seed % 2 == 1,
            rng,
            now: Time(1),
            agenda: BTreeMap::new(),
            scheduled: 0,
            link_free: BTreeMap::new(),
            monitors,
            pool,
            osds,
            clients,
            faults: Faults::default(),
            oracle: Oracle::default(),
            keys,
            healing: false,
            summary: Summary::default(),
            loss,
            trace: crate::setting("SIM_TRACE").is_some(),
            busy: 0,
        };
        world.publish();
        for client in 0..CLIENTS {
            world.at(Duration::from_millis(50 * client as u64), Happening::ClientTurn { client, turn: 0 });
        }
        if world.snapshots {
            world.at(Duration::from_secs(1), Happening::Snapshot);
        }
        if plan != Plan::Calm {
            world.at(Duration::from_millis(500), Happening::Fault);
        }
        world
    }

    /// Runs the trouble, then the healing, then the judgement.
    pub(crate) fn run(mut self) -> Summary {
        let trouble = Time::ZERO + Duration::from_secs(40);
        while self.now < trouble {
            self.step();
        }
        self.heal();
        let deadline = self.now + Duration::from_secs(120);
        while !self.is_healed() {
            assert!(self.now < deadline, "not healed in time:\n{}", self.describe());
            self.step();
        }
        self.judge();
        self.summary
    }

    fn step(&mut self) {
        let Some(((at, _), happening)) = self.agenda.pop_first() else {
            panic!("nothing will ever happen again:\n{}", self.describe());
        };
        if at > self.now + Duration::from_millis(1) {
            self.busy = 0;
        }
        self.busy += 1;
        assert!(self.busy < 100_000, "a machine spins:\n{}", self.describe());
        self.now = at;
        if self.trace {
            crate::report(&format!("{} {}", at.0, self.name_of(&happening)));
        }
        match happening {
            Happening::Message { from, to, pg, message } => {
                if self.faults.linked(from, to) {
                    self.summary.messages += 1;
                    self.with_osd(to, |osd, io| osd.message(io, from, pg, message));
                }
            }
            Happening::Osd { osd, life, event } => {
                if self.osds[&osd].lives(life) {
                    self.with_osd(osd, |osd, io| osd.own(io, event));
                }
            }
            Happening::MapAtOsd { osd, state } => {
                if self.faults.sees_monitors(osd) {
                    self.with_osd(osd, |osd, io| osd.map(io, state));
                } else {
                    // A subscription catches up once the link is back.
                    self.at(Duration::from_millis(300), Happening::MapAtOsd { osd, state });
                }
            }
            Happening::MapAtClient { client, state } if self.faults.hears(client) => {
                self.client_map(client, state)
            }
            Happening::MapAtClient { client, state } => {
                self.at(Duration::from_millis(300), Happening::MapAtClient { client, state });
            }
            Happening::Op { to, session, op } => self.with_osd(to, |osd, io| osd.client_op(io, session, op)),
            Happening::Reply { client, reply } => self.client_reply(client, reply),
            Happening::ClientTurn { client, turn } => self.client_turn(client, turn),
            Happening::Proposal { change } => {
                self.command(&Command::Rows(vec![change]));
            }
            Happening::Boot { osd, life } => self.booted(osd, life),
            Happening::NoticeDown { osd, life } => self.notice_down(osd, life),
            Happening::Goodbye { osd, incarnation } => {
                self.command(&Command::OsdStopped { osd, incarnation });
            }
            Happening::Start { osd } => self.start_osd(osd),
            Happening::Hear { client } => self.faults.hear(client),
            Happening::Stop { osd } => {
                self.crash(osd);
                if self.healing {
                    self.start_osd(osd);
                }
            }
            Happening::Fault => self.fault(),
            Happening::Snapshot => self.snapshot(),
        }
    }

    /// Makes a snapshot or removes one, until the healing.
    fn snapshot(&mut self) {
        if self.healing {
            return;
        }
        let (pool, snaps) = (self.pool, self.monitors.map().pool(self.pool).expect("the pool").snaps.clone());
        let live: Vec<u64> = (1..=snaps.seq).filter(|snap| snaps.is_live(*snap)).collect();
        let remove = live.len() >= 6 || (!live.is_empty() && self.rng.chance(2, 5));
        if remove {
            let snap = live[self.rng.below(live.len() as u64) as usize];
            self.command(&Command::SnapRemove { pool, snap });
        } else {
            self.command(&Command::SnapCreate { pool });
        }
        let after = Duration::from_millis(200 + self.rng.below(2500));
        self.at(after, Happening::Snapshot);
    }

    pub(crate) fn note(&self, line: &str) {
        if self.trace {
            crate::report(&format!("{} {line}", self.now.0));
        }
    }

    /// One line of a trace.
    fn name_of(&self, happening: &Happening) -> String {
        match happening {
            Happening::Message { from, to, pg, message } => format!("{pg} {from} -> {to}: {message:?}"),
            Happening::Osd { osd, life, event } => format!("{osd} life {life}: {event:?}"),
            Happening::MapAtOsd { osd, state } => {
                let rows: Vec<_> = state.rows().map(|(pg, row)| format!("{pg} {row:?}")).collect();
                format!("map {} at {osd}: {}", state.map().epoch, rows.join("; "))
            }
            Happening::MapAtClient { client, state } => {
                format!("map {} at client {client}", state.map().epoch)
            }
            Happening::Op { to, op, .. } => format!("{:?} -> {to}: {:?}", op.request, op.target),
            Happening::Reply { client, reply } => format!("client {client} gets {reply:?}"),
            Happening::ClientTurn { client, .. } => format!("turn of client {client}"),
            Happening::Proposal { change } => format!("proposal {change:?}"),
            Happening::Boot { osd, life } => format!("boot of {osd} life {life}"),
            Happening::NoticeDown { osd, life } => format!("{osd} life {life} is missed"),
            Happening::Goodbye { osd, .. } => format!("{osd} says that it stops"),
            Happening::Start { osd } => format!("start of {osd}"),
            Happening::Hear { client } => format!("client {client} hears again"),
            Happening::Stop { osd } => format!("stop of {osd}"),
            Happening::Fault => "a fault".into(),
            Happening::Snapshot => "a snapshot".into(),
        }
    }

    /// Puts something on the agenda.
    pub(crate) fn at(&mut self, after: Duration, happening: Happening) {
        self.scheduled += 1;
        self.agenda.insert((self.now + after, self.scheduled), happening);
    }

    pub(crate) fn with_osd(&mut self, id: OsdId, act: impl FnOnce(&mut Osd, &mut Io)) {
        let mut io = Io { now: self.now, out: Vec::new() };
        let Some(osd) = self.osds.get_mut(&id) else { return };
        if !osd.running() {
            return;
        }
        act(osd, &mut io);
        for out in io.out {
            self.carry_out(id, out);
        }
    }

    fn carry_out(&mut self, id: OsdId, out: Out) {
        let life = self.osds[&id].life();
        match out {
            Out::Send { to, pg, message } => {
                // A link: order is kept, but a break loses what is on the way.
                if self.lost() || !self.faults.linked(id, to) {
                    return;
                }
                if self.plan != Plan::Calm && !self.healing && self.rng.chance(1, 100) {
                    let again = message.clone();
                    let delay = self.link_delay(id.0, to.0);
                    self.at(delay, Happening::Message { from: id, to, pg, message: again });
                }
                let delay = self.link_delay(id.0, to.0);
                self.at(delay, Happening::Message { from: id, to, pg, message });
            }
            Out::Reply { session, reply } => {
                self.check_at_reply(&reply);
                if !self.lost() {
                    let client = (session.0 % CLIENTS as u64) as usize;
                    let delay = self.link_delay(id.0, 2000 + client as u32);
                    self.at(delay, Happening::Reply { client, reply });
                }
            }
            Out::Propose(change) => {
                // Proposals linger: they may arrive long after the row changed, twice, or never.
                let copies = if self.healing { 1 } else { self.rng.below(3).max(u64::from(!self.lost())) };
                for _ in 0..copies {
                    let slow = !self.healing && self.rng.chance(1, 10);
                    let ms = if slow { self.rng.below(4000) } else { 2 + self.rng.below(30) };
                    if self.faults.sees_monitors(id) {
                        self.at(Duration::from_millis(ms), Happening::Proposal { change: change.clone() });
                    }
                }
            }
            Out::Boot => {
                if self.faults.sees_monitors(id) {
                    self.at(Duration::from_millis(20), Happening::Boot { osd: id, life });
                }
            }
            Out::Logged(logged) => self.oracle.logged(*logged),
            Out::Later { after, event } => self.at(after, Happening::Osd { osd: id, life, event }),
        }
    }

    fn lost(&mut self) -> bool {
        !self.healing && self.rng.below(1000) < self.loss
    }

    fn link_delay(&mut self, from: u32, to: u32) -> Duration {
        let slow = self.plan != Plan::Calm && self.rng.chance(1, 50);
        let us = if slow { self.rng.below(400_000) } else { 50 + self.rng.below(3000) };
        let free = self.link_free.entry((from, to)).or_insert(Time::ZERO);
        let at = (self.now + Duration::from_micros(us)).max(*free + Duration::from_nanos(1));
        *free = at;
        at.since(self.now)
    }

    /// The monitors carry a command out and tell everybody.
    pub(crate) fn command(&mut self, command: &Command) {
        let applied = Rc::make_mut(&mut self.monitors).apply(WallTime(self.now.0), command);
        let refused = applied.reply.is_err();
        assert!(!refused || !matches!(command, Command::OsdBoot(_)), "{command:?}: {:?}", applied.reply);
        if applied.incremental.is_some() || !applied.rows.is_empty() {
            self.publish();
        }
    }

    fn publish(&mut self) {
        for osd in self.osds.keys().copied().collect::<Vec<_>>() {
            let delay = self.link_delay(MONITORS, osd.0);
            let state = self.monitors.clone();
            self.at(delay, Happening::MapAtOsd { osd, state });
        }
        for client in 0..CLIENTS {
            let delay = self.link_delay(MONITORS, 2000 + client as u32);
            let state = self.monitors.clone();
            self.at(delay, Happening::MapAtClient { client, state });
        }
    }

    fn booted(&mut self, osd: OsdId, life: u64) {
        if !self.faults.sees_monitors(osd) {
            return;
        }
        if let Some((life, store)) = self.osds[&osd].booting(life) {
            self.command(&Command::OsdBoot(boot(osd, life, store)));
        }
    }

    fn notice_down(&mut self, osd: OsdId, life: u64) {
        let there = self.osds[&osd].lives(life) && self.osds[&osd].running();
        if !there || !self.faults.sees_monitors(osd) {
            self.command(&Command::MarkDown { osds: vec![(osd, None)] });
        }
    }

    /// Sends an operation; clients keep their order towards an OSD as well.
    pub(crate) fn send_op(&mut self, client: usize, to: OsdId, op: OsdOp) {
        if !self.lost() {
            let delay = self.link_delay(2000 + client as u32, to.0);
            self.at(delay, Happening::Op { to, session: SessionId(client as u64), op });
        }
    }

    fn heal(&mut self) {
        self.healing = true;
        self.faults.end();
        for id in self.osds.keys().copied().collect::<Vec<_>>() {
            self.start_osd(id);
            // An OSD that the map calls down says so until it is heard.
            let life = self.osds[&id].life();
            self.at(Duration::from_millis(100), Happening::Boot { osd: id, life });
        }
        let out: Vec<OsdId> = self.osds.keys().copied().collect();
        self.command(&Command::MarkIn { osds: out });
    }

    fn is_healed(&self) -> bool {
        let clean = self.pgs().all(|pg| {
            let row = self.monitors.row(pg).expect("a row for each PG");
            let Some(primary) = row.primary else { return false };
            let settled = |osd: &OsdId| self.osds[osd].status(pg).is_some_and(|s| s.put_aside == 0);
            row.in_sync.iter().all(settled)
                && self.osds[&primary].status(pg).is_some_and(|s| s.state == "active+clean" && s.ops == 0)
        });
        clean
            && self.clients.iter().all(Client::idle)
            && self.osds.values().all(Osd::quiet)
            && self.strays_gone()
    }

    fn strays_gone(&self) -> bool {
        let holds = |osd: &Osd, pg| osd.view.objects.keys().any(|o| self.pg_of(o) == Some(pg));
        self.pgs().all(|pg| {
            let members = &self.monitors.row(pg).expect("a row").in_sync;
            self.osds.values().all(|osd| members.contains(&osd.id) || !holds(osd, pg))
        })
    }

    pub(crate) fn pgs(&self) -> impl Iterator<Item = PgId> + use<> {
        let pool = self.pool;
        (0..PGS).map(move |seed| PgId { pool, seed })
    }

    pub(crate) fn pg_of(&self, object: &ObjectId) -> Option<PgId> {
        self.monitors.map().pg_of(object.pool, object.hash)
    }

    pub(crate) fn min_size(&self) -> usize {
        self.monitors.map().pool(self.pool).expect("the pool").min_size as usize
    }

    /// Where everything stands, for a person.
    pub(crate) fn describe(&self) -> String {
        let mut text = format!("now {:?} epoch {}\n", self.now, self.monitors.map().epoch);
        for pg in self.pgs() {
            let up = self.monitors.mapping().up(pg).map(|u| u.set.clone());
            text += &format!("{pg} up {up:?} row {:?}\n", self.monitors.row(pg));
            for osd in self.osds.values() {
                text += &format!("  {} running {} {:?}\n", osd.id, osd.running(), osd.status(pg));
            }
        }
        for client in &self.clients {
            text += &format!("{client:?}\n");
        }
        text
    }
}

/// The uuid of an OSD's n-th store.
pub(crate) fn uuid(id: OsdId, store: u64) -> Uuid {
    let mut uuid = [id.0 as u8 + 1; 16];
    uuid[..8].copy_from_slice(&store.to_le_bytes());
    Uuid(uuid)
}

fn boot(id: OsdId, life: u64, store: u64) -> OsdBoot {
    OsdBoot {
        id,
        uuid: uuid(id, store),
        addr: format!("10.0.0.{}:6800", id.0 + 1).parse().unwrap(),
        nonce: life,
        location: vec![("host".to_string(), format!("host{}", id.0))],
        weight: WEIGHT_ONE,
        device_class: None,
        damaged: false,
        feature_level: placement_map::FEATURE_LEVEL,
    }
}

/// What an OSD is given, and what it wants done.
pub(crate) struct Io {
    pub(crate) now: Time,
    pub(crate) out: Vec<Out>,
}

/// What an OSD wants done.
pub(crate) enum Out {
    /// Send to another OSD.
    Send { to: OsdId, pg: PgId, message: PgMessage },
    /// Answer a client.
    Reply { session: SessionId, reply: OsdOpReply },
    /// Propose to the monitors.
    Propose(RowChange),
    /// Tell the monitors that we serve.
    Boot,
    /// A write was put into a log.
    Logged(Box<Logged>),
    /// Come back to this.
    Later { after: Duration, event: OsdEvent },
}

/// Kept apart so that faults can be read at a glance.
pub(crate) type Pairs = BTreeSet<(OsdId, OsdId)>;
