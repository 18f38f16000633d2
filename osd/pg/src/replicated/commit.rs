//! When a write is certain: durable here and at every required member, with enough of them in sync.

use crate::machine::Pg;
use crate::peering::peer::Peer;
use crate::sabotage::Bug;
use placement_map::OsdId;

impl Pg {
    /// A member has writes through `durable_to`; `stamp` is when we sent the newest it heard of.
    pub(crate) fn on_replicated(&mut self, from: OsdId, durable_to: u64, stamp: u64) {
        let (now, resend, head) = (self.now, self.config.resend, self.log.head().seq);
        let Some(peer) = self.primary.as_mut().and_then(|p| p.peers.get_mut(&from)) else { return };
        if !peer.follows() || durable_to > head {
            return;
        }
        if durable_to > peer.durable_to {
            peer.durable_to = durable_to;
            peer.progress_at = now;
            peer.resend_at = now + resend;
        }
        self.lease_granted(from, stamp);
    }

    /// Finds what became certain, answers it, and forgets writes that everybody has.
    pub(crate) fn advance_commit(&mut self) {
        if !self.serving() {
            return;
        }
        let writable = self.writable();
        let (short, skip) = (self.breaks(Bug::AckShort), self.breaks(Bug::SkipShrink));
        let few = self.breaks(Bug::AckFewShards);
        let (now, patience, head) = (self.now, 4 * self.config.resend, self.log.head().seq);
        let p = self.primary.as_mut().expect("serving");
        let committed_before = p.committed_to;
        let in_office = |osd: &OsdId| *osd == self.me || p.peers.contains_key(osd);
        let certain_before = p.certain_to;
        if (writable || self.shape.is_some()) && self.row.in_sync.iter().all(in_office) {
            let late = |peer: &Peer| peer.durable_to < head && now.since(peer.progress_at) > patience;
            let theirs = p.peers.values().filter(|peer| peer.required && !(skip && late(peer)));
            let theirs = theirs.map(|peer| if peer.is_ready() { peer.durable_to } else { 0 });
            let least = if short { theirs.max() } else { theirs.min() };
            let mut committed = p.local_durable.min(least.unwrap_or(u64::MAX));
            if few && let Some(shape) = &self.shape {
                let mut all: Vec<u64> = p.peers.values().map(|peer| peer.durable_to).collect();
                all.push(p.local_durable);
                all.sort_unstable_by(|a, b| b.cmp(a));
                committed = all.get(shape.fewest() - 1).copied().unwrap_or(committed);
            }
            p.certain_to = p.certain_to.max(committed);
            if p.certain_to > certain_before {
                p.certain_at = now;
            }
        }
        if writable {
            p.committed_to = p.committed_to.max(p.certain_to);
        }
        let committed_to = p.committed_to;
        let all = p.peers.values().filter(|peer| peer.follows()).map(|peer| peer.durable_to).min();
        let everywhere = committed_to.min(all.unwrap_or(u64::MAX));
        if committed_to > committed_before {
            let now_certain = p.in_flight.iter().skip_while(|w| w.seq() <= committed_before);
            let bytes: u64 = now_certain.take_while(|w| w.seq() <= committed_to).map(|w| w.bytes()).sum();
            p.uncommitted_bytes -= bytes;
            p.uncommitted.retain(|_, seq| *seq > committed_to);
        }
        if p.certain_to > certain_before {
            self.commit_shards(certain_before);
        }
        let p = self.primary.as_mut().expect("serving");
        while p.in_flight.front().is_some_and(|w| w.seq() <= everywhere) {
            let done = p.in_flight.pop_front().expect("there is a front");
            p.in_flight_bytes -= done.bytes();
        }
        let too_many = p.in_flight.len() > 2 * self.config.in_flight_max
            || p.in_flight_bytes > 2 * self.config.in_flight_bytes_max;
        let lagging: Vec<OsdId> = p
            .peers
            .iter()
            .filter(|(_, peer)| {
                too_many && !peer.required && peer.follows() && peer.durable_to < committed_to
            })
            .map(|(osd, _)| *osd)
            .collect();
        for osd in lagging {
            // A joiner that cannot keep up must not make us keep all writes: it starts over.
            self.ask(osd);
        }
        self.answer_through_commit();
    }
}
