//! The cluster as this OSD knows it: map, up sets and rows, kept up to date by the monitors' updates.

use crate::event::{Event, PoolSpec};
use placement_map::{ClusterMap, Epoch, FEATURE_RECORDS, FEATURE_YIELD, Mapping, OsdId, PgId, PgRow};
use std::collections::{BTreeMap, BTreeSet};
use wire_codec::mon::{MapUpdate, Subscribe, Update};

/// Map, up sets and rows of one moment.
#[derive(Default)]
pub struct ClusterView {
    map: ClusterMap,
    mapping: Mapping,
    rows: BTreeMap<PgId, PgRow>,
    rows_version: u64,
}

/// What an update changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Whether the map did.
    pub map: bool,
    /// PGs whose row did.
    pub rows: BTreeSet<PgId>,
}

impl ClusterView {
    /// The map.
    pub fn map(&self) -> &ClusterMap {
        &self.map
    }
    /// Its epoch; 0: none yet.
    pub fn epoch(&self) -> Epoch {
        self.map.epoch
    }
    /// A PG's row.
    pub fn row(&self, pg: PgId) -> Option<&PgRow> {
        self.rows.get(&pg)
    }
    /// All rows.
    pub fn rows(&self) -> impl Iterator<Item = (PgId, &PgRow)> {
        self.rows.iter().map(|(pg, row)| (*pg, row))
    }

    /// A PG's up set: the up primary first, or of shards by position, with holes.
    pub fn up(&self, pg: PgId) -> Vec<OsdId> {
        let Some(up) = self.mapping.up(pg) else { return Vec::new() };
        let mut set = up.set.clone();
        if self.map.pool(pg.pool).is_some_and(|pool| !pool.can_shift()) {
            return set;
        }
        if let Some(at) = up.primary.and_then(|p| set.iter().position(|o| *o == p)) {
            set[..=at].rotate_right(1);
        }
        set
    }

    /// Whether an OSD belongs to a PG: by CRUSH, or by holding its data.
    pub fn concerns(&self, pg: PgId, osd: OsdId) -> bool {
        self.row(pg).is_some_and(|row| row.in_sync.contains(&osd) || row.primary == Some(osd))
            || self.mapping.up(pg).is_some_and(|up| up.set.contains(&osd))
    }

    /// What a PG's machine is told of this moment; none if there is no such PG.
    pub fn event(&self, pg: PgId) -> Option<Event> {
        let (map, row) = (&self.map, self.row(pg)?.clone());
        let pool = map.pool(pg.pool)?;
        let up = self.up(pg);
        let alive =
            up.iter().chain(&row.in_sync).filter_map(|osd| Some((*osd, map.incarnation(*osd)?))).collect();
        let may_yield = map.feature_level >= FEATURE_YIELD;
        let records = map.feature_level >= FEATURE_RECORDS;
        let pool = PoolSpec { may_yield, records, ..PoolSpec::of(pool) };
        Some(Event::Map { epoch: map.epoch, row, up, alive, pool })
    }

    /// What to ask a monitor for.
    pub fn subscription(&self) -> Subscribe {
        Subscribe { have_epoch: self.map.epoch, rows: true, have_rows: self.rows_version }
    }

    /// Takes an update in. None: it does not fit what is known, and everything must be asked for anew.
    pub fn take(&mut self, update: Update) -> Option<Changes> {
        let mut changes = Changes::default();
        match update.map {
            MapUpdate::Same => {}
            MapUpdate::Full(map) if map.epoch < self.map.epoch => return Some(changes),
            MapUpdate::Full(map) => {
                self.map = *map;
                changes.map = true;
            }
            MapUpdate::Incrementals(steps) => {
                for step in &steps {
                    if step.epoch <= self.map.epoch {
                        continue;
                    }
                    self.map.apply_incremental(step).ok()?;
                    changes.map = true;
                }
            }
        }
        if changes.map {
            self.mapping = Mapping::of(&self.map);
            let map = &self.map;
            self.rows.retain(|pg, _| map.has_pg(*pg));
        }
        for (pg, row) in update.rows {
            let newer = self.rows.get(&pg).is_none_or(|old| old.revision < row.revision);
            if newer {
                self.rows.insert(pg, row);
                changes.rows.insert(pg);
            }
        }
        self.rows_version = self.rows_version.max(update.rows_version);
        Some(changes)
    }

    /// Forgets everything, to be told it again.
    pub fn forget(&mut self) {
        *self = ClusterView::default();
    }
}
