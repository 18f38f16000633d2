//! New tenures of a primary.

use super::Surroundings;
use crate::ids::OsdId;
use crate::pg_row::PgRow;

/// Starts a new interval under `primary` (none: the PG is down). The in-sync set is the caller's business.
pub(super) fn begin(row: &mut PgRow, primary: Option<OsdId>) {
    row.interval += 1;
    row.activated = false;
    row.primary = primary;
    if let Some(place) = primary.and_then(|p| row.in_sync.iter().position(|osd| *osd == p)) {
        row.in_sync[..=place].rotate_right(1);
    }
}

/// The member that should be primary among those that `usable` takes: in the order of the up set, so that a
/// hand-over later is spared where possible, then in that of the in-sync set.
pub(super) fn choose(
    row: &PgRow,
    around: &Surroundings<'_>,
    usable: impl Fn(OsdId) -> bool,
) -> Option<OsdId> {
    let by_up = around.up.set.iter().filter(|osd| row.in_sync.contains(osd));
    by_up.chain(&row.in_sync).copied().find(|osd| usable(*osd))
}

/// A row that nobody serves gets the first in-sync member that is up.
pub(super) fn primary_for_orphan(row: &mut PgRow, around: &Surroundings<'_>) {
    if row.primary.is_none()
        && let Some(osd) = choose(row, around, |osd| around.map.is_up(osd))
    {
        begin(row, Some(osd));
    }
}

#[cfg(test)]
mod tests {
    use crate::rows::testing::{World, osds, row};

    #[test]
    fn the_first_member_that_comes_up_becomes_primary_in_a_new_interval() {
        let world = World::new(&[1]).up(&[1]);
        let mut r = row(7, &[0, 1, 2], None, false);
        world.settle(&mut r);
        assert_eq!((r.interval, r.primary, r.activated), (8, osds(&[1]).pop(), false));
        assert_eq!(r.in_sync, osds(&[1, 0, 2]), "members that are still down stay, the primary comes first");
    }

    #[test]
    fn an_osd_outside_the_in_sync_set_never_becomes_primary() {
        let world = World::new(&[3]).up(&[3]);
        let mut r = row(7, &[0, 1, 2], None, false);
        let before = r.clone();
        world.settle(&mut r);
        assert_eq!(r, before);
    }
}
