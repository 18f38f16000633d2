//! The primary's side of a commit: its own shard follows, the object is free for the next write, and members hear of it.

use crate::machine::Pg;
use crate::peering::peer::Peer;
use crate::peering::primary::Primary;
use osd_object::ObjectId;
use placement_map::OsdId;
use stdx::Time;
use wire_codec::PgMessage;

impl Pg {
    /// Writes behind `before` became certain.
    pub(crate) fn commit_shards(&mut self, before: u64) {
        let Some(p) = self.primary.as_ref().filter(|_| self.shape.is_some()) else { return };
        let certain_to = p.certain_to;
        let now_certain = p.in_flight.iter().skip_while(|w| w.seq() <= before);
        let written: Vec<(ObjectId, Option<u64>)> = now_certain
            .take_while(|w| w.seq() <= certain_to)
            .filter(|w| w.changed())
            .map(|w| (w.object().clone(), w.columns()))
            .collect();
        self.apply_committed(certain_to);
        for (object, columns) in written {
            // Whoever resigned gave up all locks.
            match columns {
                Some(number) if self.ops.has_columns(&object, number) => {
                    self.ops.unlock_columns(&object, number);
                }
                None if self.ops.is_exclusive(&object) => self.ops.unlock_exclusive(&object),
                _ => {}
            }
        }
    }

    /// Tells members what is certain when no write has done so for a while: each that does saves a message and an answer,
    /// and a transaction of its own, since what it puts in place goes with what it puts aside.
    pub(crate) fn tell_commits(&mut self) {
        let (now, interval, resend, head) =
            (self.now, self.interval, self.config.resend, self.log.head().seq);
        let shards = self.shape.is_some() && !self.resigned;
        let Some(p) = self.primary.as_mut().filter(|p| shards && p.activated && p.interval == interval)
        else {
            return;
        };
        let certain_to = p.certain_to;
        if certain_to < head || now < p.certain_at + self.config.commit_tell {
            return;
        }
        let mut tell: Vec<OsdId> = Vec::new();
        for (osd, peer) in &mut p.peers {
            let due = peer.commit_told.is_none_or(|(to, at)| to < certain_to || at + resend <= now);
            // Who lacks a write hears of it with the next, or the write again.
            let has_all = peer.follows() && peer.durable_to >= certain_to;
            if has_all && peer.applied_to < certain_to && due {
                peer.commit_told = Some((certain_to, now));
                tell.push(*osd);
            }
        }
        for osd in tell {
            self.send(osd, PgMessage::Committed { interval, committed_to: certain_to });
        }
    }

    /// A member put the writes through this one in place.
    pub(crate) fn on_applied(&mut self, from: OsdId, applied_to: u64) {
        if let Some(peer) = self.primary.as_mut().and_then(|p| p.peers.get_mut(&from)) {
            peer.applied_to = peer.applied_to.max(applied_to);
        }
    }

    /// When a member must be told, or again because it did not answer.
    pub(crate) fn commits_timeout(&self) -> Option<Time> {
        let ours = |p: &&Primary| p.activated && p.interval == self.interval && !self.resigned;
        let p = self.primary.as_ref().filter(|_| self.shape.is_some()).filter(ours)?;
        let idle = p.certain_to >= self.log.head().seq;
        let has_all = |peer: &&Peer| peer.follows() && peer.durable_to >= p.certain_to;
        let waits = p.peers.values().filter(|peer| idle && has_all(peer) && peer.applied_to < p.certain_to);
        let first = p.certain_at + self.config.commit_tell;
        let again = |peer: &Peer| match peer.commit_told {
            Some((to, at)) if to >= p.certain_to => at + self.config.resend,
            _ => first,
        };
        waits.map(again).min()
    }
}
