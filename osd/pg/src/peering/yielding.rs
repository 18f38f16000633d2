//! Giving up the lead. Before the activation members are brought level with the primary's log by copying the objects in
//! which they differ. If the primary's own copy of one cannot be read, and whoever else has that version is not there,
//! it could only wait, perhaps for ever. But each in-sync member has everything that was acknowledged: the member that
//! was to be changed may lead instead, its log is then the log (what it has beyond ours happened after all, what it lacks
//! never did), and its copy is the one that we get.

use super::peer::Stage;
use crate::machine::Pg;
use crate::recovery::source::Recovery;
use placement_map::OsdId;

impl Pg {
    /// Who is to lead instead of us. Of several, whoever did not lead lately; and after we gave up once, not again for a
    /// while unless an interval was activated: with two objects of which each of two members has one, neither can.
    pub(crate) fn should_lead(&self) -> Option<OsdId> {
        let p = self.primary.as_ref().filter(|p| !p.activated && p.interval == self.interval)?;
        let lately = self.yielded_at.is_some_and(|at| self.now.since(at) <= self.config.laggard);
        if lately || !self.pool.may_yield || self.shape.is_some() {
            return None;
        }
        let mut stalled = Vec::new();
        for (osd, peer) in &p.peers {
            match &peer.stage {
                Stage::Ready | Stage::Refused => {}
                Stage::Syncing(r) if self.is_stalled(*osd, r) => stalled.push(*osd),
                // There may still be somebody to ask.
                _ => return None,
            }
        }
        // A new primary is put first in the set, so the last led longest ago.
        self.row.in_sync.iter().rev().find(|osd| stalled.contains(osd)).copied()
    }

    /// Everything that is being copied to a member waits for data that nobody has who could be asked.
    fn is_stalled(&self, osd: OsdId, recovery: &Recovery) -> bool {
        let waits = |push: &u64| self.fetches.values().any(|fetch| fetch.stalls(osd, *push));
        !recovery.pushing.is_empty() && recovery.pushing.keys().all(waits)
    }
}
