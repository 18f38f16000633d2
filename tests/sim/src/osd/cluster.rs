//! What an OSD does when the cluster changes.

use super::{Io, Osd, Out};
use crate::end::End;
use crate::packet::Packet;
use crate::sabotage::WorldBug;
use crate::workload::registry;
use osd_object::ObjectRead;
use osd_pg::host::Changes;
use osd_pg::names::meta_object;
use osd_pg::{Event, Pg, Promise};
use placement_map::{Command, Epoch, OsdBoot, OsdId, PgId, WEIGHT_ONE};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use wire_codec::mon::Update;

/// How often a boot is said again until the map shows it.
const BOOT_AGAIN: Duration = Duration::from_secs(1);

impl Osd {
    /// There is a connection to the monitor: it is asked for all that is new.
    pub(crate) fn subscribe(&mut self, io: &mut Io) {
        self.boot_said = None;
        self.monitor_heard = io.now;
        let packet = Packet::Subscribe(self.view.subscription());
        io.out.push(Out::Send { to: End::Mon(self.monitor), packet });
    }

    pub(super) fn update(&mut self, io: &mut Io, update: Update) {
        let Some(changes) = self.view.take(update) else {
            // A step is missing: start over.
            self.view.forget();
            let packet = Packet::Subscribe(self.view.subscription());
            io.out.push(Out::Send { to: End::Mon(self.monitor), packet });
            return;
        };
        if changes.map {
            self.follow_osds(io);
        }
        self.follow_pgs(io, &changes);
        if changes.map {
            self.refresh_full();
            for (session, op) in std::mem::take(&mut self.ahead) {
                self.client_op(io, session, op);
            }
        }
        self.look_for_recovery = true;
        self.boot_if_needed(io);
    }

    fn follow_osds(&mut self, io: &mut Io) {
        let map = self.view.map();
        let up: BTreeMap<OsdId, Epoch> = map
            .up_osds()
            .filter(|osd| *osd != self.id)
            .filter_map(|osd| Some((osd, map.incarnation(osd)?)))
            .collect();
        for (osd, incarnation) in &self.aimed {
            // A connection to the former incarnation must not be taken for one to this.
            if up.get(osd) != Some(incarnation) {
                io.out.push(Out::Disconnect(*osd));
                self.peers_full.remove(osd);
            }
        }
        for (osd, incarnation) in &up {
            if self.aimed.get(osd) != Some(incarnation) {
                io.out.push(Out::Connect(*osd));
                self.heard.insert(*osd, io.now);
            }
        }
        self.aimed = up;
    }

    /// Tells every PG concerned; makes machines for PGs that are new here, and for those found in the store.
    fn follow_pgs(&mut self, io: &mut Io, changes: &Changes) {
        self.booted |= self.is_up() || self.suffers(WorldBug::DriveBeforeBoot);
        if !self.booted {
            return;
        }
        let concerned: BTreeSet<PgId> = match changes.map {
            true => self.view.rows().map(|(pg, _)| pg).chain(self.pgs.keys().copied()).collect(),
            false => changes.rows.clone(),
        };
        for pg in concerned {
            if !self.pgs.contains_key(&pg) {
                let stored = || self.disk.view.meta(&meta_object(pg)).is_ok_and(|m| m.is_some());
                if !(self.view.concerns(pg, self.id) || stored()) {
                    continue;
                }
                self.add_pg(io, pg);
            }
            let Some(event) = self.view.event(pg) else { continue };
            let divides = |m: &Pg| matches!(&event, Event::Map { pool, .. } if m.must_divide(pool));
            if self.pgs.get(&pg).is_some_and(divides) {
                // At once: the children's turn in this loop comes later, and they begin with what it left them.
                self.feed(io, pg, event);
            } else {
                self.events.push_back((pg, event));
            }
        }
    }

    /// A PG was divided in the store: its children get their machines.
    pub(super) fn divided(&mut self, io: &mut Io, children: Vec<PgId>, promise: &Promise) {
        for pg in children {
            assert!(!self.pgs.contains_key(&pg), "{pg} began before its parent was divided");
            self.add_pg(io, pg);
            self.pgs.get_mut(&pg).expect("just added").inherit(promise.clone());
            if self.resigned {
                self.events.push_back((pg, Event::Resign));
            }
            if let Some(event) = self.view.event(pg) {
                self.events.push_back((pg, event));
            }
        }
    }

    fn add_pg(&mut self, io: &mut Io, pg: PgId) {
        let now = self.clock.now(io.now);
        let machine = Pg::new(pg, self.id, now, &self.disk.view, self.config.clone(), registry())
            .expect("what a machine wrote, the next one reads");
        self.pgs.insert(pg, machine);
        self.told_full.remove(&pg);
        if self.resigned {
            self.events.push_back((pg, Event::Resign));
        }
        self.events.push_back((pg, Event::MayRecover(false)));
    }

    /// Which PGs have a member that takes no more.
    pub(super) fn refresh_full(&mut self) {
        let up = self.aimed.keys().filter(|osd| self.peers_full.contains(osd)).copied();
        let full_osds: BTreeSet<OsdId> = up.chain(self.self_full.then_some(self.id)).collect();
        for pg in self.pgs.keys().copied().collect::<Vec<_>>() {
            let full: BTreeSet<OsdId> =
                full_osds.iter().copied().filter(|osd| self.view.concerns(pg, *osd)).collect();
            let told = self.told_full.entry(pg).or_default();
            if *told != full {
                *told = full.clone();
                self.events.push_back((pg, Event::Full(full)));
            }
        }
    }

    /// Whether the map shows this very process as up.
    pub(super) fn is_up(&self) -> bool {
        self.view.map().osd(self.id).is_some_and(|osd| osd.up && osd.nonce == self.life)
    }

    /// Asks to be marked up, until the map shows it.
    pub(super) fn boot_if_needed(&mut self, io: &mut Io) {
        let due = self.boot_said.is_none_or(|at| io.now.since(at) >= BOOT_AGAIN);
        if self.view.epoch().0 == 0 || self.is_up() || self.resigned || !due {
            return;
        }
        self.boot_said = Some(io.now);
        let boot = Command::OsdBoot(boot_of(self, self.life));
        self.command(io, boot);
    }

    /// Says goodbye to the monitors.
    pub(crate) fn say_goodbye(&mut self, io: &mut Io) {
        if let Some(incarnation) = self.view.map().incarnation(self.id).filter(|_| self.is_up()) {
            self.command(io, Command::OsdStopped { osd: self.id, incarnation });
        }
    }

    /// Whether its map shows it as up, for the world's picture of it.
    pub(crate) fn incarnation_of(&self, peer: OsdId) -> Option<Epoch> {
        self.aimed.get(&peer).copied()
    }
}

/// How an OSD introduces itself.
pub(crate) fn boot_of(osd: &Osd, life: u64) -> OsdBoot {
    OsdBoot {
        id: osd.id,
        uuid: osd.uuid(),
        addr: std::net::SocketAddr::from(([10, 0, 0, osd.id.0 as u8 + 1], 6800)),
        nonce: life,
        location: vec![("host".to_string(), format!("host{}", osd.id.0))],
        weight: WEIGHT_ONE,
        device_class: None,
        damaged: false,
        feature_level: placement_map::FEATURE_LEVEL,
    }
}
