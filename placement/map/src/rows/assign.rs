//! PGs that nobody ever held.

use super::Surroundings;
use crate::ids::OsdId;
use crate::pg_row::PgRow;

/// Gives a new PG to its up set, as soon as there is one. All of it is in sync: there is nothing to have yet.
pub(super) fn first_assignment(row: &mut PgRow, around: &Surroundings<'_>) {
    let members: Vec<OsdId> = around.up_members().collect();
    // Shards that nobody could be read from must not be the whole PG.
    if row.interval > 0 || members.len() < around.fewest_shards.unwrap_or(1) {
        return;
    }
    row.interval = 1;
    row.in_sync = members;
    if around.fewest_shards.is_some() {
        row.shards = row.seats(&around.up.set);
    }
    row.primary = around.up.primary;
    row.activated = false;
}

#[cfg(test)]
mod tests {
    use crate::pg_row::PgRow;
    use crate::rows::testing::{World, osds};

    #[test]
    fn a_new_pg_goes_to_its_up_set_once_there_is_one() {
        let mut r = PgRow::default();
        World::new(&[]).up(&[]).settle(&mut r);
        assert_eq!(r, PgRow::default());
        World::new(&[1, 2]).up(&[2, 1]).settle(&mut r);
        assert_eq!((r.interval, r.in_sync.clone(), r.primary), (1, osds(&[2, 1]), osds(&[2]).pop()));
        assert!(!r.activated, "the primary has to activate it");
    }

    #[test]
    fn shards_are_given_out_by_position_once_there_are_enough() {
        let mut r = PgRow::default();
        World::new(&[1, 4]).shards(4, 3).up_by_place(&[99, 1, 99, 4]).settle(&mut r);
        assert_eq!(r, PgRow::default(), "two of four shards, and three are needed to have anything");
        World::new(&[1, 4, 7]).shards(4, 3).up_by_place(&[99, 1, 7, 4]).settle(&mut r);
        assert_eq!((r.interval, r.in_sync.clone(), r.primary), (1, osds(&[1, 7, 4]), osds(&[1]).pop()));
        let shards: Vec<(u32, u8)> = r.shards.iter().map(|(osd, shard)| (osd.0, *shard)).collect();
        assert_eq!(shards, [(1, 1), (4, 3), (7, 2)]);
    }
}
