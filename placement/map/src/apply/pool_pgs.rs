//! The number of a pool's PGs, and of the seeds that they are placed by (docs/decisions/0034-pg-split.md).

use super::draft::Draft;
use crate::cluster_map::ClusterMap;
use crate::command::Command;
use crate::feature::Feature;
use crate::flags::Flag;
use crate::ids::{PgId, PoolId, parent_seed};
use crate::pool::{PG_NUM_MADE_OPTION, PG_NUM_MAX, PGP_NUM_TARGET_OPTION, Pool};
use crate::refusal::{Refusal, RefusalKind};
use crate::rows;
use crate::state::ClusterState;

/// The most that one command may multiply the number of PGs by. Each OSD divides all it holds of a pool at once.
const GROWTH_MAX: u32 = 8;

/// Splits PGs so that there are `wanted` of them. Data stays where it is.
pub(super) fn set_pg_num(draft: &mut Draft<'_>, id: PoolId, wanted: u32) -> Result<(), Refusal> {
    let impossible = |text: String| Refusal::new(RefusalKind::Impossible, text);
    let pool =
        draft.next.pools.get(&id).ok_or_else(|| Refusal::not_found(format!("pool {id} does not exist")))?;
    let (name, from) = (pool.name.clone(), pool.pg_num);
    if !(1..=PG_NUM_MAX).contains(&wanted) {
        return Err(Refusal::invalid(format!("pg_num goes from 1 to {PG_NUM_MAX}, not {wanted}")));
    }
    if wanted == from {
        return Ok(());
    }
    if wanted < from {
        return Err(impossible(format!(
            "pool {name} has {from} PGs, and PGs are not merged yet; make another pool with {wanted} and copy what is in it"
        )));
    }
    draft.next.too_new(Feature::Split.level())?;
    let most = from.saturating_mul(GROWTH_MAX);
    if wanted > most {
        return Err(Refusal::invalid(format!(
            "pg_num of pool {name} grows at most {GROWTH_MAX}-fold at once: set it to {most} first, and go on when its PGs \
             are active+clean"
        )));
    }
    check_pgs_per_osd(&draft.next, id, wanted)?;
    for seed in from..wanted {
        divide(draft, id, from, seed);
    }
    let pool = draft.next.pools.get_mut(&id).expect("found above");
    pool.options.entry(PG_NUM_MADE_OPTION.to_owned()).or_insert_with(|| from.to_string());
    pool.pg_num = wanted;
    Ok(())
}

/// One more child: it begins as its parent goes on.
fn divide(draft: &mut Draft<'_>, pool: PoolId, from: u32, seed: u32) {
    let child = PgId { pool, seed };
    let parent = PgId { pool, seed: parent_seed(seed, from) };
    let before = draft.state.row(parent).cloned().unwrap_or_default();
    let row = rows::divided(&before);
    draft.rows.insert(parent, row.clone());
    draft.rows.insert(child, row);
    // Where somebody put the parent there the children are, and so they stay there.
    if let Some(whole) = draft.next.pg_upmap.get(&parent).cloned() {
        draft.next.pg_upmap.insert(child, whole);
    }
    if let Some(pairs) = draft.next.pg_upmap_items.get(&parent).cloned() {
        draft.next.pg_upmap_items.insert(child, pairs);
    }
}

/// Refuses numbers that would give each OSD more than it can look after.
fn check_pgs_per_osd(map: &ClusterMap, id: PoolId, wanted: u32) -> Result<(), Refusal> {
    let most = map.setting("mon", "mon_max_pg_per_osd").and_then(|v| v.parse::<u64>().ok()).unwrap_or(0);
    let osds = map.osds.values().filter(|osd| osd.is_in()).count() as u64;
    let of = |(pool, p): (&PoolId, &Pool)| {
        u64::from(if *pool == id { wanted } else { p.pg_num }) * u64::from(p.size)
    };
    let copies: u64 = map.pools.iter().map(of).sum();
    if most > 0 && copies > most * osds {
        return Err(Refusal::new(
            RefusalKind::Impossible,
            format!(
                "with {wanted} PGs each of the {osds} OSDs that are in would hold about {}, and mon_max_pg_per_osd is {most}; \
                 add OSDs, take fewer PGs, or raise the setting",
                copies.div_ceil(osds.max(1))
            ),
        ));
    }
    Ok(())
}

/// Places PGs by so many seeds: those beyond go where the PG goes that they fold onto. Data moves.
pub(super) fn set_pgp_num(draft: &mut Draft<'_>, id: PoolId, wanted: u32) -> Result<(), Refusal> {
    let pool = draft
        .next
        .pools
        .get_mut(&id)
        .ok_or_else(|| Refusal::not_found(format!("pool {id} does not exist")))?;
    if !(1..=pool.pg_num).contains(&wanted) {
        let text = format!(
            "pgp_num of pool {} goes from 1 to its pg_num ({}), not {wanted}",
            pool.name, pool.pg_num
        );
        return Err(Refusal::invalid(text));
    }
    if wanted == pool.pg_num {
        pool.options.remove(PGP_NUM_TARGET_OPTION);
    } else {
        pool.options.insert(PGP_NUM_TARGET_OPTION.to_owned(), wanted.to_string());
    }
    let before = std::mem::replace(&mut pool.pgp_num, wanted);
    // What CRUSH gives these is another set now, and pairs that were chosen for the old one may break the rule.
    let stays = |pg: &PgId| pg.pool != id || parent_seed(pg.seed, before) == parent_seed(pg.seed, wanted);
    draft.next.pg_upmap.retain(|pg, _| stays(pg));
    draft.next.pg_upmap_items.retain(|pg, _| stays(pg));
    Ok(())
}

/// What the leading monitor orders once the PGs of a pool that was split serve in their new number: that each goes where
/// it belongs. Not while somebody wants nothing to be moved, nor where somebody wants fewer seeds.
pub fn placement_due(state: &ClusterState) -> Option<Command> {
    let map = state.map();
    if map.flags.has(Flag::NoRebalance) || map.flags.has(Flag::NoBackfill) || map.flags.has(Flag::Pause) {
        return None;
    }
    let whole = |id: PoolId, pool: &Pool| {
        pool.pgs(id)
            .all(|pg| state.row(pg).is_some_and(|row| row.activated && row.copies() >= pool.size as usize))
    };
    let behind = |(_, pool): &(&PoolId, &Pool)| pool.pgp_num < pool.pgp_num_target();
    let (_, pool) = map.pools.iter().filter(behind).find(|(id, pool)| whole(**id, pool))?;
    let (key, value) = ("pgp_num".to_owned(), pool.pgp_num_target().to_string());
    Some(Command::PoolSet { name: pool.name.clone(), key, value })
}
