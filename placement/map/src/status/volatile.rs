//! What the leading monitor knows beside the replicated state.

use crate::ids::{OsdId, PgId};
use crate::stats::{Beacon, OsdStats, PgStats};
use std::collections::{BTreeMap, BTreeSet};

/// Which monitors take part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quorum {
    /// The leader.
    pub leader: Option<String>,
    /// Monitors that answer the leader, itself included.
    pub members: BTreeSet<String>,
}

/// The latest reports of OSDs, and the quorum. Starts empty at each new leader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Volatile {
    /// Usage by OSD.
    pub osds: BTreeMap<OsdId, OsdStats>,
    /// What primaries say of their PGs.
    pub pgs: BTreeMap<PgId, PgStats>,
    /// The quorum.
    pub quorum: Quorum,
}

impl Volatile {
    /// Takes a beacon in. A report of an older interval never replaces one of a newer.
    pub fn beacon(&mut self, beacon: &Beacon) {
        self.osds.insert(beacon.osd, beacon.stats.clone());
        for stats in &beacon.pgs {
            if self.pgs.get(&stats.pg).is_none_or(|known| known.interval <= stats.interval) {
                self.pgs.insert(stats.pg, stats.clone());
            }
        }
    }

    /// Forgets what is not in the map any more, so that memory follows the map.
    pub fn forget_gone(&mut self, map: &crate::ClusterMap) {
        self.osds.retain(|osd, _| map.osds.contains_key(osd));
        self.pgs.retain(|pg, _| map.has_pg(*pg));
    }
}
