//! Pairs that the map holds already: what became useless or wrong goes before anything is planned.

use super::seats::Seats;
use crate::cluster_map::ClusterMap;
use crate::ids::{OsdId, PgId};
use std::collections::BTreeSet;

/// Takes back every pair that leads to an OSD that is out, gone or not within the rule's reach, and all pairs of a PG
/// whose set breaks the rule. Pairs without effect vanish by themselves: a plan writes only those with one.
pub(super) fn clean(map: &ClusterMap, seats: &mut Seats) {
    let mut changed = false;
    for pg in map.pg_upmap_items.keys() {
        changed |= clean_one(map, seats, *pg);
    }
    if changed {
        seats.count();
    }
}

fn clean_one(map: &ClusterMap, seats: &mut Seats, id: PgId) -> bool {
    let Some(pool) = seats.pools.iter_mut().find(|pool| pool.id == id.pool) else { return false };
    let (Some(shape), Some(pg)) = (&pool.shape, pool.pgs.get_mut(id.seed as usize)) else { return false };
    if pg.fixed {
        return false;
    }
    let before = pg.now.clone();
    for (now, raw) in pg.now.iter_mut().zip(&pg.raw) {
        let serves = shape.spot(now.0).is_some() && map.osds.get(now).is_some_and(|osd| osd.is_in());
        if now != raw && !serves {
            *now = *raw;
        }
    }
    let members = || pg.now.iter().filter(|osd| **osd != OsdId::NONE).map(|osd| osd.0);
    // CRUSH itself may choose what it is told not to (weights of 0 that a weight set overrides): not our doing.
    if pg.now != pg.raw && !shape.holds(members()) {
        pg.now.clone_from(&pg.raw);
    }
    // A pair whose target CRUSH has elsewhere in the set would be skipped or not, by the order of pairs.
    let raw: BTreeSet<OsdId> = pg.raw.iter().copied().collect();
    let crossed = pg.now.iter().zip(&pg.raw).any(|(now, own)| now != own && raw.contains(now));
    if crossed {
        pg.now.clone_from(&before);
        pg.fixed = true;
    }
    pg.now != before
}
