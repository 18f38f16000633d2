//! The health checks.

mod daemons;
mod pg_num;
mod scrub;

use super::answer::pg_rows;
use super::{Check, Health, PgRowView, Severity, Volatile, explain, pg_state};
use crate::apply::hosts_suffice;
use crate::cluster_map::ClusterMap;
use crate::flags::MapFlags;
use crate::ids::OsdId;
use crate::state::ClusterState;
use stdx::time::WallTime;

/// Most lines of detail in one check.
const DETAIL_MAX: usize = 50;

/// Runs all checks.
pub(super) fn health(state: &ClusterState, seen: &Volatile, now: WallTime) -> Health {
    let mut checks = Vec::new();
    let pgs = pg_rows(state, seen);
    checks.extend(monitors_down(state.map(), seen));
    checks.extend(daemons::clock_skew(state.map(), seen));
    checks.extend(daemons::held_back(state.map(), seen));
    checks.extend(osds_down(state.map(), now));
    checks.extend(osds_full(state.map(), seen));
    checks.extend(pgs_incomplete(state, &pgs));
    checks.extend(pgs_unavailable(state, &pgs));
    checks.extend(pgs_below_min_size(state, &pgs));
    checks.extend(pgs_degraded(&pgs));
    checks.extend(scrub::checks(state.map(), seen, now));
    checks.extend(pg_num::checks(state));
    checks.extend(flags_set(state.map().flags));
    checks.extend(wider_domain(state.map()));
    checks.extend(slow_ops(seen));
    checks.sort_by_key(|check| std::cmp::Reverse(check.severity));
    let status = checks.first().map_or(Severity::Ok, |worst| worst.severity);
    Health { status, checks }
}

fn check(
    code: &str,
    severity: Severity,
    summary: String,
    next: &str,
    action: &str,
    detail: impl Iterator<Item = String>,
) -> Option<Check> {
    let (next, action) = (next.to_owned(), action.to_owned());
    Some(Check {
        code: code.to_owned(),
        severity,
        summary,
        next,
        action,
        detail: detail.take(DETAIL_MAX).collect(),
    })
}

fn monitors_down(map: &ClusterMap, seen: &Volatile) -> Option<Check> {
    let away: Vec<&String> =
        map.monitors.keys().filter(|name| !seen.quorum.members.contains(*name)).collect();
    if away.is_empty() || seen.quorum.members.is_empty() {
        return None;
    }
    check(
        "MON_DOWN",
        Severity::Warn,
        format!("{} of {} monitors do not answer; data is served as before", away.len(), map.monitors.len()),
        "they catch up by themselves when they are back; without a majority the map cannot change",
        "start them: nacre daemon start NAME",
        away.into_iter().cloned(),
    )
}

fn osds_down(map: &ClusterMap, now: WallTime) -> Option<Check> {
    let down: Vec<(&OsdId, &crate::OsdInfo)> =
        map.osds.iter().filter(|(_, osd)| !osd.up && osd.is_in() && osd.up_from.0 > 0).collect();
    if down.is_empty() {
        return None;
    }
    let line = |(id, osd): &(&OsdId, &crate::OsdInfo)| {
        format!("{id} is down for {} s", now.seconds().saturating_sub(osd.down_since.seconds()))
    };
    let wait = map.setting("mon", "mon_osd_down_out_interval").unwrap_or_default();
    let next = match wait {
        "0" => "their copies stay missing until they are back".to_owned(),
        _ => format!(
            "they are marked out {wait} s after they stopped, and their copies are made anew elsewhere where there is room"
        ),
    };
    check(
        "OSD_DOWN",
        Severity::Warn,
        format!("{} of {} OSDs are down; what they hold has fewer copies", down.len(), map.osds.len()),
        &next,
        "start them: nacre daemon start osd.N; if the disk is gone: nacre osd out N, and add another",
        down.iter().map(line),
    )
}

fn osds_full(map: &ClusterMap, seen: &Volatile) -> Vec<Check> {
    let ratio =
        |key: &str, default: f64| map.setting("mon", key).and_then(|v| v.parse().ok()).unwrap_or(default);
    let (near, full) = (ratio("mon_osd_nearfull_ratio", 0.85), ratio("mon_osd_full_ratio", 0.95));
    let used = |s: &crate::stats::OsdStats| s.used_bytes as f64 / s.total_bytes.max(1) as f64;
    // An OSD knows best when it refuses writes: a small one must stop earlier than the ratio says.
    let is_full = |s: &crate::stats::OsdStats| s.full || used(s) >= full;
    let named = |wanted: &dyn Fn(&crate::stats::OsdStats) -> bool| -> Vec<String> {
        let hit = seen.osds.iter().filter(|(id, s)| map.is_up(**id) && wanted(s));
        let early = |s: &crate::stats::OsdStats| s.full && used(s) < full;
        let line = |(id, s): (&OsdId, &crate::stats::OsdStats)| {
            let why = match early(s) {
                true => {
                    ", and takes no more: it is small, or no room is left for its index; its log says which"
                }
                false => "",
            };
            format!("{id} is {:.0}% full{why}", used(s) * 100.0)
        };
        hit.map(line).collect()
    };
    let (nearly, fully) = (named(&|s| !is_full(s) && used(s) >= near), named(&is_full));
    let mut checks = Vec::new();
    if !fully.is_empty() {
        checks.extend(check(
            "OSD_FULL",
            Severity::Err,
            format!("{} OSDs are full; writes that reach them fail, reads and deletes go on", fully.len()),
            "nothing changes until space is free",
            "delete data, or add OSDs",
            fully.into_iter(),
        ));
    }
    if !nearly.is_empty() {
        checks.extend(check(
            "OSD_NEARFULL",
            Severity::Warn,
            format!("{} OSDs are nearly full; all data is safe", nearly.len()),
            "writes stop when they are full",
            "delete data, or add OSDs soon",
            nearly.into_iter(),
        ));
    }
    checks
}

fn lines<'a>(pgs: &'a [&PgRowView]) -> impl Iterator<Item = String> + 'a {
    pgs.iter().map(|view| {
        let acting: Vec<String> = view.acting.iter().map(OsdId::short).collect();
        format!("pg {} is {}, acting [{}]", view.pgid, view.state, acting.join(","))
    })
}

fn in_state<'a>(pgs: &'a [PgRowView], words: &[&str]) -> Vec<&'a PgRowView> {
    pgs.iter().filter(|view| view.state.split('+').any(|word| words.contains(&word))).collect()
}

/// The same; of erasure-coded ones that do not serve, with the shards that nobody has who is there.
fn lines_with_shards<'a>(
    state: &'a ClusterState,
    pgs: &'a [&PgRowView],
) -> impl Iterator<Item = String> + 'a {
    let missing = |view: &PgRowView| {
        let (row, pool) = (state.row(view.pgid)?, state.map().pools.get(&view.pgid.pool)?);
        let stopped = row.lost || pg_state::too_few_shards(row, pool, state.map());
        let fewest = pool.fewest_shards().filter(|_| row.interval > 0 && stopped)?;
        let there = |osd| row.lost || state.map().is_up(osd);
        let missing = explain::missing_shards(row, pool, there);
        Some(format!("; shards {missing} are missing, and any {fewest} of {} are needed", pool.size))
    };
    lines(pgs).zip(pgs.iter().copied()).map(move |(line, view)| line + &missing(view).unwrap_or_default())
}

fn pgs_incomplete(state: &ClusterState, pgs: &[PgRowView]) -> Option<Check> {
    let hit = in_state(pgs, &["incomplete"]);
    if hit.is_empty() {
        return None;
    }
    check(
        "PG_INCOMPLETE",
        Severity::Err,
        format!("{} PGs lost every store that held all their acknowledged writes", hit.len()),
        "reads and writes of them wait; they are never served as if empty",
        "bring an old store back, or give their data up: nacre pg recreate PGID",
        lines_with_shards(state, &hit),
    )
}

fn pgs_unavailable(state: &ClusterState, pgs: &[PgRowView]) -> Option<Check> {
    let hit = in_state(pgs, &["down", "peering", "creating"]);
    if hit.is_empty() {
        return None;
    }
    let down = hit.iter().filter(|view| view.state == "down").count();
    let severity = if down > 0 { Severity::Err } else { Severity::Warn };
    check(
        "PG_AVAILABILITY",
        severity,
        format!(
            "{} PGs do not serve at the moment ({down} of them have no in-sync OSD up); reads and writes of them wait",
            hit.len()
        ),
        "those that peer go on within seconds; those that are down when one of their OSDs is back",
        "start the OSDs that are down: nacre osd tree",
        lines_with_shards(state, &hit),
    )
}

fn pgs_below_min_size(state: &ClusterState, pgs: &[PgRowView]) -> Option<Check> {
    let blocked = |view: &&PgRowView| {
        let (Some(row), Some(pool)) = (state.row(view.pgid), state.map().pools.get(&view.pgid.pool)) else {
            return false;
        };
        row.activated && row.copies() < pool.min_size as usize
    };
    let hit: Vec<&PgRowView> = pgs.iter().filter(blocked).collect();
    if hit.is_empty() {
        return None;
    }
    check(
        "PG_BELOW_MIN_SIZE",
        Severity::Err,
        format!("{} PGs have fewer in-sync copies than min_size; reads are served, writes wait", hit.len()),
        "writes go on by themselves once enough OSDs are back and caught up",
        "start the OSDs that are down",
        lines(&hit),
    )
}

fn pgs_degraded(pgs: &[PgRowView]) -> Option<Check> {
    let hit = in_state(pgs, &["degraded", "undersized"]);
    if hit.is_empty() {
        return None;
    }
    let filling = in_state(pgs, &["recovering", "backfilling", "recovery_wait", "backfill_wait"]).len();
    check(
        "PG_DEGRADED",
        Severity::Warn,
        format!("{} PGs have fewer copies than wanted; every acknowledged write is still safe", hit.len()),
        &format!("{filling} PGs are being filled right now; the others wait for OSDs"),
        "start OSDs that are down, or add some; while they fill there is nothing to do",
        lines(&hit),
    )
}

fn flags_set(flags: MapFlags) -> Option<Check> {
    if flags == MapFlags::default() {
        return None;
    }
    check(
        "OSDMAP_FLAGS",
        Severity::Warn,
        format!("flags are set: {flags}; the cluster does not repair itself as it would"),
        "they stay until somebody clears them",
        "clear them when the work is done: nacre osd unset FLAG",
        std::iter::empty(),
    )
}

fn wider_domain(map: &ClusterMap) -> Option<Check> {
    let osd_rule = map.crush.rule_id("replicated_osd")?;
    let hit: Vec<String> = map
        .pools
        .values()
        .filter(|pool| pool.size > 1 && pool.crush_rule == osd_rule && hosts_suffice(map, pool.size))
        .map(|pool| format!("nacre pool set {} failure_domain host", pool.name))
        .collect();
    if hit.is_empty() {
        return None;
    }
    check(
        "POOL_FAILURE_DOMAIN",
        Severity::Warn,
        format!(
            "{} pools may keep several copies on one host although there are hosts enough; losing one host can stop them",
            hit.len()
        ),
        "nothing changes by itself",
        "widen the failure domain with the commands below; data moves in the background",
        hit.into_iter(),
    )
}

fn slow_ops(seen: &Volatile) -> Option<Check> {
    let hit: Vec<String> = seen
        .osds
        .iter()
        .filter(|(_, s)| s.slow_ops > 0)
        .map(|(id, s)| format!("{id}: {}", s.slow_ops))
        .collect();
    if hit.is_empty() {
        return None;
    }
    check(
        "SLOW_OPS",
        Severity::Warn,
        format!("operations wait for long on {} OSDs; nothing is lost", hit.len()),
        "they finish when the OSD's disk or its peers answer",
        "look at the disks and links of these OSDs",
        hit.into_iter(),
    )
}
