//! What turns the map of one epoch into that of the next.

use crate::cluster_map::ClusterMap;
use crate::delta::Delta;
use crate::flags::MapFlags;
use crate::ids::{Epoch, OsdId, PgId, PoolId};
use crate::osd::{OsdInfo, Uuid};
use crate::pool::Pool;
use crate::shared_crush::SharedCrush;
use std::net::SocketAddr;
use stdx::time::WallTime;

/// The change that made `epoch` out of `epoch - 1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incremental {
    /// The epoch it makes.
    pub epoch: Epoch,
    /// The cluster.
    pub fsid: Uuid,
    /// When the cluster was made.
    pub created: WallTime,
    /// When the epoch was made.
    pub modified: WallTime,
    /// New feature level.
    pub feature_level: Option<u32>,
    /// New flags.
    pub flags: Option<MapFlags>,
    /// OSDs.
    pub osds: Delta<OsdId, OsdInfo>,
    /// Pools.
    pub pools: Delta<PoolId, Pool>,
    /// The number of the next pool.
    pub next_pool: Option<PoolId>,
    /// A new CRUSH map, whole.
    pub crush: Option<SharedCrush>,
    /// Stand-in acting sets.
    pub pg_temp: Delta<PgId, Vec<OsdId>>,
    /// Stand-in primaries.
    pub primary_temp: Delta<PgId, OsdId>,
    /// Whole mappings.
    pub pg_upmap: Delta<PgId, Vec<OsdId>>,
    /// Exchanged members.
    pub pg_upmap_items: Delta<PgId, Vec<(OsdId, OsdId)>>,
    /// Monitors.
    pub monitors: Delta<String, SocketAddr>,
    /// Settings.
    pub config: Delta<(String, String), String>,
    /// Erasure-code profiles.
    pub ec_profiles: Delta<String, String>,
    /// Who is admitted with which keys.
    pub keys: Delta<String, Vec<String>>,
}
stdx::codec_versioned!(Incremental, 3 {
    epoch, fsid, created, modified, feature_level, flags, osds, pools, next_pool, crush, pg_temp, primary_temp,
    pg_upmap, pg_upmap_items, monitors, config
} since 2 { ec_profiles } since 3 { keys });

/// An incremental that does not follow the map it was given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an incremental for epoch {incremental} does not follow epoch {map}; ask the monitor for the maps between"
)]
pub struct Gap {
    /// The map's epoch.
    pub map: Epoch,
    /// The incremental's epoch.
    pub incremental: Epoch,
}

fn changed<T: PartialEq + Clone>(old: &T, new: &T) -> Option<T> {
    (old != new).then(|| new.clone())
}

impl Incremental {
    /// What turns `old` into `new`, whose epoch must be the next.
    pub fn between(old: &ClusterMap, new: &ClusterMap) -> Incremental {
        assert_eq!(new.epoch.0, old.epoch.0 + 1, "an incremental spans one epoch");
        Incremental {
            epoch: new.epoch,
            fsid: new.fsid,
            created: new.created,
            modified: new.modified,
            feature_level: changed(&old.feature_level, &new.feature_level),
            flags: changed(&old.flags, &new.flags),
            osds: Delta::between(&old.osds, &new.osds),
            pools: Delta::between(&old.pools, &new.pools),
            next_pool: changed(&old.next_pool, &new.next_pool),
            crush: changed(&old.crush, &new.crush),
            pg_temp: Delta::between(&old.pg_temp, &new.pg_temp),
            primary_temp: Delta::between(&old.primary_temp, &new.primary_temp),
            pg_upmap: Delta::between(&old.pg_upmap, &new.pg_upmap),
            pg_upmap_items: Delta::between(&old.pg_upmap_items, &new.pg_upmap_items),
            monitors: Delta::between(&old.monitors, &new.monitors),
            config: Delta::between(&old.config, &new.config),
            ec_profiles: Delta::between(&old.ec_profiles, &new.ec_profiles),
            keys: Delta::between(&old.keys, &new.keys),
        }
    }

    /// Whether it changes where PGs lie (up sets; not pg_temp).
    pub fn moves_placement(&self) -> bool {
        !self.osds.is_empty()
            || !self.pools.is_empty()
            || self.crush.is_some()
            || !self.pg_upmap.is_empty()
            || !self.pg_upmap_items.is_empty()
    }
}

impl ClusterMap {
    /// Makes the next epoch. Incrementals of epochs the map already has are refused as well, so the caller sees
    /// every gap and every repetition.
    pub fn apply_incremental(&mut self, inc: &Incremental) -> Result<(), Gap> {
        if self.epoch.0.checked_add(1) != Some(inc.epoch.0) {
            return Err(Gap { map: self.epoch, incremental: inc.epoch });
        }
        self.epoch = inc.epoch;
        self.fsid = inc.fsid;
        self.created = inc.created;
        self.modified = inc.modified;
        if let Some(level) = inc.feature_level {
            self.feature_level = level;
        }
        if let Some(flags) = inc.flags {
            self.flags = flags;
        }
        if let Some(next) = inc.next_pool {
            self.next_pool = next;
        }
        if let Some(crush) = &inc.crush {
            self.crush = crush.clone();
        }
        inc.osds.apply(&mut self.osds);
        inc.pools.apply(&mut self.pools);
        inc.pg_temp.apply(&mut self.pg_temp);
        inc.primary_temp.apply(&mut self.primary_temp);
        inc.pg_upmap.apply(&mut self.pg_upmap);
        inc.pg_upmap_items.apply(&mut self.pg_upmap_items);
        inc.monitors.apply(&mut self.monitors);
        inc.config.apply(&mut self.config);
        inc.ec_profiles.apply(&mut self.ec_profiles);
        inc.keys.apply(&mut self.keys);
        Ok(())
    }
}
