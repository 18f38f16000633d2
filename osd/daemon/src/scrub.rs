//! Reading for scrubs: small steps, one after the other, no faster than it was set and slower while clients are served.

use crate::pgs::Pgs;
use osd_object::ObjectId;
use osd_pg::{Event, Ticket};
use osd_store::{ScrubBudget, ScrubCursor, ScrubObject, Store, StoreError};
use placement_map::PgId;
use std::collections::VecDeque;
use std::time::Duration;
use stdx::Time;
use wire_codec::pg::ScrubEntry;

/// Bytes read in one step: the reactor stands still for it.
const STEP_BYTES: u64 = 256 << 10;
/// Objects looked at in one step.
const STEP_OBJECTS: u64 = 32;
/// What looking at an object's rows counts for, bytes.
const OBJECT_BYTES: u64 = 8 << 10;
/// A client that asked something so lately comes first.
const BUSY: Duration = Duration::from_millis(100);

/// What a PG asked for.
struct Job {
    pg: PgId,
    ticket: Ticket,
    left: VecDeque<ObjectId>,
    deep: bool,
    /// Within the first of those that are left.
    cursor: Option<ScrubCursor>,
    found: Vec<ScrubEntry>,
}

/// Jobs, and when the next step may be.
#[derive(Default)]
pub(crate) struct Scrubber {
    jobs: VecDeque<Job>,
    not_before: Time,
    /// When a client last asked something.
    pub(crate) client_at: Time,
}

impl Scrubber {
    /// Takes a job in.
    pub(crate) fn add(&mut self, pg: PgId, ticket: Ticket, objects: Vec<ObjectId>, deep: bool) {
        self.forget(pg);
        let left = objects.into();
        self.jobs.push_back(Job { pg, ticket, left, deep, cursor: None, found: Vec::new() });
    }

    /// A PG needs no answer any more.
    pub(crate) fn forget(&mut self, pg: PgId) {
        self.jobs.retain(|job| job.pg != pg);
    }

    /// When the next step is due, if there is anything to do.
    pub(crate) fn next(&self) -> Option<Time> {
        self.jobs.front().map(|_| self.not_before)
    }

    /// Does a step if it is due. An event, if a job is done with it.
    pub(crate) fn step(
        &mut self,
        now: Time,
        bytes_per_second: u64,
        store: &mut Store,
    ) -> Result<Option<(PgId, Event)>, StoreError> {
        if now < self.not_before {
            return Ok(None);
        }
        let Some(mut job) = self.jobs.pop_front() else { return Ok(None) };
        let read = job.step(store)?;
        let busy = now.since(self.client_at) < BUSY;
        let rate = if busy { bytes_per_second / 4 } else { bytes_per_second };
        self.not_before = now + Duration::from_nanos(read.saturating_mul(1_000_000_000) / rate.max(1));
        if job.left.is_empty() {
            let (ticket, entries) = (job.ticket, Some(job.found));
            return Ok(Some((job.pg, Event::Scrubbed { ticket, entries })));
        }
        // PGs take turns.
        self.jobs.push_back(job);
        Ok(None)
    }
}

impl Job {
    /// Bytes read, about.
    fn step(&mut self, store: &mut Store) -> Result<u64, StoreError> {
        let mut read = 0;
        for _ in 0..STEP_OBJECTS {
            let Some(object) = self.left.front() else { break };
            let cursor = self.cursor.take().unwrap_or_else(|| ScrubCursor::start(object.pool, Some(object)));
            let budget = ScrubBudget { deep: self.deep, bytes_max: STEP_BYTES - read, objects_max: 1 };
            let page = store.scrub(object.pool, None, cursor, budget)?;
            match page.objects.into_iter().next() {
                Some(found) => {
                    read += OBJECT_BYTES + if self.deep { found.meta.size } else { 0 };
                    // Another one: this one is gone.
                    self.found.extend((found.id == *object).then(|| entry(found)));
                    self.left.pop_front();
                }
                None if page.next.is_some() => {
                    self.cursor = page.next;
                    return Ok(STEP_BYTES);
                }
                None => {
                    self.left.pop_front();
                }
            }
            if read >= STEP_BYTES {
                break;
            }
        }
        Ok(read.min(STEP_BYTES))
    }
}

fn entry(o: ScrubObject) -> ScrubEntry {
    ScrubEntry {
        object: o.id,
        version: o.meta.version,
        size: o.meta.size,
        data_digest: o.data_digest,
        attr_digest: o.xattr_digest,
        omap_digest: o.omap_digest,
        bad: o.bad,
    }
}

/// PGs whose copies could be compared now: served from here, clean, and none under way.
pub(crate) fn could_scrub(pgs: &Pgs) -> impl Iterator<Item = (PgId, wire_codec::pg::ScrubStamps)> {
    let clean = |pg: &PgId| {
        let s = pgs.status(*pg)?;
        let idle = s.primary && s.scrubbing.is_none() && s.state.ends_with("clean");
        idle.then_some((*pg, s.stamps))
    };
    pgs.ids().into_iter().filter_map(move |pg| clean(&pg))
}
