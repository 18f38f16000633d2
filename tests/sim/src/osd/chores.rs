//! What is due by the clock.

use super::{CHORES, Io, Osd, Out};
use crate::agenda::Happening;
use crate::end::End;
use crate::packet::Packet;
use osd_pg::{Event, Pg};
use placement_map::{OsdId, PgId};
use std::time::Duration;

/// A monitor that does not answer for so long hangs: another one is asked.
const SILENCE_MAX: Duration = Duration::from_secs(3);

impl Osd {
    /// Looks after peers and monitors. `answers` says who would have answered a ping by now; `monitor` whether the
    /// monitor would have.
    pub(crate) fn chores(&mut self, io: &mut Io, answers: impl Fn(OsdId) -> bool, monitor: bool) {
        let (osd, life) = (self.id, self.life);
        io.out.push(Out::Later { after: CHORES, happening: Happening::OsdChores { osd, life } });
        self.look_for_recovery = true;
        self.report_silent(io, answers);
        if monitor {
            self.monitor_heard = io.now;
        } else if io.now.since(self.monitor_heard) >= SILENCE_MAX {
            self.monitor_heard = io.now;
            io.out.push(Out::NextMonitor);
        }
        self.scrub_something(io);
        self.boot_if_needed(io);
        self.forget_removed();
        // As pongs do: what was lost with a connection is said again.
        for peer in self.aimed.keys() {
            io.out.push(Out::Send { to: End::Osd(*peer), packet: Packet::Full(self.self_full) });
        }
    }

    fn report_silent(&mut self, io: &mut Io, answers: impl Fn(OsdId) -> bool) {
        for (peer, incarnation) in &self.aimed {
            let heard = self.heard.entry(*peer).or_insert(io.now);
            if answers(*peer) {
                *heard = io.now;
            } else if io.now.since(*heard) >= self.settings.grace {
                let packet = Packet::Report { target: *peer, incarnation: *incarnation, refused: false };
                io.out.push(Out::Send { to: End::Mon(self.monitor), packet });
            }
        }
    }

    fn forget_removed(&mut self) {
        // Not one that is about to hear that it is wanted again.
        let waits = |pg: &PgId| self.events.iter().any(|(waiting, _)| waiting == pg);
        let gone = self.pgs.iter().filter(|(pg, m)| m.status().removed && !waits(pg));
        let gone: Vec<PgId> = gone.map(|(pg, _)| *pg).collect();
        for pg in gone {
            // A later machine of the PG counts its tickets anew, so it must not hear of this one's.
            self.tickets.retain(|_, (owner, _)| *owner != pg);
            self.pgs.remove(&pg);
            self.scrub_ended(pg);
            self.told_full.remove(&pg);
        }
    }

    /// Gives PGs their turns to fill joiners.
    pub(super) fn let_recover(&mut self) {
        if self.throttle.is_busy() || std::mem::take(&mut self.look_for_recovery) {
            let fillings: Vec<_> = self.pgs.iter().map(|(pg, m): (&PgId, &Pg)| (*pg, m.filling())).collect();
            for (pg, may) in self.throttle.decide(fillings, self.settings.limits()) {
                self.events.push_back((pg, Event::MayRecover(may)));
            }
        }
    }

    /// Its store takes no more, or does again; peers hear of it at once.
    pub(crate) fn set_full(&mut self, io: &mut Io, full: bool) {
        self.self_full = full;
        self.refresh_full();
        for peer in self.aimed.keys() {
            io.out.push(Out::Send { to: End::Osd(*peer), packet: Packet::Full(full) });
        }
    }
}
