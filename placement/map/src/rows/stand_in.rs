//! pg_temp: what makes a stock client's primary the granted one.

use super::Surroundings;
use crate::ids::OsdId;
use crate::pg_row::PgRow;

/// The stand-in acting set to publish: none while the primary that everybody computes from the map is the row's.
/// None also while nobody may serve; OSDs look at the row and refuse.
pub(crate) fn stand_in(row: &PgRow, around: &Surroundings<'_>) -> Option<Vec<OsdId>> {
    let primary = row.primary?;
    if around.up.primary == Some(primary) {
        return None;
    }
    let rest = row.in_sync.iter().copied().filter(|osd| *osd != primary && around.map.is_up(*osd));
    Some(std::iter::once(primary).chain(rest).collect())
}

#[cfg(test)]
mod tests {
    use super::stand_in;
    use crate::rows::testing::{World, osds, row};

    #[test]
    fn only_a_differing_primary_is_published() {
        let world = World::new(&[0, 1, 2]).up(&[0, 1, 2]);
        world.with(|around| {
            assert_eq!(stand_in(&row(3, &[0, 1], Some(0), true), around), None);
            assert_eq!(stand_in(&row(3, &[1, 0, 9], Some(1), true), around), Some(osds(&[1, 0])));
            assert_eq!(stand_in(&row(3, &[1, 0], None, false), around), None);
        });
    }
}
