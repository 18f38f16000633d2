//! One OSD: what `osd-daemon`'s reactor does, over a model store and simulated connections. What is pure of the
//! daemon (`osd_pg::host`) is shared with it; the order in which things are done here follows
//! `osd/daemon/src/reactor.rs`.

mod carry_out;
mod chores;
mod cluster;
mod messages;
mod scrubs;

pub(crate) use cluster::boot_of;

use crate::agenda::Happening;
use crate::clock::Clock;
use crate::disk::Disk;
use crate::end::End;
use crate::packet::Packet;
use crate::sabotage::{Sabotage, WorldBug};
use crate::settings::Settings;
use osd_pg::host::{ClusterView, ScrubSchedule, Throttle};
use osd_pg::{Event, Pg, PgConfig, PgStatus, SessionId, Ticket};
use placement_map::{Epoch, OsdId, PgId, RowChange, Uuid};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use stdx::{Rng, Time};
use wire_codec::{OsdOp, OsdOpReply};

/// How often an OSD looks after its peers.
pub(crate) const CHORES: Duration = Duration::from_millis(500);

/// What an OSD is given, and what it wants done, in order.
pub(crate) struct Io {
    /// Now, in the world.
    pub(crate) now: Time,
    pub(crate) out: Vec<Out>,
}

/// What an OSD wants done.
pub(crate) enum Out {
    /// Send, if there is a connection.
    Send { to: End, packet: Packet },
    /// Answer a client; with the interval that the machine was in, if a machine answers.
    Reply { session: u64, pg: PgId, interval: Option<u64>, reply: OsdOpReply },
    /// Keep a connection.
    Connect(OsdId),
    /// Have it no more.
    Disconnect(OsdId),
    /// Ask another monitor.
    NextMonitor,
    /// A write was put into a log.
    Logged { pg: PgId, logged: Box<crate::snapshots::Logged> },
    /// Come back.
    Later { after: Duration, happening: Happening },
}

/// One OSD.
pub(crate) struct Osd {
    pub(crate) id: OsdId,
    running: bool,
    /// The process: also its nonce.
    life: u64,
    /// Stores it had before the one it has.
    store: u64,
    pub(crate) disk: Disk,
    pub(crate) clock: Clock,
    rng: Rng,
    config: PgConfig,
    settings: Settings,
    sabotage: Option<Sabotage>,
    /// It stands still until then.
    pub(crate) paused_until: Time,
    /// It ends after so many more effects on its store.
    pub(crate) ends_after: Option<u32>,
    /// That was the last one: it does nothing any more.
    ended: bool,

    view: ClusterView,
    pgs: BTreeMap<PgId, Pg>,
    /// Store tickets to the machines' own.
    tickets: BTreeMap<u64, (PgId, Ticket)>,
    tickets_given: u64,
    /// A map showed this very process as up; before that machines are not told anything.
    booted: bool,
    resigned: bool,
    events: VecDeque<(PgId, Event)>,
    proposals: Vec<RowChange>,
    ahead: Vec<(SessionId, OsdOp)>,
    /// Clients by session.
    pub(crate) sessions: BTreeMap<u64, u32>,
    /// Peers that are up, by incarnation, and when they were last in touch.
    aimed: BTreeMap<OsdId, Epoch>,
    heard: BTreeMap<OsdId, Time>,
    peers_full: BTreeSet<OsdId>,
    pub(crate) self_full: bool,
    told_full: BTreeMap<PgId, BTreeSet<OsdId>>,
    throttle: Throttle,
    scrub_schedule: ScrubSchedule,
    scans: Vec<scrubs::Scan>,
    look_for_recovery: bool,
    /// Which monitor it talks to, and since when that is silent.
    pub(crate) monitor: u32,
    monitor_heard: Time,
    boot_said: Option<Time>,
    /// A timer is on the agenda for then.
    tick_at: Option<Time>,
}

impl Osd {
    pub(crate) fn new(id: OsdId, settings: &Settings, sabotage: Option<Sabotage>, rng: &mut Rng) -> Osd {
        let mut config = settings.pg.clone();
        if let Some(Sabotage::Machine(bug)) = sabotage {
            config.sabotage = osd_pg::Sabotage::of(bug);
        }
        let gives_out_rot = sabotage == Some(Sabotage::World(WorldBug::GiveOutRot));
        Osd {
            id,
            running: false,
            life: 0,
            store: 0,
            disk: Disk::new(gives_out_rot),
            clock: Clock::default(),
            rng: Rng::new(rng.next_u64()),
            config,
            settings: settings.clone(),
            sabotage,
            paused_until: Time::ZERO,
            ends_after: None,
            ended: false,
            view: ClusterView::default(),
            pgs: BTreeMap::new(),
            tickets: BTreeMap::new(),
            tickets_given: 0,
            booted: false,
            resigned: false,
            events: VecDeque::new(),
            proposals: Vec::new(),
            ahead: Vec::new(),
            sessions: BTreeMap::new(),
            aimed: BTreeMap::new(),
            heard: BTreeMap::new(),
            peers_full: BTreeSet::new(),
            self_full: false,
            told_full: BTreeMap::new(),
            throttle: Throttle::default(),
            scrub_schedule: ScrubSchedule::default(),
            scans: Vec::new(),
            look_for_recovery: false,
            monitor: 0,
            monitor_heard: Time::ZERO,
            boot_said: None,
            tick_at: None,
        }
    }

    fn suffers(&self, bug: WorldBug) -> bool {
        self.sabotage == Some(Sabotage::World(bug))
    }
    pub(crate) fn running(&self) -> bool {
        self.running
    }
    pub(crate) fn life(&self) -> u64 {
        self.life
    }
    pub(crate) fn lives(&self, life: u64) -> bool {
        self.running && self.life == life
    }
    pub(crate) fn resigned(&self) -> bool {
        self.resigned
    }
    /// The uuid of the store it has.
    pub(crate) fn uuid(&self) -> Uuid {
        let store = if self.suffers(WorldBug::IgnoreNewUuid) { 0 } else { self.store };
        let mut uuid = [self.id.0 as u8 + 1; 16];
        uuid[..8].copy_from_slice(&store.to_le_bytes());
        Uuid(uuid)
    }
    /// Which store it is, whatever it says.
    pub(crate) fn store(&self) -> u64 {
        self.store
    }
    pub(crate) fn status(&self, pg: PgId) -> Option<PgStatus> {
        self.pgs.get(&pg).filter(|_| self.running).map(Pg::status)
    }
    /// Nothing is under way here.
    pub(crate) fn is_idle(&self) -> bool {
        self.disk.is_idle() && self.events.is_empty() && self.ahead.is_empty()
    }
    /// What its map says, for a person.
    pub(crate) fn epoch(&self) -> Epoch {
        self.view.epoch()
    }

    /// A new process over the same store, or over an empty one.
    pub(crate) fn start(&mut self, io: &mut Io, wiped: bool, monitor: u32) {
        assert!(!self.running, "it runs already");
        let mut fresh = Osd::new(self.id, &self.settings, self.sabotage, &mut self.rng);
        (fresh.life, fresh.store) = (self.life + 1, self.store + u64::from(wiped));
        std::mem::swap(&mut fresh.disk, &mut self.disk);
        if wiped {
            fresh.disk.replace();
        }
        fresh.disk.open();
        fresh.clock = Clock::new(&mut self.rng, self.settings.drift_ppm);
        (fresh.running, fresh.monitor, fresh.monitor_heard) = (true, monitor, io.now);
        *self = fresh;
        let (osd, life) = (self.id, self.life);
        let after = Duration::from_millis(self.rng.below(CHORES.as_millis() as u64));
        io.out.push(Out::Later { after, happening: Happening::OsdChores { osd, life } });
    }

    /// The process ends without a word; some beginning of what was not durable made it to the disk.
    pub(crate) fn crash(&mut self) {
        self.running = false;
        let holes = self.suffers(WorldBug::CrashLeavesHoles);
        self.disk.crash(&mut self.rng, holes);
        self.pgs.clear();
        self.tickets.clear();
        self.events.clear();
        self.ahead.clear();
        self.scans.clear();
        self.sessions.clear();
        self.view.forget();
        self.paused_until = Time::ZERO;
    }

    /// Carries everything out that can be carried out now.
    pub(crate) fn settle(&mut self, io: &mut Io) {
        let now = self.clock.now(io.now);
        let due = |m: &Pg| m.next_timeout().is_some_and(|at| at <= now);
        let due: Vec<PgId> = self.pgs.iter().filter(|(_, m)| due(m)).map(|(pg, _)| *pg).collect();
        for pg in due {
            self.feed(io, pg, Event::Tick);
        }
        self.let_recover();
        while let Some((pg, event)) = self.events.pop_front() {
            self.feed(io, pg, event);
        }
        self.propose(io);
        self.set_timer(io);
    }

    /// Carries it out a little later.
    pub(crate) fn settle_soon(&mut self, io: &mut Io) {
        let (osd, life) = (self.id, self.life);
        let after = Duration::from_micros(1 + self.rng.below(3000));
        io.out.push(Out::Later { after, happening: Happening::OsdTick { osd, life } });
    }

    fn set_timer(&mut self, io: &mut Io) {
        let Some(at) = self.pgs.values().filter_map(Pg::next_timeout).min() else { return };
        let after = self.clock.until(io.now, at);
        let at = io.now + after;
        if self.tick_at.is_none_or(|old| at < old) {
            self.tick_at = Some(at);
            let (osd, life) = (self.id, self.life);
            io.out.push(Out::Later { after, happening: Happening::OsdTick { osd, life } });
        }
    }

    /// A timer went off.
    pub(crate) fn ticked(&mut self, now: Time) {
        if self.tick_at.is_some_and(|at| at <= now) {
            self.tick_at = None;
        }
    }

    /// The oldest transaction is durable.
    pub(crate) fn flushed(&mut self) {
        let ticket = self.disk.flushed();
        self.stored(ticket);
    }

    fn stored(&mut self, ticket: u64) {
        if let Some((pg, ticket)) = self.tickets.remove(&ticket) {
            self.events.push_back((pg, Event::Stored { ticket }));
        }
    }

    /// A store ticket for a machine's own.
    fn ticket(&mut self, pg: PgId, ticket: Ticket) -> u64 {
        self.tickets_given += 1;
        self.tickets.insert(self.tickets_given, (pg, ticket));
        self.tickets_given
    }

    /// A read ends: late on purpose, so that whoever let the object change meanwhile shows it.
    pub(crate) fn read_done(&mut self, ticket: u64, object: &osd_object::ObjectId, offset: u64, len: u64) {
        let Some((pg, ticket)) = self.tickets.remove(&ticket) else { return };
        let result = self.disk.read(object, offset, len);
        self.events.push_back((pg, Event::ReadDone { ticket, result }));
    }

    /// About to stop in order.
    pub(crate) fn resign(&mut self) {
        self.resigned = true;
        for pg in self.pgs.keys() {
            self.events.push_back((*pg, Event::Resign));
        }
    }
}
