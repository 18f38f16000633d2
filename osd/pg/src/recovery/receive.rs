//! The member's side of a push: pieces are collected aside and take effect at once.

use super::follower::Joining;
use crate::durability::Then;
use crate::machine::Pg;
use crate::names::temp_object;
use crate::sabotage::Bug;
use osd_object::{Mutation, ObjectId, Transaction, Version};
use placement_map::OsdId;
use wire_codec::PgMessage;
use wire_codec::pg::{Condition, Push, PushBody, PushHead};

/// Ended pushes remembered: far more than can be under way.
const RECEIVED_MAX: usize = 256;

impl Pg {
    /// From now on the primary sends every write behind `after`, and objects.
    pub(crate) fn on_join(
        &mut self,
        from: OsdId,
        attempt: u64,
        after: u64,
        backfill: bool,
        (shard, keep): (Option<u8>, Option<Version>),
    ) {
        if !self.in_session(from, attempt) || self.follower.joining.is_some() {
            return;
        }
        self.follower.joining = Some(Joining { next: after + 1, backfill });
        // Before anything changes it is noted that objects may not be what the log says.
        self.info.condition = if backfill { Condition::Backfilling } else { Condition::Recovering };
        // What was put aside before either happened, as the primary's log says too, or it did not.
        let mut t = Transaction::new();
        let most = self.config.apply_bytes_max;
        loop {
            let log = &self.log;
            let happened = |v: Version| keep.is_some_and(|keep| v.seq <= keep.seq) && log.contains(v);
            if !self.prepared.apply(self.id, &mut t, most, happened) {
                break;
            }
            self.store(std::mem::take(&mut t));
        }
        self.prepared.drop(self.id, &mut t, |_| true);
        self.info.shard = shard;
        self.meta.info(&mut t, &self.info);
        self.store(t);
    }

    /// Notes that an object was touched while the log does not say so.
    pub(crate) fn note_touched(&mut self, transaction: &mut Transaction, object: &ObjectId) {
        let backfill = self.follower.joining.is_some_and(|j| j.backfill);
        if !backfill && !self.breaks(Bug::ForgetTouched) && self.dirty.insert(object.clone()) {
            self.meta.dirty(transaction, object);
        }
    }

    /// A piece of an object.
    pub(crate) fn on_push(&mut self, from: OsdId, push: Push) {
        if !self.in_session(from, push.attempt) {
            return;
        }
        let (interval, attempt) = (self.interval, push.attempt);
        let answer = PgMessage::Pushed { interval, attempt, push: push.push, chunk: push.chunk };
        let f = &mut self.follower;
        let next = f.receiving.get(&push.push).copied().unwrap_or(0);
        let forgotten =
            f.received.len() >= RECEIVED_MAX && f.received.first().is_some_and(|first| push.push < *first);
        if push.chunk < next || f.received.contains(&push.push) || forgotten {
            // Had it; the acknowledgement was lost.
            self.durability.then(Then::Send(from, answer));
            return;
        }
        if push.chunk > next {
            // One before it was lost; both come again.
            return;
        }
        if !push.staged && f.joining.is_none() {
            self.send(from, PgMessage::Rejoin { interval, attempt });
            return;
        }
        let last = matches!(push.body, PushBody::Absent | PushBody::Present { last: true, .. });
        let number = push.push;
        if last {
            f.receiving.remove(&number);
            f.received.insert(number);
            if f.received.len() > RECEIVED_MAX {
                f.received.pop_first();
            }
        } else {
            f.receiving.insert(number, next + 1);
        }
        let transaction = self.receive(push, last);
        if !transaction.mutations.is_empty() {
            self.store(transaction);
        }
        self.durability.then(Then::Send(from, answer));
    }

    fn receive(&mut self, push: Push, last: bool) -> Transaction {
        let Push { attempt, push: number, chunk, object, staged, body, .. } = push;
        let mut t = Transaction::new();
        let PushBody::Present { head, data, rows, .. } = body else {
            if staged {
                self.follower.staged.insert(object, None);
            } else {
                self.note_touched(&mut t, &object);
                t.push(Mutation::Remove { object });
            }
            return t;
        };
        let whole = chunk == 0 && last && !staged;
        let target =
            if whole { object.clone() } else { temp_object(self.id, self.interval, attempt, number) };
        if let Some(PushHead { meta, xattrs }) = head {
            t.push(Mutation::Remove { object: target.clone() });
            t.push(Mutation::Touch { object: target.clone() });
            t.push(Mutation::Truncate { object: target.clone(), size: meta.size });
            for (name, value) in xattrs {
                t.push(Mutation::SetXattr { object: target.clone(), name, value });
            }
            t.push(Mutation::Stamp { object: target.clone(), version: meta.version, mtime: meta.mtime });
        }
        for (offset, data) in data {
            t.push(Mutation::Write { object: target.clone(), offset, data });
        }
        if !rows.is_empty() {
            t.push(Mutation::OmapSet { object: target.clone(), rows });
        }
        if !whole {
            self.follower.temps.insert(target.clone());
        }
        if staged && last {
            self.follower.staged.insert(object, Some(target));
        } else if last {
            self.note_touched(&mut t, &object);
            if !whole {
                t.push(Mutation::Rename { from: target.clone(), to: object });
                self.follower.temps.remove(&target);
            }
        }
        t
    }
}
