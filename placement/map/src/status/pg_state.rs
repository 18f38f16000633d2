//! The words for a PG's state, as Ceph's operators know them.

use crate::cluster_map::ClusterMap;
use crate::ids::OsdId;
use crate::mapping::Up;
use crate::pg_row::PgRow;
use crate::pool::Pool;
use crate::stats::{PgStats, doing};

/// `active+clean`, `active+undersized+degraded`, `peering`, `down`, `incomplete`, ...
///
/// * `active`: its primary may serve; else `peering`, `down` (nobody in sync is up, or too few shards are), `incomplete` (every in-sync
///   store was lost) or `creating` (never given to anybody).
/// * `undersized`: fewer in-sync copies than the pool wants; `degraded` beside it, since objects lack copies.
///   Fewer than `min_size`: writes wait.
/// * `remapped`: others than the up set hold it for now.
/// * `clean`: as many copies as wanted, nothing under way.
pub fn pg_state(row: &PgRow, up: &Up, pool: &Pool, map: &ClusterMap, stats: Option<&PgStats>) -> String {
    if row.lost {
        return "incomplete".to_owned();
    }
    if row.interval == 0 {
        return "creating".to_owned();
    }
    if row.primary.is_none() {
        return "down".to_owned();
    }
    if !row.activated {
        return if too_few_shards(row, pool, map) { "down" } else { "peering" }.to_owned();
    }
    let mut words = vec!["active"];
    let short = row.copies() < pool.size as usize;
    // A report counts only for the interval it was made in.
    let doing = stats.filter(|s| s.interval == row.interval).map_or(0, |s| s.doing);
    let differs = |osd: &OsdId| *osd != OsdId::NONE && !row.in_sync.contains(osd);
    let joining = up.set.iter().any(differs);
    if short {
        words.extend(["undersized", "degraded"]);
    }
    if up.primary != row.primary || joining && !short || row.in_sync.iter().any(|osd| !up.set.contains(osd)) {
        words.push("remapped");
    }
    for (bit, word) in [
        (doing::RECOVERING, "recovering"),
        (doing::RECOVERY_WAIT, "recovery_wait"),
        (doing::BACKFILLING, "backfilling"),
        (doing::BACKFILL_WAIT, "backfill_wait"),
        (doing::SCRUBBING, "scrubbing"),
        (doing::DEEP, "deep"),
        (doing::SNAPTRIM, "snaptrim"),
        (doing::INCONSISTENT, "inconsistent"),
    ] {
        if doing & bit != 0 {
            words.push(word);
        }
    }
    let filling = doing::RECOVERING | doing::RECOVERY_WAIT | doing::BACKFILLING | doing::BACKFILL_WAIT;
    if !short && !joining && doing & filling == 0 {
        words.insert(1, "clean");
    }
    words.join("+")
}

/// Whether fewer shards are up than it takes to have the objects.
pub(super) fn too_few_shards(row: &PgRow, pool: &Pool, map: &ClusterMap) -> bool {
    let up: Vec<OsdId> = row.in_sync.iter().copied().filter(|osd| map.is_up(*osd)).collect();
    pool.fewest_shards().is_some_and(|fewest| row.copies_of(&up) < fewest)
}
