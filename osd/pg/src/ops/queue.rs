//! Where operations wait: for the PG to serve, for `min_size`, for an object that is being read.

use crate::effect::Ticket;
use crate::erasure_coded::write_plan::{OldBytes, WritePlan};
use crate::event::SessionId;
use crate::machine::Pg;
use crate::sabotage::Bug;
use osd_class::{DataRead, Executed};
use osd_object::{ObjectId, Op, RequestId, SnapId, Version};
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use stdx::Time;
use wire_codec::{OpTarget, OsdOp, OsdOutcome};

/// An operation that waits or runs.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) session: SessionId,
    pub(crate) op: OsdOp,
    pub(crate) bytes: u64,
}

/// All operations of a PG that are not yet executed, and those waiting for data. Not bounded here: the shell
/// stops reading from sessions while the total of `PgStatus::op_bytes` or `ops` over all PGs is too high.
#[derive(Debug, Default)]
pub(crate) struct Ops {
    /// In order of arrival; run while the PG serves.
    pub(crate) queue: VecDeque<Queued>,
    /// Writes that wait for enough in-sync members.
    pub(crate) parked: VecDeque<Queued>,
    /// Objects whose data is being read. An object and its clones are one here.
    busy: BTreeMap<ObjectId, Busy>,
    /// Operations waiting for data.
    pub(crate) reading: BTreeMap<u64, Reading>,
    pub(crate) next_number: u64,
    count: u64,
    bytes: u64,
}

/// An object whose data is being read, so that it must not be written.
#[derive(Debug, Default)]
struct Busy {
    readers: u32,
    /// A write is waiting for data it wants to see before it happens.
    exclusive: bool,
    /// Writes to shards that are not certain, each with the columns that it changes; apart from each other.
    columns: BTreeMap<u64, Vec<(u64, u64)>>,
    waiting: VecDeque<Queued>,
}

impl Busy {
    fn is_written(&self) -> bool {
        self.exclusive || !self.columns.is_empty()
    }
}

/// An operation that waits for data.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) queued: Queued,
    pub(crate) object: ObjectId,
    pub(crate) executed: Executed,
    pub(crate) waiting: BTreeMap<Ticket, DataRead>,
    /// Old bytes that a write to an erasure-coded PG waits for, by the number of the piece, and those that came.
    pub(crate) old_wanted: BTreeMap<Ticket, usize>,
    pub(crate) old: OldBytes,
    pub(crate) plan: Option<WritePlan>,
    pub(crate) write: bool,
    /// How many snapshots were known to be gone when it began: a write preserves nothing for those.
    pub(crate) snaps_gone: u64,
    /// The lock of its columns, if it has not the whole object.
    pub(crate) columns: Option<u64>,
    pub(crate) version: Version,
    pub(crate) at: Time,
    pub(crate) needs: u64,
}

/// The live object of a clone: what is locked. A write to it may make clones or remove them, so that whoever has one
/// of them has all.
pub(crate) fn whole(object: &ObjectId) -> Cow<'_, ObjectId> {
    if object.snap == SnapId::HEAD {
        Cow::Borrowed(object)
    } else {
        Cow::Owned(ObjectId { snap: SnapId::HEAD, ..object.clone() })
    }
}

impl Ops {
    pub(crate) fn push(&mut self, queued: Queued) {
        self.count += 1;
        self.bytes += queued.bytes;
        self.queue.push_back(queued);
    }
    /// An operation left: answered, or handed to replication, which counts by itself.
    pub(crate) fn done(&mut self, queued: &Queued) {
        self.count -= 1;
        self.bytes -= queued.bytes;
    }
    /// Operations here, and the bytes they carry.
    pub(crate) fn load(&self) -> (u64, u64) {
        (self.count, self.bytes)
    }

    /// Whether nothing waits for its turn.
    pub(crate) fn idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether an operation on the object has to wait. Nothing overtakes what waits already.
    pub(crate) fn must_wait(&self, object: &ObjectId, write: bool) -> bool {
        self.busy
            .get(&*whole(object))
            .is_some_and(|b| b.is_written() || !b.waiting.is_empty() || (write && b.readers > 0))
    }
    /// Whether nothing is in the way of a write but others that change some columns each.
    pub(crate) fn only_columns(&self, object: &ObjectId) -> bool {
        self.busy
            .get(&*whole(object))
            .is_some_and(|b| !b.columns.is_empty() && !b.exclusive && b.waiting.is_empty() && b.readers == 0)
    }
    /// Whether none of these columns is being changed.
    pub(crate) fn columns_are_free(&self, object: &ObjectId, columns: &[(u64, u64)]) -> bool {
        let meet = |a: &(u64, u64), b: &(u64, u64)| a.0 < b.1 && b.0 < a.1;
        self.busy.get(&*whole(object)).is_none_or(|b| {
            b.columns.values().flatten().all(|taken| columns.iter().all(|wanted| !meet(taken, wanted)))
        })
    }
    /// Keeps readers and writes of the same columns away. The caller saw that nothing else is in the way, and that the
    /// columns are free.
    pub(crate) fn lock_columns(&mut self, object: &ObjectId, columns: Vec<(u64, u64)>) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        let busy = self.busy.entry(whole(object).into_owned()).or_default();
        assert!(!busy.exclusive && busy.readers == 0, "columns of an object that is locked");
        busy.columns.insert(number, columns);
        number
    }
    /// The write with these columns is certain, or did not happen; those who waited come next.
    pub(crate) fn unlock_columns(&mut self, object: &ObjectId, number: u64) {
        let object = &*whole(object);
        let busy = self.busy.get_mut(object).expect("locked");
        busy.columns.remove(&number).expect("columns that are locked");
        self.wake(object);
    }
    /// Lets an operation wait for the object.
    pub(crate) fn wait(&mut self, object: &ObjectId, queued: Queued) {
        self.busy
            .get_mut(&*whole(object))
            .expect("only a busy object is waited for")
            .waiting
            .push_back(queued);
    }
    /// Whether a write has these columns.
    pub(crate) fn has_columns(&self, object: &ObjectId, number: u64) -> bool {
        self.busy.get(&*whole(object)).is_some_and(|b| b.columns.contains_key(&number))
    }
    /// Whether a write has the whole object: it waits for data, or is not certain.
    pub(crate) fn is_exclusive(&self, object: &ObjectId) -> bool {
        self.busy.get(&*whole(object)).is_some_and(|b| b.exclusive)
    }
    /// Whether a write waits for data of the object, or is not certain.
    pub(crate) fn is_written(&self, object: &ObjectId) -> bool {
        self.busy.get(&*whole(object)).is_some_and(Busy::is_written)
    }
    /// Keeps writes away while data is read. False if a write is under way.
    pub(crate) fn lock_shared(&mut self, object: &ObjectId) -> bool {
        let busy = self.busy.entry(whole(object).into_owned()).or_default();
        if busy.is_written() {
            return false;
        }
        busy.readers += 1;
        true
    }
    /// Keeps all others away. The caller saw that nobody is there.
    pub(crate) fn lock_exclusive(&mut self, object: &ObjectId) {
        let busy = self.busy.entry(whole(object).into_owned()).or_default();
        assert!(!busy.is_written() && busy.readers == 0, "an exclusive lock needs a free object");
        busy.exclusive = true;
    }
    /// A shared lock ends; those who waited come next.
    pub(crate) fn unlock_shared(&mut self, object: &ObjectId) {
        let object = &*whole(object);
        let busy = self.busy.get_mut(object).expect("locked");
        busy.readers = busy.readers.checked_sub(1).expect("a reader");
        self.wake(object);
    }
    /// The exclusive lock ends; those who waited come next.
    pub(crate) fn unlock_exclusive(&mut self, object: &ObjectId) {
        let object = &*whole(object);
        let busy = self.busy.get_mut(object).expect("locked");
        assert!(std::mem::take(&mut busy.exclusive), "held exclusively");
        self.wake(object);
    }
    fn wake(&mut self, object: &ObjectId) {
        let busy = self.busy.get_mut(object).expect("busy");
        let free = busy.readers == 0 && !busy.is_written();
        let waiting = std::mem::take(&mut busy.waiting);
        if free {
            self.busy.remove(object);
        }
        for queued in waiting.into_iter().rev() {
            self.queue.push_front(queued);
        }
    }
    /// Whether writes wait until they may be acknowledged.
    pub(crate) fn has_parked(&self) -> bool {
        !self.parked.is_empty()
    }
    fn retain(&mut self, keep: impl Fn(&Queued) -> bool) {
        let (mut count, mut bytes) = (0, 0);
        let mut judge = |q: &Queued| {
            let stays = keep(q);
            if !stays {
                count += 1;
                bytes += q.bytes;
            }
            stays
        };
        self.queue.retain(&mut judge);
        self.parked.retain(&mut judge);
        for busy in self.busy.values_mut() {
            busy.waiting.retain(&mut judge);
        }
        self.count -= count;
        self.bytes -= bytes;
    }
    /// Everything, to be turned away.
    fn take_all(&mut self) -> Vec<(SessionId, RequestId)> {
        let all = std::mem::take(self);
        self.next_number = all.next_number;
        let name = |q: Queued| (q.session, q.op.request);
        let waiting = all.busy.into_values().flat_map(|b| b.waiting);
        let reading = all.reading.into_values().map(|r| r.queued);
        reading.chain(waiting).chain(all.parked).chain(all.queue).map(name).collect()
    }
}

/// Bytes an operation carries, for admission.
fn payload(op: &OsdOp) -> u64 {
    let OpTarget::Object { ops, .. } = &op.target else { return 64 };
    let of = |op: &Op| match op {
        Op::Write { data, .. } | Op::WriteFull { data } | Op::Append { data } => data.len(),
        Op::SetXattr { value, .. } => value.len(),
        Op::OmapSet { rows } => rows.iter().map(|(k, v)| k.len() + v.len()).sum(),
        Op::Call { input, .. } => input.len(),
        Op::Notify { payload, .. } => payload.len(),
        _ => 0,
    };
    ops.iter().map(|op| 64 + of(op) as u64).sum()
}

impl Pg {
    pub(crate) fn on_client_op(&mut self, session: SessionId, op: OsdOp) {
        // Aimed before this tenure: an earlier one of the same client may just have been turned away, and comes
        // again behind this one, unless this one is turned away too.
        let earlier = self.primary.as_ref().is_some_and(|p| op.epoch < p.since);
        if self.row.primary != Some(self.me) || earlier || self.removal.is_some() || self.resigned {
            self.reply_not_primary(session, op.request);
            return;
        }
        let bytes = payload(&op);
        self.ops.push(Queued { session, op, bytes });
    }

    pub(crate) fn on_session_gone(&mut self, session: SessionId) {
        self.ops.retain(|q| q.session != session);
        if let Some(p) = self.primary.as_mut() {
            p.replies.forget(session);
            p.watches.session_gone(session);
        }
    }

    /// Everybody who waits is told to look for another primary.
    pub(crate) fn turn_away(&mut self) {
        self.gathers.retain(|_, gather| !gather.is_for_op());
        self.fetches.retain(|_, fetch| !fetch.is_for_op() && !fetch.is_repair());
        // With the locks that they hold.
        self.wholes.clear();
        if let Some(scrub) = self.scrub.as_mut() {
            scrub.unlocked();
        }
        for (session, request) in self.ops.take_all() {
            self.reply_not_primary(session, request);
        }
    }

    pub(crate) fn reply_not_primary(&mut self, session: SessionId, request: RequestId) {
        self.reply(session, request, OsdOutcome::NotPrimary);
    }

    /// The number of in-sync members may have grown: parked writes get their turn, in their order.
    pub(crate) fn unpark(&mut self) {
        if self.writable() {
            while let Some(queued) = self.ops.parked.pop_back() {
                self.ops.queue.push_front(queued);
            }
        }
    }

    /// Whether writes may be acknowledged: enough members are in sync, and nobody rests who would lack them.
    pub(crate) fn writable(&self) -> bool {
        self.enough_copies() && !self.somebody_rests()
    }

    /// Whether enough members are in sync for writes to be acknowledged.
    pub(crate) fn enough_copies(&self) -> bool {
        self.row.copies() >= self.pool.min_size as usize || self.breaks(Bug::IgnoreMinSize)
    }
}
