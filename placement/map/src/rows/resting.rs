//! Members that stopped and lack nothing yet: what lets a PG survive that its members are stopped one after the other.
//! Why it loses nothing: docs/decisions/0012-resting-members.md.
//!
//! * Who is dropped since it stopped rests: at that moment it has every acknowledged write.
//! * A primary acknowledges nothing while somebody rests. When it has something to acknowledge it has the resting
//!   members dropped first (`Shrink`), so that while one rests nothing was acknowledged that it lacks.
//! * A primary that stops in order has answered its last read and write, so the resting members are in sync again.
//! * A primary that ends in any other way may go on answering reads for a while, and who rests promised it no lease: they
//!   stay away until it is back.

use super::Surroundings;
use crate::feature::Feature;
use crate::ids::OsdId;
use crate::pg_row::PgRow;

/// Whether members of this PG may rest. Not in an erasure-coded pool: the logs of its members have to agree shard by
/// shard, and a member that is away cannot be asked where its own ends.
pub(super) fn allowed(around: &Surroundings<'_>) -> bool {
    around.fewest_shards.is_none() && around.map.has(Feature::RestingMembers)
}

/// They were dropped because they stopped.
pub(super) fn rest(row: &mut PgRow, stopped: impl IntoIterator<Item = OsdId>, around: &Surroundings<'_>) {
    if !allowed(around) {
        return;
    }
    for osd in stopped {
        if !row.resting.contains(&osd) && !row.in_sync.contains(&osd) {
            row.resting.push(osd);
        }
    }
}

/// The primary stopped in order: who rests lacks nothing and never will. Only one that was let serve: it had heard of its
/// interval, so whatever it promised a predecessor ends before somebody who starts after this serves.
pub(super) fn rejoin(row: &mut PgRow, around: &Surroundings<'_>) {
    if row.activated && row.primary.is_some_and(|primary| around.in_order.contains(&primary)) {
        row.in_sync.append(&mut row.resting);
    }
}

/// Who started again is filled like any joiner; who lost its store, or left, has nothing.
pub(super) fn forget(row: &mut PgRow, around: &Surroundings<'_>) {
    let (map, in_sync) = (around.map, &row.in_sync);
    row.resting.retain(|osd| {
        let away = map.osds.get(osd).is_some_and(|info| !info.up);
        away && !around.lost.contains(osd) && !in_sync.contains(osd)
    });
}

#[cfg(test)]
mod tests {
    use crate::pg_row::{RowChange, RowChangeKind};
    use crate::rows::testing::{World, osds, row};
    use crate::{OsdId, PgId, PoolId};

    fn propose(
        world: &World,
        row: &mut crate::PgRow,
        kind: RowChangeKind,
    ) -> Result<(), crate::rows::change::Rejection> {
        let pg = PgId { pool: PoolId(1), seed: 0 };
        let from = row.primary.expect("somebody proposes");
        let proposal = RowChange { pg, from, revision: row.revision, kind };
        world.with(|around| crate::rows::change(row, &proposal, around))
    }

    #[test]
    fn all_that_stop_in_order_one_by_one_stay_in_sync() {
        let mut r = row(3, &[0, 1, 2], Some(0), true);
        World::new(&[0, 1]).known(&[2]).up(&[0, 1]).stopped(&[2]).settle(&mut r);
        assert_eq!((r.in_sync.clone(), r.resting.clone(), r.activated), (osds(&[0, 1]), osds(&[2]), true));
        World::new(&[1]).known(&[0, 2]).up(&[1]).stopped(&[0]).settle(&mut r);
        assert_eq!((r.in_sync.clone(), r.resting.len(), r.primary), (osds(&[1, 0, 2]), 0, Some(OsdId(1))));
        // The next primary knows by their last words that the others have its head.
        let world = World::new(&[1]).known(&[0, 2]).up(&[1]);
        propose(&world, &mut r, RowChangeKind::Activate { in_sync: osds(&[1, 2, 0]) }).expect("taken");
        assert_eq!((r.in_sync.clone(), r.resting.clone()), (osds(&[1]), osds(&[2, 0])));
        World::new(&[]).known(&[0, 1, 2]).up(&[]).stopped(&[1]).settle(&mut r);
        assert_eq!((r.in_sync.clone(), r.primary), (osds(&[1, 2, 0]), None));
    }

    #[test]
    fn who_rests_is_dropped_before_anything_is_acknowledged() {
        let mut r = row(3, &[0, 1], Some(0), true);
        r.resting = osds(&[2]);
        let world = World::new(&[0, 1]).known(&[2]).up(&[0, 1]);
        propose(&world, &mut r, RowChangeKind::Shrink { drop: osds(&[2]) }).expect("taken");
        assert_eq!((r.in_sync.clone(), r.resting.len()), (osds(&[0, 1]), 0));
        assert!(propose(&world, &mut r, RowChangeKind::Shrink { drop: osds(&[2]) }).is_err(), "gone already");
    }

    #[test]
    fn a_primary_that_did_not_say_that_it_stops_is_not_replaced_by_who_rests() {
        let mut r = row(3, &[0], Some(0), true);
        r.resting = osds(&[1, 2]);
        World::new(&[]).known(&[0, 1, 2]).up(&[]).down(&[0]).settle(&mut r);
        assert_eq!((r.in_sync.clone(), r.resting.clone()), (osds(&[0]), osds(&[1, 2])));
        // It is back, and what its log holds now the others may lack.
        let world = World::new(&[0]).known(&[1, 2]).up(&[0]);
        world.settle(&mut r);
        propose(&world, &mut r, RowChangeKind::Activate { in_sync: osds(&[0]) }).expect("taken");
        assert_eq!((r.primary, r.resting.len()), (Some(OsdId(0)), 0));
    }

    #[test]
    fn who_starts_or_loses_its_store_or_leaves_rests_no_more() {
        for world in [
            World::new(&[0, 2]).up(&[0, 2]),
            World::new(&[0]).known(&[2]).up(&[0]).lost(&[2]),
            World::new(&[0]).up(&[0]),
        ] {
            let mut r = row(3, &[0], Some(0), true);
            r.resting = osds(&[2]);
            world.settle(&mut r);
            assert_eq!(r.resting, osds(&[]));
        }
    }

    #[test]
    fn below_its_level_nobody_rests() {
        let mut r = row(3, &[0, 1, 2], Some(0), true);
        World::new(&[0, 1]).of_level(1).known(&[2]).up(&[0, 1]).stopped(&[2]).settle(&mut r);
        assert_eq!((r.in_sync.clone(), r.resting.len()), (osds(&[0, 1]), 0));
    }
}
