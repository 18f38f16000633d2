//! The monitors: the real map machine (`placement-map`'s `apply`) behind a linearizable stand-in for Raft. Commits
//! happen one after the other; there may be no leader for a while (what waits is then committed later or lost);
//! each monitor learns of commits in its own time and tells its subscribers; commands and their answers get lost with
//! connections, and linger. Who is silent is noticed as `placement-monitor`'s detector does it: by beacons that stop,
//! by peers' reports, by connections refused.

use crate::agenda::Happening;
use crate::end::End;
use crate::packet::Packet;
use crate::sabotage::{Sabotage, WorldBug};
use crate::world::World;
use placement_map::{ClusterMap, ClusterState, Command, Epoch, Incremental, Mapping, OsdId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use stdx::Time;
use stdx::time::WallTime;
use wire_codec::mon::{MapUpdate, Subscribe, Update};

/// How many monitors there are.
pub(crate) const MONITORS: u32 = 3;
/// How often the leader looks.
pub(crate) const LOOK: Duration = Duration::from_millis(500);
/// A report that is not repeated for so long does not count any more.
const REPORT_LIFE: Duration = Duration::from_secs(4);

/// The state after one commit.
#[derive(Debug)]
pub(crate) struct Point {
    pub(crate) state: ClusterState,
    map: Arc<ClusterMap>,
    mapping: Arc<Mapping>,
}

/// What a subscriber was told of.
#[derive(Debug)]
struct Subscriber {
    session: u64,
    epoch: Epoch,
    /// None: a client, who gets no rows.
    rows: Option<u64>,
}

/// One monitor.
#[derive(Debug, Default)]
struct Mon {
    /// The commit it is at.
    applied: usize,
    /// Cut off from the others: it applies nothing, and passes nothing on.
    isolated: bool,
    subscribers: BTreeMap<End, Subscriber>,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Monitors {
    points: Vec<Point>,
    steps: BTreeMap<u32, Incremental>,
    mons: Vec<Mon>,
    /// Nobody leads until then.
    leaderless_until: Time,
    /// When an OSD last gave a sign of life, by incarnation.
    alive: BTreeMap<OsdId, (Epoch, Time)>,
    /// By target: who reported it, which incarnation, and when.
    reports: BTreeMap<OsdId, BTreeMap<OsdId, (Epoch, bool, Time)>>,
}

impl Monitors {
    pub(crate) fn new(state: ClusterState) -> Monitors {
        let (map, mapping) = (Arc::new(state.map().clone()), Arc::new(state.mapping().clone()));
        Monitors {
            points: vec![Point { state, map, mapping }],
            steps: BTreeMap::new(),
            mons: (0..MONITORS).map(|_| Mon::default()).collect(),
            leaderless_until: Time::ZERO,
            alive: BTreeMap::new(),
            reports: BTreeMap::new(),
        }
    }

    /// What is committed.
    pub(crate) fn state(&self) -> &ClusterState {
        &self.points.last().expect("there is always one").state
    }
    pub(crate) fn first_map(&self) -> (Arc<ClusterMap>, Arc<Mapping>) {
        (self.points[0].map.clone(), self.points[0].mapping.clone())
    }
    pub(crate) fn commits(&self) -> usize {
        self.points.len() - 1
    }
    pub(crate) fn has_leader(&self, now: Time) -> bool {
        self.leaderless_until <= now
    }
    pub(crate) fn lose_leader(&mut self, until: Time) {
        self.leaderless_until = self.leaderless_until.max(until);
    }
    pub(crate) fn lead_from(&mut self, now: Time) {
        self.leaderless_until = self.leaderless_until.min(now);
    }
    pub(crate) fn isolate(&mut self, mon: u32, isolated: bool) {
        self.mons[mon as usize].isolated = isolated;
    }
    pub(crate) fn is_isolated(&self, mon: u32) -> bool {
        self.mons[mon as usize].isolated
    }

    fn push(&mut self, state: ClusterState, step: Option<Incremental>) {
        let last = self.points.last().expect("there is always one");
        let (map, mapping) = match &step {
            Some(_) => (Arc::new(state.map().clone()), Arc::new(state.mapping().clone())),
            None => (last.map.clone(), last.mapping.clone()),
        };
        if let Some(step) = step {
            self.steps.insert(step.epoch.0, step);
        }
        self.points.push(Point { state, map, mapping });
    }
}

impl World {
    /// A packet came to a monitor.
    pub(crate) fn mon_inbound(&mut self, mon: u32, from: End, session: u64, packet: Packet) {
        match packet {
            Packet::Subscribe(Subscribe { have_epoch, rows, have_rows }) => {
                let rows = rows.then_some(have_rows);
                let subscriber = Subscriber { session, epoch: have_epoch, rows };
                self.monitors.mons[mon as usize].subscribers.insert(from, subscriber);
                self.tell_news(mon, from);
            }
            Packet::Command(command) => self.take_command(mon, from, command),
            Packet::Report { target, incarnation, refused } => {
                let End::Osd(from) = from else { unreachable!("only OSDs report") };
                if !self.monitors.is_isolated(mon) && self.monitors.has_leader(self.now) {
                    let said = (incarnation, refused, self.now);
                    self.monitors.reports.entry(target).or_default().insert(from, said);
                    if refused {
                        self.mon_decide();
                    }
                }
            }
            packet => unreachable!("{from} sent mon.{mon} {packet}"),
        }
    }

    /// Passes a command on to the leader. It may wait there, get lost, or be carried out twice.
    fn take_command(&mut self, mon: u32, from: End, command: Box<Command>) {
        if self.monitors.is_isolated(mon) {
            return;
        }
        let mut after = Duration::from_micros(1000 + self.rng.below(20_000));
        if !self.monitors.has_leader(self.now) {
            if self.rng.chance(1, 2) {
                return;
            }
            after += self.monitors.leaderless_until.since(self.now);
        }
        let rows = matches!(*command, Command::Rows(_));
        // The session of a process that ended is gone, and what it asked last with it.
        let life = match from {
            End::Osd(osd) if !rows => self.osds.get(&osd).map(|o| (osd, o.life())),
            _ => None,
        };
        if rows && !self.healing {
            if self.rng.chance(1, 20) {
                after += Duration::from_millis(self.rng.below(4000));
            }
            if self.rng.chance(1, 20) {
                let again = after + Duration::from_millis(self.rng.below(4000));
                self.at(again, Happening::Commit { command: command.clone(), life });
            }
        }
        self.at(after, Happening::Commit { command, life });
    }

    /// A command is committed.
    pub(crate) fn commit(&mut self, command: &Command, life: Option<(OsdId, u64)>) {
        if life.is_some_and(|(osd, life)| !self.osds.get(&osd).is_some_and(|o| o.lives(life))) {
            return;
        }
        if !self.monitors.has_leader(self.now) {
            // It was under way when the leader went. An operator's is lost: nobody asks for it again.
            if (life.is_some() || matches!(command, Command::Rows(_))) && self.rng.chance(1, 2) {
                let after = self.monitors.leaderless_until.since(self.now) + Duration::from_millis(1);
                let command = Box::new(command.clone());
                self.at(after, Happening::Commit { command, life });
            }
            return;
        }
        let dirty = self.sabotage == Some(Sabotage::World(WorldBug::TellBeforeCommit));
        if dirty && matches!(command, Command::Rows(_)) && !self.healing && self.rng.chance(1, 10) {
            return self.tell_uncommitted(command);
        }
        let mut state = self.monitors.state().clone();
        let applied = state.apply(WallTime(self.now.0 + self.time_of_day), command);
        self.trace.line(self.now, || match &applied.reply {
            Ok(_) => format!("commit {command:?}: map {} rows {:?}", state.map().epoch.0, applied.rows),
            Err(refusal) => format!("refused {command:?}: {refusal}"),
        });
        if applied.incremental.is_none() && applied.rows.is_empty() {
            return;
        }
        if let (Command::OsdBoot(boot), Ok(_)) = (command, &applied.reply) {
            self.known_stores.insert(boot.id, self.osds[&boot.id].store());
        }
        for (id, pool) in &state.map().pools {
            let least = self.min_size_least.entry(*id).or_insert(pool.min_size);
            *least = (*least).min(pool.min_size);
        }
        self.granted.note(&applied.rows);
        self.families.note(self.monitors.state().map(), &state);
        self.monitors.push(state, applied.incremental);
        let upto = self.monitors.commits();
        for mon in 0..MONITORS {
            let after = Duration::from_micros(100 + self.rng.below(10_000));
            self.at(after, Happening::MonApplies { mon, upto });
        }
    }

    /// The sabotage: one monitor's subscribers hear of a change that the next leader does not have.
    fn tell_uncommitted(&mut self, command: &Command) {
        let mut state = self.monitors.state().clone();
        let applied = state.apply(WallTime(self.now.0 + self.time_of_day), command);
        if applied.rows.is_empty() || applied.incremental.is_some() {
            return;
        }
        let mon = self.rng.below(u64::from(MONITORS)) as u32;
        let ends: Vec<End> = self.monitors.mons[mon as usize].subscribers.keys().copied().collect();
        for end in ends.into_iter().filter(|end| matches!(end, End::Osd(_))) {
            let rows_version = self.monitors.state().rows_version();
            let update = Update { map: MapUpdate::Same, rows: applied.rows.clone(), rows_version };
            self.send(End::Mon(mon), end, Packet::Update(Box::new(update)));
        }
    }

    /// A monitor learns of commits, unless it is cut off.
    pub(crate) fn mon_applies(&mut self, mon: u32, upto: usize) {
        let upto = upto.min(self.monitors.commits());
        let m = &mut self.monitors.mons[mon as usize];
        if m.isolated || upto <= m.applied {
            return;
        }
        m.applied = upto;
        for end in m.subscribers.keys().copied().collect::<Vec<_>>() {
            self.tell_news(mon, end);
        }
    }

    /// What a subscriber lacks, as far as this monitor has it.
    fn tell_news(&mut self, mon: u32, end: End) {
        let session = self.network.session(end, End::Mon(mon));
        let m = &mut self.monitors.mons[mon as usize];
        let Some(subscriber) = m.subscribers.get_mut(&end) else { return };
        if subscriber.session != session {
            m.subscribers.remove(&end);
            return;
        }
        let point = &self.monitors.points[m.applied];
        let (epoch, version) = (point.state.map().epoch, point.state.rows_version());
        if subscriber.epoch > epoch || subscriber.rows.is_some_and(|have| have > version) {
            return;
        }
        let have = std::mem::replace(&mut subscriber.epoch, epoch);
        let Some(had_rows) = subscriber.rows else {
            if have < epoch {
                self.tell_client(mon, end, have, epoch);
            }
            return;
        };
        subscriber.rows = Some(version);
        if have == epoch && had_rows == version {
            return;
        }
        let behind = (epoch.0 - have.0) as usize;
        let map = if behind == 0 {
            MapUpdate::Same
        } else if have.0 == 0 || behind > self.settings.steps_sent {
            MapUpdate::Full(Box::new(point.state.map().clone()))
        } else {
            MapUpdate::Incrementals((have.0 + 1..=epoch.0).map(|e| self.monitors.steps[&e].clone()).collect())
        };
        let rows = point.state.rows_after(had_rows).map(|(pg, row)| (pg, row.clone())).collect();
        let mut update = Update { map, rows, rows_version: version };
        // A gap: the receiver has to notice and to start over.
        if let MapUpdate::Incrementals(steps) = &mut update.map
            && steps.len() > 1
            && !self.healing
            && self.rng.chance(1, 20)
        {
            steps.remove(0);
            self.count("map-gaps");
        }
        self.send(End::Mon(mon), end, Packet::Update(Box::new(update)));
    }

    /// A client gets one map after the other, or only the newest if it is far behind.
    fn tell_client(&mut self, mon: u32, end: End, have: Epoch, upto: Epoch) {
        let applied = self.monitors.mons[mon as usize].applied;
        let far = have.0 == 0 || (upto.0 - have.0) as usize > self.settings.steps_sent;
        let from = if far { upto.0 - 1 } else { have.0 };
        let mut maps: Vec<(Arc<ClusterMap>, Arc<Mapping>)> = Vec::new();
        for point in self.monitors.points[..=applied].iter().rev() {
            if point.map.epoch.0 <= from {
                break;
            }
            if maps.last().is_none_or(|(map, _)| map.epoch != point.map.epoch) {
                maps.push((point.map.clone(), point.mapping.clone()));
            }
        }
        for (map, mapping) in maps.into_iter().rev() {
            self.send(End::Mon(mon), end, Packet::Map(map, mapping));
        }
    }

    /// The leader looks who is silent.
    pub(crate) fn mon_look(&mut self) {
        self.at(LOOK, Happening::MonLook);
        if !self.monitors.has_leader(self.now) {
            // The next leader knows of nobody.
            self.monitors.alive.clear();
            self.monitors.reports.clear();
            return;
        }
        let up: Vec<(OsdId, Epoch)> = {
            let map = self.monitors.state().map();
            map.up_osds().filter_map(|osd| Some((osd, map.incarnation(osd)?))).collect()
        };
        for (osd, incarnation) in up {
            let beacon = self.osds.get(&osd).is_some_and(|o| {
                let mon = End::Mon(o.monitor);
                let heard = !self.network.is_cut(End::Osd(osd), mon) && !self.monitors.is_isolated(o.monitor);
                let alive = o.running() && o.paused_until <= self.now && !o.resigned();
                alive && heard && self.network.is_up(End::Osd(osd), mon) && self.nonce_matches(osd)
            });
            let known = self.monitors.alive.get(&osd).is_some_and(|(at, _)| *at == incarnation);
            if beacon || !known {
                self.monitors.alive.insert(osd, (incarnation, self.now));
            }
        }
        self.mon_decide();
    }

    fn nonce_matches(&self, osd: OsdId) -> bool {
        self.monitors.state().map().osd(osd).is_some_and(|info| info.nonce == self.osds[&osd].life())
    }

    /// Marks down who is silent, or is reported by enough others.
    fn mon_decide(&mut self) {
        let (now, grace) = (self.now, self.settings.grace + Duration::from_secs(1));
        let map = self.monitors.state().map().clone();
        let reports = &mut self.monitors.reports;
        for (target, of_target) in reports.iter_mut() {
            let incarnation = map.incarnation(*target);
            of_target.retain(|from, (of, _, at)| {
                map.is_up(*from) && Some(*of) == incarnation && now.since(*at) < REPORT_LIFE
            });
        }
        let others = map.up_osds().count().saturating_sub(1);
        let reported = |osd: &OsdId| {
            reports.get(osd).is_some_and(|said| {
                let refused = said.values().any(|(_, refused, _)| *refused);
                refused || (!said.is_empty() && said.len() >= others.min(2))
            })
        };
        let silent = |osd: &OsdId| {
            let seen = self.monitors.alive.get(osd);
            seen.is_some_and(|(of, at)| Some(*of) == map.incarnation(*osd) && now.since(*at) >= grace)
        };
        let failed: BTreeSet<OsdId> = map.up_osds().filter(|osd| silent(osd) || reported(osd)).collect();
        if failed.is_empty() {
            return;
        }
        let osds = failed.into_iter().map(|osd| (osd, map.incarnation(osd))).collect();
        let after = Duration::from_micros(500 + self.rng.below(5000));
        let command = Box::new(Command::MarkDown { osds });
        self.at(after, Happening::Commit { command, life: None });
    }

    /// An operator's command, or one of the world's own.
    pub(crate) fn command(&mut self, command: Command) {
        let command = Box::new(command);
        self.at(Duration::from_millis(1), Happening::Commit { command, life: None });
    }

    /// Monitors that were cut off catch up.
    pub(crate) fn mons_catch_up(&mut self) {
        let upto = self.monitors.commits();
        for mon in 0..MONITORS {
            self.at(Duration::from_millis(1), Happening::MonApplies { mon, upto });
        }
    }
}
