//! Placement with an OSDMap, as Ceph 16.2 computes it.

use super::OsdMap;
use super::client_part::{OSD_EXISTS, OSD_UP};
use super::pool::{POOL_ERASURE, POOL_FLAG_HASHPSPOOL, POOL_REPLICATED, PoolInfo};
use crate::hash::ObjectHash;
use crate::ids::{OsdId, PgId, PoolId, pg_num_mask, stable_mod};
use crate::osd::WEIGHT_ONE;
use crate::placement::{Placer, UpActing};
use crate::source::{PlacementSource, PoolShape};
use crush::CrushMap;

/// Where a PG lies: before and after everything that overrides CRUSH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The PG.
    pub pg: PgId,
    /// What CRUSH says, without OSDs that do not exist.
    pub raw: Vec<OsdId>,
    /// What follows from it.
    pub up_acting: UpActing,
}

impl OsdMap {
    /// The PG of an object; none if the pool does not exist or hashes in a way that is not known.
    pub fn pg_of(&self, pool: PoolId, namespace: &str, locator: &str, name: &str) -> Option<PgId> {
        let info = self.client.pools.get(&pool).filter(|info| info.pg_num > 0)?;
        let hash = ObjectHash::from_number(info.object_hash)?.of(namespace, locator, name);
        Some(PgId { pool, seed: stable_mod(hash, info.pg_num, pg_num_mask(info.pg_num)) })
    }

    /// A pool's number by its name.
    pub fn pool_id(&self, name: &str) -> Option<PoolId> {
        self.client.pool_name.iter().find(|(_, known)| *known == name).map(|(id, _)| *id)
    }

    /// Raw, up and acting of every PG, pool by pool. Lazy: a map from outside may claim billions of PGs.
    pub fn placements(&self) -> impl Iterator<Item = Placed> {
        let pgs = self.client.pools.iter();
        let pgs = pgs.flat_map(|(id, pool)| (0..pool.pg_num).map(|seed| PgId { pool: *id, seed }));
        let mut placer = Placer::new(self);
        pgs.map(move |pg| Placed { pg, raw: placer.raw(pg), up_acting: placer.up_acting(pg) })
    }

    fn state(&self, osd: OsdId) -> u32 {
        let known = i64::from(osd.0) < i64::from(self.client.max_osd);
        self.client.osd_state.get(osd.0 as usize).copied().filter(|_| known).unwrap_or(0)
    }

    /// The rule that 16.2 takes for a pool: the first with the pool's ruleset and kind whose size range fits.
    pub(super) fn rule_of(&self, pool: &PoolInfo) -> Option<u32> {
        let fits = |rule: &crush::Rule| {
            rule.ruleset == pool.crush_rule
                && rule.kind == pool.kind
                && (rule.min_size..=rule.max_size).contains(&pool.size)
        };
        self.client.crush.map().rules().find(|(_, rule)| fits(rule)).map(|(id, _)| id)
    }
}

impl PlacementSource for OsdMap {
    fn crush(&self) -> &CrushMap {
        self.client.crush.map()
    }

    fn weights(&self) -> Vec<u32> {
        let known = self.client.osd_weight.len().min(crush::DEVICES_MAX as usize);
        self.client.osd_weight[..known].to_vec()
    }

    fn exists(&self, osd: OsdId) -> bool {
        self.state(osd) & OSD_EXISTS != 0
    }

    fn is_up(&self, osd: OsdId) -> bool {
        self.state(osd) & (OSD_EXISTS | OSD_UP) == OSD_EXISTS | OSD_UP
    }

    fn primary_affinity(&self, osd: OsdId) -> u32 {
        self.client.osd_primary_affinity.get(osd.0 as usize).copied().unwrap_or(WEIGHT_ONE)
    }

    fn has_affinity(&self) -> bool {
        self.client.osd_primary_affinity.iter().any(|affinity| *affinity != WEIGHT_ONE)
    }

    fn pool_shape(&self, pool: PoolId) -> Option<PoolShape> {
        let info = self.client.pools.get(&pool)?;
        // Ceph itself stops at a kind it does not know, and divides by numbers of PGs.
        let known =
            matches!(info.kind, POOL_REPLICATED | POOL_ERASURE) && info.pg_num > 0 && info.pgp_num > 0;
        known.then(|| PoolShape {
            size: info.size.into(),
            pg_num: info.pg_num,
            pgp_num: info.pgp_num,
            hashpspool: info.flags & POOL_FLAG_HASHPSPOOL != 0,
            can_shift: info.kind == POOL_REPLICATED,
            rule: self.rule_of(info),
        })
    }

    fn pg_upmap(&self, pg: PgId) -> Option<&[OsdId]> {
        self.client.pg_upmap.get(&pg).map(Vec::as_slice)
    }

    fn pg_upmap_items(&self, pg: PgId) -> &[(OsdId, OsdId)] {
        self.client.pg_upmap_items.get(&pg).map_or(&[], Vec::as_slice)
    }

    fn pg_temp(&self, pg: PgId) -> &[OsdId] {
        self.client.pg_temp.get(&pg).map_or(&[], Vec::as_slice)
    }

    fn primary_temp(&self, pg: PgId) -> Option<OsdId> {
        self.client.primary_temp.get(&pg).copied()
    }
}
