//! At most one primary serves in an interval, and only the one that the monitors granted it to, after they took its
//! activation. Reason: two primaries of one interval would give one version to two writes; one that was not
//! activated may lack members whose copies the monitors still count on.

use crate::world::World;
use placement_map::{OsdId, PgId, PgRow};
use std::collections::BTreeMap;

/// Who was granted which interval, and whether the activation was committed. Kept from the commits themselves.
#[derive(Debug, Default)]
pub(crate) struct Granted {
    by_interval: BTreeMap<(PgId, u64), (OsdId, bool)>,
}

impl Granted {
    /// Rows were committed.
    pub(crate) fn note(&mut self, rows: &[(PgId, PgRow)]) {
        for (pg, row) in rows {
            let Some(primary) = row.primary else { continue };
            let granted = self.by_interval.entry((*pg, row.interval)).or_insert((primary, false));
            assert_eq!(granted.0, primary, "interval {} of {pg} has two primaries", row.interval);
            granted.1 |= row.activated;
        }
    }
}

impl World {
    /// An OSD answers as the primary of an interval.
    pub(crate) fn check_is_granted(&self, osd: OsdId, pg: PgId, interval: u64) {
        let granted = self.granted.by_interval.get(&(pg, interval));
        assert_eq!(
            granted,
            Some(&(osd, true)),
            "{osd} answers for {pg} in interval {interval}, which was granted (and activated?) otherwise"
        );
    }
}
