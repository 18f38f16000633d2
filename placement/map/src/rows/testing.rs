//! A little world for the tests of single rules.

use super::{Surroundings, check, settle};
use crate::cluster_map::ClusterMap;
use crate::ids::OsdId;
use crate::mapping::Up;
use crate::osd::{OsdInfo, Uuid};
use crate::pg_row::PgRow;
use std::collections::BTreeSet;

pub(crate) fn osds(ids: &[u32]) -> Vec<OsdId> {
    ids.iter().copied().map(OsdId).collect()
}

pub(crate) fn row(interval: u64, in_sync: &[u32], primary: Option<u32>, activated: bool) -> PgRow {
    let primary = primary.map(OsdId);
    PgRow { interval, revision: 40, in_sync: osds(in_sync), primary, activated, ..PgRow::default() }
}

/// What the rules look at. OSDs that stopped in this commit and are not alive are down.
pub(crate) struct World {
    map: ClusterMap,
    up: Up,
    went_down: BTreeSet<OsdId>,
    lost: BTreeSet<OsdId>,
    in_order: BTreeSet<OsdId>,
    size: usize,
    fewest_shards: Option<usize>,
}

impl World {
    /// These OSDs are alive after the commit.
    pub(crate) fn new(alive: &[u32]) -> World {
        let mut map = ClusterMap { feature_level: crate::FEATURE_LEVEL, ..ClusterMap::default() };
        for id in osds(alive) {
            map.osds.insert(id, OsdInfo { up: true, ..OsdInfo::new(Uuid::default()) });
        }
        World {
            map,
            up: Up::default(),
            went_down: BTreeSet::new(),
            lost: BTreeSet::new(),
            in_order: BTreeSet::new(),
            size: 3,
            fewest_shards: None,
        }
    }
    /// An erasure-coded pool.
    pub(crate) fn shards(mut self, size: usize, fewest: usize) -> World {
        (self.size, self.fewest_shards) = (size, Some(fewest));
        self
    }
    /// The up set by position, with holes where 99 stands.
    pub(crate) fn up_by_place(mut self, set: &[u32]) -> World {
        let set: Vec<OsdId> = set.iter().map(|id| if *id == 99 { OsdId::NONE } else { OsdId(*id) }).collect();
        let primary = set.iter().copied().find(|osd| *osd != OsdId::NONE);
        self.up = Up { set, primary };
        self
    }
    /// The up set.
    pub(crate) fn up(mut self, set: &[u32]) -> World {
        self.up = Up { set: osds(set), primary: set.first().copied().map(OsdId) };
        self
    }
    /// Stopped in this commit.
    pub(crate) fn down(mut self, ids: &[u32]) -> World {
        self.went_down = osds(ids).into_iter().collect();
        self
    }
    /// Said themselves that they stop.
    pub(crate) fn stopped(mut self, ids: &[u32]) -> World {
        self.in_order = osds(ids).into_iter().collect();
        self.down(ids)
    }
    /// Exist and are down.
    pub(crate) fn known(mut self, ids: &[u32]) -> World {
        for id in osds(ids) {
            self.map.osds.insert(id, OsdInfo::new(Uuid::default()));
        }
        self
    }
    /// Some daemon can do no more than this.
    pub(crate) fn of_level(mut self, level: u32) -> World {
        self.map.feature_level = level;
        self
    }
    /// Lost their stores.
    pub(crate) fn lost(mut self, ids: &[u32]) -> World {
        self.lost = osds(ids).into_iter().collect();
        self
    }
    pub(crate) fn with<R>(&self, test: impl FnOnce(&Surroundings<'_>) -> R) -> R {
        test(&Surroundings {
            up: &self.up,
            was_up: &self.up.set,
            size: self.size,
            fewest_shards: self.fewest_shards,
            map: &self.map,
            went_down: &self.went_down,
            lost: &self.lost,
            in_order: &self.in_order,
        })
    }
    pub(crate) fn settle(&self, row: &mut PgRow) {
        self.with(|around| settle(row, around));
        check(row, &self.map);
    }
}
