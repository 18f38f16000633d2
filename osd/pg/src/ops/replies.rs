//! Answers that are known but not yet certain.

use crate::effect::Effect;
use crate::event::SessionId;
use crate::machine::Pg;
use osd_object::RequestId;
use std::collections::BTreeMap;
use stdx::Time;
use wire_codec::{OsdOpReply, OsdOutcome};

/// An answer that waits until it is certain.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) session: SessionId,
    pub(crate) request: RequestId,
    pub(crate) outcome: OsdOutcome,
    /// When it was read, if it is something read: a lease must have held beyond that. A write's own
    /// acknowledgements say that nobody had replaced us.
    pub(crate) read_at: Option<Time>,
}

/// Answers by what they wait for.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    /// By the write that must be committed first, then by arrival.
    awaiting_commit: BTreeMap<(u64, u64), Pending>,
    /// Replays of writes whose interval is over, while too few members are in sync, or some rest.
    awaiting_members: Vec<Pending>,
    /// Things read while no lease held.
    pub(crate) awaiting_lease: Vec<Pending>,
    arrivals: u64,
}

impl Replies {
    pub(crate) fn forget(&mut self, session: SessionId) {
        self.awaiting_commit.retain(|_, p| p.session != session);
        self.awaiting_members.retain(|p| p.session != session);
        self.awaiting_lease.retain(|p| p.session != session);
    }
    /// Whether replays wait until writes may be acknowledged.
    pub(crate) fn waits_for_members(&self) -> bool {
        !self.awaiting_members.is_empty()
    }
    pub(crate) fn into_all(self) -> impl Iterator<Item = Pending> {
        self.awaiting_commit.into_values().chain(self.awaiting_members).chain(self.awaiting_lease)
    }
}

impl Pg {
    /// Answers once the write `needs` and all before it are committed, and a lease covers what was read.
    pub(crate) fn answer_after(&mut self, needs: u64, pending: Pending) {
        let p = self.primary.as_mut().expect("only a primary executes");
        if needs > p.committed_to {
            p.replies.arrivals += 1;
            let key = (needs, p.replies.arrivals);
            p.replies.awaiting_commit.insert(key, pending);
        } else {
            self.answer_committed(pending);
        }
    }

    fn answer_committed(&mut self, pending: Pending) {
        let writable = self.writable();
        let until = self.lease_until();
        let p = self.primary.as_mut().expect("only a primary answers");
        match pending.read_at {
            None if !writable => p.replies.awaiting_members.push(pending),
            Some(at) if until <= at => {
                p.replies.awaiting_lease.push(pending);
                self.renew_leases();
            }
            Some(_) => {
                // Ahead of its end, so that a steady reader never waits.
                if until < self.now + self.config.lease / 2 {
                    self.renew_leases();
                }
                self.reply(pending.session, pending.request, pending.outcome);
            }
            None => self.reply(pending.session, pending.request, pending.outcome),
        }
    }

    /// Writes through `committed_to` became certain.
    pub(crate) fn answer_through_commit(&mut self) {
        let Some(p) = self.primary.as_mut() else { return };
        let later = p.replies.awaiting_commit.split_off(&(p.committed_to + 1, 0));
        let mut ready: Vec<Pending> =
            std::mem::replace(&mut p.replies.awaiting_commit, later).into_values().collect();
        if self.writable() {
            let p = self.primary.as_mut().expect("as before");
            ready.append(&mut p.replies.awaiting_members);
        }
        for pending in ready {
            self.answer_committed(pending);
        }
    }

    /// A lease was granted: what it covers is answered.
    pub(crate) fn answer_confirmed_reads(&mut self) {
        if !self.serving() {
            return;
        }
        let until = self.lease_until();
        let Some(p) = self.primary.as_mut() else { return };
        let waiting = std::mem::take(&mut p.replies.awaiting_lease);
        for pending in waiting {
            self.answer_committed_read(pending, until);
        }
    }

    fn answer_committed_read(&mut self, pending: Pending, until: Time) {
        if pending.read_at.is_some_and(|at| at < until) {
            self.reply(pending.session, pending.request, pending.outcome);
        } else {
            self.primary.as_mut().expect("only a primary answers").replies.awaiting_lease.push(pending);
        }
    }

    pub(crate) fn reply(&mut self, session: SessionId, request: RequestId, outcome: OsdOutcome) {
        let reply = OsdOpReply { request, epoch: self.epoch, outcome };
        self.effect(Effect::Reply { session, reply });
    }
}
