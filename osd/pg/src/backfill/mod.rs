//! Backfill: when logs do not overlap, all objects are compared, range by range in hobject order. Behind the
//! end of the compared ranges the joiner gets writes without effects; up to it, in full.

use crate::erasure_coded::tag::Tag;
use crate::machine::Pg;
use crate::sabotage::Bug;
use osd_object::{ObjectId, ObjectRead, Version};
use placement_map::{OsdId, PgId};
use std::collections::{BTreeMap, BTreeSet};
use stdx::Time;
use wire_codec::PgMessage;

/// How far the comparison got.
#[derive(Debug, Default)]
pub(crate) struct Backfill {
    /// Everything up to here is level or known as missing; none: nothing yet.
    end: Option<ObjectId>,
    /// The whole PG was compared.
    pub(crate) finished: bool,
    /// When to ask again for the listing that is under way.
    pub(crate) again_at: Option<Time>,
}

impl Backfill {
    /// Whether the object lies in a range that was compared.
    pub(crate) fn passed(&self, object: &ObjectId) -> bool {
        self.finished || self.end.as_ref().is_some_and(|end| object <= end)
    }

    /// The share of the PG that was not compared, in thousandths: by its hashes, over which objects spread evenly.
    pub(crate) fn uncompared_permille(&self, pg: PgId, pg_num: u32) -> u32 {
        match &self.end {
            _ if self.finished => 0,
            None => 1000,
            Some(end) => 1000 - passed_permille(end.position(), pg.seed, pg_num),
        }
    }
}

/// How far a position lies in its PG, in thousandths. A PG is one contiguous range of positions, told by their first
/// bits: as many as a hash's last bits tell PGs apart.
fn passed_permille(position: u32, seed: u32, pg_num: u32) -> u32 {
    let bits = pg_num.next_power_of_two().trailing_zeros();
    let half = (1u32 << bits) >> 1;
    // A PG whose other half is not there has both.
    let bits = if half > 0 && seed < half && seed + half >= pg_num { bits - 1 } else { bits };
    let within = u64::from(position.checked_shl(bits).unwrap_or(0));
    ((within * 1000) >> 32) as u32
}

impl Pg {
    /// Asks for the joiner's objects in the next range.
    pub(crate) fn scan(&mut self, osd: OsdId) {
        let (interval, max, again_at) = (self.interval, self.config.scan_max, self.now + self.config.resend);
        let Some(peer) = self.primary.as_mut().and_then(|p| p.peers.get_mut(&osd)) else { return };
        let attempt = peer.attempt;
        let Some(backfill) = peer.recovery_mut().and_then(|r| r.backfill.as_mut()) else { return };
        backfill.again_at = Some(again_at);
        let after = backfill.end.clone();
        self.send(osd, PgMessage::Scan { interval, attempt, after, max });
    }

    /// The primary compares: which objects have we?
    pub(crate) fn on_scan(
        &mut self,
        from: OsdId,
        attempt: u64,
        after: Option<ObjectId>,
        max: u32,
        view: &dyn ObjectRead,
    ) {
        if !self.in_session(from, attempt) {
            return;
        }
        if self.follower.joining.is_none() {
            self.send(from, PgMessage::Rejoin { interval: self.interval, attempt });
            return;
        }
        // Answered only if the index can be read; the primary asks again, and the store's failure is its own
        // business to report.
        let max = max.min(self.config.scan_max) as usize;
        if let Ok((objects, more)) = self.versions_after(after.as_ref(), max, view) {
            let interval = self.interval;
            self.send(from, PgMessage::Scanned { interval, attempt, after, objects, more });
        }
    }

    fn versions_after(
        &self,
        after: Option<&ObjectId>,
        max: usize,
        view: &dyn ObjectRead,
    ) -> Result<(Vec<(ObjectId, Version)>, bool), stdx::Errno> {
        let listing = self.objects_after(after, max.max(1), view)?;
        let mut objects = Vec::with_capacity(listing.objects.len());
        for object in listing.objects {
            let mut version = view.meta(&object)?.map_or(Version::ZERO, |m| m.version);
            if self.info.shard.is_some() && Tag::of(view, &object)?.map(|tag| tag.shard) != self.info.shard {
                // It is some other shard, from before this OSD took this one: of no use.
                version = Version::ZERO;
            }
            objects.push((object, version));
        }
        Ok((objects, listing.more))
    }

    /// The joiner's objects of a range: those that differ here are to be pushed.
    pub(crate) fn on_scanned(
        &mut self,
        from: OsdId,
        attempt: u64,
        after: Option<ObjectId>,
        theirs: Vec<(ObjectId, Version)>,
        they_have_more: bool,
        view: &dyn ObjectRead,
    ) {
        let Some(peer) = self.primary.as_ref().and_then(|p| p.peers.get(&from)) else { return };
        let backfill = peer.recovery().and_then(|r| r.backfill.as_ref());
        let expected = backfill.is_some_and(|b| !b.finished && b.again_at.is_some() && b.end == after);
        if peer.attempt != attempt || !expected {
            return;
        }
        // The view shows all our writes: this is the first thing done in this `handle`.
        assert!(self.written_now.is_empty(), "comparing with a view that is behind");
        let Ok((ours, we_have_more)) =
            self.versions_after(after.as_ref(), self.config.scan_max as usize, view)
        else {
            return;
        };
        // Compared up to where both listings reach.
        let reach = |more: bool, list: &[(ObjectId, Version)]| {
            more.then(|| list.last().map(|(o, _)| o.clone())).flatten()
        };
        let ends = [reach(they_have_more, &theirs), reach(we_have_more, &ours)];
        let end = ends.into_iter().flatten().min();
        let within =
            |o: &ObjectId| end.as_ref().is_none_or(|end| o <= end) && after.as_ref().is_none_or(|a| o > a);
        let theirs: BTreeMap<ObjectId, Version> = theirs.into_iter().filter(|(o, _)| within(o)).collect();
        let ours: BTreeMap<ObjectId, Version> = ours.into_iter().filter(|(o, _)| within(o)).collect();
        let differ = ours.iter().filter(|(o, v)| theirs.get(o) != Some(v)).map(|(o, _)| o.clone());
        let keeps = self.breaks(Bug::BackfillKeepsDeleted);
        let gone = theirs.keys().filter(|o| !keeps && !ours.contains_key(o)).cloned();
        // Writes under way are not in place yet, nor the clones that they make or let go; those of before this comparison
        // the joiner got without effects.
        let under_way = self.prepared.changing().filter(|o| within(o));
        let missing: BTreeSet<ObjectId> = differ.chain(gone).chain(under_way).collect();

        let peer = self.primary.as_mut().and_then(|p| p.peers.get_mut(&from)).expect("just seen");
        let recovery = peer.recovery_mut().expect("just seen");
        recovery.missing.extend(missing);
        let backfill = recovery.backfill.as_mut().expect("just seen");
        backfill.again_at = None;
        backfill.finished = end.is_none();
        backfill.end = end.or(backfill.end.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::belongs;
    use osd_object::ObjectName;
    use placement_map::PoolId;

    #[test]
    fn a_walk_through_a_pg_goes_from_none_to_all() {
        for pg_num in [1u32, 2, 5, 8, 12] {
            for seed in 0..pg_num {
                let pg = PgId { pool: PoolId(1), seed };
                let hashes = (0..40_000u32).map(|i| i.wrapping_mul(0x9e37_79b9));
                let inside = hashes.map(|h| ObjectId::head(pg.pool, h, ObjectName::new("x")));
                let mut inside: Vec<ObjectId> = inside.filter(|o| belongs(pg, pg_num, o)).collect();
                inside.sort();
                let count = inside.len() as u32;
                for (n, object) in inside.into_iter().enumerate() {
                    let passed = passed_permille(object.position(), seed, pg_num);
                    assert!(
                        passed.abs_diff(n as u32 * 1000 / count) < 20,
                        "{pg} of {pg_num}: {passed} {n}/{count}"
                    );
                }
            }
        }
        let pg = PgId { pool: PoolId(1), seed: 0 };
        assert_eq!(Backfill::default().uncompared_permille(pg, 4), 1000);
        assert_eq!(Backfill { finished: true, ..Backfill::default() }.uncompared_permille(pg, 4), 0);
    }
}
