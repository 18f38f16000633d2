//! What waits for the disk. A store's transactions become durable in an order of its own; what depends on
//! one here also depends on all before it, since each may carry a part of what is promised.

use crate::effect::Ticket;
use placement_map::OsdId;
use std::collections::{BTreeSet, VecDeque};
use wire_codec::PgMessage;

/// What follows once everything handed to the store so far is durable.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Then {
    /// Tell another member.
    Send(OsdId, PgMessage),
    /// Tell the primary that writes through this one are durable; newer acknowledgements cover older ones.
    Acknowledge {
        /// The primary.
        to: OsdId,
        /// Its interval.
        interval: u64,
        /// The write.
        seq: u64,
        /// The stamp it sent.
        stamp: u64,
    },
    /// As primary: our own copy has writes through this one.
    OwnWrite {
        /// The interval it was written in.
        interval: u64,
        /// The write.
        seq: u64,
    },
    /// As primary: the interval is noted, which must be before anything is proposed.
    IntervalNoted(u64),
    /// The removal of the PG goes on.
    RemoveMore,
}

/// Tickets under way and what waits for them.
#[derive(Debug, Default)]
pub(crate) struct Durability {
    last: u64,
    outstanding: BTreeSet<Ticket>,
    waiting: VecDeque<(Ticket, Then)>,
}

impl Durability {
    /// A ticket that does not hold anything up (a read).
    pub(crate) fn ticket(&mut self) -> Ticket {
        self.last += 1;
        Ticket(self.last)
    }
    /// A ticket for a transaction.
    pub(crate) fn store(&mut self) -> Ticket {
        let ticket = self.ticket();
        self.outstanding.insert(ticket);
        ticket
    }
    /// Queues what follows once all transactions so far are durable. Taken by `ready`, at once if they are.
    pub(crate) fn then(&mut self, then: Then) {
        self.waiting.push_back((Ticket(self.last), then));
    }
    /// A transaction is durable. A ticket that is not outstanding is a mistake of the shell.
    pub(crate) fn stored(&mut self, ticket: Ticket) {
        assert!(self.outstanding.remove(&ticket), "{ticket:?} was not under way");
    }
    /// The next thing whose transactions are all durable.
    pub(crate) fn ready(&mut self) -> Option<Then> {
        let (upto, _) = self.waiting.front()?;
        if self.outstanding.first().is_some_and(|first| first <= upto) {
            return None;
        }
        let (_, then) = self.waiting.pop_front().expect("there is a front");
        if let Then::Acknowledge { to, interval, .. } = &then
            && let Some((upto, Then::Acknowledge { to: to2, interval: interval2, .. })) = self.waiting.front()
            && (to, interval) == (to2, interval2)
            && self.outstanding.first().is_none_or(|first| first > upto)
        {
            return self.ready();
        }
        Some(then)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(seq: u64) -> Then {
        Then::Acknowledge { to: OsdId(1), interval: 1, seq, stamp: seq }
    }

    #[test]
    fn nothing_follows_before_all_that_came_earlier() {
        let mut d = Durability::default();
        let (a, b) = (d.store(), d.store());
        d.then(ack(1));
        d.stored(b);
        assert_eq!(d.ready(), None, "the earlier one is still under way");
        let c = d.store();
        d.then(ack(2));
        d.stored(a);
        assert_eq!(d.ready(), Some(ack(1)));
        assert_eq!(d.ready(), None);
        d.stored(c);
        d.then(ack(3));
        assert_eq!(d.ready(), Some(ack(3)), "the later acknowledgement covers the earlier");
        assert_eq!(d.ready(), None);
    }
}
