//! The replica's side of a write: applied in the order of the log, acknowledged when durable.

use crate::durability::Then;
use crate::erasure_coded::sidecar::Prepared;
use crate::machine::Pg;
use crate::sabotage::Bug;
use crate::trim::OWN_CLIENT;
use osd_object::{Transaction, Version};
use placement_map::OsdId;
use wire_codec::PgMessage;
use wire_codec::pg::{Condition, LogEntry};

/// A write as the primary sends it.
pub(crate) struct Write {
    pub(crate) entry: LogEntry,
    pub(crate) prev: Version,
    pub(crate) trim_to: Version,
    pub(crate) committed_to: u64,
    pub(crate) transaction: Transaction,
}

/// A write, with what of it is put aside here.
struct Taken {
    write: Write,
    prepared: Option<Prepared>,
}

impl Pg {
    /// The primary sends a write. What does not follow on what is here is dropped: it will be sent again.
    pub(crate) fn on_replicate(&mut self, from: OsdId, write: Write, stamp: u64) {
        if self.primary.is_some() || self.removal.is_some() || self.info.interval != self.interval {
            return;
        }
        let joining = self.follower.joining_from(from).is_some();
        if !joining && self.info.condition != Condition::Complete {
            return;
        }
        let (version, object) = (write.entry.version, &write.entry.object);
        let prepared = match self.shape {
            Some(_) => Prepared::of(self.id, version, object, &write.transaction),
            None => Ok(None),
        };
        let Ok(prepared) = prepared else {
            // Of a newer daemon. It is never acknowledged, and the primary gets us out of the set.
            return;
        };
        let (entry, alone) = (&write.entry, write.transaction.mutations.is_empty());
        if !joining && alone && entry.changed && !self.log.contains(entry.version) {
            // An entry alone is for a joiner that has yet to get the object: we missed that we are one. Logged here it
            // would say that we have what we have not.
            if let Some((_, interval, attempt)) = self.follower.session {
                self.send(from, PgMessage::Rejoin { interval, attempt });
            }
            return;
        }
        let mut taken = Taken { write, prepared };
        // First what became certain: this write may be onto it.
        let mut effects = Transaction::new();
        self.take_committed(taken.write.committed_to, &mut effects);
        if joining {
            self.replicate_to_joiner(from, &mut taken, stamp, &mut effects);
        } else {
            self.replicate_to_member(from, &mut taken, stamp, &mut effects);
        }
    }

    fn replicate_to_member(&mut self, from: OsdId, taken: &mut Taken, stamp: u64, effects: &mut Transaction) {
        let Taken { write, prepared } = taken;
        let entry = &write.entry;
        let seen = self.log.contains(entry.version);
        let follows = self.log.head() == write.prev && entry.version.seq == write.prev.seq + 1;
        if !seen && follows {
            self.prepared.note(entry.version, prepared.take());
            if entry.request.client == OWN_CLIENT {
                self.purged = self.meta.purged_in(&write.transaction).unwrap_or_else(|| self.purged.clone());
            }
            effects.append(std::mem::take(&mut write.transaction));
            if self.breaks(Bug::ApplyPrepared) {
                let _ = self.prepared.apply(self.id, effects, u64::MAX, |_| true);
            }
            self.meta.entries(effects, [entry]);
            self.log.push(entry.clone());
            if write.trim_to.seq > self.log.tail().seq && self.log.contains(write.trim_to) {
                self.trim_log(effects, write.trim_to);
            }
        }
        if !effects.mutations.is_empty() {
            self.store(std::mem::take(effects));
        }
        if seen {
            // What is behind it came from the same primary.
            self.acknowledge(from, self.log.head().seq, stamp);
        } else if follows {
            self.acknowledge(from, write.entry.version.seq, stamp);
        }
    }

    /// Before its log is ours, a joiner applies effects on objects that are level already, and notes what it
    /// touched, since its own log does not say so.
    fn replicate_to_joiner(&mut self, from: OsdId, taken: &mut Taken, stamp: u64, effects: &mut Transaction) {
        let Taken { write, prepared } = taken;
        let joining = self.follower.joining.as_mut().expect("joining");
        let (next, seq) = (joining.next, write.entry.version.seq);
        if seq == next {
            joining.next += 1;
            if !write.transaction.mutations.is_empty() {
                self.prepared.note(write.entry.version, prepared.take());
                effects.append(std::mem::take(&mut write.transaction));
                for object in write.entry.changed_objects() {
                    self.note_touched(effects, &object);
                }
            }
        }
        if !effects.mutations.is_empty() {
            self.store(std::mem::take(effects));
        }
        if seq <= next {
            let through = self.follower.joining.as_ref().expect("joining").next - 1;
            self.acknowledge(from, through, stamp);
        }
    }

    fn acknowledge(&mut self, to: OsdId, seq: u64, stamp: u64) {
        if self.breaks(Bug::AckEarly) {
            let interval = self.interval;
            return self.send(to, PgMessage::Replicated { interval, durable_to: seq, stamp });
        }
        self.durability.then(Then::Acknowledge { to, interval: self.interval, seq, stamp });
    }
}
