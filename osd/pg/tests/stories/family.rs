//! Three OSDs with all PGs of one pool, whose number grows; the monitors are the real ones' state machine. Everything
//! happens at once unless the test holds it.

use osd_class::Registry;
use osd_object::model::Model;
use osd_object::{ObjectId, ObjectName, Op, RequestId, SnapContext, Transaction};
use osd_pg::{Effect, Event, Pg, PgConfig, PoolSpec, SessionId, Ticket};
use placement_map::{
    Bootstrap, ClusterState, Command, OsdBoot, OsdId, PgId, PoolCreate, PoolId, RowChange, Uuid, WEIGHT_ONE,
};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use stdx::Time;
use stdx::time::WallTime;
use wire_codec::{OpTarget, OsdOp, OsdOutcome, PgMessage};

pub(crate) const POOL: PoolId = PoolId(1);

pub(crate) fn pg(seed: u32) -> PgId {
    PgId { pool: POOL, seed }
}

/// The object of that name and placement hash.
pub(crate) fn at(hash: u32, name: &str) -> ObjectId {
    ObjectId::head(POOL, hash, ObjectName::new(name))
}

/// One OSD.
pub(crate) struct Member {
    pub(crate) pgs: BTreeMap<PgId, Pg>,
    pub(crate) view: Model,
    pub(crate) durable: Model,
    pending: VecDeque<(PgId, Ticket, Transaction)>,
    running: bool,
    life: u64,
    /// Hears nothing of the monitors.
    pub(crate) deaf: bool,
    /// Hears nothing of the others.
    pub(crate) cut: bool,
    /// Nothing becomes durable.
    pub(crate) disk_held: bool,
}

/// All of them.
pub(crate) struct Family {
    now: Time,
    pub(crate) state: ClusterState,
    pub(crate) members: Vec<Member>,
    mail: VecDeque<(usize, usize, PgId, PgMessage)>,
    proposals: VecDeque<RowChange>,
    /// Questions after everything that somebody holds.
    pub(crate) scans: usize,
    sent: Vec<OsdOp>,
    pub(crate) answers: BTreeMap<SessionId, OsdOutcome>,
}

fn boot(n: usize, life: u64) -> Command {
    Command::OsdBoot(OsdBoot {
        id: OsdId(n as u32),
        uuid: Uuid([n as u8 + 1; 16]),
        addr: format!("10.0.0.{}:6800", n + 1).parse().expect("an address"),
        nonce: life,
        location: vec![("host".to_owned(), format!("host{n}"))],
        weight: WEIGHT_ONE,
        device_class: None,
        damaged: false,
        feature_level: placement_map::FEATURE_LEVEL,
    })
}

impl Family {
    /// A pool of one PG, active at all three.
    pub(crate) fn of_one() -> Family {
        Family::of(PoolCreate { size: Some(3), ..PoolCreate::default() })
    }

    /// The same in shards, 2+1.
    pub(crate) fn of_shards() -> Family {
        let erasure = Some("k=2 m=1 stripe_unit=4K".to_owned());
        Family::of(PoolCreate { erasure, ..PoolCreate::default() })
    }

    fn of(pool: PoolCreate) -> Family {
        let member = || Member {
            pgs: BTreeMap::new(),
            view: Model::new(),
            durable: Model::new(),
            pending: VecDeque::new(),
            running: true,
            life: 1,
            deaf: false,
            cut: false,
            disk_held: false,
        };
        let mut family = Family {
            now: Time(1_000_000_000),
            state: ClusterState::default(),
            members: (0..3).map(|_| member()).collect(),
            mail: VecDeque::new(),
            proposals: VecDeque::new(),
            scans: 0,
            sent: Vec::new(),
            answers: BTreeMap::new(),
        };
        let monitors = vec![("mon.0".to_owned(), "10.0.0.9:3300".parse().expect("an address"))];
        let feature_level = placement_map::FEATURE_LEVEL;
        let config = vec![];
        family.order(Command::Bootstrap(Bootstrap { fsid: Uuid([9; 16]), monitors, config, feature_level }));
        (0..3).for_each(|n| family.order(boot(n, 1)));
        family.order(Command::PoolCreate(PoolCreate { name: "p".into(), pg_num: Some(1), ..pool }));
        family.pass(Duration::from_secs(1));
        assert!(family.all_active());
        family
    }

    pub(crate) fn all_active(&self) -> bool {
        self.state.rows().all(|(_, row)| row.activated && row.in_sync.len() == 3)
    }

    /// The monitors take a command, and tell.
    pub(crate) fn order(&mut self, command: Command) {
        self.state
            .apply(WallTime(1), &command)
            .reply
            .unwrap_or_else(|refusal| panic!("{command:?}: {refusal}"));
        self.publish();
    }

    pub(crate) fn split(&mut self, pg_num: u32) {
        let (name, key) = ("p".to_owned(), "pg_num".to_owned());
        self.order(Command::PoolSet { name, key, value: pg_num.to_string() });
    }

    /// Everybody who hears the monitors hears what is new.
    pub(crate) fn publish(&mut self) {
        for n in 0..3 {
            if self.members[n].running && !self.members[n].deaf {
                self.tell(n);
            }
        }
    }

    /// What the daemon does with a map: one PG after the other in the order of their seeds, so that parents divide what
    /// they hold before their children begin.
    fn tell(&mut self, n: usize) {
        let up_now =
            self.state.map().osd(OsdId(n as u32)).is_some_and(|o| o.up && o.nonce == self.members[n].life);
        if !up_now {
            return;
        }
        for id in self.state.map().pgs().collect::<Vec<_>>() {
            let (row, up) =
                (self.state.row(id).expect("a row").clone(), self.state.mapping().up(id).expect("mapped"));
            let up = up.set.clone();
            let map = self.state.map();
            let alive =
                up.iter().chain(&row.in_sync).filter_map(|o| Some((*o, map.incarnation(*o)?))).collect();
            let pool = PoolSpec { records: true, ..PoolSpec::of(map.pool(POOL).expect("the pool")) };
            let event = Event::Map { epoch: map.epoch, row, up, alive, pool };
            if !self.members[n].pgs.contains_key(&id) {
                self.begin(n, id);
            }
            self.feed(n, id, event);
        }
    }

    fn begin(&mut self, n: usize, id: PgId) {
        let (now, registry) = (self.now, Registry::new(&[]));
        let machine = Pg::new(id, OsdId(n as u32), now, &self.members[n].view, PgConfig::default(), registry);
        self.members[n].pgs.insert(id, machine.expect("a model's rows are never damaged"));
    }

    fn feed(&mut self, n: usize, id: PgId, event: Event) {
        let member = &mut self.members[n];
        let Some(machine) = member.pgs.get_mut(&id) else { return };
        machine.handle(self.now, event, &member.view);
        while let Some(effect) = self.members[n].pgs.get_mut(&id).and_then(Pg::poll) {
            self.carry_out(n, id, effect);
        }
    }

    fn carry_out(&mut self, n: usize, id: PgId, effect: Effect) {
        match effect {
            Effect::Send { to, message } => self.mail.push_back((n, to.0 as usize, id, message)),
            Effect::Store { ticket, transaction } => {
                self.members[n].view.apply(&transaction);
                self.members[n].pending.push_back((id, ticket, transaction));
            }
            Effect::Read { ticket, object, offset, len } => {
                let result = self.members[n].view.read(&object, offset, len);
                self.feed(n, id, Event::ReadDone { ticket, result });
            }
            Effect::Scrub { ticket, .. } => self.feed(n, id, Event::Scrubbed { ticket, entries: None }),
            Effect::ScrubEnded => {}
            Effect::Reply { session, reply } => {
                assert_eq!(self.answers.insert(session, reply.outcome), None, "answered twice");
            }
            Effect::Divided { children, promise } => {
                for child in children {
                    assert!(
                        !self.members[n].pgs.contains_key(&child),
                        "{child} began before its parent was divided"
                    );
                    self.begin(n, child);
                    self.members[n].pgs.get_mut(&child).expect("just made").inherit(promise.clone());
                }
            }
            // Nobody watches here: see the stories of watching.
            Effect::Tell { .. } => {}
            Effect::Propose(change) => self.proposals.push_back(change),
        }
    }

    fn turn(&mut self) -> bool {
        if let Some(change) = self.proposals.pop_front() {
            self.order(Command::Rows(vec![change]));
            return true;
        }
        for n in 0..3 {
            let member = &mut self.members[n];
            if member.running
                && !member.disk_held
                && let Some((id, ticket, t)) = member.pending.pop_front()
            {
                member.durable.apply(&t);
                self.feed(n, id, Event::Stored { ticket });
                return true;
            }
        }
        if let Some((from, to, id, message)) = self.mail.pop_front() {
            let (a, b) = (&self.members[from], &self.members[to]);
            if a.running && b.running && !a.cut && !b.cut {
                self.scans += usize::from(matches!(message, PgMessage::Scan { .. }));
                self.feed(to, id, Event::Peer { from: OsdId(from as u32), message });
            }
            return true;
        }
        let due = |m: &Pg| m.next_timeout().is_some_and(|at| at <= self.now);
        let ids = |member: &Member| member.pgs.iter().find(|(_, m)| due(m)).map(|(id, _)| *id);
        let found =
            (0..3).find_map(|n| Some((n, ids(&self.members[n]).filter(|_| self.members[n].running)?)));
        if let Some((n, id)) = found {
            self.feed(n, id, Event::Tick);
        }
        found.is_some()
    }

    pub(crate) fn settle(&mut self) {
        while self.turn() {}
    }

    /// Lets time pass, everything happening that should.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.settle();
            self.now = (self.now + Duration::from_millis(20)).min(end);
        }
        self.settle();
    }

    /// A client that goes by the map of now asks whoever is primary.
    pub(crate) fn ask(&mut self, object: &ObjectId, ops: Vec<Op>) -> SessionId {
        let request = RequestId { client: 1, seq: self.sent.len() as u64 + 1 };
        let target = OpTarget::Object { object: object.clone(), ops };
        let (epoch, mtime) = (self.state.map().epoch, WallTime(5));
        let pg = self.state.map().pg_of(object.pool, object.hash).expect("a PG");
        self.send(OsdOp { request, epoch, pg, target, mtime, snaps: SnapContext::default() })
    }

    /// The same request again, by the map of now.
    pub(crate) fn again(&mut self, session: SessionId) -> SessionId {
        let op = self.sent[session.0 as usize].clone();
        let OpTarget::Object { object, .. } = &op.target else {
            unreachable!("only objects are asked about")
        };
        let map = self.state.map();
        let pg = map.pg_of(object.pool, object.hash).expect("a PG");
        self.send(OsdOp { pg, epoch: map.epoch, ..op })
    }

    fn send(&mut self, op: OsdOp) -> SessionId {
        let session = SessionId(self.sent.len() as u64);
        self.sent.push(op.clone());
        let primary = self.state.row(op.pg).and_then(|row| row.primary).expect("somebody leads");
        self.feed(primary.0 as usize, op.pg, Event::ClientOp { session, op });
        session
    }

    /// The primary of a PG.
    pub(crate) fn primary(&self, seed: u32) -> usize {
        self.state.row(pg(seed)).and_then(|row| row.primary).expect("somebody leads").0 as usize
    }

    /// The process dies; the first `kept` of what was under way to its disk made it.
    pub(crate) fn kill(&mut self, n: usize, kept: usize) {
        let member = &mut self.members[n];
        for (_, _, transaction) in member.pending.drain(..).take(kept) {
            member.durable.apply(&transaction);
        }
        (member.running, member.disk_held) = (false, false);
        member.pgs.clear();
        self.mail.retain(|(from, to, ..)| *from != n && *to != n);
    }

    /// The monitors notice.
    pub(crate) fn mark_down(&mut self, n: usize) {
        self.order(Command::MarkDown { osds: vec![(OsdId(n as u32), None)] });
    }

    /// It comes back with what its disk has.
    pub(crate) fn start(&mut self, n: usize) {
        let member = &mut self.members[n];
        member.view = member.durable.clone();
        (member.running, member.deaf, member.cut) = (true, false, false);
        member.life += 1;
        let life = member.life;
        self.order(boot(n, life));
    }

    /// Transactions on their way to its disk.
    pub(crate) fn pending(&self, n: usize) -> usize {
        self.members[n].pending.len()
    }
}
