//! Data that is in place: the up set takes over from whoever held the PG in the meantime.

use super::{Surroundings, tenure};
use crate::ids::OsdId;
use crate::pg_row::PgRow;

/// When the in-sync set of an activated row covers the up set, it is trimmed to it, and the up primary takes over
/// in a new interval. Members beyond the up set stay while there are fewer than the pool's size, as Ceph keeps
/// them (`active+clean+remapped`): an OSD marked out where nobody can take its copies still holds one.
pub(super) fn hand_over(row: &mut PgRow, around: &Surroundings<'_>) {
    let up: Vec<OsdId> = around.up_members().collect();
    // In an erasure-coded pool each must hold the shard that it is to hold.
    let seats = around.fewest_shards.map(|_| row.seats(&around.up.set));
    let seated = |osd: &OsdId| {
        seats.as_ref().is_none_or(|seats| seats.get(osd).is_some_and(|s| row.shards.get(osd) == Some(s)))
    };
    let covered = !up.is_empty() && up.iter().all(|osd| row.in_sync.contains(osd) && seated(osd));
    if !row.activated || !covered {
        return;
    }
    let needed = |osd: &&OsdId| {
        let shard = row.shards.get(osd);
        !up.contains(osd) && (shard.is_none() || !up.iter().any(|other| row.shards.get(other) == shard))
    };
    let extra = row.in_sync.iter().filter(needed);
    let kept: Vec<OsdId> =
        up.iter().chain(extra.take(around.size.saturating_sub(up.len()))).copied().collect();
    let hands_over = row.primary != around.up.primary;
    if kept.len() < row.in_sync.len() || hands_over {
        row.in_sync = kept;
    }
    if hands_over {
        tenure::begin(row, around.up.primary);
    }
}

#[cfg(test)]
mod tests {
    use crate::rows::testing::{World, osds, row};

    #[test]
    fn a_covered_up_set_takes_over_from_a_stand_in() {
        let world = World::new(&[0, 1, 2, 3]).up(&[3, 1, 2]);
        let mut r = row(3, &[0, 1, 2, 3], Some(0), true);
        world.settle(&mut r);
        assert_eq!((r.in_sync.clone(), r.primary), (osds(&[3, 1, 2]), osds(&[3]).pop()));
        assert_eq!((r.interval, r.activated), (4, false));
    }

    #[test]
    fn the_same_primary_keeps_its_interval_when_the_set_is_trimmed() {
        let world = World::new(&[0, 1, 2, 3]).up(&[0, 1, 3]);
        let mut r = row(3, &[0, 1, 2, 3], Some(0), true);
        world.settle(&mut r);
        assert_eq!((r.in_sync.clone(), r.interval, r.activated), (osds(&[0, 1, 3]), 3, true));
    }

    #[test]
    fn nothing_moves_before_the_up_set_is_covered_or_the_row_activated() {
        let world = World::new(&[0, 1, 2, 3]).up(&[3, 1, 2]);
        for r in [row(3, &[0, 1, 2], Some(0), true), row(3, &[0, 1, 2, 3], Some(0), false)] {
            let mut after = r.clone();
            world.settle(&mut after);
            assert_eq!(after, r);
        }
    }

    #[test]
    fn copies_are_not_given_up_where_nobody_can_take_them() {
        // Three OSDs, size 3, one marked out: its copy stays.
        let world = World::new(&[0, 1, 2]).up(&[0, 1]);
        let mut r = row(3, &[0, 1, 2], Some(0), true);
        let before = r.clone();
        world.settle(&mut r);
        assert_eq!(r, before);
        // And if it was the primary, another one takes over.
        let world = World::new(&[0, 1, 2]).up(&[0, 1]);
        let mut r = row(3, &[2, 0, 1], Some(2), true);
        world.settle(&mut r);
        assert_eq!((r.in_sync.clone(), r.primary), (osds(&[0, 1, 2]), osds(&[0]).pop()));
        // With no up set at all nothing is handed to nobody.
        let world = World::new(&[0, 1, 2]).up(&[]);
        let mut r = row(3, &[2, 0, 1], Some(2), true);
        let before = r.clone();
        world.settle(&mut r);
        assert_eq!(r, before);
    }

    #[test]
    fn a_shard_is_handed_over_to_who_took_it_and_kept_where_nobody_did() {
        let shards = |list: &[(u32, u8)]| list.iter().map(|(o, s)| (crate::ids::OsdId(*o), *s)).collect();
        // osd.5 took shard 1 over from osd.1; nobody stands where osd.2 stood.
        let mut r = row(3, &[0, 1, 2, 5], Some(0), true);
        r.shards = shards(&[(0, 0), (1, 1), (2, 2), (5, 1)]);
        World::new(&[0, 1, 2, 5]).shards(3, 2).up_by_place(&[0, 5, 99]).settle(&mut r);
        assert_eq!((r.in_sync.clone(), r.interval), (osds(&[0, 5, 2]), 3));
        assert_eq!(r.shards, shards(&[(0, 0), (2, 2), (5, 1)]));
        // Two members of the up set with one shard: nothing is settled before one of them has moved.
        let mut r = row(3, &[0, 1, 5], Some(0), true);
        r.shards = shards(&[(0, 0), (1, 1), (5, 1)]);
        let before = r.clone();
        World::new(&[0, 1, 5]).shards(3, 2).up_by_place(&[0, 1, 5]).settle(&mut r);
        assert_eq!(r, before);
    }
}
