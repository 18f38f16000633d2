//! Listings of a PG's live objects.

use super::queue::Queued;
use super::replies::Pending;
use crate::machine::Pg;
use crate::names::{belongs, is_internal, start_of};
use osd_class::snapped::Snapped;
use osd_object::op::OpFailure;
use osd_object::{ObjectId, ObjectRead, SnapId, Version};
use stdx::Errno;
use wire_codec::OsdOutcome;

/// The longest page of a listing.
const PAGE_MAX: usize = 10_000;

/// Bytes of names in one, about: an answer has to fit a message.
const PAGE_BYTES_MAX: usize = 4 << 20;

/// Objects of a PG, from a store, in hobject order.
pub(crate) struct Listing {
    pub(crate) objects: Vec<ObjectId>,
    /// Whether the PG goes on behind the last one.
    pub(crate) more: bool,
}

/// About what an object's id takes in a message.
pub(crate) fn bytes_of(object: &ObjectId) -> usize {
    let n = &object.name;
    64 + n.name.len() + n.namespace.len() + n.locator.len()
}

impl Pg {
    /// The PG's objects behind `after` (from its first on), without its own bookkeeping; at most `max`.
    pub(crate) fn objects_after(
        &self,
        after: Option<&ObjectId>,
        max: usize,
        view: &dyn ObjectRead,
    ) -> Result<Listing, Errno> {
        let start = start_of(self.id);
        let mut from = after.filter(|a| **a > start).cloned().unwrap_or(start);
        let mut objects = Vec::new();
        let mut bytes = 0;
        loop {
            // One more than can be used: the first may be `from` itself.
            let wanted = (max - objects.len()).clamp(1, 1000) + 1;
            let page = view.list(self.id.pool, Some(&from), wanted)?;
            let full = page.len() == wanted;
            for object in page {
                if !belongs(self.id, self.pool.pg_num, &object) {
                    return Ok(Listing { objects, more: false });
                }
                if Some(&object) == after || is_internal(&object) || objects.last() == Some(&object) {
                    from = object;
                    continue;
                }
                if objects.len() == max || bytes >= PAGE_BYTES_MAX {
                    return Ok(Listing { objects, more: true });
                }
                bytes += bytes_of(&object);
                from = object.clone();
                objects.push(object);
            }
            if !full {
                return Ok(Listing { objects, more: false });
            }
        }
    }

    /// The same without clones and what is left of deleted objects for their sake; empty only if there are no more.
    fn live_after(
        &self,
        mut after: Option<ObjectId>,
        max: usize,
        view: &dyn ObjectRead,
    ) -> Result<Listing, Errno> {
        loop {
            let listing = self.objects_after(after.as_ref(), max, view)?;
            if self.pool.snaps.seq == 0 {
                return Ok(listing);
            }
            let last = listing.objects.last().cloned();
            let mut objects = Vec::with_capacity(listing.objects.len());
            for object in listing.objects {
                if object.snap == SnapId::HEAD && !Snapped::of(view, &object)?.whiteout {
                    objects.push(object);
                }
            }
            if !objects.is_empty() || !listing.more {
                return Ok(Listing { objects, more: listing.more });
            }
            after = last;
        }
    }

    /// Answers a listing of live objects.
    pub(crate) fn list(&mut self, queued: Queued, after: Option<ObjectId>, max: u32, view: &dyn ObjectRead) {
        let max = (max as usize).clamp(1, PAGE_MAX);
        let outcome = match self.live_after(after, max, view) {
            Ok(listing) => OsdOutcome::Listed { objects: listing.objects, more: listing.more },
            Err(code) => {
                let failure = OpFailure { code, step: 0, detail: bytes::Bytes::new() };
                OsdOutcome::Done { version: Version::ZERO, outcome: Err(failure) }
            }
        };
        self.ops.done(&queued);
        let pending =
            Pending { session: queued.session, request: queued.op.request, outcome, read_at: Some(self.now) };
        // It shows objects made and not those removed by writes that are not yet certain.
        self.answer_after(self.log.head().seq, pending);
    }
}
