//! The rules by which rows change (decision D3, docs/decisions; the PacificA shape): one file a family.
//!
//! What they keep, and [`check`] asserts in production:
//! * the primary is a member of the in-sync set and up, or nobody is;
//! * the in-sync set is empty only before the first assignment or when every store of it is lost;
//! * all members of an activated row are up: a member that stops is dropped in the same commit;
//! * interval and revision only grow.

mod assign;
pub(crate) mod change;
mod down;
mod lost;
mod remap;
mod resting;
mod split;
mod stand_in;
mod tenure;

pub(crate) use change::change;
pub(crate) use split::divided;
pub(crate) use stand_in::stand_in;

#[cfg(test)]
pub(crate) mod testing;

use crate::cluster_map::ClusterMap;
use crate::ids::OsdId;
use crate::mapping::Up;
use crate::pg_row::PgRow;
use std::collections::BTreeSet;

/// What the rules look at beside the row.
pub(crate) struct Surroundings<'a> {
    /// The up set by the new map.
    pub(crate) up: &'a Up,
    /// The up set by the map before.
    pub(crate) was_up: &'a [OsdId],
    /// Copies the pool wants.
    pub(crate) size: usize,
    /// In an erasure-coded pool: the fewest different shards with which objects can be had.
    pub(crate) fewest_shards: Option<usize>,
    /// The new map.
    pub(crate) map: &'a ClusterMap,
    /// OSDs that stopped in this commit, restarted ones included.
    pub(crate) went_down: &'a BTreeSet<OsdId>,
    /// OSDs that lost what they held.
    pub(crate) lost: &'a BTreeSet<OsdId>,
    /// OSDs that said themselves in this commit that they stopped: they answer nobody any more.
    pub(crate) in_order: &'a BTreeSet<OsdId>,
}

impl Surroundings<'_> {
    /// The up set without holes.
    pub(crate) fn up_members(&self) -> impl Iterator<Item = OsdId> {
        self.up.set.iter().copied().filter(|osd| *osd != OsdId::NONE)
    }
    /// Whether these in-sync members are enough to have every object.
    pub(crate) fn enough(&self, row: &PgRow, members: &[OsdId]) -> bool {
        self.fewest_shards.map_or(!members.is_empty(), |fewest| row.copies_of(members) >= fewest)
    }
}

/// Carries all rules out, in the order in which things count as having happened: stores are lost, OSDs stop, OSDs
/// start, new PGs are given out, data that is in place is handed over.
pub(crate) fn settle(row: &mut PgRow, around: &Surroundings<'_>) {
    resting::rejoin(row, around);
    lost::stores_lost(row, around);
    down::osds_down(row, around);
    tenure::primary_for_orphan(row, around);
    assign::first_assignment(row, around);
    remap::hand_over(row, around);
    resting::forget(row, around);
    if !row.lost {
        row.shards.retain(|osd, _| row.in_sync.contains(osd));
    }
}

/// Whether proposals computed from the row as it stands must not count any more, though the row is the same: who
/// is up in the PG changed. Otherwise a Grow could add a joiner that restarted after it was proposed, and that
/// its primary already writes without.
pub(crate) fn outdates_proposals(row: &PgRow, around: &Surroundings<'_>) -> bool {
    let joiner_stopped =
        around.was_up.iter().any(|osd| around.went_down.contains(osd) && !row.in_sync.contains(osd));
    row.activated && (joiner_stopped || around.was_up != around.up.set)
}

/// Asserts what must hold of every row after every command.
pub(crate) fn check(row: &PgRow, map: &ClusterMap) {
    if let Some(primary) = row.primary {
        assert!(row.in_sync.contains(&primary), "primary {primary} is not in sync: {row:?}");
        assert!(map.is_up(primary), "primary {primary} is down: {row:?}");
        assert!(!row.lost, "a lost PG has a primary: {row:?}");
    }
    if row.activated {
        assert!(row.primary.is_some(), "activated without a primary: {row:?}");
        assert!(row.in_sync.iter().all(|osd| map.is_up(*osd)), "activated with a member down: {row:?}");
    }
    assert!(row.resting.iter().all(|osd| !row.in_sync.contains(osd)), "in sync and resting: {row:?}");
    let shards_known = row.shards.is_empty() || row.in_sync.iter().all(|osd| row.shards.contains_key(osd));
    assert!(shards_known, "a member whose shard is not known: {row:?}");
    assert_eq!(row.in_sync.is_empty(), row.interval == 0 || row.lost, "empty in-sync set: {row:?}");
}
