//! The cluster map: everything that all daemons and clients must agree on, one version an epoch.

use crate::config;
use crate::flags::MapFlags;
use crate::ids::{Epoch, OsdId, PgId, PoolId};
use crate::osd::{OsdInfo, Uuid};
use crate::pool::Pool;
use crate::shared_crush::SharedCrush;
use crush::CrushMap;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use stdx::time::WallTime;

/// The cluster map of one epoch. Plain data: whoever holds it may compute any placement from it.
///
/// Bytes: docs/formats/cluster-map.md.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterMap {
    /// The version; 0 is the map of a cluster that was never bootstrapped.
    pub epoch: Epoch,
    /// Names the cluster.
    pub fsid: Uuid,
    /// When the cluster was made.
    pub created: WallTime,
    /// When this epoch was made.
    pub modified: WallTime,
    /// Gates what commands and messages may be used while daemons of several versions run.
    pub feature_level: u32,
    /// `noout` and the like.
    pub flags: MapFlags,
    /// OSDs that exist.
    pub osds: BTreeMap<OsdId, OsdInfo>,
    /// Pools that exist.
    pub pools: BTreeMap<PoolId, Pool>,
    /// The number the next pool gets; numbers are never reused.
    pub next_pool: PoolId,
    /// Who is where, and the rules.
    pub crush: SharedCrush,
    /// Acting sets that stand in for the up set for a while.
    pub pg_temp: BTreeMap<PgId, Vec<OsdId>>,
    /// Primaries that stand in for the acting set's first.
    pub primary_temp: BTreeMap<PgId, OsdId>,
    /// Whole mappings that replace CRUSH's.
    pub pg_upmap: BTreeMap<PgId, Vec<OsdId>>,
    /// Pairs (from, to) exchanged in CRUSH's mapping.
    pub pg_upmap_items: BTreeMap<PgId, Vec<(OsdId, OsdId)>>,
    /// The quorum's members: name (`mon.0`) and address.
    pub monitors: BTreeMap<String, SocketAddr>,
    /// Settings by (section, key); see [`crate::config`].
    pub config: BTreeMap<(String, String), String>,
    /// Erasure-code profiles by name, as [`crate::EcProfile`] writes them. A pool keeps what it was made with.
    pub ec_profiles: BTreeMap<String, String>,
    /// For names such as `osd.3` that have a rule: the fingerprints of the keys that are admitted. Others are admitted with
    /// any key that the cluster's authority signed.
    pub keys: BTreeMap<String, Vec<String>>,
}
stdx::codec_versioned!(ClusterMap, 3 {
    epoch, fsid, created, modified, feature_level, flags, osds, pools, next_pool, crush, pg_temp, primary_temp,
    pg_upmap, pg_upmap_items, monitors, config
} since 2 { ec_profiles } since 3 { keys });

impl Default for ClusterMap {
    /// The map before bootstrap: epoch 0, nothing in it but CRUSH's types and the root `default`.
    fn default() -> ClusterMap {
        ClusterMap {
            epoch: Epoch(0),
            fsid: Uuid::default(),
            created: WallTime(0),
            modified: WallTime(0),
            feature_level: 0,
            flags: MapFlags::default(),
            osds: BTreeMap::new(),
            pools: BTreeMap::new(),
            next_pool: PoolId(1),
            crush: SharedCrush::new(CrushMap::new_jewel()),
            pg_temp: BTreeMap::new(),
            primary_temp: BTreeMap::new(),
            pg_upmap: BTreeMap::new(),
            pg_upmap_items: BTreeMap::new(),
            monitors: BTreeMap::new(),
            config: BTreeMap::new(),
            ec_profiles: BTreeMap::new(),
            keys: BTreeMap::new(),
        }
    }
}

impl ClusterMap {
    /// An OSD, if it exists.
    pub fn osd(&self, id: OsdId) -> Option<&OsdInfo> {
        self.osds.get(&id)
    }

    /// Whether an OSD exists and is up.
    pub fn is_up(&self, id: OsdId) -> bool {
        self.osds.get(&id).is_some_and(|osd| osd.up)
    }

    /// Where an OSD listens, if it is up.
    pub fn addr_of(&self, id: OsdId) -> Option<SocketAddr> {
        self.osds.get(&id).filter(|osd| osd.up).and_then(|osd| osd.addr)
    }

    /// The incarnation of an OSD that is up: the epoch of its boot.
    pub fn incarnation(&self, id: OsdId) -> Option<Epoch> {
        self.osds.get(&id).filter(|osd| osd.up).map(|osd| osd.up_from)
    }

    /// OSDs that are up.
    pub fn up_osds(&self) -> impl Iterator<Item = OsdId> {
        self.osds.iter().filter(|(_, osd)| osd.up).map(|(id, _)| *id)
    }

    /// A pool's number by its name.
    pub fn pool_id(&self, name: &str) -> Option<PoolId> {
        self.pools.iter().find(|(_, pool)| pool.name == name).map(|(id, _)| *id)
    }

    /// A pool, if it exists.
    pub fn pool(&self, id: PoolId) -> Option<&Pool> {
        self.pools.get(&id)
    }

    /// The PG of an object's placement hash; none if the pool does not exist.
    pub fn pg_of(&self, pool: PoolId, hash: u32) -> Option<PgId> {
        Some(PgId { pool, seed: self.pools.get(&pool)?.seed_of(hash) })
    }

    /// The placement hash of an object (see [`crate::object_hash`]); the same for every pool made here.
    pub fn object_hash(&self, namespace: &str, locator: &str, name: &str) -> u32 {
        crate::hash::object_hash(namespace, locator, name)
    }

    /// All PGs of all pools.
    pub fn pgs(&self) -> impl Iterator<Item = PgId> {
        self.pools.iter().flat_map(|(id, pool)| pool.pgs(*id))
    }

    /// Whether a PG's pool exists and has that seed.
    pub fn has_pg(&self, pg: PgId) -> bool {
        self.pools.get(&pg.pool).is_some_and(|pool| pg.seed < pool.pg_num)
    }

    /// What somebody set for a daemon such as `osd.3`, its role or all; see [`config::set_value`].
    pub fn set_value(&self, daemon: &str, key: &str) -> Option<&str> {
        config::set_value(&self.config, daemon, key)
    }

    /// The setting in force for a daemon; see [`config::effective`].
    pub fn setting(&self, daemon: &str, key: &str) -> Option<&str> {
        config::effective(&self.config, daemon, key)
    }
}
