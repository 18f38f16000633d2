//! What scrubs and repairs found, and whether they happen.

use super::check;
use crate::cluster_map::ClusterMap;
use crate::stats::{PgStats, doing};
use crate::status::{Check, Severity, Volatile};
use stdx::time::WallTime;

/// Repairs at one OSD from which on its disk is suspected: Ceph's `mon_osd_warn_num_repaired`.
const REPAIRS_MANY: u64 = 10;

pub(super) fn checks(map: &ClusterMap, seen: &Volatile, now: WallTime) -> impl Iterator<Item = Check> {
    let late = |code, what: &str, interval: &str, percent: u64, stamp: fn(&PgStats) -> WallTime| {
        not_scrubbed(map, seen, now, (code, what), (interval, percent), stamp)
    };
    [
        damaged(seen),
        many_repairs(seen),
        late("PG_NOT_SCRUBBED", "compared", "osd_scrub_max_interval", 150, |s| s.scrubbed_at),
        late("PG_NOT_DEEP_SCRUBBED", "read through", "osd_deep_scrub_interval", 175, |s| s.deep_scrubbed_at),
    ]
    .into_iter()
    .flatten()
}

fn damaged(seen: &Volatile) -> Option<Check> {
    let hit: Vec<&PgStats> = seen.pgs.values().filter(|s| s.doing & doing::INCONSISTENT != 0).collect();
    if hit.is_empty() {
        return None;
    }
    let objects: u64 = hit.iter().map(|s| s.inconsistent).sum();
    let lines = hit.iter().flat_map(|s| {
        let whole = format!("pg {}: {} objects", s.pg, s.inconsistent);
        std::iter::once(whole).chain(s.inconsistent_examples.iter().map(|e| format!("pg {}: {e}", s.pg)))
    });
    check(
        "PG_DAMAGED",
        Severity::Err,
        format!(
            "{objects} objects in {} PGs have copies that are bad or differ; reads give only what matches its checksum, \
             or fail",
            hit.len()
        ),
        "a copy that fails its checksum is written again from one that does not; nothing is overwritten while it is \
         unclear which copy is right",
        "see which objects: nacre pg list-inconsistent PGID; look again and repair what can be proved: \
         nacre pg repair PGID; an object without a good copy must be written anew or restored",
        lines,
    )
}

fn many_repairs(seen: &Volatile) -> Option<Check> {
    let hit: Vec<String> = seen
        .osds
        .iter()
        .filter(|(_, s)| s.repaired >= REPAIRS_MANY)
        .map(|(osd, s)| format!("{osd}: {} reads repaired", s.repaired))
        .collect();
    if hit.is_empty() {
        return None;
    }
    check(
        "OSD_TOO_MANY_REPAIRS",
        Severity::Warn,
        format!(
            "the disks of {} OSDs often give back what does not match its checksum; it was repaired",
            hit.len()
        ),
        "each bad read is answered from another copy and written again",
        "look at these disks; if they fail, take the OSD out and replace it: nacre osd out ID",
        hit.into_iter(),
    )
}

fn not_scrubbed(
    map: &ClusterMap,
    seen: &Volatile,
    now: WallTime,
    (code, what): (&str, &str),
    (interval, percent): (&str, u64),
    stamp: fn(&PgStats) -> WallTime,
) -> Option<Check> {
    let interval: u64 = map.setting("mon", interval).and_then(|v| v.parse().ok())?;
    let limit = interval.saturating_mul(percent) / 100;
    let late = |s: &&PgStats| {
        stamp(s) > WallTime::default() && now.seconds().saturating_sub(stamp(s).seconds()) > limit
    };
    let hit: Vec<String> = seen.pgs.values().filter(late).map(|s| format!("pg {}", s.pg)).collect();
    if hit.is_empty() {
        return None;
    }
    check(
        code,
        Severity::Warn,
        format!("{} PGs were not {what} in time; damage in them may not have been noticed", hit.len()),
        "they are when it is their turn, unless flags or hours hold it back",
        "clear noscrub and nodeep-scrub, widen osd_scrub_begin_hour to osd_scrub_end_hour, or raise \
         osd_scrub_bytes_per_second",
        hit.into_iter(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{OsdId, PgId, PoolId};
    use crate::stats::OsdStats;

    fn seen(stats: PgStats, repaired: u64) -> Volatile {
        let mut seen = Volatile::default();
        seen.pgs.insert(stats.pg, stats);
        seen.osds.insert(OsdId(1), OsdStats { repaired, ..OsdStats::default() });
        seen
    }
    fn codes(stats: PgStats, repaired: u64, now: u64) -> Vec<String> {
        let (map, now) = (ClusterMap::default(), WallTime(now * 1_000_000_000));
        checks(&map, &seen(stats, repaired), now).map(|c| c.code).collect()
    }

    #[test]
    fn each_says_what_was_found() {
        let day = 86_400;
        let at = |days: u64| WallTime(days * day * 1_000_000_000);
        let fine = PgStats {
            pg: PgId { pool: PoolId(1), seed: 3 },
            interval: 1,
            doing: 0,
            objects: 1,
            bytes: 1,
            missing_copies: 0,
            recovered_objects_per_second: 0,
            recovered_bytes_per_second: 0,
            head: (1, 1),
            scrubbed_at: at(20),
            deep_scrubbed_at: at(20),
            inconsistent: 0,
            inconsistent_examples: Vec::new(),
        };
        assert_eq!(codes(fine.clone(), 9, 21 * day), [""; 0]);
        assert_eq!(codes(fine.clone(), 10, 21 * day), ["OSD_TOO_MANY_REPAIRS"]);
        assert_eq!(codes(fine.clone(), 0, 31 * day), ["PG_NOT_SCRUBBED"]);
        assert_eq!(codes(fine.clone(), 0, 33 * day), ["PG_NOT_SCRUBBED", "PG_NOT_DEEP_SCRUBBED"]);
        let unknown = PgStats { scrubbed_at: WallTime(0), deep_scrubbed_at: WallTime(0), ..fine.clone() };
        assert_eq!(codes(unknown, 0, 90 * day), [""; 0], "nobody told");
        let bad = PgStats {
            doing: doing::INCONSISTENT,
            inconsistent: 1,
            inconsistent_examples: vec!["object o: osd.2".into()],
            ..fine
        };
        let damaged = checks(&ClusterMap::default(), &seen(bad, 0), at(21)).next().unwrap();
        assert_eq!((damaged.code.as_str(), damaged.severity), ("PG_DAMAGED", Severity::Err));
        assert_eq!(damaged.detail, ["pg 1.3: 1 objects", "pg 1.3: object o: osd.2"]);
    }
}
