//! OSDs that stopped.

use super::{Surroundings, resting, tenure};
use crate::ids::OsdId;
use crate::pg_row::PgRow;

/// * The primary stopped: a new interval. Everybody stays in sync, since nobody can have acknowledged without
///   them, so that whichever member returns first can serve.
/// * A replica of an activated row stopped: it is dropped in this commit, and writes go on without it; it rests until
///   one does.
/// * It restarted before anybody noticed: a new interval under the same primary, and it stays in sync. Nothing can
///   have been acknowledged without it, and the primary that the map shows may itself be dead: after a power
///   failure members boot one by one, and dropping each would leave a dead primary as the only one in sync.
/// * Shards stopped and fewer are left than it takes to have the objects: nobody is dropped, and nobody serves until
///   enough are back.
/// * A replica of a row that is not activated: it stays; the primary leaves it out when it activates.
pub(super) fn osds_down(row: &mut PgRow, around: &Surroundings<'_>) {
    let Some(primary) = row.primary else { return };
    if around.went_down.contains(&primary) {
        let stayed = |osd| around.map.is_up(osd) && !around.went_down.contains(&osd);
        let next = tenure::choose(row, around, stayed);
        tenure::begin(row, next);
    } else if row.activated {
        let stays = |osd: &OsdId| !around.went_down.contains(osd) || around.map.is_up(*osd);
        let left: Vec<OsdId> = row.in_sync.iter().copied().filter(stays).collect();
        if !around.enough(row, &left) {
            // Dropping them would leave too few shards to have anything: all stay, and whoever is primary waits for
            // them.
            tenure::begin(row, Some(primary));
            return;
        }
        let stopped = std::mem::replace(&mut row.in_sync, left);
        resting::rest(row, stopped, around);
        if row.in_sync.iter().any(|osd| around.went_down.contains(osd)) {
            tenure::begin(row, Some(primary));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::rows::testing::{World, osds, row};

    #[test]
    fn a_stopped_replica_leaves_within_the_interval() {
        let world = World::new(&[0, 1]).up(&[0, 1]).down(&[2]);
        let mut r = row(3, &[0, 1, 2], Some(0), true);
        world.settle(&mut r);
        assert_eq!((r.in_sync.clone(), r.interval, r.activated), (osds(&[0, 1]), 3, true));
    }

    #[test]
    fn a_stopped_primary_is_followed_by_another_member_and_all_stay_in_sync() {
        let world = World::new(&[1, 2]).up(&[2, 1]).down(&[0]);
        let mut r = row(3, &[0, 1, 2], Some(0), true);
        world.settle(&mut r);
        assert_eq!(r.in_sync, osds(&[2, 0, 1]));
        assert_eq!((r.primary, r.interval, r.activated), (osds(&[2]).pop(), 4, false));
    }

    #[test]
    fn primary_and_replica_stopping_together_both_stay_in_sync() {
        let world = World::new(&[2]).up(&[2]).down(&[0, 1]);
        let mut r = row(3, &[0, 1, 2], Some(0), true);
        world.settle(&mut r);
        assert_eq!((r.in_sync.len(), r.primary), (3, osds(&[2]).pop()));
    }

    #[test]
    fn before_activation_a_stopped_replica_stays() {
        let world = World::new(&[0, 1]).up(&[0, 1]).down(&[2]);
        let mut r = row(3, &[0, 1, 2], Some(0), false);
        let before = r.clone();
        world.settle(&mut r);
        assert_eq!(r, before);
    }

    #[test]
    fn the_last_member_is_never_dropped_the_pg_is_down() {
        let world = World::new(&[]).up(&[]).down(&[0]);
        let mut r = row(3, &[0], Some(0), true);
        world.settle(&mut r);
        assert_eq!((r.in_sync.clone(), r.primary, r.interval, r.activated), (osds(&[0]), None, 4, false));
    }

    #[test]
    fn a_replica_that_restarted_unnoticed_stays_in_sync_in_a_new_interval() {
        let world = World::new(&[0, 1, 2]).up(&[0, 1, 2]).down(&[2]);
        let mut r = row(3, &[0, 1, 2], Some(0), true);
        world.settle(&mut r);
        assert_eq!(r.in_sync, osds(&[0, 1, 2]));
        assert_eq!((r.primary, r.interval, r.activated), (osds(&[0]).pop(), 4, false));
    }

    #[test]
    fn a_restart_is_a_stop_and_a_start_in_one_commit() {
        // Sole member: it gets the PG back, in a later interval, so that what it promised before is void.
        let world = World::new(&[0]).up(&[0]).down(&[0]);
        let mut r = row(3, &[0], Some(0), true);
        world.settle(&mut r);
        assert_eq!((r.primary, r.interval, r.activated), (osds(&[0]).pop(), 5, false));
        // With others: one of them takes over.
        let world = World::new(&[0, 1]).up(&[0, 1]).down(&[0]);
        let mut r = row(3, &[0, 1], Some(0), true);
        world.settle(&mut r);
        assert_eq!((r.primary, r.interval, r.in_sync.len()), (osds(&[1]).pop(), 4, 2));
    }

    #[test]
    fn shards_are_dropped_only_while_enough_are_left() {
        let shards = |r: &mut crate::pg_row::PgRow| {
            r.shards = (0..4).zip(0..).map(|(osd, shard)| (crate::ids::OsdId(osd), shard)).collect();
        };
        let mut r = row(3, &[0, 1, 2, 3], Some(0), true);
        shards(&mut r);
        let world = World::new(&[0, 1, 2]).shards(4, 2).up_by_place(&[0, 1, 2, 99]).down(&[3]);
        world.settle(&mut r);
        assert_eq!(
            (r.in_sync.clone(), r.interval, r.activated, r.shards.len()),
            (osds(&[0, 1, 2]), 3, true, 3)
        );
        let world = World::new(&[0]).shards(4, 2).up_by_place(&[0, 99, 99, 99]).down(&[1, 2]);
        world.settle(&mut r);
        assert_eq!((r.in_sync.clone(), r.interval, r.activated), (osds(&[0, 1, 2]), 4, false));
        assert_eq!(r.primary, osds(&[0]).pop());
    }
}
