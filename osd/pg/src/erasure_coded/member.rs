//! The member's side: putting in place what became certain, and reading its shard for the primary.

use super::tag::Tag;
use crate::effect::Effect;
use crate::machine::{Pg, ReadFor};
use bytes::Bytes;
use osd_object::{ObjectId, ObjectRead, Transaction, Version};
use placement_map::OsdId;
use wire_codec::PgMessage;
use wire_codec::pg::Condition;

/// Reads of shards that wait their turn, at most; what is beyond is asked for again.
const SHARD_READS_MAX: usize = 4096;

/// A read of our shard that a primary asked for.
#[derive(Clone, Debug)]
pub(crate) struct ShardReading {
    pub(crate) from: OsdId,
    pub(crate) interval: u64,
    pub(crate) read: u64,
    pub(crate) object: ObjectId,
    pub(crate) version: Version,
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

impl Pg {
    /// Adds to a transaction what puts the writes through this one in place; what is too much for one is stored before it.
    pub(crate) fn take_committed(&mut self, committed_to: u64, t: &mut Transaction) {
        let most = self.config.apply_bytes_max;
        while self.prepared.apply(self.id, t, most, |version| version.seq <= committed_to) {
            self.store(std::mem::take(t));
        }
    }

    /// Whether what the primary says is certain is so for the writes that are here.
    pub(crate) fn may_apply(&self) -> bool {
        let level = self.info.condition == Condition::Complete || self.follower.joining.is_some();
        level && self.primary.is_none() && self.removal.is_none() && self.info.interval == self.interval
    }

    /// Puts the writes through this one in place.
    pub(crate) fn apply_committed(&mut self, committed_to: u64) {
        let mut t = Transaction::new();
        self.take_committed(committed_to, &mut t);
        if !t.mutations.is_empty() {
            self.store(t);
        }
    }

    /// The primary says what is certain.
    pub(crate) fn on_committed(&mut self, from: OsdId, committed_to: u64) {
        if self.may_apply() {
            self.apply_committed(committed_to);
            self.send(from, PgMessage::Applied { interval: self.interval, applied_to: committed_to });
        }
    }

    /// The primary wants a range of our shard.
    pub(crate) fn on_shard_read(&mut self, reading: ShardReading, committed_to: u64) {
        if self.may_apply() && self.follower.joining.is_none() && self.shard_reads.len() < SHARD_READS_MAX {
            self.apply_committed(committed_to);
            self.shard_reads.push_back(reading);
        }
    }

    /// Reads what was asked for, once the view shows it.
    pub(crate) fn serve_shard_reads(&mut self, view: &dyn ObjectRead) {
        while let Some(front) = self.shard_reads.front() {
            if self.written_now.contains(&front.object) {
                self.again = true;
                return;
            }
            let asked = self.shard_reads.pop_front().expect("there is a front");
            if asked.interval != self.interval {
                continue;
            }
            let ShardReading { from, interval, read, object, version, offset, len } = asked;
            if self.can_give(&object, version, offset, len, view) {
                let ticket = self.durability.ticket();
                self.reads.insert(ticket, ReadFor::Member { to: from, interval, read });
                self.effect(Effect::Read { ticket, object, offset, len });
            } else {
                self.send(from, PgMessage::ShardData { interval, read, data: None });
            }
        }
    }

    /// A range of our shard was read, or cannot be (none).
    pub(crate) fn shard_was_read(&mut self, to: OsdId, interval: u64, read: u64, data: Option<Bytes>) {
        // An earlier primary is not told any more.
        if interval == self.interval {
            self.send(to, PgMessage::ShardData { interval, read, data });
        }
    }

    /// Whether a range of our copy or shard is what the primary means by this version. Of shards, a later one does too:
    /// the primary lets nothing change the columns that it reads, but others it may.
    fn can_give(
        &self,
        object: &ObjectId,
        version: Version,
        offset: u64,
        len: u64,
        view: &dyn ObjectRead,
    ) -> bool {
        let here = view.meta(object).ok().flatten().map(|meta| meta.version);
        let version = if self.shape.is_some() { here.filter(|here| *here >= version) } else { Some(version) };
        version.is_some_and(|version| self.holds(object, version, offset, len, view))
    }

    /// Whether our copy or shard of the object is of this version and has this range.
    pub(crate) fn holds(
        &self,
        object: &ObjectId,
        version: Version,
        offset: u64,
        len: u64,
        view: &dyn ObjectRead,
    ) -> bool {
        let Ok(Some(meta)) = view.meta(object) else { return false };
        let shard = self.info.shard;
        let tagged =
            || Tag::of(view, object).is_ok_and(|tag| tag.is_some_and(|tag| Some(tag.shard) == shard));
        let within = len > 0 && offset.checked_add(len).is_some_and(|end| end <= meta.size);
        meta.version == version && within && (self.shape.is_none() || tagged())
    }
}
