//! The world: virtual time, and who is told what when.

use crate::agenda::{Agenda, Happening, Undo};
use crate::client::Client;
use crate::end::End;
use crate::faults;
use crate::history::History;
use crate::invariants::{Granted, Seen};
use crate::monitors::Monitors;
use crate::osd::{Io, Osd, Out, boot_of};
use crate::packet::Packet;
use crate::sabotage::Sabotage;
use crate::settings::Settings;
use crate::snapshots::LoggedWrites;
use crate::splits::Families;
use crate::trace::Trace;
use crate::{Report, network::Network};
use osd_object::{ObjectId, ObjectRead};
use osd_pg::names::is_internal;
use placement_map::{Bootstrap, ClusterState, Command, OsdId, PgRow, Pool, PoolCreate, PoolId, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use stdx::time::WallTime;
use stdx::{Rng, Time};

/// How often the world looks after clients and invariants.
const CHECK: Duration = Duration::from_millis(500);
/// Happenings within one virtual millisecond that mean that something spins.
const BUSY_MAX: u32 = 200_000;

/// Everything.
pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) now: Time,
    agenda: Agenda,
    pub(crate) network: Network,
    pub(crate) monitors: Monitors,
    pub(crate) osds: BTreeMap<OsdId, Osd>,
    pub(crate) clients: Vec<Client>,
    /// Pools and the names of their objects.
    pub(crate) pools: Vec<(PoolId, Vec<String>)>,
    pub(crate) settings: Settings,
    pub(crate) sabotage: Option<Sabotage>,
    /// The monitors' time of day, ahead of the world's.
    pub(crate) time_of_day: u64,
    /// The trouble is over.
    pub(crate) healing: bool,
    pub(crate) history: History,
    pub(crate) logged: LoggedWrites,
    pub(crate) families: Families,
    pub(crate) seen: Seen,
    pub(crate) granted: Granted,
    /// The least `min_size` that a pool ever had.
    pub(crate) min_size_least: BTreeMap<PoolId, u32>,
    /// OSDs that get an empty store when they start again, if the others can do without theirs.
    pub(crate) to_wipe: BTreeSet<OsdId>,
    /// Which store of each OSD the monitors know.
    pub(crate) known_stores: BTreeMap<OsdId, u64>,
    pub(crate) summary: Report,
    pub(crate) trace: Trace,
    checks: u64,
    busy: u32,
}

impl World {
    pub(crate) fn new(seed: u64, sabotage: Option<Sabotage>, trace: Trace) -> World {
        let mut rng = Rng::new(seed ^ 0x6e61_6372_6573_696d);
        let mut settings = Settings::draw(&mut rng);
        // Not drawn, so that the other worlds are what they were before there were snapshots.
        settings.snapshots = seed % 3 == 2;
        if seed % 5 == 4 {
            settings.in_shards(&mut Rng::new(seed ^ 0x7368_6172_6473));
        }
        settings.splits = seed % 4 == 1;
        let mut osds: BTreeMap<OsdId, Osd> = (0..settings.osds_max)
            .map(|id| (OsdId(id), Osd::new(OsdId(id), &settings, sabotage, &mut rng)))
            .collect();
        let mut state = ClusterState::default();
        let mut apply = |command: &Command| {
            state.apply(WallTime(1), command).reply.unwrap_or_else(|e| panic!("{command:?}: {e}"));
        };
        let monitors = (0..crate::monitors::MONITORS)
            .map(|n| (format!("mon.{n}"), std::net::SocketAddr::from(([10, 9, 0, n as u8 + 1], 3300))))
            .collect();
        apply(&Command::Bootstrap(Bootstrap {
            fsid: Uuid([9; 16]),
            monitors,
            config: vec![],
            feature_level: placement_map::FEATURE_LEVEL,
        }));
        for osd in osds.values_mut().take(settings.osds as usize) {
            // The first processes are those that founded the cluster; they are started below.
            apply(&Command::OsdBoot(boot_of(osd, 1)));
        }
        for (n, pool) in settings.pools.iter().enumerate() {
            apply(&Command::PoolCreate(PoolCreate {
                name: format!("pool{n}"),
                size: pool.shards.is_none().then_some(pool.size),
                erasure: pool.shards.map(|(k, m)| format!("k={k} m={m} stripe_unit=4K")),
                min_size: Some(pool.min_size),
                pg_num: Some(pool.pg_num),
                application: "sim".into(),
                ..PoolCreate::default()
            }));
        }
        let pools: Vec<(PoolId, Vec<String>)> = state
            .map()
            .pools
            .keys()
            .map(|pool| (*pool, (0..settings.keys).map(|k| format!("k{k}")).collect()))
            .collect();
        let min_size_least = state.map().pools.iter().map(|(id, pool)| (*id, pool.min_size)).collect();
        let mut granted = Granted::default();
        granted.note(&state.rows().map(|(pg, row)| (pg, row.clone())).collect::<Vec<_>>());
        let mut world = World {
            rng,
            now: Time(1),
            agenda: Agenda::default(),
            network: Network::default(),
            monitors: Monitors::new(state),
            osds,
            clients: Vec::new(),
            pools,
            settings,
            sabotage,
            time_of_day: 0,
            healing: false,
            history: History::default(),
            logged: LoggedWrites::default(),
            families: Families::default(),
            seen: Seen::default(),
            granted,
            min_size_least,
            to_wipe: BTreeSet::new(),
            known_stores: BTreeMap::new(),
            summary: Report::default(),
            trace,
            checks: 0,
            busy: 0,
        };
        world.trace.line(world.now, || format!("seed {seed}: {:?}", world.settings));
        world.begin();
        world
    }

    fn begin(&mut self) {
        for id in (0..self.settings.osds).map(OsdId) {
            self.known_stores.insert(id, 0);
            self.start_osd(id);
        }
        for number in 0..self.settings.clients {
            let client = self.new_client(number, 0);
            let mon = End::Mon(client.monitor);
            self.clients.push(client);
            self.connect(End::Client(number), mon);
        }
        self.at(Duration::from_millis(100), Happening::MonLook);
        self.at(CHECK, Happening::Check);
        self.at(Duration::from_millis(800), Happening::Fault);
    }

    /// Runs the trouble, then the healing, then the judgement.
    pub(crate) fn run(&mut self) {
        let trouble = self.settings.trouble;
        while self.now.since(Time::ZERO) < trouble {
            self.step();
        }
        self.heal();
        if self.settle_or_need_a_person() {
            self.read_through();
            self.judge();
        }
        self.trace.mix(&[self.now.0, self.monitors.commits() as u64, self.history.answered.len() as u64]);
        self.summary.virtual_time = self.now.since(Time::ZERO);
        self.summary.hash = self.trace.hash();
        self.summary.commits = self.monitors.commits() as u64;
    }

    /// Has everything read from disks once.
    fn read_through(&mut self) {
        let (since, deadline) = (self.now, self.now + crate::invariants::BOUND);
        while self.order_scrubs(since) {
            self.settle();
            assert!(self.now < deadline, "not read through in time:\n{}", self.describe());
        }
    }

    /// Goes on until nothing is left to be done. False: what is left is what only a person can decide.
    fn settle_or_need_a_person(&mut self) -> bool {
        let deadline = self.now + crate::invariants::BOUND;
        let mut looked = self.checks;
        loop {
            self.step();
            if self.checks != looked {
                looked = self.checks;
                if self.is_settled() {
                    return true;
                }
            }
            if self.now >= deadline {
                break;
            }
        }
        assert!(self.waits_for_a_person(), "not settled in time:\n{}", self.describe());
        *self.summary.faults.entry("needs-a-person").or_default() += 1;
        false
    }

    fn settle(&mut self) {
        assert!(self.settle_or_need_a_person(), "damage came after the trouble:\n{}", self.describe());
    }

    fn heal(&mut self) {
        self.healing = true;
        self.trace.line(self.now, || "the trouble is over".into());
        faults::end_all(self);
        self.check_logs_agree();
    }

    fn step(&mut self) {
        let (at, happening) = self.agenda.next().expect("somebody always looks");
        if at > self.now + Duration::from_millis(1) {
            self.busy = 0;
        }
        self.busy += 1;
        assert!(self.busy < BUSY_MAX, "something spins:\n{}", self.describe());
        self.now = self.now.max(at);
        self.summary.happenings += 1;
        self.happen(happening);
    }

    fn happen(&mut self, happening: Happening) {
        if let Some((osd, life)) = of_process(&happening) {
            let Some(o) = self.osds.get(&osd).filter(|o| o.lives(life)) else { return };
            if o.paused_until > self.now {
                let after = o.paused_until.since(self.now);
                return self.at(after, happening);
            }
        }
        match happening {
            Happening::Arrive { conn, way, session } => self.arrive(conn, way, session),
            Happening::Late { from, to, life, session, packet } => {
                // Nothing of a connection outlives the process that read from it.
                if !self.is_paused(to) && self.life_of(to) == life {
                    self.deliver(from, to, session, packet);
                }
            }
            Happening::Attempt { conn } => self.attempt(conn),
            Happening::Break { conn } => self.break_conn(conn),
            Happening::Lost { end, peer, session } => self.lost(end, peer, session),
            Happening::OsdTick { osd, .. } => {
                let now = self.now;
                self.with_osd(osd, |o, _| o.ticked(now));
            }
            Happening::OsdChores { osd, .. } => self.osd_chores(osd),
            Happening::Durable { osd, .. } => self.with_osd(osd, |o, _| o.flushed()),
            Happening::ReadDone { osd, ticket, object, offset, len, .. } => {
                self.with_osd(osd, |o, _| o.read_done(ticket, &object, offset, len));
            }
            Happening::ScanStep { osd, .. } => self.with_osd(osd, |o, io| o.scan_step(io)),
            Happening::Resume => self.unstall(),
            Happening::Start { osd } => self.start_osd(osd),
            Happening::Stop { osd, .. } => {
                self.crash_osd(osd);
                if self.healing {
                    self.start_osd(osd);
                }
            }
            Happening::ClientTurn { client, instance } => self.client_turn(client, instance),
            Happening::ClientTick { client, instance } => self.client_tick(client, instance),
            Happening::Commit { command, life } => self.commit(&command, life),
            Happening::MonApplies { mon, upto } => self.mon_applies(mon, upto),
            Happening::MonLook => self.mon_look(),
            Happening::Fault => faults::next(self),
            Happening::Undo(undo) => self.undo(undo),
            Happening::Check => {
                self.checks += 1;
                self.at(CHECK, Happening::Check);
                self.clients_look();
                self.turn_of_snapshots();
                self.turn_of_splits();
                if self.checks % 8 == 0 {
                    self.check_logs_agree();
                }
            }
        }
    }

    /// Puts something on the agenda.
    pub(crate) fn at(&mut self, after: Duration, happening: Happening) {
        self.agenda.add(self.now + after, happening);
    }

    /// Counts a fault.
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.summary.faults.entry(what).or_default() += 1;
        self.trace.line(self.now, || format!("FAULT {what}"));
    }

    /// Something gets to who it is for.
    pub(crate) fn deliver(&mut self, from: End, to: End, session: u64, packet: Packet) {
        self.trace.mix(&[self.now.0, from.code(), to.code(), packet.code()]);
        self.trace.line(self.now, || format!("{from} -> {to}: {packet}"));
        self.summary.messages += 1;
        match to {
            End::Osd(id) => self.with_osd(id, |o, io| o.inbound(io, from, session, packet)),
            End::Client(n) => self.client_inbound(n, from, packet),
            End::Mon(n) => self.mon_inbound(n, from, session, packet),
        }
    }

    /// Which process is there.
    pub(crate) fn life_of(&self, end: End) -> u64 {
        match end {
            End::Osd(id) => self.osds.get(&id).map_or(0, Osd::life),
            End::Client(n) => self.clients.get(n as usize).map_or(0, |c| c.instance),
            End::Mon(_) => 0,
        }
    }

    /// Whether somebody takes connections there.
    pub(crate) fn listens(&self, end: End) -> bool {
        match end {
            End::Osd(id) => self.osds.get(&id).is_some_and(Osd::running),
            End::Client(_) | End::Mon(_) => true,
        }
    }

    pub(crate) fn is_paused(&self, end: End) -> bool {
        match end {
            End::Osd(id) => self.osds.get(&id).is_some_and(|o| o.paused_until > self.now),
            End::Client(_) | End::Mon(_) => false,
        }
    }

    /// A connection stands.
    pub(crate) fn connected(&mut self, from: End, to: End, session: u64) {
        self.trace.line(self.now, || format!("{from} is connected to {to} (session {session})"));
        match (from, to) {
            (End::Client(n), _) => self.client_connected(n, to),
            (End::Osd(id), End::Mon(_)) => self.with_osd(id, |o, io| o.subscribe(io)),
            _ => {}
        }
    }

    /// Nobody listens there.
    pub(crate) fn refused(&mut self, from: End, to: End) {
        if let (End::Osd(id), End::Osd(target)) = (from, to) {
            let Some(osd) = self.osds.get(&id).filter(|o| o.running()) else { return };
            let (mon, incarnation) = (End::Mon(osd.monitor), osd.incarnation_of(target));
            if let Some(incarnation) = incarnation {
                self.send(from, mon, Packet::Report { target, incarnation, refused: true });
            }
        }
    }

    fn lost(&mut self, end: End, peer: End, session: u64) {
        let now = self.network.session(end, peer);
        match (end, peer) {
            (End::Osd(id), End::Client(_)) => self.with_osd(id, |o, _| o.client_gone(session)),
            (End::Client(n), _) if now == 0 => self.client_lost(n, peer),
            (End::Osd(id), End::Mon(mon))
                if now == 0 && self.osds[&id].running() && self.osds[&id].monitor == mon =>
            {
                self.next_monitor(id);
            }
            _ => {}
        }
    }

    fn next_monitor(&mut self, id: OsdId) {
        let osd = self.osds.get_mut(&id).expect("one of ours");
        let old = osd.monitor;
        osd.monitor = (old + 1) % crate::monitors::MONITORS;
        let next = osd.monitor;
        self.disconnect(End::Osd(id), End::Mon(old));
        self.connect(End::Osd(id), End::Mon(next));
    }

    fn osd_chores(&mut self, id: OsdId) {
        let me = End::Osd(id);
        let mon = End::Mon(self.osds[&id].monitor);
        let reaches = |a: End, b: End| self.network.is_up(a, b) && !self.network.is_cut(a, b);
        let heard = reaches(me, mon) && !self.network.is_cut(mon, me);
        let answering: BTreeSet<OsdId> = self
            .osds
            .values()
            .filter(|o| o.running() && o.paused_until <= self.now)
            .map(|o| o.id)
            .filter(|peer| reaches(me, End::Osd(*peer)) && reaches(End::Osd(*peer), me))
            .collect();
        self.with_osd(id, |o, io| o.chores(io, |peer| answering.contains(&peer), heard));
    }

    /// Lets an OSD do something, and carries out what comes of it.
    pub(crate) fn with_osd(&mut self, id: OsdId, act: impl FnOnce(&mut Osd, &mut Io)) {
        let mut io = Io { now: self.now, out: Vec::new() };
        let Some(osd) = self.osds.get_mut(&id).filter(|o| o.running()) else { return };
        act(osd, &mut io);
        // A busy process takes more messages before it acts on any.
        let busy = !self.healing && self.rng.chance(1, 16);
        if busy {
            osd.settle_soon(&mut io);
        } else {
            osd.settle(&mut io);
        }
        for out in io.out {
            self.carry_out(id, out);
        }
    }

    fn carry_out(&mut self, id: OsdId, out: Out) {
        let me = End::Osd(id);
        match out {
            Out::Send { to, packet } => self.send(me, to, packet),
            Out::Reply { session, pg, interval, reply } => {
                self.check_reply(id, pg, interval, &reply);
                let client = self.osds[&id].sessions.get(&session).copied().map(End::Client);
                if let Some(to) = client.filter(|to| self.network.session(me, *to) == session) {
                    self.send(me, to, Packet::Reply(reply));
                }
            }
            Out::Connect(peer) => self.connect(me, End::Osd(peer)),
            Out::Disconnect(peer) => self.disconnect(me, End::Osd(peer)),
            Out::NextMonitor => self.next_monitor(id),
            Out::Logged { pg, logged } => self.logged.note(pg, *logged),
            Out::Later { after, happening } => self.at(after, happening),
        }
    }

    /// An OSD ends without a word.
    pub(crate) fn crash_osd(&mut self, id: OsdId) {
        let Some(osd) = self.osds.get_mut(&id).filter(|o| o.running()) else { return };
        self.trace.line(self.now, || format!("{id} ends"));
        osd.crash();
        self.end_conns(End::Osd(id));
    }

    /// An OSD starts, with an empty store if that was wanted and the others can do without the old one.
    pub(crate) fn start_osd(&mut self, id: OsdId) {
        if self.osds[&id].running() {
            return;
        }
        let wiped = self.to_wipe.remove(&id) && self.others_have_it(id);
        if wiped {
            self.count("stores-wiped");
        }
        let monitor = self.rng.below(u64::from(crate::monitors::MONITORS)) as u32;
        self.trace.line(self.now, || format!("{id} starts, wiped: {wiped}"));
        self.with_osd_start(id, wiped, monitor);
        self.connect(End::Osd(id), End::Mon(monitor));
    }

    fn with_osd_start(&mut self, id: OsdId, wiped: bool, monitor: u32) {
        let mut io = Io { now: self.now, out: Vec::new() };
        let osd = self.osds.get_mut(&id).expect("one of ours");
        osd.start(&mut io, wiped, monitor);
        for out in io.out {
            self.carry_out(id, out);
        }
    }

    /// Whether the store of an OSD may go: its stop was noted (or nobody counts on it), and of each PG another in-sync
    /// member has the store that the monitors know.
    fn others_have_it(&self, id: OsdId) -> bool {
        let state = self.monitors.state();
        let holds = |osd: &OsdId| self.known_stores.get(osd) == Some(&self.osds[osd].store());
        let counted_on = state.rows().any(|(_, row)| row.in_sync.contains(&id));
        !(counted_on && state.map().is_up(id))
            && state.rows().all(|(pg, row)| {
                let left: Vec<OsdId> =
                    row.in_sync.iter().copied().filter(|osd| *osd != id && holds(osd)).collect();
                self.suffice(pg.pool, row, &left)
            })
    }

    /// Whether these in-sync members have every object between them.
    fn suffice(&self, pool: PoolId, row: &PgRow, members: &[OsdId]) -> bool {
        let pool = self.monitors.state().map().pool(pool);
        row.copies_of(members) >= pool.and_then(Pool::fewest_shards).unwrap_or(1)
    }

    /// How many data shards a pool has, if it is erasure-coded.
    pub(crate) fn data_shards(&self, pool: PoolId) -> Option<usize> {
        self.monitors.state().map().pool(pool).and_then(Pool::fewest_shards)
    }

    /// An OSD stands still.
    pub(crate) fn pause_osd(&mut self, id: OsdId, how_long: Duration) {
        let until = self.now + how_long;
        let Some(osd) = self.osds.get_mut(&id).filter(|o| o.running()) else { return };
        osd.paused_until = osd.paused_until.max(until);
        self.at(how_long, Happening::Resume);
    }

    fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Cuts(ways) => {
                if !self.healing {
                    ways.into_iter().for_each(|(from, to)| self.mend(from, to));
                    self.unstall();
                }
            }
            Undo::SlowLinks => self.network.speed_up(),
            Undo::SlowDisk(osd) => self.osds.get_mut(&osd).expect("one of ours").disk.slow_us = 0,
            Undo::Full(osd) => self.with_osd(osd, |o, io| o.set_full(io, false)),
        }
    }

    /// Whether other in-sync members than this one have a sound copy of an object, or enough sound shards, of the same
    /// version, and all in-sync members run: one that does not may be dropped before it is back, and the others go on
    /// without it.
    pub(crate) fn has_sound_copy_beside(&self, id: OsdId, object: &ObjectId) -> bool {
        let state = self.monitors.state();
        let row = state.map().pg_of(object.pool, object.hash).and_then(|pg| state.row(pg));
        let version =
            |osd: &OsdId| self.osds[osd].disk.durable.meta(object).ok().flatten().map(|m| m.version);
        let here = version(&id);
        row.is_some_and(|row| {
            let sound = |o: &&OsdId| version(o) == here && !self.osds[*o].disk.is_spoilt(object);
            let runs = |o: &OsdId| self.osds[o].running() && self.osds[o].paused_until <= self.now;
            let others: Vec<OsdId> = row.in_sync.iter().copied().filter(|o| *o != id && sound(&o)).collect();
            row.in_sync.iter().all(runs) && self.suffice(object.pool, row, &others)
        })
    }

    /// A running OSD, a PG and one of its objects there whose only damaged copy this would be.
    pub(crate) fn something_to_spoil(&mut self) -> Option<(OsdId, ObjectId)> {
        let id = faults::some_osd(self);
        let osd = &self.osds[&id];
        let (pool, names) = &self.pools[self.rng.below(self.pools.len() as u64) as usize];
        let name = &names[self.rng.below(names.len() as u64) as usize];
        let hash = placement_map::object_hash("", "", name);
        let object = ObjectId::head(*pool, hash, osd_object::ObjectName::new(name.clone()));
        let state = self.monitors.state();
        let row = state.map().pg_of(*pool, hash).and_then(|pg| state.row(pg))?;
        // Its clones share what it has.
        let touches = |spoilt: &ObjectId| is_internal(spoilt) || crate::snapshots::whole(spoilt) == object;
        let damaged = |o: &Osd| o.disk.spoilt().any(touches);
        let sound = |osd: &OsdId| *osd != id && !damaged(&self.osds[osd]);
        let others: Vec<OsdId> = row.in_sync.iter().copied().filter(sound).collect();
        let (clean, first) = match self.data_shards(*pool) {
            None => (!others.is_empty(), self.osds.values().all(|o| !damaged(o))),
            // One to spare where there is more than one parity shard: members come and go.
            Some(k) => (row.copies_of(&others) >= k + usize::from(row.shards.len() > k + 1), true),
        };
        let there = osd.disk.view.meta(&object).ok().flatten().is_some_and(|m| m.size > 0);
        (osd.running() && clean && first && there).then_some((id, object))
    }
}

/// Whose affair a happening is, if it is void once that process ended.
fn of_process(happening: &Happening) -> Option<(OsdId, u64)> {
    match happening {
        Happening::OsdTick { osd, life }
        | Happening::OsdChores { osd, life }
        | Happening::Durable { osd, life }
        | Happening::ReadDone { osd, life, .. }
        | Happening::ScanStep { osd, life }
        | Happening::Stop { osd, life } => Some((*osd, *life)),
        _ => None,
    }
}
