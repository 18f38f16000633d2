//! Any member's side: what it holds of a range.

use crate::effect::{Effect, Ticket};
use crate::erasure_coded::tag::Logical;
use crate::machine::Pg;
use osd_object::{ObjectId, ObjectRead};
use placement_map::OsdId;
use stdx::checksum::crc32c_of;
use wire_codec::PgMessage;
use wire_codec::pg::ScrubEntry;

/// Objects answered for at once, at most, whatever a primary asks.
const OBJECTS_MAX: usize = 1024;
/// Bad units of one object that are told; the rest is found when those are repaired.
const BAD_MAX: usize = 256;

/// From behind this object, to that one (none: to the PG's end), or only these.
pub(crate) type Range = (Option<ObjectId>, Option<ObjectId>, Vec<ObjectId>);

/// A primary's question that waits for the view, or for the store.
#[derive(Clone, Debug)]
pub(crate) struct Scanning {
    to: OsdId,
    interval: u64,
    scrub: u64,
    range: Range,
    deep: bool,
    /// The store's ticket, once it reads, and how far the answer goes.
    reading: Option<(Ticket, Option<ObjectId>)>,
}

impl Pg {
    /// The primary wants to know what we hold.
    pub(crate) fn on_scrub_ask(
        &mut self,
        from: OsdId,
        scrub: u64,
        range: Range,
        deep: bool,
        committed_to: u64,
    ) {
        if self.may_apply() && self.follower.joining.is_none() {
            self.apply_committed(committed_to);
            self.scan_for_scrub(from, scrub, range, deep);
        }
    }

    /// Begins to look at a range, unless it is being looked at already.
    pub(super) fn scan_for_scrub(&mut self, to: OsdId, scrub: u64, range: Range, deep: bool) {
        let interval = self.interval;
        let known =
            self.scanning.as_ref().is_some_and(|s| (s.to, s.interval, s.scrub) == (to, interval, scrub));
        if !known {
            self.scanning = Some(Scanning { to, interval, scrub, range, deep, reading: None });
        }
    }

    /// Hands what is asked for to the store, once the view shows all that was handed to it.
    pub(crate) fn serve_scan(&mut self, view: &dyn ObjectRead) {
        let Some(s) = self.scanning.as_ref().filter(|s| s.reading.is_none()) else { return };
        if s.interval != self.interval {
            self.scanning = None;
            return;
        }
        if !self.written_now.is_empty() {
            self.again = true;
            return;
        }
        let (after, end, only) = &s.range;
        let deep = s.deep;
        let (objects, reach) = if only.is_empty() {
            // An index that cannot be read stops the OSD by itself; the primary asks again.
            let Ok(listing) = self.objects_after(after.as_ref(), OBJECTS_MAX, view) else { return };
            let reach = if listing.more { listing.objects.last().cloned() } else { None };
            let within = |o: &ObjectId| end.as_ref().is_none_or(|end| o <= end);
            (listing.objects.into_iter().filter(within).collect(), reach)
        } else {
            (only.iter().take(OBJECTS_MAX).cloned().collect::<Vec<_>>(), None)
        };
        let ticket = self.durability.ticket();
        self.scanning.as_mut().expect("just seen").reading = Some((ticket, reach));
        self.effect(Effect::Scrub { ticket, objects, deep });
    }

    /// The store looked; none: this OSD takes part in as many scrubs as it may.
    pub(crate) fn scrubbed(
        &mut self,
        ticket: Ticket,
        entries: Option<Vec<ScrubEntry>>,
        view: &dyn ObjectRead,
    ) {
        let awaited = |s: &mut Scanning| s.reading.as_ref().is_some_and(|(reading, _)| *reading == ticket);
        let Some(s) = self.scanning.take_if(awaited).filter(|s| s.interval == self.interval) else { return };
        let entries = entries.map(|entries| self.told(entries, view));
        let reach = s.reading.and_then(|(_, reach)| reach);
        if s.to == self.me {
            self.member_scanned(s.to, s.scrub, entries, reach);
        } else {
            let (interval, scrub) = (self.interval, s.scrub);
            self.send(s.to, PgMessage::ScrubMap { interval, scrub, entries, reach });
        }
    }

    fn told(&self, mut entries: Vec<ScrubEntry>, view: &dyn ObjectRead) -> Vec<ScrubEntry> {
        for entry in &mut entries {
            entry.bad.truncate(BAD_MAX);
        }
        if self.shape.is_some() {
            // Each shard says in an attribute which one it is: compared is what they share.
            entries.retain_mut(|entry| {
                let same =
                    view.meta(&entry.object).is_ok_and(|m| m.is_some_and(|m| m.version == entry.version));
                let Ok(all) = Logical(view).xattrs(&entry.object) else { return false };
                let size = Logical(view).meta(&entry.object).ok().flatten().map_or(0, |m| m.size);
                let parts = all.iter().flat_map(|(k, v)| [k.as_bytes(), &[0][..], v, &[0]]);
                entry.attr_digest = crc32c_of([&size.to_le_bytes()[..]].into_iter().chain(parts));
                // One that changed since is told of in the next round.
                same
            });
        }
        entries
    }
}
