//! A command's working copy: the next map, and what happened to OSDs on the way.

use crate::cluster_map::ClusterMap;
use crate::ids::{Epoch, OsdId, PgId};
use crate::osd::OsdInfo;
use crate::pg_row::PgRow;
use crate::refusal::Refusal;
use crate::state::ClusterState;
use std::collections::{BTreeMap, BTreeSet};
use stdx::time::WallTime;

/// The working copy. Its map keeps the old epoch until `settle` knows that something changed.
pub(super) struct Draft<'a> {
    pub(super) state: &'a ClusterState,
    pub(super) at: WallTime,
    pub(super) next: ClusterMap,
    /// Were up before this command and stopped, if only to restart.
    pub(super) went_down: BTreeSet<OsdId>,
    /// Lost what they held, wholly or in part.
    pub(super) lost: BTreeSet<OsdId>,
    /// Stopped in order: they have answered nobody since before they said so.
    pub(super) in_order: BTreeSet<OsdId>,
    /// Who changed settings, if somebody did by a command that says so.
    pub(super) configured_by: Option<String>,
    /// Rows that the command itself changed.
    pub(super) rows: BTreeMap<PgId, PgRow>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(state: &'a ClusterState, at: WallTime) -> Draft<'a> {
        Draft {
            state,
            at,
            next: state.map().clone(),
            went_down: BTreeSet::new(),
            lost: BTreeSet::new(),
            in_order: BTreeSet::new(),
            configured_by: None,
            rows: BTreeMap::new(),
        }
    }

    /// The epoch this command mints if it changes the map.
    pub(super) fn epoch(&self) -> Epoch {
        Epoch(self.state.map().epoch.0 + 1)
    }

    /// A row as the command has it so far.
    pub(super) fn row(&self, pg: PgId) -> Option<&PgRow> {
        self.rows.get(&pg).or_else(|| self.state.row(pg))
    }

    /// An OSD of the draft, for changing it.
    pub(super) fn osd(&mut self, id: OsdId) -> Result<&mut OsdInfo, Refusal> {
        self.next.osds.get_mut(&id).ok_or_else(|| no_osd(id))
    }

    /// Notes that an OSD does not serve any more.
    pub(super) fn take_down(&mut self, id: OsdId) {
        let (epoch, at) = (self.epoch(), self.at);
        let Some(osd) = self.next.osds.get_mut(&id).filter(|osd| osd.up) else { return };
        osd.up = false;
        osd.down_at = epoch;
        osd.down_since = at;
        self.went_down.insert(id);
    }
}

pub(super) fn no_osd(id: OsdId) -> Refusal {
    Refusal::not_found(format!("{id} does not exist; `nacre osd tree` lists those that do"))
}
