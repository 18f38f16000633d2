//! What the leading monitor knows beside the replicated state.

use crate::cluster_map::ClusterMap;
use crate::feature::{FEATURE_LEVEL_BASE, level_said};
use crate::ids::{Epoch, OsdId, PgId};
use crate::stats::{Beacon, OsdStats, PgStats};
use std::collections::{BTreeMap, BTreeSet};

/// What a daemon runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// What it can do.
    pub feature_level: u32,
    /// Its version, such as `0.1.0`.
    pub version: String,
}

/// Which monitors take part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quorum {
    /// The leader.
    pub leader: Option<String>,
    /// Monitors that answer the leader, itself included.
    pub members: BTreeSet<String>,
    /// What they run, as far as the leader is linked with them.
    pub programs: BTreeMap<String, Program>,
    /// By how much their clocks are ahead of the leader's beyond doubt, microseconds; negative: behind.
    pub clock_skews: BTreeMap<String, i64>,
}

/// The latest reports of OSDs, and the quorum. Starts empty at each new leader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Volatile {
    /// Usage by OSD.
    pub osds: BTreeMap<OsdId, OsdStats>,
    /// What the present incarnations of OSDs can do.
    pub levels: BTreeMap<OsdId, (Epoch, u32)>,
    /// What primaries say of their PGs.
    pub pgs: BTreeMap<PgId, PgStats>,
    /// The quorum.
    pub quorum: Quorum,
}

impl Volatile {
    /// Takes a beacon in. A report of an older interval never replaces one of a newer.
    pub fn beacon(&mut self, beacon: &Beacon) {
        self.osds.insert(beacon.osd, beacon.stats.clone());
        self.levels.insert(beacon.osd, (beacon.up_from, level_said(beacon.stats.feature_level)));
        for stats in &beacon.pgs {
            if self.pgs.get(&stats.pg).is_none_or(|known| known.interval <= stats.interval) {
                self.pgs.insert(stats.pg, stats.clone());
            }
        }
    }

    /// What every OSD that is up can do, as far as each has said so since it booted; `most` if none is up.
    pub fn osds_can(&self, map: &ClusterMap, most: u32) -> u32 {
        let of = |osd| match (self.levels.get(&osd), map.incarnation(osd)) {
            (Some((of, level)), Some(now)) if *of == now => *level,
            _ => FEATURE_LEVEL_BASE,
        };
        map.up_osds().map(of).fold(most, u32::min)
    }

    /// Forgets what is not in the map any more, so that memory follows the map.
    pub fn forget_gone(&mut self, map: &ClusterMap) {
        self.osds.retain(|osd, _| map.osds.contains_key(osd));
        self.levels.retain(|osd, _| map.osds.contains_key(osd));
        self.pgs.retain(|pg, _| map.has_pg(*pg));
    }
}
