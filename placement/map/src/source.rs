//! What placement needs to know of a map: ours and Ceph's both answer it.

use crate::cluster_map::ClusterMap;
use crate::ids::{OsdId, PgId, PoolId, pg_num_mask, stable_mod};
use crate::osd::{OsdInfo, WEIGHT_ONE};
use crush::CrushMap;
use std::fmt::Debug;

/// The part of a pool that decides where its PGs lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolShape {
    /// Copies or shards.
    pub size: usize,
    /// Placement groups, at least 1.
    pub pg_num: u32,
    /// Placement seeds, at least 1.
    pub pgp_num: u32,
    /// Mix the pool's number into the placement seed instead of adding it.
    pub hashpspool: bool,
    /// Whether members may close up over a missing one: copies are all alike, shards are not.
    pub can_shift: bool,
    /// The rule's id; without one CRUSH gives nothing.
    pub rule: Option<u32>,
}

impl PoolShape {
    /// The number CRUSH maps for a PG seed (Ceph's `raw_pg_to_pps`).
    pub fn placement_seed(&self, id: PoolId, seed: u32) -> u32 {
        let folded = stable_mod(seed, self.pgp_num, pg_num_mask(self.pgp_num));
        // Ceph mixes the low 32 bits of the pool's number.
        if self.hashpspool {
            crush::hash::hash32_2(folded, id.0 as u32)
        } else {
            folded.wrapping_add(id.0 as u32)
        }
    }
}

/// A map that PGs can be placed with.
pub trait PlacementSource: Debug {
    /// The tree and the rules.
    fn crush(&self) -> &CrushMap;
    /// Weights (16.16, 0 is out) by OSD number, below [`crush::DEVICES_MAX`] of them. OSDs beyond are unknown.
    fn weights(&self) -> Vec<u32>;
    /// Whether an OSD is in the cluster.
    fn exists(&self, osd: OsdId) -> bool;
    /// Whether it exists and serves.
    fn is_up(&self, osd: OsdId) -> bool;
    /// Its inclination to be primary, 16.16.
    fn primary_affinity(&self, osd: OsdId) -> u32;
    /// Whether any OSD's affinity is not 1.
    fn has_affinity(&self) -> bool;
    /// A pool's shape; none if it does not exist or cannot be placed.
    fn pool_shape(&self, pool: PoolId) -> Option<PoolShape>;
    /// The whole mapping that replaces CRUSH's.
    fn pg_upmap(&self, pg: PgId) -> Option<&[OsdId]>;
    /// Pairs (from, to) exchanged in CRUSH's mapping.
    fn pg_upmap_items(&self, pg: PgId) -> &[(OsdId, OsdId)];
    /// The acting set that stands in; empty without one.
    fn pg_temp(&self, pg: PgId) -> &[OsdId];
    /// The primary that stands in.
    fn primary_temp(&self, pg: PgId) -> Option<OsdId>;
}

impl PlacementSource for ClusterMap {
    fn crush(&self) -> &CrushMap {
        &self.crush
    }

    fn weights(&self) -> Vec<u32> {
        // A map from outside may hold any number; one that CRUSH cannot place costs no memory.
        let known = || self.osds.iter().take_while(|(id, _)| i64::from(id.0) < i64::from(crush::DEVICES_MAX));
        let mut weights = vec![0; known().last().map_or(0, |(last, _)| last.0 as usize + 1)];
        for (id, osd) in known() {
            weights[id.0 as usize] = osd.weight;
        }
        weights
    }

    fn exists(&self, osd: OsdId) -> bool {
        self.osds.contains_key(&osd)
    }

    fn is_up(&self, osd: OsdId) -> bool {
        self.osds.get(&osd).is_some_and(|osd| osd.up)
    }

    fn primary_affinity(&self, osd: OsdId) -> u32 {
        self.osds.get(&osd).map_or(WEIGHT_ONE, |osd: &OsdInfo| osd.primary_affinity)
    }

    fn has_affinity(&self) -> bool {
        self.osds.values().any(|osd| osd.primary_affinity != WEIGHT_ONE)
    }

    fn pool_shape(&self, pool: PoolId) -> Option<PoolShape> {
        self.pools.get(&pool).map(crate::pool::Pool::shape)
    }

    fn pg_upmap(&self, pg: PgId) -> Option<&[OsdId]> {
        self.pg_upmap.get(&pg).map(Vec::as_slice)
    }

    fn pg_upmap_items(&self, pg: PgId) -> &[(OsdId, OsdId)] {
        self.pg_upmap_items.get(&pg).map_or(&[], Vec::as_slice)
    }

    fn pg_temp(&self, pg: PgId) -> &[OsdId] {
        self.pg_temp.get(&pg).map_or(&[], Vec::as_slice)
    }

    fn primary_temp(&self, pg: PgId) -> Option<OsdId> {
        self.primary_temp.get(&pg).copied()
    }
}
