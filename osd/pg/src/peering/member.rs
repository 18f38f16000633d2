//! The member's side of peering: obeying a new primary, and telling it where our log stands.

use crate::durability::Then;
use crate::machine::Pg;
use crate::names::belongs;
use crate::sabotage::Bug;
use osd_object::{ObjectId, Version};
use placement_map::OsdId;
use std::collections::BTreeSet;
use wire_codec::PgMessage;
use wire_codec::pg::{Condition, LogEntry};

/// Touched objects that are told one by one; beyond this a comparison of everything is cheaper.
const DIRTY_MAX: usize = 4096;
/// Bytes of their names, which have to fit a message together with those of the log.
const DIRTY_BYTES_MAX: usize = 8 << 20;

impl Pg {
    /// A primary introduces itself. From here on no earlier one is obeyed, and the answer says so only once
    /// that, and all of the log, is durable.
    pub(crate) fn on_query(&mut self, from: OsdId, interval: u64, attempt: u64, shard: Option<u8>) {
        if interval > self.interval {
            self.interval = interval;
            self.end_tenure();
        }
        if self.primary.is_some() || self.removal.is_some() {
            // Our own tenure in this interval, so it cannot be somebody else's; or we are about to forget
            // the PG, and the next map will show whether we are wanted again.
            return;
        }
        if self.follower.session != Some((from, interval, attempt)) {
            self.begin_session(from, interval, attempt);
        }
        let dirty_bytes: usize = self.dirty.iter().map(crate::ops::list::bytes_of).sum();
        if self.dirty.len() > DIRTY_MAX || dirty_bytes > DIRTY_BYTES_MAX {
            self.info.condition = Condition::Backfilling;
            self.info.interval = interval;
            self.store_info();
        }
        let first_shard = self.info.shard.is_none() && shard.is_some();
        if first_shard {
            // Nothing is here yet, so it is whatever it is to be.
            self.info.shard = shard;
        }
        if self.info.interval < interval || first_shard {
            self.info.interval = interval;
            if !self.breaks(Bug::ForgetInterval) {
                self.store_info();
            }
        }
        let outline = self.log.outline();
        let head = PgMessage::Head {
            interval,
            attempt,
            tail: outline.tail,
            head: outline.head,
            runs: outline.runs,
            condition: self.info.condition,
            shard: self.info.shard,
        };
        self.durability.then(Then::Send(from, head));
    }

    /// The primary found where the logs part; which of our objects may differ from its?
    pub(crate) fn on_log_request(&mut self, from: OsdId, attempt: u64, after: Version) {
        if !self.in_session(from, attempt) {
            return;
        }
        if !self.log.contains(after) {
            // It was computed from a log that we told of, and only this primary changes it: it will begin again.
            self.send(from, PgMessage::Rejoin { interval: self.interval, attempt });
            return;
        }
        let mut objects: BTreeSet<ObjectId> = self.dirty.clone();
        let changed = self.log.after(after.seq).flat_map(LogEntry::changed_objects);
        objects.extend(changed.filter(|o| belongs(self.id, self.pool.pg_num, o)));
        let objects = objects.into_iter().collect();
        self.send(from, PgMessage::Log { interval: self.interval, attempt, after, objects });
    }
}
