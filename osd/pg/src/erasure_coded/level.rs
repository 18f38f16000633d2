//! Peering of an erasure-coded PG: where the log ends. The logs of in-sync members are beginnings of one another, so
//! the shortest of those that are there is the log: what is behind its end was never acknowledged, and is undone.

use crate::durability::Then;
use crate::log::Outline;
use crate::machine::Pg;
use crate::peering::peer::Stage;
use crate::removal::is_given_up;
use crate::sabotage::Bug;
use osd_object::{Transaction, Version};
use placement_map::OsdId;
use wire_codec::PgMessage;
use wire_codec::pg::Condition;

impl Pg {
    /// Before the activation a member told where its log ends.
    pub(crate) fn heard_shard(
        &mut self,
        from: OsdId,
        theirs: &Outline,
        condition: Condition,
        shard: Option<u8>,
    ) {
        if is_given_up(theirs.head, self.row.born) {
            // It has not heard yet that all of that goes, and is asked again.
            return;
        }
        let common = self.log.common(theirs);
        let head = self.log.head();
        let Some(peer) = self.primary.as_mut().and_then(|p| p.peers.get_mut(&from)) else { return };
        let in_line = common.is_some_and(|common| common == theirs.head || common == head);
        let fits = shard.is_none() || shard == peer.shard;
        peer.stage = if in_line && fits && condition == Condition::Complete {
            Stage::Heard { head: theirs.head }
        } else {
            Stage::Refused
        };
    }

    /// Once everybody was heard: ends all logs at the same place.
    pub(crate) fn level_shards(&mut self) {
        let (interval, mine) = (self.interval, self.log.head());
        let Some(p) = self.primary.as_ref().filter(|p| p.interval == interval && !p.activated) else {
            return;
        };
        let unheard =
            p.peers.values().any(|peer| matches!(peer.stage, Stage::Asked | Stage::Comparing { .. }));
        // While an activation is proposed that counts on this end, it stays.
        let proposed = p.proposed_at == Some(self.row.revision);
        if self.shape.is_none() || unheard || proposed || self.resigned {
            return;
        }
        let heads: Vec<(OsdId, Version)> =
            p.peers.iter().filter_map(|(osd, peer)| Some((*osd, peer.head()?))).collect();
        let members: Vec<OsdId> = std::iter::once(self.me).chain(heads.iter().map(|(osd, _)| *osd)).collect();
        if !self.enough(&members) {
            return;
        }
        let ends = || heads.iter().map(|(_, head)| *head).chain([mine]);
        let end = if self.breaks(Bug::RollForward) { ends().max() } else { ends().min() };
        let end = end.expect("ours at least");
        if mine > end {
            self.cut_own_log(end);
        }
        for (osd, head) in heads {
            self.end_log_at(osd, head, end);
        }
    }

    fn cut_own_log(&mut self, end: Version) {
        let mut t = Transaction::new();
        self.log.cut(end);
        self.meta.cut(&mut t, end);
        self.drop_unlogged(&mut t);
        self.store(t);
        // Nothing may be proposed before that is certain: after a crash our log would go on elsewhere.
        let interval = self.interval;
        if let Some(p) = self.primary.as_mut() {
            p.noted = false;
        }
        self.durability.then(Then::IntervalNoted(interval));
    }

    /// Removes what was put aside for writes that the log does not hold.
    pub(crate) fn drop_unlogged(&mut self, t: &mut Transaction) {
        if self.breaks(Bug::KeepSidecars) {
            return;
        }
        let log = &self.log;
        self.prepared.drop(self.id, t, |version| log.at(version.seq).is_none_or(|e| e.version != version));
    }

    fn end_log_at(&mut self, osd: OsdId, head: Version, end: Version) {
        if head == end {
            let Some(peer) = self.primary.as_mut().and_then(|p| p.peers.get_mut(&osd)) else { return };
            if !peer.is_ready() {
                peer.level_at = end;
                self.became_level(osd, end.seq);
            }
            return;
        }
        let Some(peer) = self.primary.as_mut().and_then(|p| p.peers.get_mut(&osd)) else { return };
        if !matches!(peer.stage, Stage::Cutting { end: to, .. } if to == end) {
            peer.stage = Stage::Cutting { head, end };
            self.tell_end(osd, end);
        }
    }

    /// Tells a member (again) where its log ends.
    pub(crate) fn tell_end(&mut self, osd: OsdId, after: Version) {
        let (interval, again_at) = (self.interval, self.now + self.config.resend);
        let Some(peer) = self.primary.as_mut().and_then(|p| p.peers.get_mut(&osd)) else { return };
        peer.again_at = again_at;
        let (attempt, entries, staged) = (peer.attempt, Vec::new(), Some(0));
        self.send(
            osd,
            PgMessage::Adopt { interval, attempt, after, entries, first: true, last: true, staged },
        );
    }

    /// A member ended its log where it was told to.
    pub(crate) fn log_ended(&mut self, from: OsdId, seq: u64) {
        let Some(peer) = self.primary.as_mut().and_then(|p| p.peers.get_mut(&from)) else { return };
        if let Stage::Cutting { end, .. } = peer.stage
            && end.seq == seq
        {
            peer.level_at = end;
            peer.durable_to = 0;
            self.became_level(from, seq);
        }
    }
}
