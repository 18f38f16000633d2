//! Everything the monitors agree on: the map, and the rows of all PGs beside it.

use crate::cluster_map::ClusterMap;
use crate::config_log::ConfigLog;
use crate::ids::PgId;
use crate::mapping::Mapping;
use crate::pg_row::PgRow;
use std::collections::BTreeMap;
use stdx::codec::{Decode, DecodeError, Encode, Reader, Writer};

/// A row with the version of the side table in which it last changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionedRow {
    /// The table's version.
    pub version: u64,
    /// The row.
    pub row: PgRow,
}
stdx::codec_plain!(VersionedRow { version, row });

/// The replicated state of the monitors. Changed by [`ClusterState::apply`] only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterState {
    /// The map.
    map: ClusterMap,
    /// One row for each PG of the map.
    rows: BTreeMap<PgId, VersionedRow>,
    /// Grows with each commit that changes rows.
    rows_version: u64,
    /// Who changed settings. Empty below the level of [`crate::Feature::ConfigHistory`].
    config_log: ConfigLog,
    /// Up sets of `map`: derived, not stored.
    mapping: Mapping,
}

impl ClusterState {
    /// The map.
    pub fn map(&self) -> &ClusterMap {
        &self.map
    }

    /// The up sets of all PGs.
    pub fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// The version of the table of rows.
    pub fn rows_version(&self) -> u64 {
        self.rows_version
    }

    /// The history of the central settings.
    pub fn config_log(&self) -> &ConfigLog {
        &self.config_log
    }

    /// A PG's row.
    pub fn row(&self, pg: PgId) -> Option<&PgRow> {
        self.rows.get(&pg).map(|versioned| &versioned.row)
    }

    /// All rows.
    pub fn rows(&self) -> impl Iterator<Item = (PgId, &PgRow)> {
        self.rows.iter().map(|(pg, versioned)| (*pg, &versioned.row))
    }

    /// Rows that changed after `version`. Rows of removed pools are gone with the pool in the map.
    pub fn rows_after(&self, version: u64) -> impl Iterator<Item = (PgId, &PgRow)> {
        self.rows.iter().filter(move |(_, row)| row.version > version).map(|(pg, row)| (*pg, &row.row))
    }

    /// Takes over what `apply` settled.
    pub(crate) fn replace(
        &mut self,
        map: Option<ClusterMap>,
        mapping: Option<Mapping>,
        changed: &BTreeMap<PgId, PgRow>,
        gone: &[PgId],
        config_log: Option<ConfigLog>,
    ) {
        if let Some(log) = config_log {
            self.config_log = log;
        }
        if let Some(map) = map {
            self.map = map;
        }
        if let Some(mapping) = mapping {
            self.mapping = mapping;
        }
        if !changed.is_empty() || !gone.is_empty() {
            self.rows_version += 1;
        }
        for pg in gone {
            self.rows.remove(pg);
        }
        for (pg, row) in changed {
            self.rows.insert(*pg, VersionedRow { version: self.rows_version, row: row.clone() });
        }
    }
}

impl Encode for ClusterState {
    fn encode(&self, w: &mut Writer) {
        w.versioned(2, 1, |w| {
            w.put(&self.map);
            w.put(&self.rows);
            w.put(&self.rows_version);
            w.put(&self.config_log);
        });
    }
}

impl Decode for ClusterState {
    fn decode(r: &mut Reader) -> Result<ClusterState, DecodeError> {
        r.versioned(2, |r, version| {
            let map: ClusterMap = r.get()?;
            let mapping = Mapping::of(&map);
            let (rows, rows_version) = (r.get()?, r.get()?);
            let config_log = if version >= 2 { r.get()? } else { ConfigLog::default() };
            Ok(ClusterState { map, rows, rows_version, config_log, mapping })
        })
    }
}
