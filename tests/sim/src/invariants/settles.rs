//! When the faults stop, every PG becomes active and clean, every operation is answered, and copies that nobody
//! counts on are gone, within [`BOUND`] of virtual time. Reason: what is safe and never comes back is lost as well.

use crate::client::Client;
use crate::osd::Osd;
use crate::world::World;
use placement_map::OsdId;
use std::time::Duration;

/// How long it may take.
pub(crate) const BOUND: Duration = Duration::from_secs(120);

impl World {
    /// Whether nothing is left to be done.
    pub(crate) fn is_settled(&self) -> bool {
        self.clients.iter().all(Client::is_idle)
            && self.pgs().into_iter().all(|pg| {
                let row = self.monitors.state().row(pg).expect("a row for each PG");
                let primary = row.primary.and_then(|osd| self.osds[&osd].status(pg));
                let in_place = |osd: &OsdId| self.osds[osd].status(pg).is_some_and(|s| s.put_aside == 0);
                primary.is_some_and(|s| s.state == "active+clean" && s.ops == 0)
                    && row.in_sync.iter().all(in_place)
            })
            && self.osds.values().all(Osd::is_idle)
            && self.strays_are_gone()
    }

    /// Whether all that is not settled is what no machine can decide: a PG whose members' logs differ beyond what was
    /// acknowledged, and of which each of two members cannot read an object that the other needs to be brought level.
    /// Whichever leads, an object would be given up (docs/TESTING.md).
    pub(crate) fn waits_for_a_person(&self) -> bool {
        let state = self.monitors.state();
        let open = self.pgs().into_iter().filter(|pg| {
            let row = state.row(*pg).expect("a row for each PG");
            let primary = row.primary.and_then(|osd| self.osds[&osd].status(*pg));
            primary.is_none_or(|s| s.state != "active+clean")
        });
        open.into_iter().all(|pg| {
            let row = state.row(pg).expect("a row for each PG");
            let of_pg = |o: &&osd_object::ObjectId| state.map().pg_of(o.pool, o.hash) == Some(pg);
            let spoilt = |osd: &&OsdId| self.osds[*osd].disk.spoilt().any(|o| of_pg(&o));
            !row.activated && row.shards.is_empty() && row.in_sync.iter().filter(spoilt).count() >= 2
        })
    }

    fn strays_are_gone(&self) -> bool {
        let state = self.monitors.state();
        self.osds.values().all(|osd| {
            osd.disk.view.objects.keys().all(|o| {
                let pg = state.map().pg_of(o.pool, o.hash);
                pg.and_then(|pg| state.row(pg)).is_some_and(|row| row.in_sync.contains(&osd.id))
            })
        })
    }

    /// Where everything stands, for a person.
    pub(crate) fn describe(&self) -> String {
        let state = self.monitors.state();
        let mut text = format!("now {:.3} s, map {}\n", self.now.0 as f64 / 1e9, state.map().epoch.0);
        for pg in self.pgs() {
            let up = state.mapping().up(pg).map(|u| u.set.clone());
            text += &format!("{pg} up {up:?} row {:?}\n", state.row(pg));
            for osd in self.osds.values() {
                text += &format!(
                    "  {} runs {} map {} {:?}\n",
                    osd.id,
                    osd.running(),
                    osd.epoch().0,
                    osd.status(pg)
                );
            }
        }
        for client in &self.clients {
            text += &format!("{client:?}\n");
        }
        text
    }
}
