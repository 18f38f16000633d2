//! What a round found: repaired, looked at again, or reported.

use super::MemberMap;
use super::compare::{Copies, Rules, Verdict, compare};
use crate::machine::Pg;
use crate::sabotage::Bug;
use erasure::ChunkSet;
use osd_object::{ObjectId, ObjectRead, SnapId, Version};
use placement_map::OsdId;
use std::collections::{BTreeMap, BTreeSet};
use wire_codec::pg::{Inconsistent, InconsistentCopy, ScrubEntry, ScrubError};

/// Ranges repaired in one round, at most; what is left is found by the next.
const REPAIRS_MAX: usize = 32;
/// Rounds in which objects are made whole: each should need one, but writes may come in between.
const WHOLE_ROUNDS_MAX: u32 = 6;
/// The longest range that is repaired in one go, bytes.
const RANGE_MAX: u64 = 256 << 10;
/// The unit of checksums, bytes.
const UNIT: u64 = 4096;
/// Inconsistent objects kept by name.
const NAMED_MAX: usize = 1000;

impl Pg {
    /// Compares the objects of a round. True: repairs were begun. Leaves in `only` what is to be looked at again.
    pub(super) fn judge_round(&mut self, maps: &BTreeMap<OsdId, MemberMap>, view: &dyn ObjectRead) -> bool {
        let Some(s) = self.scrub.as_ref() else { return false };
        let (deep, bad_before) = (s.order.deep, s.bad_before);
        let objects = Pg::objects_told(s, maps);
        let entries: BTreeMap<OsdId, BTreeMap<&ObjectId, &ScrubEntry>> = maps
            .iter()
            .map(|(osd, map)| (*osd, map.entries.iter().map(|e| (&e.object, e)).collect()))
            .collect();
        if s.only.is_empty() {
            // Of what was found by an earlier scrub and is gone.
            let (after, end) = (s.after.clone(), s.end.clone().flatten());
            let within = |o: &ObjectId| {
                after.as_ref().is_none_or(|after| o > after) && end.as_ref().is_none_or(|end| o <= end)
            };
            self.inconsistent.retain(|object, _| !within(object) || objects.contains(object));
        }
        let (mut again, mut failed, mut bad_units) = (BTreeSet::new(), BTreeMap::new(), 0);
        for object in objects {
            let copies: Copies = entries.iter().map(|(osd, of)| (*osd, of.get(&object).copied())).collect();
            let mut rules = self.rules();
            let mut verdict = compare(&copies, rules);
            if !verdict.is_clean() {
                rules.logged = self.logged(&object);
                verdict = compare(&copies, rules);
            }
            let written = self.scrub.as_ref().is_some_and(|s| s.written.contains(&object));
            let versions: BTreeSet<Option<Version>> = copies.values().map(|e| e.map(|e| e.version)).collect();
            if written && versions.len() > 1 {
                // Of before and after the write.
                again.insert(object);
            } else if verdict.is_clean() {
                self.found_clean(&object, deep);
                let entry = copies.values().find_map(|entry| *entry);
                if let (true, Some(e), Some(s)) = (deep && self.shape.is_some(), entry, self.scrub.as_mut()) {
                    s.parity.add(object, e.version, e.size);
                }
            } else {
                bad_units += verdict.bad_units;
                self.note_verdict(&object, &verdict, &copies);
                failed.insert(object, verdict);
            }
        }
        // Nothing got better: what is bad stays bad.
        let stuck = bad_units >= bad_before;
        let mut repairs = 0;
        for (object, verdict) in &failed {
            let repairable = !verdict.repairs.is_empty() && !stuck;
            if repairable {
                again.insert(object.clone());
                repairs += self.repair_units(object, verdict, &entries, repairs, view);
            } else if let Some(whole) = verdict.whole.as_ref().filter(|_| repairs < REPAIRS_MAX) {
                let round = self.scrub.as_ref().map_or(0, |s| s.round);
                if round < WHOLE_ROUNDS_MAX && self.can_make_whole(object, whole, view) {
                    again.insert(object.clone());
                    repairs += 1;
                    let wanted = (object.clone(), whole.version);
                    self.scrub.as_mut().expect("under way").wholes.push(wanted);
                }
            }
        }
        let left = failed.keys().filter(|object| !again.contains(*object)).count() as u64;
        let s = self.scrub.as_mut().expect("under way");
        s.range_errors += left;
        s.bad_before = if failed.is_empty() { u64::MAX } else { bad_units };
        s.only = again;
        repairs > 0
    }

    /// The version that the log says the object has.
    fn logged(&self, object: &ObjectId) -> Option<Version> {
        if object.snap != SnapId::HEAD {
            // A clone is of the version that it was cloned from, which no entry names.
            return None;
        }
        let entries = self.log.after(self.log.tail().seq).filter(|e| e.changed && e.object == *object);
        entries.last().map(|e| e.version)
    }

    fn rules(&self) -> Rules {
        Rules {
            shards: self.shape.is_some(),
            logged: None,
            by_majority: self.breaks(Bug::RepairByMajority),
            skip_digests: self.breaks(Bug::SkipDigests),
        }
    }

    fn found_clean(&mut self, object: &ObjectId, deep: bool) {
        // A shallow look does not see what cannot be read.
        let deep_only = [ScrubError::ReadError, ScrubError::ParityMismatch];
        let unread = |i: &Inconsistent| i.errors.iter().any(|e| deep_only.contains(e));
        if deep || !self.inconsistent.get(object).is_some_and(unread) {
            self.inconsistent.remove(object);
        }
        if let Some(p) = self.primary.as_mut().filter(|_| deep) {
            p.damage.forget(object);
            p.unreadable.remove(object);
        }
    }

    fn note_verdict(&mut self, object: &ObjectId, verdict: &Verdict, copies: &Copies) {
        let copies = copies.iter().map(|(osd, entry)| InconsistentCopy {
            osd: osd.0,
            primary: *osd == self.me,
            errors: verdict.copies.get(osd).into_iter().flatten().copied().collect(),
            entry: entry.cloned(),
        });
        let found = Inconsistent {
            object: object.clone(),
            errors: verdict.errors.iter().copied().collect(),
            copies: copies.collect(),
        };
        self.name_inconsistent(found);
    }

    pub(super) fn name_inconsistent(&mut self, found: Inconsistent) {
        if self.inconsistent.len() < NAMED_MAX || self.inconsistent.contains_key(&found.object) {
            self.inconsistent.insert(found.object.clone(), found);
        }
    }

    /// Has the bad units of an object written again, as ranges. How many of those there are.
    fn repair_units(
        &mut self,
        object: &ObjectId,
        verdict: &Verdict,
        entries: &BTreeMap<OsdId, BTreeMap<&ObjectId, &ScrubEntry>>,
        under_way: usize,
        view: &dyn ObjectRead,
    ) -> usize {
        let Some(entry) = entries.values().find_map(|of| of.get(object)) else { return 0 };
        let (version, size) = (entry.version, entry.size);
        let mut begun = 0;
        for (range, bad) in ranges(&verdict.repairs, size) {
            if under_way + begun >= REPAIRS_MAX {
                break;
            }
            begun += 1;
            if self.shape.is_some() {
                let shard = |osd: &OsdId| self.row.shards.get(osd).map(|shard| usize::from(*shard));
                let bad: ChunkSet = bad.iter().filter_map(shard).collect();
                self.shards_bad(object, version, range, bad, view);
            } else {
                for of in &bad {
                    self.note_damage(object, *of);
                }
                self.fetch_for_repair((object.clone(), version), range, bad, view);
            }
        }
        begun
    }
}

/// Neighbouring units that are bad at the same members, as ranges of bytes.
fn ranges(units: &BTreeMap<u64, BTreeSet<OsdId>>, size: u64) -> Vec<((u64, u64), BTreeSet<OsdId>)> {
    let mut ranges: Vec<((u64, u64), BTreeSet<OsdId>)> = Vec::new();
    for (offset, bad) in units.iter().filter(|(offset, _)| **offset < size) {
        let end = (offset + UNIT).min(size);
        match ranges.last_mut() {
            Some(((low, high), of)) if high == offset && of == bad && end - *low <= RANGE_MAX => *high = end,
            _ => ranges.push(((*offset, end), bad.clone())),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_that_are_bad_alike_are_one_range() {
        let a = BTreeSet::from([OsdId(1)]);
        let b = BTreeSet::from([OsdId(2)]);
        let units = BTreeMap::from([
            (0, a.clone()),
            (4096, a.clone()),
            (8192, b.clone()),
            (16384, b.clone()),
            (90_000, a.clone()),
        ]);
        assert_eq!(
            ranges(&units, 20_000),
            [((0, 8192), a), ((8192, 12288), b.clone()), ((16384, 20_000), b)]
        );
    }
}
