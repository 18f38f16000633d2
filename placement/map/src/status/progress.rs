//! How far recovery is, and how long it will take.

use super::{Progress, Volatile};
use crate::state::ClusterState;

/// None while nothing is missing.
pub(super) fn progress(state: &ClusterState, seen: &Volatile) -> Option<Progress> {
    let mut sum = Progress::default();
    for (pg, stats) in &seen.pgs {
        let Some(pool) = state.map().pools.get(&pg.pool) else { continue };
        sum.copies_total += stats.objects * u64::from(pool.size);
        if state.row(*pg).is_some_and(|row| row.interval == stats.interval) {
            sum.copies_left += stats.missing_copies;
            sum.objects_per_second += u64::from(stats.recovered_objects_per_second);
            sum.bytes_per_second += stats.recovered_bytes_per_second;
        }
    }
    if sum.copies_left == 0 {
        return None;
    }
    sum.seconds_left = sum.copies_left.checked_div(sum.objects_per_second);
    Some(sum)
}
