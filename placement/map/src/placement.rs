//! From a PG to its OSDs, as Ceph 16.2 computes it: CRUSH, then upmap, then who is up, then primary affinity, and
//! last the stand-ins pg_temp and primary_temp.

use crate::cluster_map::ClusterMap;
use crate::ids::{OsdId, PgId};
use crate::osd::{OsdInfo, WEIGHT_ONE};
use crate::pool::Pool;
use crush::Workspace;

/// Where a PG belongs and who serves it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpActing {
    /// Who should hold it, the primary first (in a replicated pool); OSDs that are up only. Holes
    /// ([`OsdId::NONE`]) only in erasure-coded pools.
    pub up: Vec<OsdId>,
    /// The first of the up set by affinity.
    pub up_primary: Option<OsdId>,
    /// Who stands in while the up set is not ready; else the up set.
    pub acting: Vec<OsdId>,
    /// The one a client talks to.
    pub acting_primary: Option<OsdId>,
}

/// Computes the placement of many PGs of one map without allocating for each.
#[derive(Debug)]
pub struct Placer<'a> {
    map: &'a ClusterMap,
    weights: Vec<u32>,
    affinity_set: bool,
    work: Workspace,
    raw: Vec<i32>,
}

impl<'a> Placer<'a> {
    /// Prepares for `map`; costs O(OSDs).
    pub fn new(map: &'a ClusterMap) -> Placer<'a> {
        // A map from outside may hold any number; one that CRUSH cannot place costs no memory.
        let known = || map.osds.iter().take_while(|(id, _)| i64::from(id.0) < i64::from(crush::DEVICES_MAX));
        let mut weights = vec![0; known().last().map_or(0, |(last, _)| last.0 as usize + 1)];
        for (id, osd) in known() {
            weights[id.0 as usize] = osd.weight;
        }
        let affinity_set = map.osds.values().any(|osd| osd.primary_affinity != WEIGHT_ONE);
        Placer { map, weights, affinity_set, work: Workspace::default(), raw: Vec::new() }
    }

    /// The up set and its primary; empty for a PG that does not exist.
    pub fn up(&mut self, pg: PgId) -> (Vec<OsdId>, Option<OsdId>) {
        let Some(pool) = self.map.pools.get(&pg.pool).filter(|pool| pg.seed < pool.pg_num) else {
            return (Vec::new(), None);
        };
        let seed = pool.placement_seed(pg.pool, pg.seed);
        let mut set = self.raw(pg, pool, seed);
        self.upmap(pg, &mut set);
        keep(&mut set, pool, |osd| self.map.is_up(osd));
        let primary = self.first_by_affinity(pool, seed, &mut set);
        (set, primary)
    }

    /// Up and acting of one PG.
    pub fn up_acting(&mut self, pg: PgId) -> UpActing {
        let (up, up_primary) = self.up(pg);
        let (acting, acting_primary) = self.map.stand_in(pg, &up, up_primary);
        UpActing { up, up_primary, acting, acting_primary }
    }

    /// What CRUSH says of a PG of `pool`, and what the upmaps make of it; OSDs that are down stay in both.
    pub(crate) fn raw_and_upmapped(&mut self, pg: PgId, pool: &Pool) -> (Vec<OsdId>, Vec<OsdId>) {
        let raw = self.raw(pg, pool, pool.placement_seed(pg.pool, pg.seed));
        let mut set = raw.clone();
        self.upmap(pg, &mut set);
        (raw, set)
    }

    /// What CRUSH says, without OSDs that do not exist.
    fn raw(&mut self, pg: PgId, pool: &Pool, seed: u32) -> Vec<OsdId> {
        self.map.crush.do_rule_into(
            pool.crush_rule,
            seed,
            pool.size as usize,
            &self.weights,
            i64::try_from(pg.pool.0).ok(),
            &mut self.work,
            &mut self.raw,
        );
        let mut set: Vec<OsdId> =
            self.raw.iter().map(|item| u32::try_from(*item).map_or(OsdId::NONE, OsdId)).collect();
        keep(&mut set, pool, |osd| self.map.osds.contains_key(&osd));
        set
    }

    /// Whether an OSD is known and out. Unknown ones count as in, as in Ceph.
    fn out(&self, osd: OsdId) -> bool {
        self.weights.get(osd.0 as usize).is_some_and(|weight| *weight == 0)
    }

    fn upmap(&self, pg: PgId, set: &mut Vec<OsdId>) {
        if let Some(whole) = self.map.pg_upmap.get(&pg) {
            if whole.iter().any(|osd| self.out(*osd)) {
                return; // ignored as a whole, with the pairs, as in Ceph
            }
            set.clone_from(whole);
        }
        for (from, to) in self.map.pg_upmap_items.get(&pg).into_iter().flatten() {
            if set.contains(to) || self.out(*to) {
                continue;
            }
            if let Some(place) = set.iter().position(|osd| osd == from) {
                set[place] = *to;
            }
        }
    }

    /// Picks the primary; in a replicated pool it moves to the front.
    fn first_by_affinity(&self, pool: &Pool, seed: u32, set: &mut [OsdId]) -> Option<OsdId> {
        let first = set.iter().position(|osd| *osd != OsdId::NONE)?;
        let affinity =
            |osd: OsdId| self.map.osds.get(&osd).map_or(WEIGHT_ONE, |o: &OsdInfo| o.primary_affinity);
        if !self.affinity_set || set.iter().all(|osd| affinity(*osd) == WEIGHT_ONE) {
            return Some(set[first]);
        }
        // Each refuses with a chance of 1 - affinity, drawn from PG and OSD; if all refuse, the first has to.
        let accepts = |osd: OsdId| {
            let affinity = affinity(osd);
            affinity >= WEIGHT_ONE || crush::hash::hash32_2(seed, osd.0) >> 16 < affinity
        };
        let chosen = set.iter().position(|osd| *osd != OsdId::NONE && accepts(*osd)).unwrap_or(first);
        let primary = set[chosen];
        if pool.can_shift() {
            set[..=chosen].rotate_right(1);
        }
        Some(primary)
    }
}

/// Drops members that `good` refuses: a replicated set closes up, a shard's place becomes a hole.
fn keep(set: &mut Vec<OsdId>, pool: &Pool, good: impl Fn(OsdId) -> bool) {
    if pool.can_shift() {
        set.retain(|osd| good(*osd));
    } else {
        for osd in set.iter_mut().filter(|osd| !good(**osd)) {
            *osd = OsdId::NONE;
        }
    }
}

impl ClusterMap {
    /// Up and acting of one PG. Costs O(OSDs) and a CRUSH computation: whoever asks often keeps a
    /// [`crate::Mapping`] (all PGs, once an epoch).
    pub fn up_acting(&self, pg: PgId) -> UpActing {
        Placer::new(self).up_acting(pg)
    }

    /// The acting set and its primary, given the up set: pg_temp's members that are up, else the up set.
    pub fn stand_in(&self, pg: PgId, up: &[OsdId], up_primary: Option<OsdId>) -> (Vec<OsdId>, Option<OsdId>) {
        let Some(pool) = self.pools.get(&pg.pool) else { return (Vec::new(), None) };
        let mut acting = self.pg_temp.get(&pg).cloned().unwrap_or_default();
        keep(&mut acting, pool, |osd| self.is_up(osd));
        let mut primary = self.primary_temp.get(&pg).copied();
        if acting.is_empty() {
            return (up.to_vec(), primary.or(up_primary));
        }
        primary = primary.or_else(|| acting.iter().copied().find(|osd| *osd != OsdId::NONE));
        (acting, primary)
    }
}
