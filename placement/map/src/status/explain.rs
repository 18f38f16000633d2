//! One PG explained in sentences.

use super::tables::PgRowView;
use crate::pg_row::PgRow;
use crate::pool::Pool;

/// What is so, what it means for the data, what happens next.
pub(super) fn explain(row: &PgRow, pool: &Pool, view: &PgRowView) -> Vec<String> {
    let members = |ids: &[crate::OsdId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut lines = Vec::new();
    if row.lost {
        lines.push("every store that held all acknowledged writes was replaced or damaged".to_owned());
        lines.push("reads and writes wait; nothing is served as if it were empty".to_owned());
        lines.push(format!(
            "bring an old store back, or give the data up with `nacre pg recreate {}`",
            view.pgid
        ));
        return lines;
    }
    if row.interval == 0 {
        lines.push("no OSD of its up set has been up yet; it is given out when one is".to_owned());
        return lines;
    }
    lines.push(format!("every acknowledged write is on {}", members(&row.in_sync)));
    match row.primary {
        None => lines.push(format!(
            "none of them is up: reads and writes wait until one of {} starts",
            members(&row.in_sync)
        )),
        Some(primary) if !row.activated => lines.push(format!(
            "{primary} became primary (interval {}) and is bringing the others to its state; reads and writes wait \
             for that, seconds at most",
            row.interval
        )),
        Some(primary) if row.in_sync.len() < pool.min_size as usize => lines.push(format!(
            "{primary} serves reads; writes wait because {} in-sync copies are fewer than min_size {}",
            row.in_sync.len(),
            pool.min_size
        )),
        Some(primary) => lines.push(format!("{primary} serves reads and writes")),
    }
    let joining: Vec<crate::OsdId> =
        view.up.iter().copied().filter(|osd| !row.in_sync.contains(osd)).collect();
    if !joining.is_empty() {
        lines.push(format!(
            "{} are being filled ({} copies to go) and then join",
            members(&joining),
            view.missing_copies
        ));
    }
    if row.in_sync.len() + joining.len() < pool.size as usize {
        lines.push(format!(
            "{} copies are wanted and there are OSDs for {}: start or add OSDs",
            pool.size,
            row.in_sync.len() + joining.len()
        ));
    }
    lines
}
