//! Clients: the real objecter each, over simulated connections, and something to ask.

use crate::agenda::Happening;
use crate::end::End;
use crate::history::Record;
use crate::packet::Packet;
use crate::snapshots;
use crate::workload;
use crate::world::World;
use gateway_objecter::{Effect, Objecter, Outcome, Request, Target, Ticket};
use osd_object::{ObjectId, ObjectName, Op, RequestId, SnapContext, SnapId, Version};
use placement_map::{OsdId, PgId, PoolId};
use std::collections::BTreeMap;
use std::time::Duration;
use stdx::time::WallTime;
use stdx::{Errno, Time};
use wire_codec::mon::Subscribe;

/// What a client waits for.
#[derive(Clone, Debug)]
struct Asked {
    pool: PoolId,
    object: Option<ObjectId>,
    pg: PgId,
    ops: Vec<Op>,
    mtime: WallTime,
    snaps: SnapContext,
    started: Time,
}

/// One client.
pub(crate) struct Client {
    pub(crate) number: u32,
    /// Restarts so far.
    pub(crate) instance: u64,
    objecter: Objecter,
    asked: BTreeMap<Ticket, Asked>,
    pub(crate) monitor: u32,
    monitor_heard: Time,
    tick_at: Option<Time>,
    turn_due: bool,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let waits: Vec<_> = self.asked.iter().map(|(t, a)| (t.0, a.pg, a.started)).collect();
        write!(f, "client {} map {} waits for {waits:?}", self.number, self.objecter.map().epoch.0)
    }
}

impl Client {
    pub(crate) fn is_idle(&self) -> bool {
        self.asked.is_empty()
    }
    /// The random name of this instance.
    fn id(&self) -> u64 {
        u64::from(self.number) + 1000 * self.instance
    }
    /// The operation that a request is, if it is still waited for.
    pub(crate) fn waits_for(&self, request: RequestId) -> Option<&[Op]> {
        let asked = self.asked.get(&Ticket(request.seq)).filter(|_| request.client == self.id())?;
        Some(&asked.ops)
    }
}

impl World {
    pub(crate) fn new_client(&mut self, number: u32, instance: u64) -> Client {
        let (map, mapping) = self.monitors.first_map();
        let mut client = Client {
            number,
            instance,
            objecter: Objecter::new(0, map.clone(), mapping.clone()),
            asked: BTreeMap::new(),
            monitor: self.rng.below(u64::from(crate::monitors::MONITORS)) as u32,
            monitor_heard: self.now,
            tick_at: None,
            turn_due: true,
        };
        client.objecter = Objecter::new(client.id(), map, mapping);
        let after = Duration::from_millis(1 + self.rng.below(100));
        self.at(after, Happening::ClientTurn { client: number, instance });
        client
    }

    /// A client may ask something.
    pub(crate) fn client_turn(&mut self, n: u32, instance: u64) {
        if self.healing || self.clients[n as usize].instance != instance {
            return;
        }
        let after = Duration::from_micros(self.rng.below(self.settings.think_ms * 1000));
        let full = self.clients[n as usize].asked.len() >= self.settings.window;
        self.clients[n as usize].turn_due = full;
        if !full {
            self.ask(n);
            self.at(after, Happening::ClientTurn { client: n, instance });
        }
    }

    fn ask(&mut self, n: u32) {
        let (pool, names) = &self.pools[self.rng.below(self.pools.len() as u64) as usize];
        let pool = *pool;
        let name = ObjectName::new(names[self.rng.below(names.len() as u64) as usize].clone());
        let hash = placement_map::object_hash("", "", &name.name);
        // By the client's own map: a PG that it lists has to be one that it knows.
        let pg = self.clients[n as usize].objecter.map().pg_of(pool, hash).expect("the pool exists");
        // The time of day is whatever the client thinks it is.
        let mtime = WallTime((self.now.0 + (1 << 40)).saturating_sub(self.rng.below(1 << 41)));
        let list = self.rng.chance(1, 40);
        let only_reads = n < self.settings.readers;
        let mut ops = match self.data_shards(pool) {
            _ if list => Vec::new(),
            None => workload::ops(&mut self.rng, only_reads),
            Some(k) => workload::ops_on_shards(&mut self.rng, only_reads, k as u64),
        };
        let known = self.clients[n as usize].objecter.map().pool(pool).map(|pool| pool.snaps.clone());
        let known = known.filter(|snaps| snaps.seq > 0).unwrap_or_default();
        let (mut snap, mut snaps) = (SnapId::HEAD, SnapContext::default());
        if known.seq > 0 && !list {
            snaps = snapshots::context(&mut self.rng, &known);
            if self.rng.chance(1, 4) {
                let shards = self.data_shards(pool).is_some();
                (snap, ops) = snapshots::ops(&mut self.rng, &known, only_reads, shards);
            }
        }
        let object = (!list).then(|| ObjectId { snap, ..ObjectId::head(pool, hash, name.clone()) });
        let target = match list {
            true => Target::List { seed: pg.seed, after: None, max: 1 + self.rng.below(20) as u32 },
            false if snap != SnapId::HEAD => Target::Snapshot { name, snap, ops: ops.clone() },
            false => Target::Object { name, ops: ops.clone() },
        };
        let gives_up = self.rng.below(100) < self.settings.give_up_percent;
        let deadline = gives_up.then(|| self.now + Duration::from_millis(20 + self.rng.below(1500)));
        let request = Request { pool, target, mtime, snaps: snaps.clone(), deadline };
        let started = self.now;
        let client = &mut self.clients[n as usize];
        let ticket = client.objecter.submit(request);
        client.asked.insert(ticket, Asked { pool, object, pg, ops, mtime, snaps, started });
        self.summary.asked += 1;
        self.drive_client(n);
    }

    /// Carries out what the objecter wants.
    pub(crate) fn drive_client(&mut self, n: u32) {
        while let Some(effect) = self.clients[n as usize].objecter.poll() {
            match effect {
                Effect::Connect { osd, .. } => self.client_connects(n, osd),
                Effect::Send { osd, op } => self.send(End::Client(n), End::Osd(osd), Packet::Op(op)),
                Effect::Complete { ticket, outcome } => self.client_done(n, ticket, outcome),
                Effect::News { .. } => unreachable!("nobody watches here"),
                Effect::NeedMap { have } => {
                    let mon = End::Mon(self.clients[n as usize].monitor);
                    let subscribe = Subscribe { have_epoch: have, rows: false, have_rows: 0 };
                    self.send(End::Client(n), mon, Packet::Subscribe(subscribe));
                }
            }
        }
        let client = &mut self.clients[n as usize];
        if let Some(at) = client.objecter.next_timeout()
            && client.tick_at.is_none_or(|old| at < old)
        {
            client.tick_at = Some(at);
            let after = at.since(self.now) + Duration::from_nanos(1);
            let instance = client.instance;
            self.at(after, Happening::ClientTick { client: n, instance });
        }
    }

    fn client_connects(&mut self, n: u32, osd: OsdId) {
        let (from, to) = (End::Client(n), End::Osd(osd));
        if self.network.is_up(from, to) {
            // The objecter forgot the session when it asked: it may have been one to a former address.
            self.disconnect(from, to);
        }
        self.connect(from, to);
    }

    fn client_done(&mut self, n: u32, ticket: Ticket, outcome: Outcome) {
        let client = &mut self.clients[n as usize];
        let request = RequestId { client: client.id(), seq: ticket.0 };
        let Some(asked) = client.asked.remove(&ticket) else { return };
        let instance = client.instance;
        if std::mem::take(&mut client.turn_due) {
            let after = Duration::from_micros(self.rng.below(self.settings.think_ms * 1000));
            self.at(after, Happening::ClientTurn { client: n, instance });
        }
        let Asked { pool, object, pg, ops, mtime, snaps, started } = asked;
        let ended = self.now;
        let record = object.map(|object| Record {
            request,
            pg,
            object,
            ops,
            mtime,
            snaps,
            started,
            ended,
            version: Version::ZERO,
            outcome: Ok(Vec::new()),
        });
        match (outcome, record) {
            (Outcome::Done { version, outcome }, Some(record)) => {
                self.summary.answered += 1;
                self.answered(Record { version, outcome, ..record });
            }
            (Outcome::Listed { objects, .. }, _) => {
                assert!(objects.is_sorted(), "a listing is in order: {objects:?}");
                let ours = |o: &ObjectId| o.pool == pool && self.is_ours(o, pg);
                assert!(objects.iter().all(ours), "a listing of {pg} names strangers: {objects:?}");
            }
            (Outcome::Failed(Errno::ETIMEDOUT), Some(record)) => self.history.unknown.push(record),
            (Outcome::Failed(Errno::ETIMEDOUT) | Outcome::Done { .. }, None) => {}
            (Outcome::Failed(code), _) => panic!("{request:?} failed with {code}"),
        }
    }

    /// Time passed for a client.
    pub(crate) fn client_tick(&mut self, n: u32, instance: u64) {
        let now = self.now;
        let client = &mut self.clients[n as usize];
        if client.instance != instance {
            return;
        }
        if client.tick_at.is_some_and(|at| at <= now) {
            client.tick_at = None;
        }
        client.objecter.tick(now);
        self.drive_client(n);
    }

    /// A packet came to a client.
    pub(crate) fn client_inbound(&mut self, n: u32, from: End, packet: Packet) {
        let now = self.now;
        let client = &mut self.clients[n as usize];
        match (packet, from) {
            (Packet::Reply(reply), End::Osd(osd)) => client.objecter.handle_reply(now, osd, reply),
            (Packet::Map(map, mapping), End::Mon(_)) => {
                client.monitor_heard = now;
                client.objecter.handle_map(map, mapping);
            }
            (packet, _) => unreachable!("{from} sent client {n} {packet}"),
        }
        self.drive_client(n);
    }

    /// A connection of a client stands.
    pub(crate) fn client_connected(&mut self, n: u32, to: End) {
        let client = &mut self.clients[n as usize];
        match to {
            End::Osd(osd) => client.objecter.session_up(osd),
            End::Mon(_) => {
                client.monitor_heard = self.now;
                let have_epoch = client.objecter.map().epoch;
                let subscribe = Subscribe { have_epoch, rows: false, have_rows: 0 };
                self.send(End::Client(n), to, Packet::Subscribe(subscribe));
            }
            End::Client(_) => unreachable!("clients do not talk to each other"),
        }
        self.drive_client(n);
    }

    /// A connection of a client is gone.
    pub(crate) fn client_lost(&mut self, n: u32, peer: End) {
        if let End::Osd(osd) = peer {
            self.clients[n as usize].objecter.session_lost(osd);
            self.drive_client(n);
        }
    }

    /// Clients whose monitor is out of sight or behind ask another one.
    pub(crate) fn clients_look(&mut self) {
        for n in 0..self.clients.len() as u32 {
            let (me, mon) = (End::Client(n), End::Mon(self.clients[n as usize].monitor));
            let heard = self.network.is_up(me, mon)
                && !self.network.is_cut(me, mon)
                && !self.network.is_cut(mon, me)
                && !self.monitors.is_isolated(self.clients[n as usize].monitor);
            let client = &mut self.clients[n as usize];
            if heard {
                client.monitor_heard = self.now;
            } else if self.now.since(client.monitor_heard) >= Duration::from_secs(3) {
                client.monitor_heard = self.now;
                client.monitor = (client.monitor + 1) % crate::monitors::MONITORS;
                let next = client.monitor;
                self.disconnect(me, mon);
                self.connect(me, End::Mon(next));
            }
        }
    }

    /// A client ends and another one takes its place; nobody knows what came of what it had asked.
    pub(crate) fn restart_client(&mut self, n: u32) {
        self.end_conns(End::Client(n));
        let instance = self.clients[n as usize].instance + 1;
        let fresh = self.new_client(n, instance);
        let old = std::mem::replace(&mut self.clients[n as usize], fresh);
        let id = old.id();
        for (ticket, asked) in old.asked {
            let Some(object) = asked.object else { continue };
            self.history.unknown.push(Record {
                request: RequestId { client: id, seq: ticket.0 },
                pg: asked.pg,
                object,
                ops: asked.ops,
                mtime: asked.mtime,
                snaps: asked.snaps,
                started: asked.started,
                ended: self.now,
                version: Version::ZERO,
                outcome: Ok(Vec::new()),
            });
        }
        let mon = End::Mon(self.clients[n as usize].monitor);
        self.connect(End::Client(n), mon);
    }
}
