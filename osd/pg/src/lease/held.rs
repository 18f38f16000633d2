//! The primary's side: keeping leases from all members while there is something to read.

use crate::machine::Pg;
use crate::sabotage::Bug;
use placement_map::OsdId;
use stdx::Time;
use wire_codec::PgMessage;

impl Pg {
    /// Until when reads are known to be current: the earliest end of the leases of all required members.
    pub(crate) fn lease_until(&self) -> Time {
        let Some(p) = &self.primary else { return Time::ZERO };
        if self.breaks(Bug::IgnoreLease) {
            return Time(u64::MAX);
        }
        let required = p.peers.values().filter(|peer| peer.required).map(|peer| peer.lease_until);
        let missing = self.row.in_sync.iter().any(|osd| *osd != self.me && !p.peers.contains_key(osd));
        if missing { Time::ZERO } else { required.min().unwrap_or(Time(u64::MAX)) }
    }

    /// Asks the members whose leases end before half a lease from now, unless asked lately.
    pub(crate) fn renew_leases(&mut self) {
        let (now, lease, resend, interval) = (self.now, self.config.lease, self.config.resend, self.interval);
        let Some(p) = self.primary.as_mut().filter(|p| p.interval == interval) else { return };
        let mut ask = Vec::new();
        for (osd, peer) in &mut p.peers {
            let asked_lately = peer.lease_asked.is_some_and(|at| now.since(at) < resend.min(lease / 4));
            if peer.required && peer.lease_until < now + lease / 2 && !asked_lately {
                peer.lease_asked = Some(now);
                ask.push(*osd);
            }
        }
        for osd in ask {
            self.send(osd, PgMessage::LeaseRequest { interval, stamp: now.0, lease });
        }
    }

    /// A member got what we sent at `stamp`.
    pub(crate) fn lease_granted(&mut self, from: OsdId, stamp: u64) {
        let lease = self.config.lease;
        let now = self.now;
        let from_grant = self.breaks(Bug::LeaseFromGrant);
        let Some(peer) = self.primary.as_mut().and_then(|p| p.peers.get_mut(&from)) else { return };
        // A stamp from the future is nobody's answer to us.
        if Time(stamp) > now {
            return;
        }
        let counted_from = if from_grant { now } else { Time(stamp) };
        peer.lease_until = peer.lease_until.max(counted_from + lease);
        if peer.lease_asked.is_some_and(|asked| asked <= Time(stamp)) {
            peer.lease_asked = None;
        }
        self.answer_confirmed_reads();
    }

    /// When a request for a lease that reads wait for must be sent again.
    pub(crate) fn lease_timeout(&self) -> Option<Time> {
        let p = self.primary.as_ref()?;
        if p.replies.awaiting_lease.is_empty() {
            return None;
        }
        let wait = self.config.resend.min(self.config.lease / 4);
        // Those that `renew_leases` would ask; no others, or the timeout would stay in the past.
        let soon = self.now + self.config.lease / 2;
        let short = p.peers.values().filter(|peer| peer.required && peer.lease_until < soon);
        short.filter_map(|peer| peer.lease_asked).map(|at| at + wait).min()
    }
}
