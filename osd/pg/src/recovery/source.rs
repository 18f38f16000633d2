//! The primary's account of what a member lacks, and what is copied next.

use super::push::Pushing;
use crate::backfill::Backfill;
use crate::machine::Pg;
use crate::peering::peer::Stage;
use osd_object::{ObjectId, ObjectRead, Version};
use placement_map::OsdId;
use std::collections::{BTreeMap, BTreeSet};
use stdx::Time;

/// The copying to one member.
#[derive(Debug)]
pub(crate) struct Recovery {
    /// Up to here the member's log stays.
    pub(crate) after: Version,
    /// Nothing takes effect before the log is replaced.
    pub(crate) staged: bool,
    /// Objects known to differ, those being pushed included.
    pub(crate) missing: BTreeSet<ObjectId>,
    pub(crate) pushing: BTreeMap<u64, Pushing>,
    /// Pushes the member keeps aside.
    pub(crate) staged_count: u32,
    /// Objects are compared one by one.
    pub(crate) backfill: Option<Backfill>,
}

/// What a PG does for joiners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Filling {
    /// Nothing, or nothing that could go on.
    Nothing,
    /// Copies what a log names.
    Recovery,
    /// Compares everything, for a copy that is lacking.
    Backfill,
    /// Compares everything, for a copy that replaces one elsewhere: nobody lacks anything.
    Rebalance,
}

impl Recovery {
    /// Of the objects that two logs name behind their common version.
    pub(crate) fn of_log(after: Version, missing: BTreeSet<ObjectId>, staged: bool) -> Recovery {
        Recovery { after, staged, missing, pushing: BTreeMap::new(), staged_count: 0, backfill: None }
    }
    /// Of everything, found by comparing listings.
    pub(crate) fn of_everything(tail: Version) -> Recovery {
        let backfill = Some(Backfill::default());
        Recovery { backfill, ..Recovery::of_log(tail, BTreeSet::new(), false) }
    }
    /// Whether the member's copy of the object is level, so that it gets the effects of writes to it.
    pub(crate) fn covers(&self, object: &ObjectId) -> bool {
        !self.missing.contains(object) && self.backfill.as_ref().is_none_or(|b| b.passed(object))
    }
    fn is_done(&self) -> bool {
        self.missing.is_empty() && self.backfill.as_ref().is_none_or(|b| b.finished)
    }
    /// When something must be sent again.
    pub(crate) fn timeout(&self) -> Option<Time> {
        let pushes = self.pushing.values().filter_map(|p| p.again_at);
        let scan = self.backfill.as_ref().and_then(|b| b.again_at);
        pushes.chain(scan).min()
    }
}

impl Pg {
    /// Copies on: what is due again, new objects within the limits, the next step of the comparison; and at
    /// the end the log.
    pub(crate) fn advance_recovery(&mut self, osd: OsdId, view: &dyn ObjectRead) {
        self.push_again(osd);
        self.push_more(osd, view);
        let (now, may_fill) = (self.now, self.may_fill(osd));
        let Some(peer) = self.primary.as_mut().and_then(|p| p.peers.get_mut(&osd)) else { return };
        let Stage::Syncing(recovery) = &mut peer.stage else { return };
        if recovery.is_done() {
            self.adopt(osd);
        } else if recovery.missing.is_empty()
            && recovery.backfill.as_ref().is_some_and(|b| b.again_at.map_or(may_fill, |at| at <= now))
        {
            self.scan(osd);
        }
    }

    /// Whether new objects may be copied to a joiner now.
    fn may_fill(&self, osd: OsdId) -> bool {
        self.may_recover && !self.full.contains(&osd)
    }

    /// What the PG could do for its joiners at this moment, were it allowed to: for a shell that lets only some
    /// PGs at once. Nothing while nothing can go on: joiners that are full, objects that cannot be read.
    pub fn filling(&self) -> Filling {
        let Some(p) = self.primary.as_ref().filter(|_| self.serving()) else { return Filling::Nothing };
        let goes_on = |(osd, r): (&OsdId, &Recovery)| {
            let can = r.missing.is_empty() || r.missing.iter().any(|o| !p.unreadable.contains(o));
            !r.staged && (!r.pushing.is_empty() || (can && !self.full.contains(osd)))
        };
        let recoveries = || p.peers.iter().filter_map(|(osd, peer)| Some((osd, peer.recovery()?)));
        match recoveries().find(|r| goes_on(*r)) {
            None => Filling::Nothing,
            Some(_) if recoveries().any(|r| goes_on(r) && r.1.backfill.is_some()) => {
                let lacking = self.row.copies() < self.pool.size as usize;
                if lacking { Filling::Backfill } else { Filling::Rebalance }
            }
            Some(_) => Filling::Recovery,
        }
    }

    fn push_more(&mut self, osd: OsdId, view: &dyn ObjectRead) {
        let max = self.config.pushes_max;
        loop {
            let Some(p) = self.primary.as_ref() else { return };
            let Some(peer) = p.peers.get(&osd) else { return };
            let Stage::Syncing(r) = &peer.stage else { return };
            if r.pushing.len() >= max || (!r.staged && !self.may_fill(osd)) {
                return;
            }
            let under_way: BTreeSet<&ObjectId> = r.pushing.values().map(|p| &p.object).collect();
            let candidate = r.missing.iter().find(|o| {
                !under_way.contains(o)
                    && !p.unreadable.contains(o)
                    && !self.written_now.contains(o)
                    && !self.ops.is_written(o)
            });
            let Some(object) = candidate.cloned() else {
                self.consider_refusal(osd);
                return;
            };
            self.begin_push(osd, object, view);
        }
    }

    /// Nothing more can be pushed now. An in-sync member that cannot be brought level, since our own copy of
    /// an object cannot be read, is left out; joiners wait for the repair.
    fn consider_refusal(&mut self, osd: OsdId) {
        if self.written_now.is_empty() {
            let Some(p) = self.primary.as_mut() else { return };
            let unreadable = &p.unreadable;
            let Some(peer) = p.peers.get_mut(&osd) else { return };
            let Stage::Syncing(r) = &mut peer.stage else { return };
            let stuck = r.pushing.is_empty()
                && !r.missing.is_empty()
                && r.missing.iter().all(|o| unreadable.contains(o));
            if stuck && r.staged {
                peer.stage = Stage::Refused;
            }
        } else {
            self.again = true;
        }
    }

    /// A conversation ends: objects being pushed are free again.
    pub(crate) fn abandon(&mut self, osd: OsdId) {
        let Some(peer) = self.primary.as_mut().and_then(|p| p.peers.get_mut(&osd)) else { return };
        let pushing = peer.recovery_mut().map(|r| std::mem::take(&mut r.pushing)).unwrap_or_default();
        // What is gathered for them is of no use, and the objects may change from here on.
        self.gathers.retain(|_, gather| !gather.is_for(osd));
        self.fetches.retain(|_, fetch| !fetch.is_for(osd));
        for (_, push) in pushing {
            self.ops.unlock_shared(&push.object);
        }
    }
}
