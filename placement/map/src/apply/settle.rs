//! The second half of every command: what follows for rows and stand-ins, and whether an epoch is minted.

use super::draft::Draft;
use crate::cluster_map::ClusterMap;
use crate::config_log::ConfigLog;
use crate::feature::Feature;
use crate::ids::{Epoch, PgId};
use crate::mapping::{Mapping, Up};
use crate::pg_row::PgRow;
use crate::pool::Pool;
use crate::rows::{self, Surroundings};
use std::collections::BTreeMap;

/// What a command comes to.
pub(super) struct Settled {
    /// The next map, if it differs.
    pub(super) map: Option<ClusterMap>,
    /// Its up sets, if they had to be computed anew.
    pub(super) mapping: Option<Mapping>,
    /// Changed rows.
    pub(super) rows: BTreeMap<PgId, PgRow>,
    /// PGs that are no more.
    pub(super) gone: Vec<PgId>,
    /// The history of the settings, if it grew.
    pub(super) config_log: Option<ConfigLog>,
}

/// Carries the row rules out and closes the draft.
pub(super) fn settle(mut draft: Draft<'_>) -> Settled {
    let old = draft.state.map();
    let moved = draft.next.osds != old.osds
        || draft.next.pools != old.pools
        || draft.next.crush != old.crush
        || draft.next.pg_upmap != old.pg_upmap
        || draft.next.pg_upmap_items != old.pg_upmap_items;
    let mapping = (moved || !draft.lost.is_empty()).then(|| Mapping::of(&draft.next));

    let touched: Vec<PgId> = match mapping {
        Some(_) => draft.next.pgs().collect(),
        None => draft.rows.keys().copied().collect(),
    };
    let mut changed = BTreeMap::new();
    let nowhere = Up::default();
    for pg in touched {
        let before = draft.state.row(pg).cloned().unwrap_or_default();
        let mut row = draft.rows.remove(&pg).unwrap_or_else(|| before.clone());
        let was_up = draft.state.mapping().up(pg).unwrap_or(&nowhere);
        let up = mapping.as_ref().unwrap_or(draft.state.mapping()).up(pg).unwrap_or(&nowhere);
        let around = Surroundings {
            up,
            was_up: &was_up.set,
            size: draft.next.pools.get(&pg.pool).map_or(0, |pool| pool.size as usize),
            fewest_shards: draft.next.pools.get(&pg.pool).and_then(Pool::fewest_shards),
            map: &draft.next,
            went_down: &draft.went_down,
            lost: &draft.lost,
            in_order: &draft.in_order,
        };
        rows::settle(&mut row, &around);
        // Whoever is about to activate it counted on who was up: shards decide together where their log ends.
        let stirred = around.fewest_shards.is_some()
            && !row.activated
            && row.in_sync.iter().any(|osd| old.incarnation(*osd) != draft.next.incarnation(*osd));
        if row == before && (stirred || rows::outdates_proposals(&row, &around)) || row != before {
            // The row of a child begins with its parent's revision: who knew a PG of that seed before sees it grow.
            row.revision = before.revision.max(row.revision) + 1;
        }
        rows::check(&row, &draft.next);
        let stand_in = rows::stand_in(&row, &around);
        match stand_in {
            Some(set) => draft.next.pg_temp.insert(pg, set),
            None => draft.next.pg_temp.remove(&pg),
        };
        if row != before || draft.state.row(pg).is_none() {
            changed.insert(pg, row);
        }
    }

    let gone: Vec<PgId> = draft.state.rows().map(|(pg, _)| pg).filter(|pg| !draft.next.has_pg(*pg)).collect();
    for pg in &gone {
        draft.next.pg_temp.remove(pg);
        draft.next.pg_upmap.remove(pg);
        draft.next.pg_upmap_items.remove(pg);
    }
    let config_log = (draft.next.config != old.config && old.has(Feature::ConfigHistory)).then(|| {
        let mut log = draft.state.config_log().clone();
        // Without a name it followed from something else, such as an OSD's removal.
        log.note(draft.at, draft.configured_by.as_deref().unwrap_or("mon"), &old.config, &draft.next.config);
        log
    });
    let map = (draft.next != *old).then(|| {
        draft.next.epoch = Epoch(old.epoch.0 + 1);
        draft.next.modified = draft.at;
        draft.next
    });
    Settled { map, mapping, rows: changed, gone, config_log }
}
