//! The PG machines of one OSD, and which ticket belongs to whom.

use osd_pg::{Effect, Event, Filling, Pg, PgStatus, Ticket};
use osd_store::Store;
use placement_map::PgId;
use std::collections::{BTreeMap, HashMap};
use stdx::Time;

/// The machines.
#[derive(Default)]
pub(crate) struct Pgs {
    machines: BTreeMap<PgId, Pg>,
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
        self.machines.insert(pg, machine);
    }

    /// Forgets a machine that has nothing left to do. A later one of the PG counts its tickets anew, so it
    /// must not hear of this one's.
    pub(crate) fn remove(&mut self, pg: PgId) {
        self.tickets.retain(|_, (owner, _)| *owner != pg);
        self.machines.remove(&pg);
    }

    /// All PGs that have a machine.
    pub(crate) fn ids(&self) -> Vec<PgId> {
        self.machines.keys().copied().collect()
    }

    /// What a machine says of itself.
    pub(crate) fn status(&self, pg: PgId) -> Option<PgStatus> {
        self.machines.get(&pg).map(Pg::status)
    }

    /// What each PG could do for its joiners.
    pub(crate) fn fillings(&self) -> impl Iterator<Item = (PgId, Filling)> {
        self.machines.iter().map(|(pg, machine)| (*pg, machine.filling()))
    }

    /// When the next machine wants a tick.
    pub(crate) fn next_timeout(&self) -> Option<Time> {
        self.machines.values().filter_map(Pg::next_timeout).min()
    }

    /// Machines whose timeout has come.
    pub(crate) fn due(&self, now: Time) -> Vec<PgId> {
        let due = |m: &Pg| m.next_timeout().is_some_and(|at| at <= now);
        self.machines.iter().filter(|(_, m)| due(m)).map(|(pg, _)| *pg).collect()
    }

    /// Hands an event to a machine and returns what it wants done. An event for a PG without a machine is
    /// void: whoever caused it asks again.
    pub(crate) fn handle(&mut self, now: Time, pg: PgId, event: Event, store: &Store) -> Vec<Effect> {
        let Some(machine) = self.machines.get_mut(&pg) else { return Vec::new() };
        machine.handle(now, event, store);
        std::iter::from_fn(|| machine.poll()).collect()
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
