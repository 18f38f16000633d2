//! From a PG to its OSDs, as Ceph 16.2 computes it: CRUSH, then upmap, then who is up, then primary affinity, and
//! last the stand-ins pg_temp and primary_temp.

use crate::cluster_map::ClusterMap;
use crate::ids::{OsdId, PgId};
use crate::osd::WEIGHT_ONE;
use crate::pool::Pool;
use crate::source::{PlacementSource, PoolShape};
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
pub struct Placer<'a, M: PlacementSource = ClusterMap> {
    map: &'a M,
    weights: Vec<u32>,
    affinity_set: bool,
    work: Workspace,
    raw: Vec<i32>,
}

impl<'a, M: PlacementSource> Placer<'a, M> {
    /// Prepares for `map`; costs O(OSDs).
    pub fn new(map: &'a M) -> Placer<'a, M> {
        Placer {
            map,
            weights: map.weights(),
            affinity_set: map.has_affinity(),
            work: Workspace::default(),
            raw: Vec::new(),
        }
    }

    /// What CRUSH says, without OSDs that do not exist; empty for a PG that does not exist.
    pub fn raw(&mut self, pg: PgId) -> Vec<OsdId> {
        let Some(pool) = self.shape(pg) else { return Vec::new() };
        self.crush(pg, &pool, pool.placement_seed(pg.pool, pg.seed))
    }

    /// The up set and its primary; empty for a PG that does not exist.
    pub fn up(&mut self, pg: PgId) -> (Vec<OsdId>, Option<OsdId>) {
        let Some(pool) = self.shape(pg) else { return (Vec::new(), None) };
        let seed = pool.placement_seed(pg.pool, pg.seed);
        let mut set = self.crush(pg, &pool, seed);
        self.upmap(pg, &mut set);
        keep(&mut set, &pool, |osd| self.map.is_up(osd));
        let primary = self.first_by_affinity(&pool, seed, &mut set);
        (set, primary)
    }

    /// Up and acting of one PG.
    pub fn up_acting(&mut self, pg: PgId) -> UpActing {
        let (up, up_primary) = self.up(pg);
        let (acting, acting_primary) = stand_in(self.map, pg, &up, up_primary);
        UpActing { up, up_primary, acting, acting_primary }
    }

    /// The shape of a PG's pool, if the PG exists.
    fn shape(&self, pg: PgId) -> Option<PoolShape> {
        self.map.pool_shape(pg.pool).filter(|pool| pg.seed < pool.pg_num)
    }

    fn crush(&mut self, pg: PgId, pool: &PoolShape, seed: u32) -> Vec<OsdId> {
        let Some(rule) = pool.rule else { return Vec::new() };
        self.map.crush().do_rule_into(
            rule,
            seed,
            pool.size,
            &self.weights,
            i64::try_from(pg.pool.0).ok(),
            &mut self.work,
            &mut self.raw,
        );
        let mut set: Vec<OsdId> =
            self.raw.iter().map(|item| u32::try_from(*item).map_or(OsdId::NONE, OsdId)).collect();
        keep(&mut set, pool, |osd| self.map.exists(osd));
        set
    }

    /// Whether an OSD is known and out. Unknown ones count as in, as in Ceph.
    fn out(&self, osd: OsdId) -> bool {
        self.weights.get(osd.0 as usize).is_some_and(|weight| *weight == 0)
    }

    fn upmap(&self, pg: PgId, set: &mut Vec<OsdId>) {
        if let Some(whole) = self.map.pg_upmap(pg) {
            if whole.iter().any(|osd| self.out(*osd)) {
                return; // ignored as a whole, with the pairs, as in Ceph
            }
            set.clear();
            set.extend_from_slice(whole);
        }
        for (from, to) in self.map.pg_upmap_items(pg) {
            if set.contains(to) || self.out(*to) {
                continue;
            }
            if let Some(place) = set.iter().position(|osd| osd == from) {
                set[place] = *to;
            }
        }
    }

    /// Picks the primary; in a replicated pool it moves to the front.
    fn first_by_affinity(&self, pool: &PoolShape, seed: u32, set: &mut [OsdId]) -> Option<OsdId> {
        let first = set.iter().position(|osd| *osd != OsdId::NONE)?;
        let affinity = |osd: OsdId| self.map.primary_affinity(osd);
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
        if pool.can_shift {
            set[..=chosen].rotate_right(1);
        }
        Some(primary)
    }
}

impl Placer<'_> {
    /// What CRUSH says of a PG of `pool`, and what the upmaps make of it; OSDs that are down stay in both.
    pub(crate) fn raw_and_upmapped(&mut self, pg: PgId, pool: &Pool) -> (Vec<OsdId>, Vec<OsdId>) {
        let raw = self.crush(pg, &pool.shape(), pool.placement_seed(pg.pool, pg.seed));
        let mut set = raw.clone();
        self.upmap(pg, &mut set);
        (raw, set)
    }
}

/// Drops members that `good` refuses: a replicated set closes up, a shard's place becomes a hole.
fn keep(set: &mut Vec<OsdId>, pool: &PoolShape, good: impl Fn(OsdId) -> bool) {
    if pool.can_shift {
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
        stand_in(self, pg, up, up_primary)
    }
}

fn stand_in<M: PlacementSource>(
    map: &M,
    pg: PgId,
    up: &[OsdId],
    up_primary: Option<OsdId>,
) -> (Vec<OsdId>, Option<OsdId>) {
    let Some(pool) = map.pool_shape(pg.pool) else { return (Vec::new(), None) };
    let mut acting = map.pg_temp(pg).to_vec();
    keep(&mut acting, &pool, |osd| map.is_up(osd));
    let primary = match map.primary_temp(pg) {
        // In a map of Ceph's a number below zero stands for nobody.
        Some(osd) => Some(osd).filter(|osd| osd.0 <= i32::MAX as u32),
        None => acting.iter().copied().find(|osd| *osd != OsdId::NONE),
    };
    if acting.is_empty() {
        return (up.to_vec(), primary.or(up_primary));
    }
    (acting, primary)
}
