//! PGs that nobody ever held.

use super::Surroundings;
use crate::pg_row::PgRow;

/// Gives a new PG to its up set, as soon as there is one. All of it is in sync: there is nothing to have yet.
pub(super) fn first_assignment(row: &mut PgRow, around: &Surroundings<'_>) {
    if row.interval > 0 || around.up.set.is_empty() {
        return;
    }
    row.interval = 1;
    row.in_sync = around.up.set.clone();
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
}
