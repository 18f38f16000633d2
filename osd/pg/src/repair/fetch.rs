//! A range of an object that this OSD's store cannot read, from another in-sync member of a replicated PG.
//!
//! The object is locked against writes by whoever wants the range, so all members that have applied the write of its
//! version hold the same bytes; a member answers only with that version and only what matches its checksums.

use crate::effect::{Effect, Ticket};
use crate::machine::{Pg, ReadFor};
use crate::ops::whole;
use crate::sabotage::Bug;
use bytes::Bytes;
use osd_object::{ObjectId, ObjectRead, Version};
use placement_map::OsdId;
use std::collections::BTreeSet;
use stdx::{Errno, Time};
use wire_codec::PgMessage;

/// What is fetched and written again is whole units of this size (or ends with the object), so that a store needs
/// nothing of what it cannot read in order to write it: the unit of checksums.
const UNIT_BYTES: u64 = 4096;

/// What a range is fetched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FetchFor {
    /// A client's operation.
    Op {
        /// Its number.
        number: u64,
        /// The bytes that it wants.
        offset: u64,
        /// How many.
        len: u64,
    },
    /// A piece of a push to a member.
    Push {
        /// To whom.
        to: OsdId,
        /// Within this attempt.
        attempt: u64,
        /// Which.
        push: u64,
        /// The bytes of the piece.
        offset: u64,
        /// How many.
        len: u64,
    },
    /// Members' copies that a scrub found to be bad.
    Repair,
}

/// A fetch under way.
#[derive(Debug)]
pub(crate) struct Fetch {
    object: ObjectId,
    version: Version,
    /// The range, whole units.
    low: u64,
    high: u64,
    purpose: FetchFor,
    /// Whose copies are bad, this OSD's included: they are written again.
    bad: BTreeSet<OsdId>,
    /// Who was asked, and has not answered.
    asked: Option<OsdId>,
    /// Who did not answer in time.
    silent: BTreeSet<OsdId>,
    again_at: Time,
}

impl Fetch {
    /// Whether it is a piece of a push to this member.
    pub(crate) fn is_for(&self, osd: OsdId) -> bool {
        matches!(self.purpose, FetchFor::Push { to, .. } if to == osd)
    }
    /// Whether it is for this push, and nobody can be asked.
    pub(crate) fn stalls(&self, osd: OsdId, number: u64) -> bool {
        let ours = matches!(self.purpose, FetchFor::Push { to, push, .. } if (to, push) == (osd, number));
        ours && self.asked.is_none()
    }
    /// Whether it is for an operation.
    pub(crate) fn is_for_op(&self) -> bool {
        matches!(self.purpose, FetchFor::Op { .. })
    }
    /// Whether it is for a scrub's repair, and so holds a lock of its own.
    pub(crate) fn is_repair(&self) -> bool {
        self.purpose == FetchFor::Repair
    }
}

impl Pg {
    /// A read of our own copy for an operation ended. What cannot be read here is fetched.
    pub(crate) fn op_read(
        &mut self,
        number: u64,
        ticket: Ticket,
        result: Result<Bytes, Errno>,
        view: &dyn ObjectRead,
    ) {
        let wanted = self.ops.reading.get(&number).and_then(|reading| {
            let read = reading.waiting.get(&ticket)?;
            Some((reading.object.clone(), reading.version, read.offset, read.len))
        });
        match wanted.filter(|_| result.is_err()) {
            Some((object, version, offset, len)) => {
                let purpose = FetchFor::Op { number, offset, len };
                self.fetch(ticket, (object, version), (offset, offset + len), purpose, view);
            }
            None => self.op_data_read(number, ticket, result),
        }
    }

    /// Fetches a range that this OSD cannot read.
    pub(crate) fn fetch(
        &mut self,
        ticket: Ticket,
        (object, version): (ObjectId, Version),
        range: (u64, u64),
        purpose: FetchFor,
        view: &dyn ObjectRead,
    ) {
        self.note_damage(&object, self.me);
        let bad = BTreeSet::from([self.me]);
        self.begin_fetch(ticket, (object, version), range, purpose, bad, view);
    }

    /// Reads a range at a member whose copy is not `bad`, for those whose is.
    pub(crate) fn fetch_for_repair(
        &mut self,
        (object, version): (ObjectId, Version),
        range: (u64, u64),
        bad: BTreeSet<OsdId>,
        view: &dyn ObjectRead,
    ) {
        // Nobody changes it meanwhile, so what is written again is what was there. A write that is under way makes
        // another look necessary anyway.
        if self.ops.lock_shared(&object) {
            let ticket = self.durability.ticket();
            self.begin_fetch(ticket, (object, version), range, FetchFor::Repair, bad, view);
        }
    }

    fn begin_fetch(
        &mut self,
        ticket: Ticket,
        (object, version): (ObjectId, Version),
        (low, high): (u64, u64),
        purpose: FetchFor,
        bad: BTreeSet<OsdId>,
        view: &dyn ObjectRead,
    ) {
        let size = view.meta(&object).ok().flatten().map_or(high, |meta| meta.size);
        let (low, high) = (low / UNIT_BYTES * UNIT_BYTES, high.next_multiple_of(UNIT_BYTES).min(size));
        let (asked, silent, again_at) = (None, BTreeSet::new(), Time::ZERO);
        let fetch = Fetch { object, version, low, high, purpose, bad, asked, silent, again_at };
        self.fetches.insert(ticket, fetch);
        self.ask_for_copy(ticket, view);
    }

    /// Asks the next member that may have it.
    fn ask_for_copy(&mut self, ticket: Ticket, view: &dyn ObjectRead) {
        let again_at = self.now + self.config.resend;
        let Some(f) = self.fetches.get_mut(&ticket) else { return };
        f.again_at = again_at;
        let Some(p) = self.primary.as_ref().filter(|p| p.interval == self.interval) else {
            // Replaced: nobody answers us any more, and the next map ends this.
            return;
        };
        let me = self.me;
        let others = || self.row.in_sync.iter().copied().filter(|osd| !f.bad.contains(osd));
        let ready = |osd: &OsdId| *osd == me || p.peers.get(osd).is_some_and(|peer| peer.is_ready());
        if others().next().is_none() {
            self.fetched(ticket, Err(Errno::EIO), view);
            return;
        }
        let next =
            others().filter(ready).find(|osd| !f.silent.contains(osd)).or_else(|| others().find(ready));
        // Whoever is in sync and not ready comes back or is dropped.
        let Some(osd) = next else { return };
        let certain_to = p.certain_to;
        f.asked = Some(osd);
        let (object, version, offset, len) = (f.object.clone(), f.version, f.low, f.high - f.low);
        let (interval, read) = (self.interval, ticket.0);
        if osd == me {
            if self.written_now.contains(&object) || !self.holds(&object, version, offset, len, view) {
                return self.copy_came(ticket, me, None, view);
            }
            let own = self.durability.ticket();
            self.reads.insert(own, ReadFor::Copy { fetch: ticket });
            self.effect(Effect::Read { ticket: own, object, offset, len });
        } else {
            let committed_to = certain_to;
            let message = PgMessage::ShardRead { interval, read, object, version, offset, len, committed_to };
            self.send(osd, message);
        }
    }

    /// A copy came, or cannot be had (none).
    pub(crate) fn copy_came(
        &mut self,
        ticket: Ticket,
        from: OsdId,
        data: Option<Bytes>,
        view: &dyn ObjectRead,
    ) {
        let Some(f) = self.fetches.get_mut(&ticket) else { return };
        if let Some(data) = data.filter(|data| data.len() as u64 == f.high - f.low) {
            return self.fetched(ticket, Ok(data), view);
        }
        if f.asked == Some(from) {
            f.asked = None;
        }
        let under_way = self.primary.as_ref().is_some_and(|p| p.uncommitted.contains_key(&*whole(&f.object)));
        if under_way {
            // Perhaps it only lacks the write so far, which is sent again until it has it.
            return;
        }
        f.bad.insert(from);
        let object = f.object.clone();
        self.note_damage(&object, from);
        self.ask_for_copy(ticket, view);
    }

    /// It is here, or nobody has it.
    fn fetched(&mut self, ticket: Ticket, mut result: Result<Bytes, Errno>, view: &dyn ObjectRead) {
        let Some(mut f) = self.fetches.remove(&ticket) else { return };
        if self.breaks(Bug::PushBadCopy) && f.is_repair() {
            result = result.map(|data| data.iter().map(|byte| byte ^ 1).collect());
            f.bad = self.row.in_sync.iter().copied().collect();
        }
        if let Ok(data) = &result {
            // Before it is used: a write that wanted it may follow at once.
            for of in std::mem::take(&mut f.bad) {
                self.repair_shard(of, f.object.clone(), f.version, (f.low, data.clone()), view);
            }
        }
        let cut = |offset: u64, len: u64| {
            let from = (offset - f.low) as usize;
            result.map(|data| data.slice(from..from + len as usize))
        };
        match f.purpose {
            FetchFor::Repair => self.ops.unlock_shared(&f.object),
            FetchFor::Op { number, offset, len } => self.op_data_read(number, ticket, cut(offset, len)),
            FetchFor::Push { to, attempt, push, offset, len } => {
                self.push_data_read(to, attempt, push, cut(offset, len), view);
            }
        }
    }

    /// Whoever did not answer in time is done without if possible.
    pub(crate) fn advance_fetches(&mut self, view: &dyn ObjectRead) {
        let (now, me) = (self.now, self.me);
        let due: Vec<Ticket> =
            self.fetches.iter().filter(|(_, f)| f.again_at <= now).map(|(t, _)| *t).collect();
        for ticket in due {
            let Some(f) = self.fetches.get_mut(&ticket) else { continue };
            if f.asked == Some(me) {
                // Our own disk answers in the end.
                f.again_at = now + self.config.resend;
                continue;
            }
            f.silent.extend(f.asked.take());
            self.ask_for_copy(ticket, view);
        }
    }

    /// When somebody must be asked again.
    pub(crate) fn fetches_timeout(&self) -> Option<Time> {
        self.fetches.values().map(|f| f.again_at).min()
    }

    /// A member's copy of an object is bad.
    pub(crate) fn note_damage(&mut self, object: &ObjectId, of: OsdId) {
        if let Some(p) = self.primary.as_mut() {
            p.damage.note(object, of);
        }
    }
}
