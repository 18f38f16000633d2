//! What a member remembers of a primary that brings it level. Gone with a restart, by design: the primary
//! is then told to begin again.

use crate::machine::Pg;
use crate::names::{is_internal, is_sidecar, is_temp, start_of};
use crate::sabotage::Bug;
use osd_object::{Mutation, ObjectId, ObjectRead, Transaction, Version};
use placement_map::OsdId;
use std::collections::{BTreeMap, BTreeSet};
use stdx::Errno;
use wire_codec::pg::LogEntry;

/// A member's side of a conversation.
#[derive(Debug, Default)]
pub(crate) struct Follower {
    /// Primary, interval, attempt.
    pub(crate) session: Option<(OsdId, u64, u64)>,
    pub(crate) joining: Option<Joining>,
    /// Pushes under way: the next piece of each.
    pub(crate) receiving: BTreeMap<u64, u32>,
    /// Pushes that ended, the newest of them, so that none is applied twice.
    pub(crate) received: BTreeSet<u64>,
    /// Objects kept aside until the log is replaced: the collector of each, or that it shall go.
    pub(crate) staged: BTreeMap<ObjectId, Option<ObjectId>>,
    /// Objects that collect pieces.
    pub(crate) temps: BTreeSet<ObjectId>,
    /// Pages of the primary's log so far.
    pub(crate) pages: Vec<LogEntry>,
}

/// A joiner's place in the stream of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Joining {
    /// Sequence number of the next write.
    pub(crate) next: u64,
    /// Everything is compared, so what is touched needs no note.
    pub(crate) backfill: bool,
}

impl Follower {
    /// Our place in the stream of writes of this primary, if we are joining it.
    pub(crate) fn joining_from(&self, from: OsdId) -> Option<Joining> {
        self.joining.filter(|_| self.session.is_some_and(|(osd, ..)| osd == from))
    }
}

impl Pg {
    /// A primary opens a conversation; what an earlier one left half-done goes.
    pub(crate) fn begin_session(&mut self, from: OsdId, interval: u64, attempt: u64) {
        self.forget_follower();
        self.follower.session = Some((from, interval, attempt));
    }

    /// Whether this OSD is the primary that queried us in this interval: nobody else's writes and leases are taken, so
    /// that a mistake of one OSD about whose interval it is does not spread.
    pub(crate) fn follows(&self, primary: OsdId) -> bool {
        let session = self.follower.session;
        let stale = self.breaks(Bug::ObeyStaleInterval);
        stale || session.is_some_and(|(osd, interval, _)| osd == primary && interval == self.interval)
    }

    pub(crate) fn forget_follower(&mut self) {
        let old = std::mem::take(&mut self.follower);
        self.remove_temps(old.temps);
    }

    /// Whether the conversation is this one; if not, the primary hears that it must begin again.
    pub(crate) fn in_session(&mut self, from: OsdId, attempt: u64) -> bool {
        let interval = self.interval;
        let known = self.follower.session == Some((from, interval, attempt));
        if !known && self.primary.is_none() {
            self.send(from, wire_codec::PgMessage::Rejoin { interval, attempt });
        }
        known
    }

    /// Removes what a former life left behind: collectors, and what it put aside for writes that its log does not
    /// hold; the rest of that is noted.
    pub(crate) fn clear_temps(
        &mut self,
        records: Vec<(Version, Transaction)>,
        view: &dyn ObjectRead,
    ) -> Result<(), Errno> {
        let records = if self.breaks(Bug::ForgetRecords) { Vec::new() } else { records };
        let mutations = self.prepared.found_records(self.id, records, &self.log);
        if !mutations.is_empty() {
            self.store(Transaction { mutations });
        }
        let mut from = start_of(self.id);
        let mut temps = BTreeSet::new();
        loop {
            let page = view.list(self.id.pool, Some(&from), 100)?;
            let last = page.last().cloned();
            // They lie together at the front of the PG, around its meta object.
            let near = page.iter().all(|o| o.hash == self.id.seed && is_internal(o));
            for object in page.into_iter().filter(|o| o.hash == self.id.seed) {
                let unknown = is_sidecar(&object) && !self.prepared.found(&object, &self.log, view)?;
                if is_temp(&object) || unknown {
                    temps.insert(object);
                }
            }
            match last {
                Some(last) if near && last != from => from = last,
                _ => break,
            }
        }
        self.remove_temps(temps);
        Ok(())
    }

    fn remove_temps(&mut self, temps: BTreeSet<ObjectId>) {
        if !temps.is_empty() {
            let mutations = temps.into_iter().map(|object| Mutation::Remove { object }).collect();
            self.store(Transaction { mutations });
        }
    }
}
