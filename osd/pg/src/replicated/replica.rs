//! The replica's side of a write: applied in the order of the log, acknowledged when durable.

use crate::durability::Then;
use crate::machine::Pg;
use crate::sabotage::Bug;
use osd_object::{Transaction, Version};
use placement_map::OsdId;
use wire_codec::PgMessage;
use wire_codec::pg::{Condition, LogEntry};

impl Pg {
    /// The primary sends a write. What does not follow on what is here is dropped: it will be sent again.
    pub(crate) fn on_replicate(
        &mut self,
        from: OsdId,
        entry: LogEntry,
        prev: Version,
        trim_to: Version,
        stamp: u64,
        transaction: Transaction,
    ) {
        if self.primary.is_some() || self.removal.is_some() || self.info.interval != self.interval {
            return;
        }
        if self.follower.joining_from(from).is_some() {
            self.replicate_to_joiner(from, entry, stamp, transaction);
        } else if self.info.condition == Condition::Complete {
            self.replicate_to_member(from, entry, prev, trim_to, stamp, transaction);
        }
    }

    fn replicate_to_member(
        &mut self,
        from: OsdId,
        entry: LogEntry,
        prev: Version,
        trim_to: Version,
        stamp: u64,
        mut transaction: Transaction,
    ) {
        if self.log.contains(entry.version) {
            // Seen before. What is behind it came from the same primary.
            self.acknowledge(from, self.log.head().seq, stamp);
            return;
        }
        if self.log.head() != prev || entry.version.seq != prev.seq + 1 {
            return;
        }
        let seq = entry.version.seq;
        self.meta.entries(&mut transaction, [&entry]);
        self.log.push(entry);
        if trim_to.seq > self.log.tail().seq && self.log.contains(trim_to) {
            self.trim_log(&mut transaction, trim_to);
        }
        self.store(transaction);
        self.acknowledge(from, seq, stamp);
    }

    /// Before its log is ours, a joiner applies effects on objects that are level already, and notes what it
    /// touched, since its own log does not say so.
    fn replicate_to_joiner(
        &mut self,
        from: OsdId,
        entry: LogEntry,
        stamp: u64,
        mut transaction: Transaction,
    ) {
        let joining = self.follower.joining.as_mut().expect("joining");
        let next = joining.next;
        if entry.version.seq > next {
            return;
        }
        if entry.version.seq == next {
            joining.next += 1;
            if !transaction.mutations.is_empty() {
                self.note_touched(&mut transaction, &entry.object);
                self.store(transaction);
            }
        }
        let through = self.follower.joining.as_ref().expect("joining").next - 1;
        self.acknowledge(from, through, stamp);
    }

    fn acknowledge(&mut self, to: OsdId, seq: u64, stamp: u64) {
        if self.breaks(Bug::AckEarly) {
            let interval = self.interval;
            return self.send(to, PgMessage::Replicated { interval, durable_to: seq, stamp });
        }
        self.durability.then(Then::Acknowledge { to, interval: self.interval, seq, stamp });
    }
}
