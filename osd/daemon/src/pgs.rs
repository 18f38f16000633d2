//! The PG machines of one OSD, and which ticket belongs to whom.

use osd_pg::{Copied, Effect, Event, Filling, Pg, PgStatus, PoolSpec, Ticket};
use osd_store::Store;
use placement_map::PgId;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use stdx::Time;

/// The machines.
#[derive(Default)]
pub(crate) struct Pgs {
    machines: BTreeMap<PgId, Pg>,
    /// When each machine wants its next tick, as of the last event it was given: asking hundreds of them at each turn
    /// of the reactor would cost more than most events do.
    ticks: Ticks,
    /// Store tickets to the machines' own.
    tickets: HashMap<u64, (PgId, Ticket)>,
    next_ticket: u64,
}

impl Pgs {
    /// Whether there is a machine for a PG.
    pub(crate) fn has(&self, pg: PgId) -> bool {
        self.machines.contains_key(&pg)
    }

    /// Adds a machine.
    pub(crate) fn add(&mut self, pg: PgId, machine: Pg) {
        self.ticks.set(pg, machine.next_timeout());
        self.machines.insert(pg, machine);
    }

    /// Forgets a machine that has nothing left to do. A later one of the PG counts its tickets anew, so it
    /// must not hear of this one's.
    pub(crate) fn remove(&mut self, pg: PgId) {
        self.tickets.retain(|_, (owner, _)| *owner != pg);
        self.ticks.set(pg, None);
        self.machines.remove(&pg);
    }

    /// PGs of which nothing is left here. Not those that news `wait` for: it may be that they are wanted again, and
    /// nobody would tell the next machine.
    pub(crate) fn finished(&self, waiting: &VecDeque<(PgId, Event)>) -> Vec<PgId> {
        let removed = self.machines.iter().filter(|(_, m)| m.status().removed).map(|(pg, _)| *pg);
        removed.filter(|pg| !waiting.iter().any(|(waits, _)| waits == pg)).collect()
    }

    /// All PGs that have a machine.
    pub(crate) fn ids(&self) -> Vec<PgId> {
        self.machines.keys().copied().collect()
    }

    /// Whether a map with this pool may have the machine divide its PG.
    pub(crate) fn must_divide(&self, pg: PgId, pool: &PoolSpec) -> bool {
        self.machines.get(&pg).is_some_and(|machine| machine.must_divide(pool))
    }

    /// What a machine says of itself.
    pub(crate) fn status(&self, pg: PgId) -> Option<PgStatus> {
        self.machines.get(&pg).map(Pg::status)
    }

    /// Ranges that were written again since they could not be read, by the machines that there are.
    pub(crate) fn repaired(&self) -> u64 {
        self.machines.values().map(|machine| machine.status().repaired).sum()
    }

    /// What each PG has copied to others from here, also those that are served elsewhere by now.
    pub(crate) fn copied(&self) -> impl Iterator<Item = (PgId, Copied)> {
        self.machines.iter().map(|(pg, machine)| (*pg, machine.status().copied))
    }

    /// What each PG could do for its joiners.
    pub(crate) fn fillings(&self) -> impl Iterator<Item = (PgId, Filling)> {
        self.machines.iter().map(|(pg, machine)| (*pg, machine.filling()))
    }

    /// When the next machine wants a tick.
    pub(crate) fn next_timeout(&self) -> Option<Time> {
        self.ticks.first()
    }

    /// Machines whose timeout has come.
    pub(crate) fn due(&self, now: Time) -> Vec<PgId> {
        self.ticks.due(now)
    }

    /// Hands an event to a machine and returns what it wants done. An event for a PG without a machine is
    /// void: whoever caused it asks again.
    pub(crate) fn handle(&mut self, now: Time, pg: PgId, event: Event, store: &Store) -> Vec<Effect> {
        let Some(machine) = self.machines.get_mut(&pg) else { return Vec::new() };
        machine.handle(now, event, store);
        let effects = std::iter::from_fn(|| machine.poll()).collect();
        self.ticks.set(pg, machine.next_timeout());
        effects
    }

    /// A store ticket for a machine's own.
    pub(crate) fn ticket(&mut self, pg: PgId, ticket: Ticket) -> u64 {
        self.next_ticket += 1;
        self.tickets.insert(self.next_ticket, (pg, ticket));
        self.next_ticket
    }

    /// A store ticket that nobody waits for.
    pub(crate) fn lone_ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket
    }

    /// Whose a store ticket was.
    pub(crate) fn owner(&mut self, ticket: u64) -> Option<(PgId, Ticket)> {
        self.tickets.remove(&ticket)
    }
}

/// At most one time for each PG, and the earliest of them at hand.
#[derive(Default)]
struct Ticks {
    of: HashMap<PgId, Time>,
    in_order: BTreeSet<(Time, PgId)>,
}

impl Ticks {
    fn set(&mut self, pg: PgId, at: Option<Time>) {
        let before = match at {
            Some(at) => self.of.insert(pg, at),
            None => self.of.remove(&pg),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.in_order.remove(&(before, pg));
        }
        self.in_order.extend(at.map(|at| (at, pg)));
    }
    fn first(&self) -> Option<Time> {
        self.in_order.first().map(|(at, _)| *at)
    }
    fn due(&self, now: Time) -> Vec<PgId> {
        self.in_order.iter().take_while(|(at, _)| *at <= now).map(|(_, pg)| *pg).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use osd_class::Registry;
    use osd_object::model::Model;
    use osd_pg::PgConfig;
    use placement_map::{Epoch, OsdId, PgRow, PoolId};
    use stdx::Rng;

    #[test]
    fn a_machine_that_news_wait_for_is_not_forgotten() {
        let (pg, me, other, now) = (PgId { pool: PoolId(1), seed: 0 }, OsdId(1), OsdId(2), Time(1));
        let view = Model::new();
        let mut machine =
            Pg::new(pg, me, now, &view, PgConfig::default(), Registry::standard()).expect("empty");
        let row = PgRow {
            interval: 1,
            revision: 1,
            in_sync: vec![other],
            primary: Some(other),
            ..PgRow::default()
        };
        let map = Event::Map {
            epoch: Epoch(1),
            row,
            up: vec![other],
            alive: BTreeMap::from([(other, Epoch(1))]),
            pool: PoolSpec {
                size: 1,
                min_size: 1,
                pg_num: 1,
                pg_num_made: 1,
                ec: None,
                records: false,
                fast_read: false,
                snaps: Default::default(),
                may_yield: false,
            },
        };
        machine.handle(now, map.clone(), &view);
        assert!(machine.status().removed, "nobody wants it here, and there is nothing of it");
        let mut pgs = Pgs::default();
        pgs.add(pg, machine);
        assert_eq!(pgs.finished(&VecDeque::from([(pg, map)])), []);
        assert_eq!(pgs.finished(&VecDeque::new()), [pg]);
    }

    #[test]
    fn ticks_are_what_a_plain_map_says() {
        let (mut ticks, mut plain, mut rng) = (Ticks::default(), BTreeMap::new(), Rng::new(4));
        for _ in 0..5_000 {
            let pg = PgId { pool: PoolId(1), seed: rng.below(20) as u32 };
            let at = rng.chance(3, 4).then(|| Time(rng.below(50)));
            ticks.set(pg, at);
            match at {
                Some(at) => plain.insert(pg, at),
                None => plain.remove(&pg),
            };
            assert_eq!(ticks.first(), plain.values().min().copied());
            let now = Time(rng.below(50));
            let mut due = ticks.due(now);
            due.sort_unstable();
            let wanted: Vec<PgId> = plain.iter().filter(|(_, at)| **at <= now).map(|(pg, _)| *pg).collect();
            assert_eq!(due, wanted);
        }
    }
}
