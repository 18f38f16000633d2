//! The machine.

use crate::group::{Aim, Group};
use crate::linger::{Lingers, Watch};
use crate::target::{Placement, Request, place};
use osd_object::op::OpOutcome;
use osd_object::{ObjectId, ObjectName, RequestId, Version};
use placement_map::{ClusterMap, Epoch, Flag, Mapping, OsdId, PgId, PoolId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use stdx::{Errno, Time};
use wire_codec::watch::{WatchEvent, WatchNews};
use wire_codec::{OsdOp, OsdOpReply, OsdOutcome};

/// Names a request towards its caller; also the `seq` of its request id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What the shell has to do, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Keep a session to this OSD at this address; then call `session_up`. May come again for the same OSD.
    Connect {
        /// Whom.
        osd: OsdId,
        /// Where it listens.
        addr: SocketAddr,
    },
    /// Send this to that OSD. If its session is gone meanwhile, drop it: `session_lost` brings it again.
    Send {
        /// Whom.
        osd: OsdId,
        /// What.
        op: OsdOp,
    },
    /// Give a request's outcome to its caller. Exactly once per ticket.
    Complete {
        /// Which.
        ticket: Ticket,
        /// What came of it.
        outcome: Outcome,
    },
    /// Give a watch's caller its news. After `WatchNews::Gone` there is no more.
    News {
        /// The watch's cookie.
        cookie: u64,
        /// What.
        news: WatchNews,
    },
    /// Ask the monitors for maps newer than this epoch.
    NeedMap {
        /// The epoch at hand.
        have: Epoch,
    },
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It was carried out, or refused by one of its steps.
    Done {
        /// The object's version after it.
        version: Version,
        /// Results or failure.
        outcome: OpOutcome,
    },
    /// A page of a PG.
    Listed {
        /// Live objects.
        objects: Vec<ObjectId>,
        /// Whether there are more.
        more: bool,
    },
    /// ENOENT: the pool is gone (or the listed PG). ETIMEDOUT: the deadline passed. E2BIG and the like: the
    /// shell refused to send it.
    Failed(Errno),
}

/// Tracks a client's requests. It bounds nothing itself: the shell admits requests (see `in_flight`).
#[derive(Debug)]
pub struct Objecter {
    client: u64,
    next: u64,
    map: Arc<ClusterMap>,
    mapping: Arc<Mapping>,
    requests: BTreeMap<Ticket, Tracked>,
    groups: BTreeMap<PgId, Group>,
    sessions: BTreeMap<OsdId, Session>,
    deadlines: BTreeSet<(Time, Ticket)>,
    lingers: Lingers,
    effects: VecDeque<Effect>,
}

#[derive(Debug)]
struct Tracked {
    pool: PoolId,
    placement: Placement,
    deadline: Option<Time>,
    /// As it was or will be sent; epoch and pg are set anew each time.
    op: OsdOp,
}

#[derive(Debug, Default)]
struct Session {
    up: bool,
    /// The address last asked for.
    asked: Option<SocketAddr>,
}

impl Objecter {
    /// A client named by `client`, drawn at random by the shell, over a first map.
    pub fn new(client: u64, map: Arc<ClusterMap>, mapping: Arc<Mapping>) -> Objecter {
        Objecter {
            client,
            next: 1,
            map,
            mapping,
            requests: BTreeMap::new(),
            groups: BTreeMap::new(),
            sessions: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            lingers: Lingers::default(),
            effects: VecDeque::new(),
        }
    }

    /// Names this client in request ids and watches.
    pub fn client(&self) -> u64 {
        self.client
    }

    /// The map in use.
    pub fn map(&self) -> &Arc<ClusterMap> {
        &self.map
    }
    /// Requests not completed yet.
    pub fn in_flight(&self) -> usize {
        self.requests.len()
    }
    /// The next effect to carry out. Drain it after each call.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }
    /// When `tick` is next due.
    pub fn next_timeout(&self) -> Option<Time> {
        let retry = self.groups.values().filter_map(|g| g.hold).map(|h| h.retry_at).min();
        let deadline = self.deadlines.first().map(|(t, _)| *t);
        [retry, deadline, self.lingers.timeout()].into_iter().flatten().min()
    }

    /// Takes a request on. Completed at once with ENOENT if its pool is not in the map.
    pub fn submit(&mut self, request: Request) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        let (placement, target) = place(&self.map, request.pool, request.target);
        let Some(pg) = placement.pg(&self.map, request.pool) else {
            self.effects.push_back(Effect::Complete { ticket, outcome: Outcome::Failed(Errno::ENOENT) });
            return ticket;
        };
        let op = OsdOp {
            request: RequestId { client: self.client, seq: ticket.0 },
            epoch: self.map.epoch,
            pg,
            target,
            mtime: request.mtime,
            snaps: request.snaps,
        };
        if let Some(at) = request.deadline {
            self.deadlines.insert((at, ticket));
        }
        let tracked = Tracked { pool: request.pool, placement, deadline: request.deadline, op };
        self.requests.insert(ticket, tracked);
        let aim = self.aim_of(pg);
        self.groups.entry(pg).or_insert_with(|| Group::new(aim)).tickets.insert(ticket);
        self.send(pg, Some(ticket));
        ticket
    }

    /// A newer map. Older ones and repetitions are ignored. Best given one epoch after the other: after a gap
    /// everything in flight is sent again.
    pub fn handle_map(&mut self, map: Arc<ClusterMap>, mapping: Arc<Mapping>) {
        if map.epoch <= self.map.epoch {
            return;
        }
        // Between maps that were never seen an aim may have left and come back, and refused what it was sent.
        let skipped = map.epoch.0 != self.map.epoch.0.saturating_add(1);
        self.map = map;
        self.mapping = mapping;
        let mut again = self.regroup();
        for pg in self.groups.keys().copied().collect::<Vec<_>>() {
            let aim = self.aim_of(pg);
            let group = self.groups.get_mut(&pg).expect("just listed");
            let moved = group.take_aim(aim);
            let awaited = group.hold.is_some_and(|h| h.epoch <= self.map.epoch);
            if awaited {
                group.hold = None;
                group.served();
            }
            if moved || awaited || skipped {
                again.insert(pg);
            }
        }
        for pg in again {
            self.send(pg, None);
        }
        self.follow_addresses();
        self.lingers_follow();
    }

    /// Keeps up a watch that was made (`Op::Watch` was answered): from now on, until its news are that it is gone or
    /// `forget_watch`.
    pub fn keep_watch(&mut self, watch: Watch) {
        let aim = self.aim_of_hash(watch.pool, &watch.name);
        self.lingers.add(watch, aim);
    }

    /// Keeps a watch up no more.
    pub fn forget_watch(&mut self, cookie: u64) {
        self.lingers.remove(cookie);
    }

    /// An OSD tells a watch something. A notify that was told already is not told again.
    pub fn handle_event(&mut self, event: WatchEvent) {
        let cookie = event.id.cookie;
        if event.id.client == self.client && self.lingers.is_news(cookie, &event.news) {
            if event.news == WatchNews::Gone {
                self.lingers.remove(cookie);
            }
            self.effects.push_back(Effect::News { cookie, news: event.news });
        }
    }

    /// Who serves a watched object now; a watch that is served by somebody else than before pings at once.
    fn lingers_follow(&mut self) {
        if self.lingers.is_empty() {
            return;
        }
        for (cookie, pool, name) in self.lingers.names() {
            let aim = self.aim_of_hash(pool, &name);
            self.lingers.follow(cookie, aim);
        }
    }

    fn aim_of_hash(&self, pool: PoolId, name: &ObjectName) -> Option<Aim> {
        let hash = self.map.object_hash(&name.namespace, &name.locator, &name.name);
        self.aim_of(self.map.pg_of(pool, hash)?)
    }

    fn ping(&mut self, now: Time) {
        for (cookie, request) in self.lingers.due(now, self.client) {
            if !self.map.pools.contains_key(&request.pool) {
                self.lingers.remove(cookie);
                self.effects.push_back(Effect::News { cookie, news: WatchNews::Gone });
                continue;
            }
            let ticket = self.submit(request);
            self.lingers.sent(cookie, ticket);
        }
    }

    /// An OSD's answer. An outcome is taken from whoever gives it: only a primary gives one, after it is safe.
    pub fn handle_reply(&mut self, now: Time, from: OsdId, reply: OsdOpReply) {
        let ticket = Ticket(reply.request.seq);
        if reply.request.client != self.client {
            return;
        }
        // A second answer to a request that was sent twice.
        let Some(tracked) = self.requests.get(&ticket) else { return };
        let pg = tracked.op.pg;
        let outcome = match reply.outcome {
            OsdOutcome::Done { version, outcome } => Outcome::Done { version, outcome },
            OsdOutcome::Listed { objects, more } => Outcome::Listed { objects, more },
            OsdOutcome::NotPrimary => return self.refused(now, from, pg, reply.epoch),
        };
        if let Some(group) = self.groups.get_mut(&pg) {
            group.served();
        }
        self.complete(ticket, outcome);
    }

    /// There is a session to that OSD: what waits for it goes out, all of it, since nothing tells what an
    /// earlier session delivered.
    pub fn session_up(&mut self, osd: OsdId) {
        self.sessions.entry(osd).or_default().up = true;
        for pg in self.groups_of(osd) {
            self.send(pg, None);
        }
    }

    /// The session to that OSD broke. Whether the OSD died, the next map tells; until then its operations wait
    /// for a new session.
    pub fn session_lost(&mut self, osd: OsdId) {
        self.sessions.entry(osd).or_default().up = false;
        self.lingers.lost(osd);
        if !self.groups_of(osd).is_empty() {
            self.effects.push_back(Effect::NeedMap { have: self.map.epoch });
        }
    }

    /// The shell could not send a request at all (it does not fit a frame, say).
    pub fn fail(&mut self, ticket: Ticket, code: Errno) {
        if self.requests.contains_key(&ticket) {
            self.complete(ticket, Outcome::Failed(code));
        }
    }

    /// Time passed: deadlines and pauses that ended.
    pub fn tick(&mut self, now: Time) {
        while let Some((at, ticket)) = self.deadlines.first().copied() {
            if at > now {
                break;
            }
            self.complete(ticket, Outcome::Failed(Errno::ETIMEDOUT));
        }
        let due = |g: &Group| g.hold.is_some_and(|h| h.retry_at <= now);
        let due: Vec<PgId> = self.groups.iter().filter(|(_, g)| due(g)).map(|(pg, _)| *pg).collect();
        for pg in due {
            if let Some(group) = self.groups.get_mut(&pg) {
                group.hold = None;
            }
            self.send(pg, None);
        }
        self.ping(now);
    }

    /// Who serves a PG by the map at hand: nobody while the flag `pause` is set, so that nothing is sent; what was
    /// sent before it is answered, or sent again when it is cleared.
    fn aim_of(&self, pg: PgId) -> Option<Aim> {
        if self.map.flags.has(Flag::Pause) {
            return None;
        }
        let osd = self.mapping.acting_primary(&self.map, pg)?;
        // A stand-in that is down serves nobody.
        let incarnation = self.map.incarnation(osd)?;
        Some(Aim { osd, incarnation })
    }

    fn groups_of(&self, osd: OsdId) -> Vec<PgId> {
        self.groups.iter().filter(|(_, g)| g.aim.is_some_and(|a| a.osd == osd)).map(|(pg, _)| *pg).collect()
    }

    /// Moves requests whose PG is another by the new map (it was split), and ends those whose pool is gone.
    /// Gives the PGs that gained some.
    fn regroup(&mut self) -> BTreeSet<PgId> {
        let mut gained = BTreeSet::new();
        let mut gone = Vec::new();
        for (ticket, t) in &mut self.requests {
            match t.placement.pg(&self.map, t.pool) {
                Some(pg) if pg == t.op.pg => {}
                Some(pg) => {
                    if let Some(old) = self.groups.get_mut(&t.op.pg) {
                        old.tickets.remove(ticket);
                    }
                    t.op.pg = pg;
                    self.groups.entry(pg).or_default().tickets.insert(*ticket);
                    gained.insert(pg);
                }
                None => gone.push(*ticket),
            }
        }
        for ticket in gone {
            self.complete(ticket, Outcome::Failed(Errno::ENOENT));
        }
        self.groups.retain(|_, g| !g.tickets.is_empty());
        gained
    }

    /// Sends one request of a PG, or all of them in order, if the PG is not held back and there is a session.
    fn send(&mut self, pg: PgId, only: Option<Ticket>) {
        let Some(group) = self.groups.get(&pg) else { return };
        let (Some(aim), None) = (group.aim, group.hold) else { return };
        let session = self.sessions.entry(aim.osd).or_default();
        if !session.up {
            return self.connect(aim.osd, only.is_none());
        }
        let all = only.is_none().then(|| group.tickets.iter().copied()).into_iter().flatten();
        for ticket in only.into_iter().chain(all) {
            let tracked = self.requests.get_mut(&ticket).expect("a group names requests that are tracked");
            tracked.op.epoch = self.map.epoch;
            self.effects.push_back(Effect::Send { osd: aim.osd, op: tracked.op.clone() });
        }
    }

    /// Asks for a session, if this was not done already; `again` asks in any case, which makes the shell try at
    /// once instead of at the end of its backoff.
    fn connect(&mut self, osd: OsdId, again: bool) {
        let Some(addr) = self.map.addr_of(osd) else { return };
        let session = self.sessions.entry(osd).or_default();
        if session.asked != Some(addr) || again {
            session.asked = Some(addr);
            session.up = false;
            self.effects.push_back(Effect::Connect { osd, addr });
        }
    }

    /// An OSD that came back somewhere else is connected there, even if no request happens to wait for it.
    fn follow_addresses(&mut self) {
        let moved = |(osd, s): (&OsdId, &Session)| {
            let addr = self.map.addr_of(*osd);
            (s.asked.is_some() && addr.is_some() && s.asked != addr).then_some(*osd)
        };
        for osd in self.sessions.iter().filter_map(moved).collect::<Vec<_>>() {
            self.connect(osd, false);
        }
    }

    /// `from` says that it is not the primary of `pg`, by a map of `epoch`.
    fn refused(&mut self, now: Time, from: OsdId, pg: PgId, epoch: Epoch) {
        let have = self.map.epoch;
        let Some(group) = self.groups.get_mut(&pg) else { return };
        // Word of an earlier aim is no news; of a group already held, neither.
        if group.aim.is_none_or(|a| a.osd != from) || group.hold.is_some() {
            return;
        }
        // Its map may be the same or older than ours: then wait for the one after ours, or for it to catch up.
        group.refused(now, epoch.max(Epoch(have.0.saturating_add(1))));
        self.effects.push_back(Effect::NeedMap { have });
    }

    fn complete(&mut self, ticket: Ticket, outcome: Outcome) {
        let tracked = self.requests.remove(&ticket).expect("completed once");
        if let Some(at) = tracked.deadline {
            self.deadlines.remove(&(at, ticket));
        }
        if let Some(group) = self.groups.get_mut(&tracked.op.pg) {
            group.tickets.remove(&ticket);
            if group.tickets.is_empty() {
                self.groups.remove(&tracked.op.pg);
            }
        }
        match self.lingers.answered(ticket, &outcome) {
            None => self.effects.push_back(Effect::Complete { ticket, outcome }),
            Some(gone) => {
                self.effects.extend(gone.map(|cookie| Effect::News { cookie, news: WatchNews::Gone }))
            }
        }
    }
}
