//! A tenure: one OSD being primary of one interval.

use super::peer::{Peer, Stage};
use super::propose::Proposal;
use crate::durability::Then;
use crate::machine::Pg;
use crate::ops::replies::Replies;
use crate::repair::damage::Damage;
use crate::replicated::write::InFlight;
use crate::sabotage::Bug;
use crate::trim::Trimming;
use crate::watch::Watches;
use osd_object::ObjectId;
use placement_map::{Epoch, OsdId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use stdx::Time;
use wire_codec::PgMessage;

/// What a primary knows in its tenure. Dropped with the tenure, so that nothing of it leaks into the next.
#[derive(Debug)]
pub(crate) struct Primary {
    pub(crate) interval: u64,
    /// The map in which it began here: what clients aimed by earlier ones is turned away.
    pub(crate) since: Epoch,
    /// Our own store has noted the interval.
    pub(crate) noted: bool,
    /// The row says activated.
    pub(crate) activated: bool,
    /// Activated, and a predecessor's lease is over.
    pub(crate) serving: bool,
    pub(crate) peers: BTreeMap<OsdId, Peer>,
    pub(crate) proposal: Option<Proposal>,
    /// Joiners offered to the monitors since the row last changed: they may be in sync by now, so nothing is
    /// certain without them.
    pub(crate) offered: BTreeSet<OsdId>,
    /// Writes that some follower has not acknowledged, or that are not committed; contiguous, up to the head.
    pub(crate) in_flight: VecDeque<InFlight>,
    /// Bytes that those carry, and the part of it that is not committed.
    pub(crate) in_flight_bytes: u64,
    pub(crate) uncommitted_bytes: u64,
    /// Our own copy has the writes through this one.
    pub(crate) local_durable: u64,
    /// All in-sync members have the writes through this one.
    pub(crate) committed_to: u64,
    /// All in-sync members of an erasure-coded PG have the writes through this one, so that nothing undoes them, though
    /// with too few members they are not answered; else the same as `committed_to`.
    pub(crate) certain_to: u64,
    /// When that last grew.
    pub(crate) certain_at: Time,
    /// The last write of each object that is not committed.
    pub(crate) uncommitted: BTreeMap<ObjectId, u64>,
    pub(crate) replies: Replies,
    /// The revision of the row from which an activation was proposed.
    pub(crate) proposed_at: Option<u64>,
    /// Copies and shards that could not be read.
    pub(crate) damage: Damage,
    /// Objects that could not be read to be copied.
    pub(crate) unreadable: BTreeSet<ObjectId>,
    pub(crate) attempts: u64,
    pub(crate) pushes: u64,
    /// The walk that lets go of removed snapshots.
    pub(crate) trimming: Option<Trimming>,
    /// Who watches objects, and notifies under way.
    pub(crate) watches: Watches,
}

impl Pg {
    /// Whether clients are served: activated, and nothing later is known.
    pub(crate) fn serving(&self) -> bool {
        !self.resigned && self.primary.as_ref().is_some_and(|p| p.serving && p.interval == self.interval)
    }

    /// Stops serving for good. The row stays ours until the monitors learn that the process stopped; nothing
    /// that was not answered is answered any more, so the leases that members granted can be given back.
    pub(crate) fn resign(&mut self) {
        self.resigned = true;
        self.say_last_words();
        let members: Vec<OsdId> = self.primary.iter().flat_map(|p| p.peers.keys()).copied().collect();
        for osd in &members {
            self.abandon(*osd);
        }
        self.turn_away();
        let Some(p) = self.primary.as_mut() else { return };
        let waiting = std::mem::take(&mut p.replies);
        let notifies = std::mem::take(&mut p.watches).notifies;
        for reply in waiting.into_all() {
            self.reply_not_primary(reply.session, reply.request);
        }
        for notify in notifies.into_values() {
            self.reply_not_primary(notify.session, notify.request);
        }
        if self.primary.as_ref().is_some_and(|p| p.interval == self.interval) {
            for osd in members {
                self.send(osd, PgMessage::Resigned { interval: self.interval });
            }
        }
    }

    /// The row says it is our turn.
    pub(crate) fn begin_tenure(&mut self) {
        assert!(self.row.interval == self.interval, "a tenure begins in the latest interval known");
        self.forget_follower();
        self.turn_away();
        self.primary = Some(Primary {
            interval: self.interval,
            since: self.epoch,
            noted: false,
            activated: false,
            serving: false,
            peers: BTreeMap::new(),
            proposal: None,
            offered: BTreeSet::new(),
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            uncommitted_bytes: 0,
            local_durable: 0,
            committed_to: 0,
            certain_to: 0,
            certain_at: self.now,
            uncommitted: BTreeMap::new(),
            replies: Replies::default(),
            proposed_at: None,
            damage: Damage::default(),
            unreadable: BTreeSet::new(),
            attempts: 0,
            pushes: 0,
            trimming: None,
            watches: Watches::default(),
        });
        // Noted before anything is proposed: after a restart this OSD must not take the interval for one
        // that it may begin. Also the barrier behind which all of our log is durable.
        self.info.interval = self.interval;
        if self.info.shard.is_none() {
            self.info.shard = self.row.shards.get(&self.me).copied();
        }
        self.store_info();
        self.durability.then(Then::IntervalNoted(self.interval));
        self.match_peers();
    }

    /// The row names another interval: everything of the tenure is void, and clients aim anew.
    pub(crate) fn end_tenure(&mut self) {
        let Some(p) = self.primary.take() else { return };
        if p.proposal.as_ref().is_some_and(Proposal::yields) {
            self.yielded_at = Some(self.now);
        }
        for reply in p.replies.into_all() {
            self.reply_not_primary(reply.session, reply.request);
        }
        for notify in p.watches.notifies.into_values() {
            self.reply_not_primary(notify.session, notify.request);
        }
        self.reads.clear();
        self.gathers.clear();
        self.fetches.clear();
        self.turn_away();
    }

    /// A row or map with the same interval.
    pub(crate) fn row_changed(&mut self, revised: bool) {
        if let Some(p) = self.primary.as_mut().filter(|_| revised) {
            // The monitors take proposals only from the row as it was: those under way are void.
            p.proposal = None;
            p.offered.clear();
        }
        self.match_peers();
        self.row_activated();
    }

    fn row_activated(&mut self) {
        let head = self.log.head().seq;
        let Some(p) = self.primary.as_mut() else { return };
        if self.row.activated && !p.activated {
            p.activated = true;
            // All of the in-sync set was brought to our head before this was proposed.
            p.committed_to = head;
            p.certain_to = head;
            p.certain_at = self.now;
            p.local_durable = head;
            // Nothing of it can be undone any more.
            self.apply_committed(head);
        }
    }

    /// Lets the peers be who the map says: until the activation the in-sync members that are up, afterwards
    /// the up set's joiners too.
    fn match_peers(&mut self) {
        let seats = self.seats();
        let Some(p) = self.primary.as_mut() else { return };
        let wanted = |osd: &OsdId| {
            let member = self.row.in_sync.contains(osd) || (self.row.activated && self.up.contains(osd));
            member && *osd != self.me && self.alive.contains_key(osd)
        };
        let gone: Vec<OsdId> = p.peers.keys().filter(|osd| !wanted(osd)).copied().collect();
        let new: Vec<OsdId> =
            self.row.in_sync.iter().chain(&self.up).filter(|osd| wanted(osd)).copied().collect();
        for osd in gone {
            self.abandon(osd);
            self.primary.as_mut().expect("still in office").peers.remove(&osd);
        }
        for osd in new {
            let p = self.primary.as_mut().expect("still in office");
            let incarnation = self.alive[&osd];
            if p.peers.get(&osd).is_none_or(|peer| peer.incarnation != incarnation) {
                self.abandon(osd);
                let p = self.primary.as_mut().expect("still in office");
                let shard = seats.get(&osd).copied();
                p.peers.insert(osd, Peer { shard, ..Peer::new(incarnation, 0, self.now) });
                self.ask(osd);
            }
            let in_sync = self.row.in_sync.contains(&osd);
            let p = self.primary.as_mut().expect("still in office");
            let offered = p.offered.contains(&osd);
            let peer = p.peers.get_mut(&osd).expect("just seen");
            let dropped = peer.in_sync && !in_sync;
            // To be filled as another shard than before.
            let moved = peer.shard != seats.get(&osd).copied();
            peer.shard = seats.get(&osd).copied();
            peer.in_sync = in_sync;
            peer.required = in_sync || offered || (peer.required && peer.is_ready());
            if !self.row.activated {
                continue;
            }
            // Left out by an activation or dropped since: from here on it is filled as a joiner.
            let staged = peer.recovery().is_some_and(|r| r.staged);
            if matches!(peer.stage, Stage::Refused) || staged || dropped || moved {
                self.ask(osd);
            }
        }
    }

    /// Begins a new conversation with a member.
    pub(crate) fn ask(&mut self, osd: OsdId) {
        self.abandon(osd);
        let again_at = self.now + self.config.resend;
        let p = self.primary.as_mut().expect("only a primary asks");
        p.attempts += 1;
        let attempt = p.attempts;
        let peer = p.peers.get_mut(&osd).expect("only peers are asked");
        *peer = Peer {
            required: peer.in_sync || p.offered.contains(&osd),
            in_sync: peer.in_sync,
            lease_until: peer.lease_until,
            lease_asked: peer.lease_asked,
            shard: peer.shard,
            again_at,
            ..Peer::new(peer.incarnation, attempt, self.now)
        };
        let shard = peer.shard;
        self.send_query(osd, attempt, shard);
    }

    fn send_query(&mut self, osd: OsdId, attempt: u64, shard: Option<u8>) {
        let (interval, pg_num) = (self.interval, self.pool.pg_num);
        let message = if pg_num == self.pool.pg_num_made {
            PgMessage::Query { interval, attempt, shard }
        } else {
            PgMessage::QueryDivided { interval, attempt, shard, pg_num }
        };
        self.send(osd, message);
    }

    /// Serves once activated and once no predecessor can still be answering reads.
    pub(crate) fn try_serve(&mut self) {
        let patient = !self.breaks(Bug::NoWaitForLease);
        let wait_until = if patient { self.granted.wait_until(self.me) } else { Time::ZERO };
        if let Some(p) = self.primary.as_mut().filter(|p| p.activated && !p.serving && wait_until <= self.now)
        {
            p.serving = true;
        }
    }

    /// When a predecessor's lease ends, if that is what is being waited for.
    pub(crate) fn serve_timeout(&self) -> Option<Time> {
        self.primary.as_ref().filter(|p| p.activated && !p.serving).map(|_| self.granted.wait_until(self.me))
    }

    /// When some peer must be spoken to again.
    pub(crate) fn peers_timeout(&self) -> Option<Time> {
        let p = self.primary.as_ref().filter(|p| p.interval == self.interval && !self.resigned)?;
        p.peers.values().filter_map(|peer| self.peer_timeout(p, peer)).min()
    }

    fn peer_timeout(&self, p: &Primary, peer: &Peer) -> Option<Time> {
        let own = match &peer.stage {
            Stage::Asked | Stage::Comparing { .. } | Stage::Adopting { .. } | Stage::Cutting { .. } => {
                Some(peer.again_at)
            }
            Stage::Syncing(r) => r.timeout(),
            Stage::Heard { .. } | Stage::Ready | Stage::Refused => None,
        };
        let unacknowledged = peer.follows() && p.in_flight.back().is_some_and(|w| w.seq() > peer.durable_to);
        let resend = unacknowledged.then_some(peer.resend_at);
        own.into_iter().chain(resend).min()
    }

    /// Says again what was not answered in time, and goes on with copying.
    pub(crate) fn advance_peers(&mut self, view: &dyn osd_object::ObjectRead) {
        if self.resigned {
            return;
        }
        let Some(p) = self.primary.as_ref().filter(|p| p.interval == self.interval) else { return };
        let osds: Vec<OsdId> = p.peers.keys().copied().collect();
        for osd in osds {
            self.advance_peer(osd, view);
        }
    }

    fn advance_peer(&mut self, osd: OsdId, view: &dyn osd_object::ObjectRead) {
        let (now, interval, resend) = (self.now, self.interval, self.config.resend);
        if self.holds_up_writes(osd) {
            // A joiner that was level and then went silent: writes go on without it, and it is asked anew.
            self.ask(osd);
            return;
        }
        let Some(peer) = self.primary.as_mut().and_then(|p| p.peers.get_mut(&osd)) else { return };
        let due = peer.again_at <= now;
        let attempt = peer.attempt;
        match &peer.stage {
            Stage::Asked if due => {
                peer.again_at = now + resend;
                let shard = peer.shard;
                self.send_query(osd, attempt, shard);
            }
            Stage::Comparing { common } if due => {
                let after = *common;
                peer.again_at = now + resend;
                self.send(osd, PgMessage::LogRequest { interval, attempt, after });
            }
            Stage::Syncing(_) => self.advance_recovery(osd, view),
            Stage::Adopting { .. } if due => self.adopt_again(osd),
            Stage::Cutting { end, .. } if due => {
                let end = *end;
                self.tell_end(osd, end);
            }
            _ => {}
        }
        self.resend_writes(osd);
    }

    /// Whether a joiner that counts already, but was not offered yet, acknowledges nothing for long.
    fn holds_up_writes(&self, osd: OsdId) -> bool {
        let Some(p) = &self.primary else { return false };
        let Some(peer) = p.peers.get(&osd) else { return false };
        let waits = peer.is_ready() && peer.required && peer.durable_to < self.log.head().seq;
        let late = self.now.since(peer.progress_at) > self.config.laggard / 10;
        waits && late && !peer.in_sync && !p.offered.contains(&osd)
    }
}
