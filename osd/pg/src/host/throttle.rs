//! Which PGs may fill their joiners now, so that clients come first and memory is bounded: each PG keeps a few
//! pieces of objects under way. Decides; tells nobody.

use crate::Filling;
use placement_map::{ClusterMap, Flag, PgId};
use std::collections::BTreeMap;

/// How many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// PGs, whatever they do.
    pub active: usize,
    /// Of those, PGs that compare everything.
    pub backfills: usize,
    /// Whether a log's objects are copied at all (not with the flag `norecover`).
    pub recovers: bool,
    /// Whether copies that nobody lacks are made elsewhere (not with the flag `norebalance`).
    pub rebalances: bool,
}

impl Limits {
    /// As the central settings have it for a daemon.
    pub fn of(map: &ClusterMap, daemon: &str) -> Limits {
        let count = |key| map.setting(daemon, key).and_then(|v| v.parse().ok()).unwrap_or(1);
        let backfills = if map.flags.has(Flag::NoBackfill) { 0 } else { count("osd_max_backfills") };
        Limits {
            active: count("osd_recovery_max_active"),
            backfills,
            recovers: !map.flags.has(Flag::NoRecover),
            rebalances: !map.flags.has(Flag::NoRebalance),
        }
    }

    /// Whether this kind goes on at all, whatever else does.
    fn allows(&self, filling: Filling) -> bool {
        match filling {
            Filling::Nothing => false,
            Filling::Recovery => self.recovers,
            Filling::Rebalance => self.rebalances && self.backfills > 0,
            Filling::Backfill => self.backfills > 0,
        }
    }
}

/// Whose turn it is.
#[derive(Debug, Default)]
pub struct Throttle {
    allowed: BTreeMap<PgId, Filling>,
    /// Some PG had to wait.
    waiting: bool,
}

impl Throttle {
    /// Whether a turn that ends is somebody's gain.
    pub fn is_busy(&self) -> bool {
        self.waiting || !self.allowed.is_empty()
    }

    /// From what each PG could do, whose turn it is now; gives those for whom that changed. A PG keeps its turn
    /// until it has nothing left to do: what is half filled is finished first.
    pub fn decide(
        &mut self,
        could: impl IntoIterator<Item = (PgId, Filling)>,
        limits: Limits,
    ) -> Vec<(PgId, bool)> {
        let wanted: BTreeMap<PgId, Filling> =
            could.into_iter().filter(|(_, filling)| *filling != Filling::Nothing).collect();
        let before = std::mem::take(&mut self.allowed);
        let (keep, new): (Vec<_>, Vec<_>) = wanted.iter().partition(|(pg, _)| before.contains_key(pg));
        let mut backfills = 0;
        self.waiting = false;
        for (pg, filling) in keep.into_iter().chain(new) {
            if !limits.allows(*filling) {
                // Not busy with it: a map without the flag brings the next look.
                continue;
            }
            let backfill = matches!(filling, Filling::Backfill | Filling::Rebalance);
            if self.allowed.len() < limits.active && (!backfill || backfills < limits.backfills) {
                backfills += usize::from(backfill);
                self.allowed.insert(*pg, *filling);
            } else {
                self.waiting = true;
            }
        }
        let ended = before.keys().filter(|pg| !self.allowed.contains_key(pg)).map(|pg| (*pg, false));
        let begun = self.allowed.keys().filter(|pg| !before.contains_key(pg)).map(|pg| (*pg, true));
        ended.chain(begun).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use placement_map::PoolId;

    fn pg(seed: u32) -> PgId {
        PgId { pool: PoolId(1), seed }
    }

    #[test]
    fn turns_are_kept_until_there_is_nothing_to_do_and_then_given_on() {
        let limits = Limits { active: 2, backfills: 1, recovers: true, rebalances: true };
        let (r, b, n) = (Filling::Recovery, Filling::Backfill, Filling::Nothing);
        let mut t = Throttle::default();
        assert!(!t.is_busy());
        let first = t.decide([(pg(1), b), (pg(2), b), (pg(3), r), (pg(4), r)], limits);
        assert_eq!(first, [(pg(1), true), (pg(3), true)], "one backfill, and two altogether");
        let again = t.decide([(pg(0), r), (pg(1), b), (pg(2), b), (pg(3), r), (pg(4), r)], limits);
        assert_eq!(again, [], "nobody is turned out for a newcomer");
        let next = t.decide([(pg(1), n), (pg(2), b), (pg(3), r), (pg(4), r)], limits);
        assert_eq!(next, [(pg(1), false), (pg(2), true)]);
        let less = t.decide([(pg(2), b), (pg(3), r)], Limits { active: 1, ..limits });
        assert_eq!(less, [(pg(3), false)]);
        assert!(t.is_busy());
        assert_eq!(t.decide([(pg(2), n)], limits), [(pg(2), false)]);
        assert!(!t.is_busy());
    }

    #[test]
    fn flags_stop_their_kind_and_no_other() {
        let all = [(pg(1), Filling::Recovery), (pg(2), Filling::Backfill), (pg(3), Filling::Rebalance)];
        let may = |map: &ClusterMap| {
            let mut limits = Limits::of(map, "osd.0");
            limits.active = 9;
            limits.backfills *= 9;
            Throttle::default().decide(all, limits).into_iter().map(|(pg, _)| pg.seed).collect::<Vec<_>>()
        };
        let mut map = ClusterMap::default();
        assert_eq!(may(&map), [1, 2, 3]);
        for (flag, left) in
            [(Flag::NoRecover, &[2, 3][..]), (Flag::NoBackfill, &[1]), (Flag::NoRebalance, &[1, 2])]
        {
            map.flags.set(flag, true);
            assert_eq!(may(&map), left, "{flag:?}");
            map.flags.set(flag, false);
        }
    }

    #[test]
    fn a_flag_ends_turns_that_were_given() {
        let limits = Limits { active: 2, backfills: 1, recovers: true, rebalances: true };
        let mut t = Throttle::default();
        t.decide([(pg(1), Filling::Recovery)], limits);
        let stopped = t.decide([(pg(1), Filling::Recovery)], Limits { recovers: false, ..limits });
        assert_eq!(stopped, [(pg(1), false)]);
    }
}
