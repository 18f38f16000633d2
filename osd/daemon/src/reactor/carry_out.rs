//! What PG machines decide, carried out in their order; and what comes of it, handed back.

use super::Reactor;
use osd_pg::{Effect, Event, Ticket};
use osd_store::{Completion, StoreError};
use placement_map::PgId;
use wire_codec::{Message, MonMessage};

/// Changes in one command: the monitors take no larger one than 256 KiB, and a change names some OSDs.
const ROWS_MAX: usize = 1000;

impl Reactor {
    /// Hands an event to a PG's machine and carries out what it decides, before any other event: the
    /// machines rely on that order.
    pub(super) fn feed(&mut self, pg: PgId, event: Event) -> Result<(), StoreError> {
        let now = self.clock.now();
        for effect in self.pgs.handle(now, pg, event, &self.store) {
            self.carry_out(pg, effect)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, pg: PgId, effect: Effect) -> Result<(), StoreError> {
        match effect {
            Effect::Send { message, .. } if message.level() > self.view.map().feature_level.max(1) => {
                // Nothing depends on what only newer members know.
                tracing::debug!(%pg, ?message, "not sent: some daemons could not read it");
            }
            Effect::Send { to, message } => {
                self.peers.send(to, &Message::Pg { epoch: self.view.epoch(), pg, message });
            }
            Effect::Store { ticket, transaction } => {
                let ticket = self.pgs.ticket(pg, ticket);
                // A refusal is as final as a failed disk: the primary has counted on this member. What is
                // refused for want of space is refused to clients long before (see `fullness`).
                self.store.submit(ticket, transaction)?;
                self.watch_filling();
            }
            Effect::Read { ticket, object, offset, len } => {
                let ticket = self.pgs.ticket(pg, ticket);
                self.store.read(ticket, &object, offset, len);
            }
            Effect::Scrub { ticket, objects, deep } => self.scan(pg, ticket, objects, deep),
            Effect::ScrubEnded => self.scrub_ended(pg),
            Effect::Reply { session, reply } => {
                self.tally.answered(&reply);
                self.clients.reply(session.0, reply);
            }
            Effect::Divided { children, promise } => self.divided(pg, children, promise),
            // One that is behind with its answers hears it again when it pings.
            Effect::Tell { session, event } => self.clients.send(session.0, &Message::WatchEvent(event)),
            Effect::Propose(change) => self.proposals.push(change),
        }
        Ok(())
    }

    /// A write is durable, or a read has ended.
    pub(super) fn completed(&mut self, done: Completion) -> Result<(), StoreError> {
        let (ticket, event): (u64, fn(Ticket, Completion) -> Event) = match &done {
            Completion::Durable { ticket } => (*ticket, |ticket, _| Event::Stored { ticket }),
            Completion::Read { ticket, .. } => (*ticket, |ticket, done| match done {
                Completion::Read { result, .. } => Event::ReadDone { ticket, result },
                Completion::Durable { .. } => unreachable!("matched as a read"),
            }),
        };
        match self.pgs.owner(ticket) {
            Some((pg, own)) => self.feed(pg, event(own, done)),
            None => Ok(()),
        }
    }

    /// Operations that could not be handed to their PG at once.
    pub(super) fn pending(&mut self) -> Result<(), StoreError> {
        while let Some((pg, event)) = self.events.pop_front() {
            self.feed(pg, event)?;
        }
        Ok(())
    }

    /// Sends what primaries proposed in this turn as one command, so that one commit serves all.
    pub(super) fn propose(&mut self) {
        if !self.proposals.is_empty() {
            for changes in std::mem::take(&mut self.proposals).chunks(ROWS_MAX) {
                let command = Box::new(placement_map::Command::Rows(changes.to_vec()));
                let id = self.monitors.id();
                self.monitors.send(&self.sessions, MonMessage::Command { id, command });
            }
        }
    }
}
