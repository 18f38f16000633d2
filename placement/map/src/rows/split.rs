//! PGs that are split: what the monitors record of the two halves (docs/decisions/0034-pg-split.md).

use super::tenure;
use crate::pg_row::PgRow;

/// The row of a PG that is being split, and of each of its children alike: the same members, the same of them in sync,
/// in a new interval. Every in-sync member has all that was acknowledged of the parent, so it has all that was
/// acknowledged of each child, whenever it comes to divide what it holds; and whoever has not divided it yet still
/// obeys the old interval only, in which nothing can be acknowledged once one member has.
pub(crate) fn divided(parent: &PgRow) -> PgRow {
    // Whoever rests has said nothing of this division, and is not counted on.
    let mut row = PgRow { resting: Default::default(), ..parent.clone() };
    if row.interval > 0 {
        let primary = row.primary;
        tenure::begin(&mut row, primary);
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::testing::row;

    #[test]
    fn both_halves_begin_a_new_interval_with_the_same_members() {
        let before = row(3, &[2, 0, 1], Some(2), true);
        let after = divided(&before);
        assert_eq!((after.interval, after.activated), (4, false));
        assert_eq!((after.in_sync, after.primary), (before.in_sync, before.primary));
        let down = divided(&row(7, &[0, 1], None, false));
        assert_eq!((down.interval, down.primary, down.in_sync.len()), (8, None, 2));
        let lost = divided(&PgRow { interval: 5, lost: true, ..PgRow::default() });
        assert!(lost.lost && lost.in_sync.is_empty(), "what nobody has is not made up by dividing it");
        assert_eq!(divided(&PgRow::default()), PgRow::default(), "nobody ever held it");
    }
}
