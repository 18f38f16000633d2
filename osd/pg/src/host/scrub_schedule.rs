//! Which PG is scrubbed when, and in how many scrubs an OSD takes part. Decides; tells nobody.

use crate::scrub::ScrubOrder;
use placement_map::{ClusterMap, Flag, PgId};
use std::collections::BTreeMap;
use std::time::Duration;
use stdx::time::WallTime;
use stdx::{Rng, Time};
use wire_codec::pg::ScrubStamps;

/// A slot that nothing came for in so long is free: its primary died, or its message was lost.
const SLOT_LASTS: Duration = Duration::from_secs(60);
const HOUR_SECONDS: u64 = 3600;

/// What an operator set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrubSettings {
    /// Seconds after which a PG is compared again; and by as much as half of it later, so that PGs take turns.
    pub min_interval_seconds: u64,
    /// Seconds after which all of a PG is read again, and by up to a sixth of it later.
    pub deep_interval_seconds: u64,
    /// Hours of the day (UTC) between which scrubs begin by themselves; any, if they are the same.
    pub hours: (u64, u64),
    /// Scrubs that an OSD takes part in at once, as primary or not.
    pub slots: usize,
    /// Bytes that an OSD reads for them in a second, at most.
    pub bytes_per_second: u64,
    /// None begins by itself (the flag `noscrub`).
    pub no_shallow: bool,
    /// No deep one begins by itself (the flag `nodeep-scrub`, or `noscrub`).
    pub no_deep: bool,
}

impl ScrubSettings {
    /// As the central settings and flags have it for a daemon.
    pub fn of(map: &ClusterMap, daemon: &str) -> ScrubSettings {
        let number = |key| map.setting(daemon, key).and_then(|v| v.parse().ok());
        let size = |key| map.setting(daemon, key).and_then(placement_map::config::parse_size);
        ScrubSettings {
            min_interval_seconds: number("osd_scrub_min_interval").unwrap_or(86_400),
            deep_interval_seconds: number("osd_deep_scrub_interval").unwrap_or(604_800),
            hours: (
                number("osd_scrub_begin_hour").unwrap_or(0) % 24,
                number("osd_scrub_end_hour").unwrap_or(0) % 24,
            ),
            slots: number("osd_max_scrubs").unwrap_or(1) as usize,
            bytes_per_second: size("osd_scrub_bytes_per_second").unwrap_or(64 << 20).max(64 << 10),
            no_shallow: map.flags.has(Flag::NoScrub),
            no_deep: map.flags.has(Flag::NoScrub) || map.flags.has(Flag::NoDeepScrub),
        }
    }

    fn is_time(&self, now: WallTime) -> bool {
        let hour = now.seconds() / HOUR_SECONDS % 24;
        let (begin, end) = self.hours;
        match begin.cmp(&end) {
            std::cmp::Ordering::Equal => true,
            std::cmp::Ordering::Less => (begin..end).contains(&hour),
            std::cmp::Ordering::Greater => hour >= begin || hour < end,
        }
    }

    /// What a PG is due for at `now`, and since when. The same PG and stamp always give the same delay, so that asking
    /// often makes nothing come sooner.
    fn due(&self, pg: PgId, stamps: ScrubStamps, now: WallTime) -> Option<(u64, ScrubOrder)> {
        let after = |stamp: WallTime, interval: u64, spread: u64| {
            let seed = stamp.0 ^ (u64::from(pg.seed) << 32) ^ pg.pool.0;
            let late = Rng::new(seed).below(interval / spread + 1);
            let at = stamp.seconds().saturating_add(interval).saturating_add(late);
            (at <= now.seconds()).then_some(at)
        };
        let deep = after(stamps.deep, self.deep_interval_seconds, 6).filter(|_| !self.no_deep);
        if let Some(at) = deep {
            return Some((at, ScrubOrder { deep: true, at: now }));
        }
        let shallow = after(stamps.shallow, self.min_interval_seconds, 2).filter(|_| !self.no_shallow);
        shallow.map(|at| (at, ScrubOrder { deep: false, at: now }))
    }
}

/// Who takes part in what, at one OSD.
#[derive(Debug, Default)]
pub struct ScrubSchedule {
    slots: BTreeMap<PgId, Time>,
}

impl ScrubSchedule {
    /// Takes a slot for a PG, or keeps it. False: there is none.
    pub fn take(&mut self, now: Time, pg: PgId, settings: &ScrubSettings) -> bool {
        self.slots.retain(|_, taken| now.since(*taken) < SLOT_LASTS);
        let has = self.slots.contains_key(&pg) || self.slots.len() < settings.slots;
        if has {
            self.slots.insert(pg, now);
        }
        has
    }
    /// A PG needs its slot no more.
    pub fn give_back(&mut self, pg: PgId) {
        self.slots.remove(&pg);
    }

    /// Of the PGs that could be scrubbed (active+clean, their primary here, none under way), the one that is most
    /// overdue, if there is a slot for it.
    pub fn next(
        &mut self,
        now: Time,
        wall: WallTime,
        could: impl Iterator<Item = (PgId, ScrubStamps)>,
        settings: &ScrubSettings,
    ) -> Option<(PgId, ScrubOrder)> {
        self.slots.retain(|_, taken| now.since(*taken) < SLOT_LASTS);
        if self.slots.len() >= settings.slots || !settings.is_time(wall) {
            return None;
        }
        let due = could.filter_map(|(pg, stamps)| {
            let (since, order) = settings.due(pg, stamps, wall)?;
            Some((since, pg, order))
        });
        due.min_by_key(|(since, pg, _)| (*since, *pg)).map(|(_, pg, order)| (pg, order))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use placement_map::PoolId;

    const DAY: u64 = 86_400;

    fn pg(seed: u32) -> PgId {
        PgId { pool: PoolId(1), seed }
    }
    fn at(seconds: u64) -> WallTime {
        WallTime(seconds * 1_000_000_000)
    }
    fn settings() -> ScrubSettings {
        ScrubSettings::of(&ClusterMap::default(), "osd.0")
    }
    fn stamps(shallow: u64, deep: u64) -> ScrubStamps {
        ScrubStamps { shallow: at(shallow), deep: at(deep), errors: 0 }
    }

    #[test]
    fn pgs_come_due_one_after_the_other_within_half_an_interval() {
        let s = settings();
        let due = |pg, seconds| s.due(pg, stamps(1, 1), at(seconds)).is_some();
        assert!((0..100).all(|n| !due(pg(n), DAY)), "not before the interval is over");
        assert!((0..100).all(|n| due(pg(n), DAY * 3 / 2 + 2)), "and half of it later all are");
        let half = (0..100).filter(|n| due(pg(*n), DAY * 5 / 4)).count();
        assert!((25..75).contains(&half), "in between about half: {half}");
    }

    #[test]
    fn a_deep_one_comes_first_and_flags_hold_back_their_kind() {
        let old = stamps(1, 1);
        let now = at(30 * DAY);
        assert!(settings().due(pg(1), old, now).unwrap().1.deep);
        let mut map = ClusterMap::default();
        map.flags.set(Flag::NoDeepScrub, true);
        assert!(!ScrubSettings::of(&map, "osd.0").due(pg(1), old, now).unwrap().1.deep);
        map.flags.set(Flag::NoScrub, true);
        assert_eq!(ScrubSettings::of(&map, "osd.0").due(pg(1), old, now), None);
    }

    #[test]
    fn hours_may_go_over_midnight() {
        let night = ScrubSettings { hours: (22, 6), ..settings() };
        let hour = |h: u64| at(5 * DAY + h * HOUR_SECONDS);
        assert!([22, 23, 0, 5].iter().all(|h| night.is_time(hour(*h))));
        assert!([6, 12, 21].iter().all(|h| !night.is_time(hour(*h))));
        let day = ScrubSettings { hours: (9, 17), ..settings() };
        assert!(day.is_time(hour(9)) && !day.is_time(hour(17)) && !day.is_time(hour(0)));
        assert!(settings().is_time(hour(3)));
    }

    #[test]
    fn slots_are_few_and_end_with_whoever_took_them() {
        let (s, now) = (settings(), Time(1) + SLOT_LASTS);
        let mut schedule = ScrubSchedule::default();
        assert!(schedule.take(now, pg(1), &s) && schedule.take(now, pg(1), &s));
        assert!(!schedule.take(now, pg(2), &s), "one at once");
        let old = || [(pg(2), stamps(1, 1)), (pg(3), stamps(0, 0))].into_iter();
        assert_eq!(schedule.next(now, at(30 * DAY), old(), &s), None);
        schedule.give_back(pg(1));
        assert_eq!(schedule.next(now, at(30 * DAY), old(), &s).map(|(pg, _)| pg.pool), Some(PoolId(1)));
        assert!(schedule.take(now, pg(2), &s));
        assert!(!schedule.take(now + SLOT_LASTS / 2, pg(3), &s));
        assert!(schedule.take(now + SLOT_LASTS, pg(3), &s), "nobody came for it");
    }
}
