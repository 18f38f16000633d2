//! What a primary proposes to the monitors, and when it says so again.

use super::peer::Stage;
use crate::effect::Effect;
use crate::machine::Pg;
use crate::sabotage::Bug;
use placement_map::{OsdId, RowChange, RowChangeKind};
use stdx::Time;

/// A proposal under way, computed from the row as it is.
#[derive(Debug, PartialEq)]
pub(crate) struct Proposal {
    kind: RowChangeKind,
    made_at: Time,
}

impl Proposal {
    /// Whether another member is to lead.
    pub(crate) fn yields(&self) -> bool {
        matches!(self.kind, RowChangeKind::Yield { .. })
    }
}

impl Pg {
    /// Proposes what is due, unless it is proposed already.
    pub(crate) fn propose(&mut self) {
        if self.row.primary != Some(self.me) || self.row.interval != self.interval || self.resigned {
            return;
        }
        let Some(kind) = self.due_change() else {
            if let Some(p) = self.primary.as_mut() {
                p.proposal = None;
            }
            return;
        };
        let (pg, from, revision, made_at) = (self.id, self.me, self.row.revision, self.now);
        let again_after = self.config.propose_again;
        let Some(p) = self.primary.as_mut() else { return };
        let fresh = p.proposal.as_ref().is_some_and(|q| q.kind == kind && made_at < q.made_at + again_after);
        if fresh {
            return;
        }
        // Another kind than before may be computed from the same revision: whichever the monitors take
        // first voids the other.
        match &kind {
            RowChangeKind::Grow { add } => p.offered.extend(add),
            RowChangeKind::Activate { .. } => p.proposed_at = Some(revision),
            RowChangeKind::Shrink { .. } | RowChangeKind::Yield { .. } => {}
        }
        p.proposal = Some(Proposal { kind: kind.clone(), made_at });
        if let RowChangeKind::Activate { in_sync } = &kind
            && self.breaks(Bug::ServeBeforeActivate)
        {
            (self.row.in_sync, self.row.activated) = (in_sync.clone(), true);
            self.row_changed(false);
        }
        self.effect(Effect::Propose(RowChange { pg, from, revision, kind }));
    }

    fn due_change(&self) -> Option<RowChangeKind> {
        let p = self.primary.as_ref()?;
        if !p.activated {
            if let Some(to) = self.should_lead() {
                return p.noted.then_some(RowChangeKind::Yield { to });
            }
            let settled = p.peers.values().all(|peer| matches!(peer.stage, Stage::Ready | Stage::Refused));
            // Whoever came after that was proposed waits: it may have to be left out.
            let proposed = self.shape.is_some() && p.proposed_at == Some(self.row.revision);
            let members = self.level_members();
            let due = p.noted && (settled || proposed) && self.enough(&members);
            let in_sync = members.into_iter().chain(self.stopped_level()).collect();
            return due.then_some(RowChangeKind::Activate { in_sync });
        }
        let drop = self.laggards();
        if !drop.is_empty() {
            return Some(RowChangeKind::Shrink { drop });
        }
        let drop = self.misplaced();
        if !drop.is_empty() {
            return Some(RowChangeKind::Shrink { drop });
        }
        let drop = self.resting_in_the_way();
        if !drop.is_empty() {
            return Some(RowChangeKind::Shrink { drop });
        }
        // Every in-sync member has promised every lease that may still be used, so whichever of them becomes primary waits
        // it out. A joiner has promised this interval's only: it stays outside until its predecessors' have ended. Taken
        // in earlier it might become primary and serve at once, beside a predecessor that still answers reads.
        if !p.serving {
            return None;
        }
        // A joiner's acknowledgements were required from the moment it was level, so it has everything that
        // was committed since; `durable_to` says it also has what was committed before.
        let (optional, early) = (self.breaks(Bug::JoinerNotRequired), self.breaks(Bug::JoinerTooEarly));
        let caught_up = |osd: &OsdId| {
            p.peers.get(osd).is_some_and(|peer| {
                let counts = peer.required || optional;
                let level = peer.is_ready() && counts && peer.durable_to >= p.certain_to;
                level || (early && peer.recovery().is_some())
            })
        };
        let joiners = self.up.iter().filter(|osd| !self.row.in_sync.contains(osd));
        let add: Vec<OsdId> = joiners.filter(|osd| caught_up(osd)).copied().collect();
        (!add.is_empty()).then_some(RowChangeKind::Grow { add })
    }

    /// This OSD and the members that have its head, in the row's order behind it.
    fn level_members(&self) -> Vec<OsdId> {
        let ready = |osd: &OsdId| {
            self.primary.as_ref().and_then(|p| p.peers.get(osd)).is_some_and(|peer| peer.is_ready())
        };
        let others = self.row.in_sync.iter().filter(|osd| **osd != self.me && ready(osd));
        std::iter::once(self.me).chain(others.copied()).collect()
    }

    /// In-sync members that have held up writes for too long, as far as the pool can do without them; and
    /// any that is not up, which a row should not have.
    fn laggards(&self) -> Vec<OsdId> {
        let Some(p) = self.primary.as_ref() else { return Vec::new() };
        let head = self.log.head().seq;
        let late = |osd: &OsdId| match p.peers.get(osd) {
            Some(peer) => peer.durable_to < head && self.now.since(peer.progress_at) > self.config.laggard,
            None => true,
        };
        let mut spare = self.row.copies().saturating_sub(self.pool.min_size as usize);
        let mut drop = Vec::new();
        for osd in self.row.in_sync.iter().filter(|osd| **osd != self.me && late(osd)) {
            let down = !p.peers.contains_key(osd);
            if down || spare > 0 {
                drop.push(*osd);
                spare = spare.saturating_sub(1);
            }
        }
        drop
    }

    /// When the proposal under way must be made again.
    pub(crate) fn proposal_timeout(&self) -> Option<Time> {
        let p = self.primary.as_ref().filter(|p| p.interval == self.interval && !self.resigned)?;
        let q = p.proposal.as_ref()?;
        Some(q.made_at + self.config.propose_again)
    }
}
