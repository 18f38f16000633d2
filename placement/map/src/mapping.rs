//! The up sets of all PGs of one map, computed once.

use crate::cluster_map::ClusterMap;
use crate::ids::{OsdId, PgId};
use crate::placement::{Placer, UpActing};
use std::collections::BTreeMap;

/// A PG's up set and its primary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Up {
    /// Members that are up, the primary first in a replicated pool.
    pub set: Vec<OsdId>,
    /// The primary by affinity.
    pub primary: Option<OsdId>,
}

/// Up sets by PG. Depends on OSDs, pools, CRUSH and upmaps, not on pg_temp, so it outlives epochs that change
/// nothing else (see [`crate::Incremental::moves_placement`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    up: BTreeMap<PgId, Up>,
}

impl Mapping {
    /// Computes all of them: O(PGs) CRUSH computations.
    pub fn of(map: &ClusterMap) -> Mapping {
        let mut placer = Placer::new(map);
        let one = |pg| {
            let (set, primary) = placer.up(pg);
            (pg, Up { set, primary })
        };
        Mapping { up: map.pgs().map(one).collect() }
    }

    /// The up set of a PG; none if it does not exist.
    pub fn up(&self, pg: PgId) -> Option<&Up> {
        self.up.get(&pg)
    }

    /// Up and acting of a PG; `map` gives the stand-ins and must be of the placement this was computed for.
    pub fn up_acting(&self, map: &ClusterMap, pg: PgId) -> UpActing {
        let Some(up) = self.up.get(&pg) else { return UpActing::default() };
        let (acting, acting_primary) = map.stand_in(pg, &up.set, up.primary);
        UpActing { up: up.set.clone(), up_primary: up.primary, acting, acting_primary }
    }

    /// The OSD a client talks to, without allocating.
    pub fn acting_primary(&self, map: &ClusterMap, pg: PgId) -> Option<OsdId> {
        if let Some(osd) = map.primary_temp.get(&pg) {
            return Some(*osd);
        }
        let stand_in = map.pg_temp.get(&pg).and_then(|set| set.iter().copied().find(|osd| map.is_up(*osd)));
        stand_in.or_else(|| self.up.get(&pg).and_then(|up| up.primary))
    }

    /// All PGs with their up sets.
    pub fn iter(&self) -> impl Iterator<Item = (PgId, &Up)> {
        self.up.iter().map(|(pg, up)| (*pg, up))
    }
}
