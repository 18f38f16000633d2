//! What an OSD tells the monitors of itself every few seconds.

use crate::census::Census;
use crate::pgs::Pgs;
use osd_object::ObjectId;
use osd_pg::status::JoinerStatus;
use osd_pg::{Copied, PgStatus};
use placement_map::stats::{Beacon, OsdStats, PgStats, doing};
use placement_map::{Epoch, OsdId, PgId};
use std::collections::BTreeMap;
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
    pace: &Pace,
) -> Beacon {
    let primaries = pgs.ids().into_iter().filter_map(|pg| pgs.status(pg)).filter(|s| s.primary);
    let pgs = primaries.map(|s| stats_of(&s, census, pace)).collect();
    Beacon { osd, up_from, epoch, stats, pgs }
}

fn stats_of(s: &PgStatus, census: &Census, pace: &Pace) -> PgStats {
    let count = census.count(s.pg);
    let (objects_per_second, bytes_per_second) = pace.of(s.pg);
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
        missing_copies: s.joiners.iter().map(|j| j.missing + uncompared(j, count.objects)).sum(),
        recovered_objects_per_second: objects_per_second,
        recovered_bytes_per_second: bytes_per_second,
        head: (s.log_head.interval, s.log_head.seq),
        scrubbed_at: s.stamps.shallow,
        deep_scrubbed_at: s.stamps.deep,
        inconsistent,
        inconsistent_examples: s.damaged_examples.iter().map(|(object, of)| example(object, of)).collect(),
    }
}

/// Objects that a joiner may lack of what was not compared with it yet: all of them, as far as is known.
fn uncompared(joiner: &JoinerStatus, objects: u64) -> u64 {
    (objects * u64::from(joiner.uncompared_permille)).div_ceil(1000)
}

/// How fast each PG copies objects to others, over the last few beacons: from one to the next it comes in jumps.
#[derive(Default)]
pub(crate) struct Pace {
    /// All that was copied since the process started.
    pub(crate) total: Copied,
    of: BTreeMap<PgId, (Copied, f64, f64)>,
}

impl Pace {
    /// What PGs have copied in all, `seconds` after the last time.
    pub(crate) fn note(&mut self, seconds: f64, copied: impl Iterator<Item = (PgId, Copied)>) {
        let before = std::mem::take(&mut self.of);
        let seconds = seconds.max(0.1);
        for (pg, now) in copied.filter(|(_, copied)| copied.objects > 0) {
            let (then, objects, bytes) = before.get(&pg).copied().unwrap_or_default();
            // A machine that was made anew counts from zero.
            let then = if then.objects > now.objects { Copied::default() } else { then };
            let more = Copied { objects: now.objects - then.objects, bytes: now.bytes - then.bytes };
            self.total.objects += more.objects;
            self.total.bytes += more.bytes;
            let objects = mix(objects, more.objects as f64 / seconds);
            let bytes = mix(bytes, more.bytes as f64 / seconds);
            self.of.insert(pg, (now, objects, bytes));
        }
    }

    fn of(&self, pg: PgId) -> (u32, u64) {
        let (_, objects, bytes) = self.of.get(&pg).copied().unwrap_or_default();
        (objects.ceil() as u32, bytes as u64)
    }
}

/// The new figure with as much of the old one; nothing, once hardly anything is left of it.
fn mix(old: f64, new: f64) -> f64 {
    let mixed = (old + new) / 2.0;
    if mixed < 0.05 { 0.0 } else { mixed }
}

/// A damaged object for a person.
fn example(object: &ObjectId, of: &[OsdId]) -> String {
    let of: Vec<String> = of.iter().map(OsdId::to_string).collect();
    format!("object {object}: bad or different at {}", of.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use placement_map::PoolId;

    #[test]
    fn a_pace_is_that_of_the_last_beacons_and_ends() {
        let pg = PgId { pool: PoolId(1), seed: 0 };
        let mut pace = Pace::default();
        let mut copied = Copied::default();
        for _ in 0..8 {
            copied.objects += 20;
            copied.bytes += 2_000_000;
            pace.note(2.0, [(pg, copied)].into_iter());
        }
        let (objects, bytes) = pace.of(pg);
        assert!((9..=10).contains(&objects) && (900_000..=1_000_000).contains(&bytes), "{objects} {bytes}");
        for _ in 0..40 {
            pace.note(2.0, [(pg, copied)].into_iter());
        }
        assert_eq!((pace.of(pg), pace.total), ((0, 0), copied));
        pace.note(2.0, std::iter::empty());
        assert!(pace.of.is_empty(), "what is not ours any more is forgotten");
    }
}
