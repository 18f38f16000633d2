//! What members say of one object, compared; and what of it can be proved. Pure, and tested case by case.

use osd_object::Version;
use placement_map::OsdId;
use std::collections::{BTreeMap, BTreeSet};
use wire_codec::pg::{ScrubEntry, ScrubError};

/// Members' copies of one object: none if there is none.
pub(crate) type Copies<'a> = BTreeMap<OsdId, Option<&'a ScrubEntry>>;

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// What is wrong between the copies.
    pub(crate) errors: BTreeSet<ScrubError>,
    /// What is wrong with each.
    pub(crate) copies: BTreeMap<OsdId, BTreeSet<ScrubError>>,
    /// Units that can be written again, by offset, with the members whose copies of them are bad: every other
    /// member's copy of the unit vouches for itself, and is of the same version with the same digest.
    pub(crate) repairs: BTreeMap<u64, BTreeSet<OsdId>>,
    /// All bad units.
    pub(crate) bad_units: u64,
    /// What all copies have to become, if the log proves it, with those that are it already.
    pub(crate) whole: Option<Whole>,
}

/// What the log proves of an object whose copies differ in their versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    /// The version that it has; none: it is not there.
    pub(crate) version: Option<Version>,
    /// The members whose copies are so, and sound.
    pub(crate) right: BTreeSet<OsdId>,
}

impl Verdict {
    pub(crate) fn is_clean(&self) -> bool {
        self.errors.is_empty()
    }
    fn blame(&mut self, osd: OsdId, error: ScrubError) {
        self.errors.insert(error);
        self.copies.entry(osd).or_default().insert(error);
    }
}

/// How copies are compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// They are shards: each has data of its own, and its size and attributes must agree.
    pub(crate) shards: bool,
    /// The version that the log says the object has, if it still names it.
    pub(crate) logged: Option<Version>,
    /// Sabotage: the copy that most members have counts as right.
    pub(crate) by_majority: bool,
    /// Sabotage: digests are not looked at.
    pub(crate) skip_digests: bool,
}

/// Compares the copies of one object. Nothing of it depends on how many agree.
pub(crate) fn compare(copies: &Copies, rules: Rules) -> Verdict {
    let mut v = Verdict::default();
    let there: BTreeMap<OsdId, &ScrubEntry> =
        copies.iter().filter_map(|(osd, entry)| Some((*osd, (*entry)?))).collect();
    let versions: BTreeSet<Version> = there.values().map(|e| e.version).collect();
    // Which version is right: what the log says, if a copy bears it out; a deletion bears no version.
    let right = rules.logged.filter(|logged| versions.contains(logged));
    if there.len() < copies.len() && !there.is_empty() {
        v.errors.insert(ScrubError::Missing);
        for osd in copies.keys().filter(|osd| right.is_some() && !there.contains_key(osd)) {
            v.blame(*osd, ScrubError::Missing);
        }
    }
    if versions.len() > 1 {
        v.errors.insert(ScrubError::VersionMismatch);
        for (osd, _) in there.iter().filter(|(_, e)| right.is_some_and(|right| e.version != right)) {
            v.blame(*osd, ScrubError::VersionMismatch);
        }
    }
    // Copies of one version say the same.
    for version in &versions {
        let same: BTreeMap<OsdId, &ScrubEntry> =
            there.iter().filter(|(_, e)| e.version == *version).map(|(osd, e)| (*osd, *e)).collect();
        differences(&same, rules, &mut v);
    }
    for (osd, entry) in &there {
        v.bad_units += entry.bad.len() as u64;
        if !entry.bad.is_empty() && !rules.skip_digests {
            v.blame(*osd, ScrubError::ReadError);
        }
    }
    v.whole = whole(copies, rules);
    if versions.len() == 1 && !rules.skip_digests {
        v.repairs = repairs(&there, &v, rules);
    }
    v
}

/// Copies of which the log proves that they missed a write: older than the last one that it names, while others have it.
/// A copy that is newer than the log, or of which it does not speak any more, proves nothing about any other. The copies
/// that have the last write must agree in everything.
///
/// That the object was deleted the log does not say; but where nobody has its last write, and some have nothing, what is
/// older than that write is not the object, whatever it was.
fn whole(copies: &Copies, rules: Rules) -> Option<Whole> {
    let logged = rules.logged.filter(|_| !rules.shards && !rules.skip_digests)?;
    let has = |entry: &&ScrubEntry| entry.version == logged;
    let right: BTreeMap<OsdId, &ScrubEntry> =
        copies.iter().filter_map(|(osd, e)| Some((*osd, (*e).filter(has)?))).collect();
    if copies.values().flatten().any(|e| e.version > logged) {
        return None;
    }
    if right.is_empty() {
        let right: BTreeSet<OsdId> =
            copies.iter().filter(|(_, e)| e.is_none()).map(|(osd, _)| *osd).collect();
        let differ = !right.is_empty() && right.len() < copies.len();
        return differ.then_some(Whole { version: None, right });
    }
    let first = right.values().next()?;
    let same = |e: &&ScrubEntry| {
        (e.size, e.data_digest, e.attr_digest, e.omap_digest)
            == (first.size, first.data_digest, first.attr_digest, first.omap_digest)
    };
    let sound: BTreeSet<OsdId> =
        right.iter().filter(|(_, e)| e.bad.is_empty()).map(|(osd, _)| *osd).collect();
    let proved = right.len() < copies.len() && right.values().all(same) && !sound.is_empty();
    proved.then_some(Whole { version: Some(logged), right: sound })
}

fn differences(same: &BTreeMap<OsdId, &ScrubEntry>, rules: Rules, v: &mut Verdict) {
    if rules.skip_digests {
        return;
    }
    let mut distinct = |error: ScrubError, of: fn(&ScrubEntry) -> u64| {
        let values: BTreeSet<u64> = same.values().map(|e| of(e)).collect();
        if values.len() > 1 {
            v.errors.insert(error);
        }
    };
    distinct(ScrubError::SizeMismatch, |e| e.size);
    distinct(ScrubError::AttrMismatch, |e| u64::from(e.attr_digest));
    distinct(ScrubError::OmapDigestMismatch, |e| u64::from(e.omap_digest));
    if !rules.shards {
        distinct(ScrubError::DataDigestMismatch, |e| u64::from(e.data_digest));
    }
}

/// Bad units of copies that agree in everything else: the digest comes from the checksums that a good copy of the
/// unit matches, so what is written again is what was written.
fn repairs(
    there: &BTreeMap<OsdId, &ScrubEntry>,
    v: &Verdict,
    rules: Rules,
) -> BTreeMap<u64, BTreeSet<OsdId>> {
    let provable = |error: &ScrubError| {
        let unsound = matches!(error, ScrubError::DataDigestMismatch | ScrubError::SizeMismatch);
        !unsound || (rules.by_majority && *error == ScrubError::DataDigestMismatch)
    };
    let mut units: BTreeMap<u64, BTreeSet<OsdId>> = BTreeMap::new();
    if !v.errors.iter().all(provable) {
        return units;
    }
    for (osd, entry) in there {
        for offset in &entry.bad {
            units.entry(*offset).or_default().insert(*osd);
        }
    }
    if rules.by_majority && units.is_empty() && v.errors.contains(&ScrubError::DataDigestMismatch) {
        let mut votes: BTreeMap<u32, BTreeSet<OsdId>> = BTreeMap::new();
        for (osd, entry) in there {
            votes.entry(entry.data_digest).or_default().insert(*osd);
        }
        let most = votes.values().map(BTreeSet::len).max();
        let outvoted: BTreeSet<OsdId> =
            votes.into_values().filter(|osds| Some(osds.len()) != most).flatten().collect();
        units.insert(0, outvoted);
    }
    if !rules.shards {
        units.retain(|_, bad| bad.len() < there.len());
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;
    use osd_object::{ObjectId, ObjectName};
    use placement_map::PoolId;

    const V1: Version = Version { interval: 1, seq: 1 };
    const V2: Version = Version { interval: 1, seq: 2 };
    const RULES: Rules = Rules { shards: false, logged: None, by_majority: false, skip_digests: false };

    fn entry(version: Version, data: u32, bad: &[u64]) -> ScrubEntry {
        ScrubEntry {
            object: ObjectId::head(PoolId(1), 1, ObjectName::new("o")),
            version,
            size: 8192,
            data_digest: data,
            attr_digest: 1,
            omap_digest: 2,
            bad: bad.to_vec(),
        }
    }
    fn judge(copies: &[Option<ScrubEntry>], rules: Rules) -> Verdict {
        let copies = copies.iter().enumerate().map(|(n, e)| (OsdId(n as u32), e.as_ref())).collect();
        compare(&copies, rules)
    }
    fn set(osds: &[u32]) -> BTreeSet<OsdId> {
        osds.iter().copied().map(OsdId).collect()
    }

    #[test]
    fn copies_that_agree_are_clean_and_so_is_what_nobody_has() {
        let same = || Some(entry(V1, 5, &[]));
        assert!(judge(&[same(), same(), same()], RULES).is_clean());
        assert!(judge(&[None, None], RULES).is_clean());
    }

    #[test]
    fn a_unit_that_fails_its_checksum_is_repaired_from_any_copy_that_does_not() {
        let v = judge(
            &[Some(entry(V1, 5, &[0])), Some(entry(V1, 5, &[0, 4096])), Some(entry(V1, 5, &[]))],
            RULES,
        );
        assert_eq!(v.errors, BTreeSet::from([ScrubError::ReadError]));
        assert_eq!(v.repairs, BTreeMap::from([(0, set(&[0, 1])), (4096, set(&[1]))]));
        assert_eq!(v.bad_units, 3);
        assert_eq!(v.copies.keys().copied().collect::<BTreeSet<_>>(), set(&[0, 1]));
    }

    #[test]
    fn a_unit_that_is_bad_everywhere_is_reported_and_left() {
        let v = judge(&[Some(entry(V1, 5, &[0])), Some(entry(V1, 5, &[0]))], RULES);
        assert!(!v.is_clean() && v.repairs.is_empty());
    }

    #[test]
    fn sound_copies_that_differ_are_left_whatever_most_say() {
        let copies = [Some(entry(V1, 5, &[])), Some(entry(V1, 5, &[])), Some(entry(V1, 6, &[]))];
        let v = judge(&copies, RULES);
        assert_eq!(v.errors, BTreeSet::from([ScrubError::DataDigestMismatch]));
        assert!(v.repairs.is_empty() && v.copies.is_empty(), "nobody is blamed");
        let voted = judge(&copies, Rules { by_majority: true, ..RULES });
        assert_eq!(voted.repairs, BTreeMap::from([(0, set(&[2]))]), "what the sabotage would do");
        // Not even a bad unit is written over then: whose content is right is not known.
        let v = judge(&[Some(entry(V1, 5, &[0])), Some(entry(V1, 6, &[]))], RULES);
        assert!(v.repairs.is_empty());
    }

    #[test]
    fn the_log_says_who_is_behind_and_without_it_nobody_is_blamed() {
        let copies = [Some(entry(V2, 5, &[])), Some(entry(V1, 4, &[])), None];
        let v = judge(&copies, Rules { logged: Some(V2), ..RULES });
        assert_eq!(v.errors, BTreeSet::from([ScrubError::Missing, ScrubError::VersionMismatch]));
        assert_eq!(v.copies[&OsdId(1)], BTreeSet::from([ScrubError::VersionMismatch]));
        assert_eq!(v.copies[&OsdId(2)], BTreeSet::from([ScrubError::Missing]));
        let v = judge(&copies, RULES);
        assert!(!v.is_clean() && v.copies.is_empty());
    }

    #[test]
    fn what_missed_a_write_of_the_log_is_made_anew_and_nothing_else() {
        let logged = Rules { logged: Some(V2), ..RULES };
        let (new, old) = (|| Some(entry(V2, 5, &[])), || Some(entry(V1, 4, &[])));
        let whole = |copies: &[Option<ScrubEntry>], rules| judge(copies, rules).whole;
        let at_v2 = |right: &[u32]| Some(Whole { version: Some(V2), right: set(right) });
        assert_eq!(whole(&[new(), old(), None], logged), at_v2(&[0]), "one against two");
        assert_eq!(whole(&[new(), old(), None], RULES), None, "the log does not name it any more");
        assert_eq!(whole(&[new(), Some(entry(V2, 5, &[0])), old()], logged), at_v2(&[0]), "one is rotten");
        assert_eq!(whole(&[Some(entry(V2, 5, &[0])), old()], logged), None, "nobody can read it");
        assert_eq!(whole(&[new(), Some(entry(V2, 6, &[])), old()], logged), None, "those who have it differ");
        assert_eq!(whole(&[new(), new()], logged), None);
        let ahead = Version { interval: 1, seq: 3 };
        assert_eq!(whole(&[new(), Some(entry(ahead, 5, &[])), None], logged), None, "newer than the log");
        // Of a deletion nothing is left but the log.
        assert_eq!(whole(&[None, old(), None], logged), Some(Whole { version: None, right: set(&[0, 2]) }));
        assert_eq!(whole(&[old(), old(), old()], logged), None, "everybody missed it");
        assert_eq!(whole(&[new(), old()], Rules { shards: true, ..logged }), None);
    }

    #[test]
    fn shards_have_data_of_their_own() {
        let v = judge(&[Some(entry(V1, 5, &[])), Some(entry(V1, 6, &[0]))], Rules { shards: true, ..RULES });
        assert_eq!(v.errors, BTreeSet::from([ScrubError::ReadError]));
        assert_eq!(v.repairs, BTreeMap::from([(0, set(&[1]))]));
    }

    #[test]
    fn who_does_not_look_at_digests_finds_nothing() {
        let rules = Rules { skip_digests: true, ..RULES };
        assert!(judge(&[Some(entry(V1, 5, &[0])), Some(entry(V1, 6, &[]))], rules).is_clean());
    }
}
