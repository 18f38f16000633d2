//! From a question, a state and the latest reports to the answer.

use super::tables::{
    Capacity, ConfigRow, DaemonVersion, EcProfileRow, MonRow, OsdCounts, OsdRow, PgCount, PgDetail,
    PgRowView, Placement, PoolRow,
};
use super::{Answer, Query, Status, Volatile, checks, pg_state, progress, tree};
use crate::config::SETTINGS;
use crate::feature::level_said;
use crate::ids::{OsdId, PgId};
use crate::osd::{OsdInfo, WEIGHT_ONE};
use crate::pool::PoolKind;
use crate::refusal::Refusal;
use crate::state::ClusterState;
use std::collections::BTreeMap;
use stdx::time::WallTime;

/// Answers a question; the error is a sentence on what does not exist.
pub fn answer(
    state: &ClusterState,
    seen: &Volatile,
    query: &Query,
    now: WallTime,
) -> Result<Answer, Refusal> {
    Ok(match query {
        Query::Status => Answer::Status(Box::new(status(state, seen, now))),
        Query::Health => Answer::Health(checks::health(state, seen, now)),
        Query::OsdTree => Answer::OsdTree { nodes: tree::tree(state.map()) },
        Query::OsdDf => Answer::OsdDf { osds: osd_rows(state, seen) },
        Query::PgLs => Answer::PgLs { pgs: pg_rows(state, seen) },
        Query::PgQuery(pg) => Answer::PgQuery(Box::new(detail(state, seen, *pg)?)),
        Query::PoolLs => Answer::PoolLs { pools: pool_rows(state, seen) },
        Query::MonLs => Answer::MonLs { mons: MonRow::all(state.map(), &seen.quorum) },
        Query::ConfigLs => Answer::ConfigLs { config: config_rows(state) },
        Query::ObjectPlacement { pool, namespace, locator, name } => {
            Answer::ObjectPlacement(placement(state, pool, namespace, locator, name)?)
        }
        Query::EcProfileLs => Answer::EcProfileLs { profiles: EcProfileRow::all(state.map()) },
        Query::ConfigLog => {
            Answer::ConfigLog { changes: state.config_log().entries().rev().cloned().collect() }
        }
        Query::OkToStop(osds) => Answer::PgLs { pgs: would_block(state, seen, osds) },
    })
}

pub(super) fn millionths(weight: u32) -> u64 {
    u64::from(weight) * 1_000_000 / u64::from(WEIGHT_ONE)
}

fn status(state: &ClusterState, seen: &Volatile, now: WallTime) -> Status {
    let map = state.map();
    let mut by_state: BTreeMap<String, u32> = BTreeMap::new();
    for view in pg_rows(state, seen) {
        *by_state.entry(view.state).or_default() += 1;
    }
    let mut pgs: Vec<PgCount> = by_state.into_iter().map(|(state, count)| PgCount { state, count }).collect();
    pgs.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.state.cmp(&b.state)));
    let count = |keep: fn(&OsdInfo) -> bool| map.osds.values().filter(|osd| keep(osd)).count() as u32;
    let up_stats = || seen.osds.iter().filter(|(id, _)| map.is_up(**id)).map(|(_, stats)| stats);
    let total_bytes = up_stats().map(|s| s.total_bytes).sum();
    let used_bytes = up_stats().map(|s| s.used_bytes).sum();
    Status {
        fsid: map.fsid.to_string(),
        epoch: map.epoch,
        health: checks::health(state, seen, now),
        monitors: MonRow::all(map, &seen.quorum),
        leader: seen.quorum.leader.clone(),
        osds: OsdCounts { total: count(|_| true), up: count(|osd| osd.up), r#in: count(OsdInfo::is_in) },
        flags: map.flags.to_string(),
        pools: map.pools.len() as u32,
        pgs,
        objects: seen.pgs.values().map(|s| s.objects).sum(),
        bytes: seen.pgs.values().map(|s| s.bytes).sum(),
        capacity: Capacity {
            total_bytes,
            used_bytes,
            avail_bytes: u64::saturating_sub(total_bytes, used_bytes),
            compressed_bytes: up_stats().map(|s| s.compressed_bytes).sum(),
            compressed_original_bytes: up_stats().map(|s| s.compressed_original_bytes).sum(),
        },
        recovery: progress::progress(state, seen),
        reads_per_second: up_stats().map(|s| u64::from(s.reads_per_second)).sum(),
        writes_per_second: up_stats().map(|s| u64::from(s.writes_per_second)).sum(),
        read_bytes_per_second: up_stats().map(|s| s.read_bytes_per_second).sum(),
        write_bytes_per_second: up_stats().map(|s| s.write_bytes_per_second).sum(),
        feature_level: level_said(map.feature_level),
        versions: DaemonVersion::all(map, seen),
        recovered_objects: up_stats().map(|s| s.recovered_objects).sum(),
        recovered_bytes: up_stats().map(|s| s.recovered_bytes).sum(),
    }
}

fn osd_rows(state: &ClusterState, seen: &Volatile) -> Vec<OsdRow> {
    let map = state.map();
    let mut pgs: BTreeMap<OsdId, u32> = BTreeMap::new();
    for pg in map.pgs() {
        for osd in state.mapping().up_acting(map, pg).acting {
            *pgs.entry(osd).or_default() += 1;
        }
    }
    let row = |(id, osd): (&OsdId, &OsdInfo)| {
        let item = i32::try_from(id.0).unwrap_or(i32::MAX);
        let stats = seen.osds.get(id);
        OsdRow {
            id: *id,
            up: osd.up,
            r#in: osd.is_in(),
            class: map.crush.device_class(item).map(str::to_owned),
            host: map
                .crush
                .location_of(item)
                .into_iter()
                .find(|(kind, _)| kind == "host")
                .map(|(_, name)| name),
            addr: osd.addr.map(|addr| addr.to_string()),
            crush_weight_millionths: millionths(map.crush.item_weight(item).unwrap_or(0)),
            reweight_millionths: millionths(osd.weight),
            total_bytes: stats.map(|s| s.total_bytes),
            used_bytes: stats.map(|s| s.used_bytes),
            pgs: pgs.get(id).copied().unwrap_or(0),
        }
    };
    map.osds.iter().map(row).collect()
}

pub(super) fn pg_view(state: &ClusterState, seen: &Volatile, pg: PgId) -> Option<PgRowView> {
    let (map, row, up) = (state.map(), state.row(pg)?, state.mapping().up(pg)?);
    let stats = seen.pgs.get(&pg);
    let acting = state.mapping().up_acting(map, pg);
    Some(PgRowView {
        pgid: pg,
        state: pg_state(row, up, map.pools.get(&pg.pool)?, map, stats),
        up: acting.up,
        acting: acting.acting,
        primary: row.primary,
        objects: stats.map_or(0, |s| s.objects),
        bytes: stats.map_or(0, |s| s.bytes),
        missing_copies: stats.filter(|s| s.interval == row.interval).map_or(0, |s| s.missing_copies),
    })
}

pub(super) fn pg_rows(state: &ClusterState, seen: &Volatile) -> Vec<PgRowView> {
    state.map().pgs().filter_map(|pg| pg_view(state, seen, pg)).collect()
}

fn detail(state: &ClusterState, seen: &Volatile, pg: PgId) -> Result<PgDetail, Refusal> {
    let missing = || Refusal::not_found(format!("PG {pg} does not exist; `nacre pg ls` shows those that do"));
    let view = pg_view(state, seen, pg).ok_or_else(missing)?;
    let row = state.row(pg).ok_or_else(missing)?;
    let pool = state.map().pools.get(&pg.pool).ok_or_else(missing)?;
    let explanation = super::explain::explain(row, pool, state.map(), &view);
    let stats = seen.pgs.get(&pg);
    let (at, number) = stats.map_or((0, 0), |s| s.head);
    Ok(PgDetail {
        last_update: format!("{at}'{number}"),
        last_scrub_stamp: stats.map_or(0, |s| s.scrubbed_at.seconds()),
        last_deep_scrub_stamp: stats.map_or(0, |s| s.deep_scrubbed_at.seconds()),
        inconsistent: stats.map_or(0, |s| s.inconsistent),
        in_sync: row.in_sync.clone(),
        resting: row.resting.clone(),
        interval: row.interval,
        revision: row.revision,
        activated: row.activated,
        explanation,
        view,
    })
}

fn pool_rows(state: &ClusterState, seen: &Volatile) -> Vec<PoolRow> {
    let map = state.map();
    let row = |(id, pool): (&crate::PoolId, &crate::Pool)| PoolRow {
        id: *id,
        name: pool.name.clone(),
        kind: match pool.kind {
            PoolKind::Replicated => "replicated".to_owned(),
            PoolKind::Erasure { data, parity } => format!("erasure {data}+{parity}"),
        },
        size: pool.size,
        min_size: pool.min_size,
        pg_num: pool.pg_num,
        pgp_num: pool.pgp_num,
        rule: map.crush.rule_name(pool.crush_rule).unwrap_or_default().to_owned(),
        application: pool.application.clone(),
        objects: seen.pgs.values().filter(|s| s.pg.pool == *id).map(|s| s.objects).sum(),
        bytes: seen.pgs.values().filter(|s| s.pg.pool == *id).map(|s| s.bytes).sum(),
        options: pool.options.clone(),
    };
    map.pools.iter().map(row).collect()
}

fn config_rows(state: &ClusterState) -> Vec<ConfigRow> {
    let help = |key: &str| crate::config::find(key).map_or(String::new(), |s| s.help.to_owned());
    let set = state.map().config.iter().map(|((section, key), value)| ConfigRow {
        section: section.clone(),
        key: key.clone(),
        value: value.clone(),
        help: help(key),
    });
    let defaults = SETTINGS.iter().map(|s| ConfigRow {
        section: "default".to_owned(),
        key: s.key.to_owned(),
        value: s.default.to_owned(),
        help: s.help.to_owned(),
    });
    set.chain(defaults).collect()
}

fn placement(
    state: &ClusterState,
    pool: &str,
    ns: &str,
    locator: &str,
    name: &str,
) -> Result<Placement, Refusal> {
    let map = state.map();
    let missing =
        || Refusal::not_found(format!("there is no pool {pool}; `nacre pool ls` shows those there are"));
    let pool_id = map.pool_id(pool).ok_or_else(missing)?;
    let hash = map.object_hash(ns, locator, name);
    let pgid = map.pg_of(pool_id, hash).ok_or_else(missing)?;
    let placed = state.mapping().up_acting(map, pgid);
    Ok(Placement {
        epoch: map.epoch,
        pool: pool_id,
        hash,
        pgid,
        up: placed.up,
        acting: placed.acting,
        acting_primary: placed.acting_primary,
    })
}

/// PGs that would stop taking writes if these OSDs stopped now (or that are not active anyway).
fn would_block(state: &ClusterState, seen: &Volatile, osds: &[OsdId]) -> Vec<PgRowView> {
    let blocks = |view: &PgRowView| {
        let (Some(row), Some(pool)) = (state.row(view.pgid), state.map().pools.get(&view.pgid.pool)) else {
            return false;
        };
        let stays = |osd: &OsdId| !osds.contains(osd) && state.map().is_up(*osd);
        let left: Vec<OsdId> = row.in_sync.iter().copied().filter(stays).collect();
        row.in_sync.iter().any(|osd| osds.contains(osd)) && row.copies_of(&left) < pool.min_size as usize
    };
    pg_rows(state, seen).into_iter().filter(blocks).collect()
}
