//! Stores that lost what they held: they leave every in-sync set before they count as up.

use super::{Surroundings, tenure};
use crate::pg_row::PgRow;

/// Drops lost members. A row that this empties, or leaves with too few shards, is incomplete: nobody has what was acknowledged, and it is not
/// given to anybody as if it were empty.
pub(super) fn stores_lost(row: &mut PgRow, around: &Surroundings<'_>) {
    if !row.in_sync.iter().any(|osd| around.lost.contains(osd)) {
        return;
    }
    row.in_sync.retain(|osd| !around.lost.contains(osd));
    if !around.enough(row, &row.in_sync) {
        row.lost = true;
        // What is left stays on record, so that people can see which shards are missing.
        row.shards.retain(|osd, _| row.in_sync.contains(osd));
        row.in_sync.clear();
        tenure::begin(row, None);
    } else if row.primary.is_some_and(|primary| around.lost.contains(&primary)) {
        let stayed = |osd| around.map.is_up(osd) && !around.went_down.contains(&osd);
        let primary = tenure::choose(row, around, stayed);
        tenure::begin(row, primary);
    }
}

#[cfg(test)]
mod tests {
    use crate::rows::testing::{World, osds, row};

    #[test]
    fn a_lost_primary_is_dropped_and_replaced() {
        let world = World::new(&[0, 1, 2]).up(&[0, 1, 2]).down(&[0]).lost(&[0]);
        let mut r = row(3, &[0, 1, 2], Some(0), true);
        world.settle(&mut r);
        assert_eq!(r.in_sync, osds(&[1, 2]));
        assert_eq!((r.primary, r.interval, r.activated, r.lost), (osds(&[1]).pop(), 4, false, false));
    }

    #[test]
    fn a_lost_replica_is_dropped_within_the_interval() {
        let world = World::new(&[0, 1, 2]).up(&[0, 1, 2]).down(&[2]).lost(&[2]);
        let mut r = row(3, &[0, 1, 2], Some(0), true);
        world.settle(&mut r);
        assert_eq!((r.in_sync.clone(), r.interval, r.activated), (osds(&[0, 1]), 3, true));
    }

    #[test]
    fn the_last_lost_copy_makes_the_pg_incomplete_not_empty() {
        let world = World::new(&[0, 1]).up(&[0, 1]).lost(&[0]);
        let mut r = row(3, &[0], None, false);
        world.settle(&mut r);
        assert!(r.lost && r.primary.is_none() && r.in_sync.is_empty());
        let after = r.clone();
        World::new(&[0, 1]).up(&[0, 1]).settle(&mut r);
        assert_eq!(r, after, "and it stays so");
    }

    #[test]
    fn a_down_row_waits_for_the_copies_that_are_left() {
        let world = World::new(&[0]).up(&[0]).lost(&[0]);
        let mut r = row(3, &[0, 1], None, false);
        world.settle(&mut r);
        assert_eq!((r.in_sync.clone(), r.primary, r.lost), (osds(&[1]), None, false));
    }

    #[test]
    fn more_lost_shards_than_parity_make_it_incomplete_and_what_is_left_is_told() {
        let mut r = row(3, &[0, 1, 2], Some(0), true);
        r.shards = (0..3).zip(0..).map(|(osd, shard)| (crate::ids::OsdId(osd), shard)).collect();
        let one = World::new(&[0, 1, 2]).shards(3, 2).up_by_place(&[0, 1, 2]).lost(&[1]).down(&[1]);
        one.settle(&mut r);
        assert_eq!((r.in_sync.clone(), r.lost, r.shards.len()), (osds(&[0, 2]), false, 2));
        World::new(&[0, 1, 2]).shards(3, 2).up_by_place(&[0, 1, 2]).lost(&[2]).down(&[2]).settle(&mut r);
        assert!(r.lost && r.primary.is_none() && r.in_sync.is_empty());
        assert_eq!(r.shards.values().collect::<Vec<_>>(), [&0]);
    }
}
