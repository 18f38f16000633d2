//! What PG machines decide, carried out in their order.

use super::{Io, Osd, Out};
use crate::agenda::Happening;
use crate::end::End;
use crate::packet::Packet;
use crate::sabotage::WorldBug;
use crate::snapshots::logged_by;
use osd_pg::{Effect, Event};
use placement_map::{Command, PgId};
use std::time::Duration;

impl Osd {
    /// Hands an event to a PG's machine and carries out what it decides, before any other event. An event for a PG
    /// without a machine is void.
    pub(super) fn feed(&mut self, io: &mut Io, pg: PgId, event: Event) {
        let now = self.clock.now(io.now);
        let Some(machine) = self.pgs.get_mut(&pg) else { return };
        machine.handle(now, event, &self.disk.view);
        while let Some(effect) = self.pgs.get_mut(&pg).and_then(osd_pg::Pg::poll) {
            self.carry_out(io, pg, effect);
        }
    }

    fn carry_out(&mut self, io: &mut Io, pg: PgId, effect: Effect) {
        let (osd, life) = (self.id, self.life);
        if self.ended {
            return;
        }
        match effect {
            Effect::Send { to, message } => {
                io.out.push(Out::Send { to: End::Osd(to), packet: Packet::Pg { pg, message } });
            }
            Effect::Store { ticket, transaction } => {
                let ticket = self.ticket(pg, ticket);
                let snaps = self.view.map().pool(pg.pool).map(|pool| pool.snaps.clone()).unwrap_or_default();
                for logged in logged_by(pg, &transaction, &self.disk.view, &snaps) {
                    io.out.push(Out::Logged { pg, logged: Box::new(logged) });
                }
                self.disk.submit(ticket, transaction);
                if let Some(left) = self.ends_after.as_mut() {
                    self.ended = *left == 0;
                    *left = left.saturating_sub(1);
                }
                if self.ended {
                    // Some beginning of what was under way is on the disk by now, this effect perhaps.
                    let happening = Happening::Stop { osd, life };
                    io.out.push(Out::Later { after: Duration::ZERO, happening });
                    let after = Duration::from_millis(1 + self.rng.below(4000));
                    io.out.push(Out::Later { after, happening: Happening::Start { osd } });
                    return;
                }
                let us = 30 + self.rng.below(self.settings.disk_us + self.disk.slow_us);
                let done = (io.now + Duration::from_micros(us)).max(self.disk.busy_until);
                self.disk.busy_until = done;
                let happening = Happening::Durable { osd, life };
                io.out.push(Out::Later { after: done.since(io.now), happening });
                if self.suffers(WorldBug::StoredBeforeFlush) {
                    self.stored(ticket);
                }
            }
            Effect::Read { ticket, object, offset, len } => {
                let ticket = self.ticket(pg, ticket);
                let us = 30 + self.rng.below(self.settings.disk_us + self.disk.slow_us);
                let happening = Happening::ReadDone { osd, life, ticket, object, offset, len };
                io.out.push(Out::Later { after: Duration::from_micros(us), happening });
            }
            Effect::Scrub { ticket, objects, deep } => self.scan(io, pg, ticket, objects, deep),
            Effect::ScrubEnded => self.scrub_ended(pg),
            Effect::Reply { session, reply } => {
                let interval = self.pgs.get(&pg).map(|m| m.status().interval);
                io.out.push(Out::Reply { session: session.0, pg, interval, reply });
            }
            Effect::Divided { children, promise } => self.divided(io, children, &promise),
            // Nobody watches here: see the stories of osd-pg.
            Effect::Tell { .. } => {}
            Effect::Propose(change) => self.proposals.push(change),
        }
    }

    /// Sends what primaries proposed in this turn as one command.
    pub(super) fn propose(&mut self, io: &mut Io) {
        if !self.proposals.is_empty() && !self.ended {
            let command = Command::Rows(std::mem::take(&mut self.proposals));
            self.command(io, command);
        }
    }

    pub(super) fn command(&mut self, io: &mut Io, command: Command) {
        let to = End::Mon(self.monitor);
        io.out.push(Out::Send { to, packet: Packet::Command(Box::new(command)) });
    }
}
