//! One PG explained in sentences.

use super::pg_state::too_few_shards;
use super::tables::PgRowView;
use crate::cluster_map::ClusterMap;
use crate::pg_row::PgRow;
use crate::pool::Pool;

/// What is so, what it means for the data, what happens next.
pub(super) fn explain(row: &PgRow, pool: &Pool, map: &ClusterMap, view: &PgRowView) -> Vec<String> {
    let members = |ids: &[crate::OsdId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut lines = Vec::new();
    if row.lost {
        if let Some(fewest) = pool.fewest_shards() {
            lines.push(format!(
                "stores were replaced or damaged until fewer than {fewest} of {} shards were left; missing are {}",
                pool.size,
                missing_shards(row, pool, |_| true)
            ));
            lines.push("reads and writes wait; nothing is made up for what is missing".to_owned());
            lines.push(format!(
                "bring an old store back, or give the data up with `nacre pg recreate {}`",
                view.pgid
            ));
            return lines;
        }
        lines.push("every store that held all acknowledged writes was replaced or damaged".to_owned());
        lines.push("reads and writes wait; nothing is served as if it were empty".to_owned());
        lines.push(format!(
            "bring an old store back, or give the data up with `nacre pg recreate {}`",
            view.pgid
        ));
        return lines;
    }
    if row.interval == 0 {
        lines.push("no OSD of its up set has been up yet; it is given out when one is".to_owned());
        return lines;
    }
    lines.push(format!("every acknowledged write is on {}", members(&row.in_sync)));
    match row.primary {
        None => lines.push(format!(
            "none of them is up: reads and writes wait until one of {} starts",
            members(&row.in_sync)
        )),
        Some(_) if !row.activated && too_few_shards(row, pool, map) => lines.push(format!(
            "fewer than {} different shards are up: reads and writes wait until OSDs with some of shards {} start",
            pool.fewest_shards().unwrap_or_default(),
            missing_shards(row, pool, |osd| map.is_up(osd))
        )),
        Some(primary) if !row.activated => lines.push(format!(
            "{primary} became primary (interval {}) and is bringing the others to its state; reads and writes wait \
             for that, seconds at most",
            row.interval
        )),
        Some(primary) if row.copies() < pool.min_size as usize => lines.push(format!(
            "{primary} serves reads; writes wait because {} in-sync copies are fewer than min_size {}",
            row.copies(),
            pool.min_size
        )),
        Some(primary) => lines.push(format!("{primary} serves reads and writes")),
    }
    if !row.resting.is_empty() {
        lines.push(format!(
            "{} stopped and lack nothing so far; the first write goes on without them",
            members(&row.resting)
        ));
    }
    let joining: Vec<crate::OsdId> =
        view.up.iter().copied().filter(|o| *o != crate::OsdId::NONE && !row.in_sync.contains(o)).collect();
    if !joining.is_empty() {
        lines.push(format!(
            "{} are being filled ({} copies to go) and then join",
            members(&joining),
            view.missing_copies
        ));
    }
    if row.copies() + joining.len() < pool.size as usize {
        lines.push(format!(
            "{} copies are wanted and there are OSDs for {}: start or add OSDs",
            pool.size,
            row.copies() + joining.len()
        ));
    }
    lines
}

/// The shards that no member which is `there` holds.
pub(super) fn missing_shards(row: &PgRow, pool: &Pool, there: impl Fn(crate::OsdId) -> bool) -> String {
    let held: Vec<u32> =
        row.shards.iter().filter(|(osd, _)| there(**osd)).map(|(_, shard)| u32::from(*shard)).collect();
    let missing: Vec<String> =
        (0..pool.size).filter(|shard| !held.contains(shard)).map(|shard| shard.to_string()).collect();
    if missing.is_empty() { "none".to_owned() } else { missing.join(", ") }
}
