//! What an OSD tells the monitors of itself every few seconds.

use crate::census::Census;
use crate::pgs::Pgs;
use osd_object::ObjectId;
use osd_pg::PgStatus;
use placement_map::stats::{Beacon, OsdStats, PgStats, doing};
use placement_map::{Epoch, OsdId};
use std::time::Duration;

/// How often. A third of what the monitors wait for before they hold an OSD for dead.
pub(crate) const BEACON_INTERVAL: Duration = Duration::from_secs(2);

/// The beacon of this moment.
pub(crate) fn beacon(
    osd: OsdId,
    up_from: Epoch,
    epoch: Epoch,
    stats: OsdStats,
    pgs: &Pgs,
    census: &Census,
) -> Beacon {
    let primaries = pgs.ids().into_iter().filter_map(|pg| pgs.status(pg)).filter(|s| s.primary);
    let pgs = primaries.map(|s| stats_of(&s, census)).collect();
    Beacon { osd, up_from, epoch, stats, pgs }
}

fn stats_of(s: &PgStatus, census: &Census) -> PgStats {
    let count = census.count(s.pg);
    let backfilling = s.joiners.iter().any(|j| j.backfill);
    let recovering = s.joiners.iter().any(|j| !j.backfill);
    let mut bits = 0;
    if backfilling {
        bits |= doing::BACKFILLING;
    }
    if recovering {
        bits |= doing::RECOVERING;
    }
    if let Some(deep) = s.scrubbing {
        bits |= doing::SCRUBBING | if deep { doing::DEEP } else { 0 };
    }
    let inconsistent = s.inconsistent.max(s.damaged).max(s.unreadable);
    if inconsistent > 0 {
        bits |= doing::INCONSISTENT;
    }
    if s.snap_trim_backlog > 0 {
        bits |= doing::SNAPTRIM;
    }
    PgStats {
        pg: s.pg,
        interval: s.interval,
        doing: bits,
        objects: count.objects,
        bytes: count.bytes,
        missing_copies: s.joiners.iter().map(|j| j.missing).sum(),
        recovered_objects_per_second: 0,
        recovered_bytes_per_second: 0,
        head: (s.log_head.interval, s.log_head.seq),
        scrubbed_at: s.stamps.shallow,
        deep_scrubbed_at: s.stamps.deep,
        inconsistent,
        inconsistent_examples: s.damaged_examples.iter().map(|(object, of)| example(object, of)).collect(),
    }
}

/// A damaged object for a person.
fn example(object: &ObjectId, of: &[OsdId]) -> String {
    let of: Vec<String> = of.iter().map(OsdId::to_string).collect();
    format!("object {object}: bad or different at {}", of.join(", "))
}
