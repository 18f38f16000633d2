//! The primary's steps through the PG, one range of objects after the other.

use super::{MemberMap, Scrub, Step};
use crate::machine::Pg;
use osd_object::{ObjectId, ObjectRead};
use placement_map::OsdId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use wire_codec::PgMessage;
use wire_codec::pg::ScrubEntry;

/// From this round on, writes to objects that changed each time wait for the round to end.
const HOLD_WRITES_FROM: u32 = 3;
/// How long after a refusal members are asked again, and by how much that differs between PGs.
const PAUSE: Duration = Duration::from_secs(3);

impl Pg {
    /// Whether everybody is there whose copy is to be compared.
    fn can_scrub(&self) -> bool {
        let Some(p) = self.primary.as_ref().filter(|_| self.serving()) else { return false };
        let ready = |osd: &OsdId| *osd == self.me || p.peers.get(osd).is_some_and(|peer| peer.is_ready());
        self.is_covered()
            && self.row.copies() >= self.pool.size as usize
            && self.row.in_sync.iter().all(ready)
    }

    /// Goes on with a scrub as far as it goes now.
    pub(crate) fn advance_scrub(&mut self, view: &dyn ObjectRead) {
        if self.scrub.is_none() {
            return;
        }
        if !self.can_scrub() {
            self.interrupt_scrub();
            return;
        }
        loop {
            let now = self.now;
            let Some(s) = self.scrub.as_ref() else { return };
            let went_on = match &s.step {
                Step::Begin => self.begin_round(),
                Step::Settling { head } => {
                    let head = *head;
                    self.everybody_has(head) && self.ask_members(view)
                }
                Step::Asked { revision, .. } if *revision != self.row.revision => {
                    // Who left the in-sync set may have let go of its copy since: that would look as if it had missed
                    // writes. Who joined is to be compared as well.
                    self.unlock_scrubbed();
                    self.scrub.as_mut().expect("just seen").step = Step::Begin;
                    true
                }
                Step::Asked { maps, .. } if maps.values().all(Option::is_some) => self.round_answered(view),
                Step::Asked { again_at, .. } if *again_at <= now => {
                    self.ask_again();
                    false
                }
                Step::Parity { asked: None } => self.next_parity(view),
                Step::Repairing { until } if *until <= now || !self.repairs_under_way() => self.end_round(),
                Step::Pausing { until } if *until <= now => {
                    self.scrub.as_mut().expect("just seen").step = Step::Begin;
                    true
                }
                _ => false,
            };
            if !went_on {
                return;
            }
        }
    }

    /// The round is void; the range is begun again when everybody is there.
    pub(super) fn interrupt_scrub(&mut self) {
        let Some(s) = self.scrub.as_mut() else { return };
        s.begin_range_again();
        self.unlock_scrubbed();
        self.gathers.retain(|_, g| !g.is_parity());
    }

    pub(super) fn unlock_scrubbed(&mut self) {
        let Some(s) = self.scrub.as_mut() else { return };
        for object in std::mem::take(&mut s.locked) {
            self.ops.unlock_shared(&object);
        }
    }

    fn begin_round(&mut self) -> bool {
        let head = self.log.head().seq;
        let Some(s) = self.scrub.as_mut() else { return false };
        if s.round >= HOLD_WRITES_FROM {
            for object in
                s.only.iter().filter(|object| !s.locked.contains(*object)).cloned().collect::<Vec<_>>()
            {
                if !self.ops.lock_shared(&object) {
                    // A write has it; when that ends this is tried again.
                    return false;
                }
                s.locked.insert(object);
            }
        }
        s.written.clear();
        s.step = Step::Settling { head };
        true
    }

    /// Whether the writes through this one are in place at every in-sync member.
    fn everybody_has(&self, head: u64) -> bool {
        let Some(p) = &self.primary else { return false };
        p.certain_to >= head
            && p.peers.values().filter(|peer| peer.in_sync).all(|peer| peer.durable_to >= head)
    }

    /// Chooses the range, if it is not chosen, and asks everybody.
    fn ask_members(&mut self, view: &dyn ObjectRead) -> bool {
        if !self.written_now.is_empty() {
            self.again = true;
            return false;
        }
        let Some(s) = self.scrub.as_ref() else { return false };
        if s.end.is_none() {
            let max = if s.order.deep { self.config.scrub_deep_objects } else { self.config.scrub_objects };
            // An index that cannot be read stops the OSD by itself.
            let Ok(listing) = self.objects_after(s.after.as_ref(), max as usize, view) else { return false };
            let end = if listing.more { listing.objects.last().cloned() } else { None };
            self.scrub.as_mut().expect("just seen").end = Some(end);
        }
        self.scrubs_numbered += 1;
        let (number, again_at) = (self.scrubs_numbered, self.now + self.config.scrub_resend);
        let revision = self.row.revision;
        let maps = self.row.in_sync.iter().map(|osd| (*osd, None)).collect();
        self.scrub.as_mut().expect("just seen").step = Step::Asked { number, revision, maps, again_at };
        self.ask_again();
        false
    }

    /// Asks those who have not answered.
    fn ask_again(&mut self) {
        let (interval, again_at) = (self.interval, self.now + self.config.scrub_resend);
        let committed_to = self.primary.as_ref().map_or(0, |p| p.certain_to);
        let Some(s) = self.scrub.as_mut() else { return };
        let Step::Asked { number, maps, again_at: at, .. } = &mut s.step else { return };
        *at = again_at;
        let silent: Vec<OsdId> = maps.iter().filter(|(_, map)| map.is_none()).map(|(osd, _)| *osd).collect();
        let (scrub, deep, after) = (*number, s.order.deep, s.after.clone());
        let end = s.end.clone().flatten();
        let only: Vec<ObjectId> = s.only.iter().cloned().collect();
        for osd in silent {
            if osd == self.me {
                self.scan_for_scrub(osd, scrub, (after.clone(), end.clone(), only.clone()), deep);
            } else {
                let (after, end, only) = (after.clone(), end.clone(), only.clone());
                self.send(osd, PgMessage::ScrubAsk { interval, scrub, after, end, only, deep, committed_to });
            }
        }
    }

    /// A member said what it holds; none: it takes part in as many scrubs as it may.
    pub(crate) fn member_scanned(
        &mut self,
        from: OsdId,
        scrub: u64,
        entries: Option<Vec<ScrubEntry>>,
        reach: Option<ObjectId>,
    ) {
        let until = self.now + PAUSE + PAUSE * (self.id.seed % 16) / 16;
        let Some(s) = self.scrub.as_mut() else { return };
        let Step::Asked { number, maps, .. } = &mut s.step else { return };
        if *number != scrub {
            return;
        }
        let Some(entries) = entries else {
            // Others may need what we hold in order to go on: nobody waits for anybody.
            s.step = Step::Pausing { until };
            self.unlock_scrubbed();
            self.tell_scrub_ended(None);
            return;
        };
        if let Some(map) = maps.get_mut(&from) {
            *map = Some(MemberMap { entries, reach });
        }
    }

    /// Everybody answered: compares, and looks again at what changed or was repaired.
    fn round_answered(&mut self, view: &dyn ObjectRead) -> bool {
        let Some(s) = self.scrub.as_mut() else { return false };
        let Step::Asked { maps, .. } = std::mem::replace(&mut s.step, Step::Begin) else { return false };
        let maps: BTreeMap<OsdId, MemberMap> =
            maps.into_iter().filter_map(|(osd, map)| Some((osd, map?))).collect();
        if s.only.is_empty() {
            // A member may have more objects in the range than fit its answer.
            let reach =
                maps.values().filter_map(|map| map.reach.clone()).chain(s.end.clone().flatten()).min();
            s.end = Some(reach);
        }
        let repairing = self.judge_round(&maps, view);
        self.unlock_scrubbed();
        let wholes = self.scrub.as_mut().map(|s| std::mem::take(&mut s.wholes)).unwrap_or_default();
        for (object, version) in wholes {
            self.make_whole(object, version, view);
        }
        if repairing {
            let until = self.now + 4 * self.config.resend;
            self.scrub.as_mut().expect("under way").step = Step::Repairing { until };
            return true;
        }
        self.end_round()
    }

    fn repairs_under_way(&self) -> bool {
        self.fetches.values().any(|f| f.is_repair())
            || self.gathers.values().any(|g| g.is_repair())
            || !self.wholes.is_empty()
    }

    /// The next round of the range, or the next range, or the end.
    pub(super) fn end_round(&mut self) -> bool {
        let Some(s) = self.scrub.as_mut() else { return false };
        s.step = Step::Begin;
        if !s.only.is_empty() {
            s.round += 1;
            return true;
        }
        if !s.parity.is_empty() {
            s.step = Step::Parity { asked: None };
            return true;
        }
        let end = s.end.take().flatten();
        (s.round, s.bad_before) = (0, u64::MAX);
        s.errors += std::mem::take(&mut s.range_errors);
        match end {
            Some(end) => {
                s.after = Some(end);
                true
            }
            None => {
                self.scrub_done();
                false
            }
        }
    }

    /// Objects of the range that any member has, as far as all of them told.
    pub(super) fn objects_told(s: &Scrub, maps: &BTreeMap<OsdId, MemberMap>) -> BTreeSet<ObjectId> {
        let end = s.end.clone().flatten();
        let told = maps.values().flat_map(|map| map.entries.iter().map(|e| e.object.clone()));
        let within = told.filter(|o| !s.only.is_empty() || end.as_ref().is_none_or(|end| o <= end));
        within.chain(s.only.iter().cloned()).collect()
    }
}
