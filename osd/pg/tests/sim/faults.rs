//! What goes wrong.

use crate::world::{Happening, Pairs, Plan, World, uuid};
use placement_map::{Command, OsdId};
use std::collections::BTreeSet;
use std::time::Duration;

/// What is wrong now.
#[derive(Default)]
pub(crate) struct Faults {
    /// One-way breaks.
    cut: Pairs,
    /// OSDs that the monitors neither hear nor reach.
    lost_to_monitors: BTreeSet<OsdId>,
    /// Clients that go by an old map: they are the ones who would read from a primary that was replaced.
    deaf_clients: BTreeSet<usize>,
}

impl Faults {
    pub(crate) fn linked(&self, from: OsdId, to: OsdId) -> bool {
        !self.cut.contains(&(from, to))
    }
    pub(crate) fn sees_monitors(&self, osd: OsdId) -> bool {
        !self.lost_to_monitors.contains(&osd)
    }
    pub(crate) fn hears(&self, client: usize) -> bool {
        !self.deaf_clients.contains(&client)
    }
    pub(crate) fn hear(&mut self, client: usize) {
        self.deaf_clients.remove(&client);
    }
    pub(crate) fn end(&mut self) {
        *self = Faults::default();
    }
}

impl World {
    pub(crate) fn fault(&mut self) {
        if self.healing {
            return;
        }
        let kinds = match self.plan {
            Plan::Calm => return,
            Plan::Crashes => 5,
            Plan::Everything => 13,
            Plan::Moves => 16,
        };
        let client = self.rng.below(self.clients.len() as u64) as usize;
        let osds: Vec<OsdId> = self.osds.keys().copied().collect();
        let osd = osds[self.rng.below(osds.len() as u64) as usize];
        let other = osds[self.rng.below(osds.len() as u64) as usize];
        match self.rng.below(kinds) {
            0 | 1 => self.crash(osd),
            2 | 3 => self.start_osd(osd),
            4 => self.stop_in_order(osd),
            5 => self.cut(osd, other),
            6 => {
                self.cut(osd, other);
                self.cut(other, osd);
            }
            7 => self.faults.cut.clear(),
            8 => {
                self.summary.cuts += 1;
                self.faults.lost_to_monitors.insert(osd);
                let life = self.osds[&osd].life();
                self.at(Duration::from_millis(2500), Happening::NoticeDown { osd, life });
            }
            9 => self.faults.lost_to_monitors.clear(),
            10 => {
                // A false alarm.
                self.command(&Command::MarkDown { osds: vec![(osd, None)] });
            }
            11 => {
                // Not for longer than the log remembers: past that a replay would run again.
                self.faults.deaf_clients.insert(client);
                self.at(Duration::from_secs(3), Happening::Hear { client });
            }
            12 => self.faults.deaf_clients.clear(),
            13 => self.command(&Command::MarkOut { osds: vec![osd], automatic: false }),
            14 => self.command(&Command::MarkIn { osds: vec![osd] }),
            _ => {
                let affinity = (self.rng.below(3) * 0x8000) as u32;
                self.command(&Command::PrimaryAffinity { osd, affinity });
            }
        }
        let pause = [20, 300, 1500, 4000][self.rng.below(4) as usize];
        let after = Duration::from_millis(1 + self.rng.below(pause));
        self.at(after, Happening::Fault);
    }

    fn cut(&mut self, from: OsdId, to: OsdId) {
        if from != to {
            self.summary.cuts += 1;
            self.faults.cut.insert((from, to));
            // In life the loser of a link reports the other; here the monitors sometimes believe it.
            if self.rng.chance(1, 2) {
                let life = self.osds[&to].life();
                self.at(Duration::from_millis(2500), Happening::NoticeDown { osd: to, life: life + 1 });
            }
        }
    }

    /// An OSD resigns, tells the monitors, and stops soon after: before or after they have noted it.
    fn stop_in_order(&mut self, osd: OsdId) {
        self.with_osd(osd, |osd, io| osd.resign(io));
        let life = self.osds[&osd].life();
        if self.faults.sees_monitors(osd) && self.osds[&osd].running() {
            let after = Duration::from_millis(1 + self.rng.below(20));
            let info = self.monitors.map().osd(osd).filter(|info| info.up && info.nonce == life);
            if let Some(incarnation) = info.map(|info| info.up_from) {
                self.at(after, Happening::Goodbye { osd, incarnation });
            }
        }
        let after = Duration::from_millis(1 + self.rng.below(60));
        self.at(after, Happening::Stop { osd });
    }

    pub(crate) fn crash(&mut self, id: OsdId) {
        let osd = self.osds.get_mut(&id).expect("one of ours");
        if !osd.running() {
            return;
        }
        self.summary.crashes += 1;
        let life = osd.life();
        osd.crash();
        self.note(&format!("{id} crashes"));
        // Refused connections are noticed soon, silence after the grace.
        let after = if self.rng.chance(1, 2) { 100 } else { 2000 + self.rng.below(500) };
        self.at(Duration::from_millis(after), Happening::NoticeDown { osd: id, life });
        if self.rng.chance(1, 3) {
            let back = Duration::from_millis(self.rng.below(6000));
            self.at(back, Happening::Start { osd: id });
        }
    }

    /// Starts an OSD again, now and then with an empty store, where the monitors can do without it.
    pub(crate) fn start_osd(&mut self, id: OsdId) {
        if self.osds[&id].running() {
            return;
        }
        let others_have_it = self.pgs().all(|pg| {
            let in_sync = &self.monitors.row(pg).expect("a row").in_sync;
            // A member whose store was replaced, which the monitors do not know yet, has nothing.
            let holds = |osd: &OsdId| {
                self.monitors.map().osd(*osd).is_some_and(|o| o.uuid == uuid(*osd, self.osds[osd].store()))
            };
            in_sync.iter().filter(|osd| **osd != id && holds(osd)).count() >= self.kind.fewest()
        });
        let wiped = self.plan == Plan::Everything && !self.healing && others_have_it && self.rng.chance(1, 6);
        let wiped = wiped && self.pgs().all(|pg| self.monitors.row(pg).expect("a row").activated);
        // Nor before its stop was noted: another member could be dropped in its favour meanwhile.
        let wiped = wiped && !self.monitors.map().is_up(id);
        let osd = self.osds.get_mut(&id).expect("one of ours");
        osd.start(wiped);
        let life = osd.life();
        self.note(&format!("{id} starts, wiped: {wiped}"));
        let state = self.monitors.clone();
        self.at(Duration::from_millis(5), Happening::MapAtOsd { osd: id, state });
        let after = Duration::from_millis(10 + self.rng.below(50));
        self.at(after, Happening::Boot { osd: id, life });
        // The boot itself may be lost while the monitors are not in sight.
        self.at(
            Duration::from_millis(5000),
            Happening::Osd { osd: id, life, event: crate::osd::OsdEvent::Boot },
        );
    }
}
