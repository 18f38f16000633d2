//! The primary compares a member's log with its own and decides how it becomes level.

use super::peer::Stage;
use crate::log::Outline;
use crate::machine::Pg;
use crate::recovery::source::Recovery;
use crate::sabotage::Bug;
use osd_object::{ObjectId, Version};
use placement_map::OsdId;
use std::collections::BTreeSet;
use wire_codec::PgMessage;
use wire_codec::pg::{Condition, LogEntry};

impl Pg {
    /// A member told where its log stands.
    pub(crate) fn on_head(
        &mut self,
        from: OsdId,
        attempt: u64,
        theirs: Outline,
        condition: Condition,
        shard: Option<u8>,
    ) {
        let in_sync = self.row.in_sync.contains(&from);
        let (now, interval, resend) = (self.now, self.interval, self.config.resend);
        let stale_counts = self.breaks(Bug::StaleCountsAsLevel);
        // It obeys us now; so a lease it held as a primary is over.
        self.granted.stopped(from);
        let Some(p) = self.primary.as_mut().filter(|p| p.interval == interval) else { return };
        let activated = p.activated;
        let Some(peer) = p.peers.get_mut(&from) else { return };
        if peer.attempt != attempt || !matches!(peer.stage, Stage::Asked) {
            return;
        }
        let complete = condition == Condition::Complete;
        // Another shard than the one it is to hold is of no use to it.
        let fits = peer.shard.is_none() || shard.is_none() || shard == peer.shard;
        if !activated && self.shape.is_some() {
            self.heard_shard(from, &theirs, condition, shard);
            return;
        }
        if activated && in_sync {
            // Everybody had our head at the activation; what is missing are writes under way, sent again.
            if complete && self.log.contains(theirs.head) {
                self.became_level(from, theirs.head.seq);
            }
            return;
        }
        let common = self.log.common(&theirs).filter(|_| fits && condition != Condition::Backfilling);
        match common {
            Some(common) if complete && common == theirs.head && common == self.log.head() => {
                self.became_level(from, common.seq);
            }
            Some(common) if complete && common == theirs.head && stale_counts => {
                let head = self.log.head().seq;
                self.became_level(from, head);
            }
            Some(common) if complete && common == theirs.head => {
                self.begin_recovery(from, common, Vec::new())
            }
            Some(common) => {
                peer.stage = Stage::Comparing { common };
                peer.again_at = now + resend;
                self.send(from, PgMessage::LogRequest { interval, attempt, after: common });
            }
            None if activated => self.begin_backfill(from),
            None => peer.stage = Stage::Refused,
        }
    }

    /// A member told which of its objects may differ beyond what our log says.
    pub(crate) fn on_log(&mut self, from: OsdId, attempt: u64, after: Version, objects: Vec<ObjectId>) {
        let Some(peer) = self.primary.as_ref().and_then(|p| p.peers.get(&from)) else { return };
        let expected = matches!(peer.stage, Stage::Comparing { common } if common == after);
        if peer.attempt == attempt && expected {
            self.begin_recovery(from, after, objects);
        }
    }

    /// Copies what our log names behind `common`, and `theirs`.
    fn begin_recovery(&mut self, osd: OsdId, common: Version, theirs: Vec<ObjectId>) {
        let activated = self.primary.as_ref().is_some_and(|p| p.activated);
        if self.log.tail().seq > common.seq {
            // Trimmed in the meantime.
            return self.begin_backfill(osd);
        }
        let pg_num = self.pool.pg_num;
        let changed = self.log.after(common.seq).flat_map(LogEntry::changed_objects);
        let theirs = if self.breaks(Bug::KeepDivergent) { Vec::new() } else { theirs };
        // What both logs name of before a division may be another PG's by now: that one sees to it.
        let ours = |o: &ObjectId| crate::names::belongs(self.id, pg_num, o);
        let missing: BTreeSet<ObjectId> = changed.chain(theirs).filter(ours).collect();
        let staged = !activated && !self.breaks(Bug::PeeringPiecemeal);
        self.begin_syncing(osd, Recovery::of_log(common, missing, staged));
    }

    fn begin_backfill(&mut self, osd: OsdId) {
        let recovery = Recovery::of_everything(self.log.tail());
        self.begin_syncing(osd, recovery);
    }

    fn begin_syncing(&mut self, osd: OsdId, recovery: Recovery) {
        let (interval, now, after) = (self.interval, self.now, self.log.head().seq);
        let Some(peer) = self.primary.as_mut().and_then(|p| p.peers.get_mut(&osd)) else { return };
        let (attempt, backfill, staged) = (peer.attempt, recovery.backfill.is_some(), recovery.staged);
        let (shard, kept) = (peer.shard, recovery.after);
        peer.stage = Stage::Syncing(Box::new(recovery));
        peer.durable_to = after;
        peer.progress_at = now;
        let keep = (!backfill).then_some(kept);
        if !staged {
            self.send(osd, PgMessage::Join { interval, attempt, after, backfill, shard, keep });
        }
    }

    /// A member is level through `durable_to`, and gets everything behind that as it happens.
    pub(crate) fn became_level(&mut self, osd: OsdId, durable_to: u64) {
        let now = self.now;
        let optional = self.breaks(Bug::JoinerNotRequired);
        let Some(peer) = self.primary.as_mut().and_then(|p| p.peers.get_mut(&osd)) else { return };
        peer.stage = Stage::Ready;
        peer.durable_to = peer.durable_to.max(durable_to);
        peer.progress_at = now;
        peer.resend_at = now;
        peer.required = peer.in_sync || !optional;
    }
}
