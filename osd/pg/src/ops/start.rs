//! Running operations: what is refused, what must wait, what is read and what is written.

use super::queue::{Queued, Reading};
use super::replies::Pending;
use super::whole;
use crate::effect::Effect;
use crate::erasure_coded::tag::Logical;
use crate::erasure_coded::write_plan::{Planned, WritePlan};
use crate::machine::{Pg, ReadFor};
use crate::names::{belongs, is_internal};
use crate::sabotage::Bug;
use osd_class::snapped::{execute_snapped, resolve};
use osd_class::{Access, Executed, execute};
use osd_object::op::{OpFailure, OpOutcome};
use osd_object::{ObjectId, ObjectRead, Op, SnapContext, SnapId, Version};
use std::collections::BTreeMap;
use stdx::Errno;
use wire_codec::pg::LogEntry;
use wire_codec::{OpTarget, OsdOutcome};

impl Pg {
    /// Runs what is queued, as far as it may run now.
    pub(crate) fn run_ops(&mut self, view: &dyn ObjectRead) {
        while self.serving() {
            let p = self.primary.as_ref().expect("serving");
            let uncommitted = self.log.head().seq - p.committed_to;
            let heavy = uncommitted > 0 && p.uncommitted_bytes >= self.config.in_flight_bytes_max;
            // With too few members writes are parked, and what is in flight stays there: reads must not wait for it.
            if self.writable() && (uncommitted >= self.config.in_flight_max as u64 || heavy) {
                return;
            }
            let Some(queued) = self.ops.queue.pop_front() else { return };
            let fresh = match &queued.op.target {
                OpTarget::Object { object, .. } => !self.written_now.contains(&*whole(object)),
                OpTarget::List { .. } => self.written_now.is_empty(),
                OpTarget::Pg(_) => true,
            };
            if !fresh {
                // The view does not show yet what this `handle` wrote.
                self.ops.queue.push_front(queued);
                self.again = true;
                return;
            }
            self.start(queued, view);
        }
    }

    fn start(&mut self, queued: Queued, view: &dyn ObjectRead) {
        match &queued.op.target {
            OpTarget::List { after, max } => {
                let (after, max) = (after.clone(), *max);
                self.list(queued, after, max, view);
            }
            OpTarget::Pg(op) => {
                let op = *op;
                self.pg_op(queued, op);
            }
            OpTarget::Object { object, .. } => {
                let object = object.clone();
                self.start_on_object(queued, object, view);
            }
        }
    }

    fn start_on_object(&mut self, queued: Queued, object: ObjectId, view: &dyn ObjectRead) {
        let request = queued.op.request;
        let (forgets, interval) = (self.breaks(Bug::ForgetRequests), self.interval);
        let known = |e: &&LogEntry| !(forgets && e.version.interval < interval);
        if let Some(entry) = self.log.find(request).filter(known).filter(|_| !self.breaks(Bug::ReplayTwice)) {
            // A replay: the same answer as the first time, once that is certain.
            let outcome = OsdOutcome::Done { version: entry.told, outcome: entry.outcome.clone() };
            let needs = entry.version.seq;
            if matches!(&outcome, OsdOutcome::Done { outcome: Ok(_), .. }) {
                self.replay_of_watching(&queued, &object, view);
            }
            self.ops.done(&queued);
            self.answer_after(needs, Pending { session: queued.session, request, outcome, read_at: None });
            return;
        }
        let OpTarget::Object { ops, .. } = &queued.op.target else { unreachable!("listings go elsewhere") };
        let access = self.registry.access(ops);
        if let Err(code) = self.admissible(&queued, &object, ops) {
            let failure = OpFailure { code, step: 0, detail: bytes::Bytes::new() };
            self.answer_read(queued, Version::ZERO, Err(failure), 0);
            return;
        }
        let write = access == Access::Write;
        // First the object, then the PG: a write that waits for the object came earlier than this one, and is
        // parked earlier.
        let beside_others = write && self.ops.only_columns(&object);
        let waits = self.ops.must_wait(&object, write) && !beside_others;
        if waits && !(write && self.breaks(Bug::WriteDuringRead)) {
            self.ops.wait(&object, queued);
            return;
        }
        if write && !self.writable() {
            self.ops.parked.push_back(queued);
            return;
        }
        // What the object was at a snapshot is in one of its clones, or still in itself.
        let object = if object.snap == SnapId::HEAD { Ok(object) } else { resolve(view, &object) };
        let object = match object {
            Ok(object) => object,
            Err(code) => {
                let OpTarget::Object { object, .. } = &queued.op.target else { unreachable!("as above") };
                let needs = self.seen_uncommitted(object);
                let failure = OpFailure { code, step: 0, detail: bytes::Bytes::new() };
                self.answer_read(queued, Version::ZERO, Err(failure), needs);
                return;
            }
        };
        let mut executed = self.execute(&queued, &object, ops, view);
        if write && !self.full.is_empty() && self.registry.takes_space(ops) {
            executed = Executed::refused(Errno::ENOSPC, executed.before);
        }
        let plan = if write { self.plan_shards(&object, &mut executed, view) } else { None };
        let plain = executed.data_reads.is_empty() && executed.clones.is_empty() && can_share(ops);
        let columns = plan.as_ref().filter(|_| plain && self.pool.records).and_then(WritePlan::columns);
        if beside_others {
            let mixes = self.breaks(Bug::MixColumns);
            let free = |columns: &Vec<_>| mixes || self.ops.columns_are_free(&object, columns);
            if !columns.as_ref().is_some_and(free) {
                // Also what changes nothing: it may be one of those under way, sent again.
                self.ops.wait(&object, queued);
                return;
            }
        }
        let columns = columns.map(|columns| self.ops.lock_columns(&object, columns));
        let onto_old = plan.as_ref().is_some_and(|plan| plan.reads().next().is_some());
        if !executed.data_reads.is_empty() || onto_old {
            self.read_data(queued, object, executed, (write, plan, columns), view);
        } else if write {
            let planned = plan.map(|plan| Planned { plan, old: BTreeMap::new(), columns });
            let locked = self.write(queued, object.clone(), executed, planned);
            if let Some(number) = columns.filter(|_| !locked) {
                self.ops.unlock_columns(&object, number);
            }
        } else {
            let version = executed.before.map_or(Version::ZERO, |m| m.version);
            let needs = self.seen_uncommitted(&object);
            let Some(queued) = self.read_of_watching(queued, &object, &mut executed, view) else { return };
            self.answer_read(queued, version, executed.outcome, needs);
        }
    }

    fn execute(&self, queued: &Queued, object: &ObjectId, ops: &[Op], view: &dyn ObjectRead) -> Executed {
        let mtime = queued.op.mtime;
        let logical = Logical(view);
        let view: &dyn ObjectRead = if self.shape.is_some() { &logical } else { view };
        if self.pool.snaps.seq == 0 || object.snap != SnapId::HEAD {
            return execute(view, object, ops, mtime, &self.registry);
        }
        // The client may not have heard yet of snapshots that are gone, and nothing is kept for those.
        let removed = &self.pool.snaps.removed;
        let told = &queued.op.snaps;
        let snaps = told.snaps.iter().copied().filter(|snap| !removed.contains(snap.0)).collect();
        let context = SnapContext { seq: told.seq, snaps };
        let mut executed = execute_snapped(view, object, ops, mtime, &self.registry, &context);
        if self.breaks(Bug::ForgetClones) {
            executed.clones.clear();
        }
        executed
    }

    /// Whether an operation is one that this PG and this build carry out, whatever the state: so a replay is
    /// refused alike and needs no log.
    fn admissible(&self, queued: &Queued, object: &ObjectId, ops: &[Op]) -> Result<(), Errno> {
        let name = &object.name;
        let longest = [&name.name, &name.namespace, &name.locator].into_iter().map(String::len).max();
        if !belongs(self.id, self.pool.pg_num, object) || is_internal(object) || ops.is_empty() {
            return Err(Errno::EINVAL);
        }
        if longest > Some(osd_object::name::NAME_BYTES_MAX) {
            return Err(Errno::E2BIG);
        }
        self.fits_snapshots(&queued.op.snaps, object, ops)?;
        self.fits_watching(queued.op.request, object, ops)?;
        self.fits_shards(ops)
    }

    /// Whether what an operation says of snapshots makes sense: a context of ids that were given out, newest first, and
    /// nothing but reads of a snapshot.
    fn fits_snapshots(&self, told: &SnapContext, object: &ObjectId, ops: &[Op]) -> Result<(), Errno> {
        let of_snapshots = |op: &Op| matches!(op, Op::Rollback { .. } | Op::ListSnaps);
        let snapshot = object.snap != SnapId::HEAD;
        if ops.iter().any(|op| matches!(op, Op::AssertSnapsKnown)) && told.seq < self.pool.snaps.seq {
            return Err(Errno::EOLDSNAPC);
        }
        let removed = &self.pool.snaps.removed;
        let back_to = |op: &Op| matches!(op, Op::Rollback { snap } if removed.contains(snap.0));
        if removed.contains(object.snap.0) || ops.iter().any(back_to) {
            // Not ENOENT: what it was is not known any more, or soon will not be.
            return Err(Errno::ESTALE);
        }
        let newest = told.snaps.first().map_or(0, |snap| snap.0);
        let in_order = told.snaps.windows(2).all(|w| w[0] > w[1]) && told.snaps.last() != Some(&SnapId(0));
        let given_out = newest <= told.seq && told.seq <= self.pool.snaps.seq;
        let listed = snapshot && ops.iter().any(of_snapshots);
        if !in_order || !given_out || listed || (snapshot && self.registry.access(ops) == Access::Write) {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }

    /// The last write of the object that is not yet certain, so that what was read of it is not either.
    pub(crate) fn seen_uncommitted(&self, object: &ObjectId) -> u64 {
        if self.breaks(Bug::AnswerUncommitted) {
            return 0;
        }
        self.primary.as_ref().and_then(|p| p.uncommitted.get(&*whole(object))).copied().unwrap_or(0)
    }

    /// Answers what changed nothing.
    pub(crate) fn answer_read(&mut self, queued: Queued, version: Version, outcome: OpOutcome, needs: u64) {
        self.ops.done(&queued);
        let outcome = OsdOutcome::Done { version, outcome };
        let (session, request, read_at) = (queued.session, queued.op.request, Some(self.now));
        self.answer_after(needs, Pending { session, request, outcome, read_at });
    }

    /// Fetches the data that the results want, keeping writes away from the object meanwhile.
    fn read_data(
        &mut self,
        queued: Queued,
        object: ObjectId,
        mut executed: Executed,
        (write, plan, columns): (bool, Option<WritePlan>, Option<u64>),
        view: &dyn ObjectRead,
    ) {
        if columns.is_some() {
            // Others may write beside it.
        } else if write {
            self.ops.lock_exclusive(&object);
        } else {
            assert!(self.ops.lock_shared(&object), "an operation that may start finds no writer");
        }
        let number = self.ops.next_number;
        self.ops.next_number += 1;
        let mut waiting = BTreeMap::new();
        for read in std::mem::take(&mut executed.data_reads) {
            let ticket = self.durability.ticket();
            waiting.insert(ticket, read);
            if self.shape.is_none() {
                self.reads.insert(ticket, ReadFor::Op(number));
                let (object, offset, len) = (object.clone(), read.offset, read.len);
                self.effect(Effect::Read { ticket, object, offset, len });
            }
        }
        let pieces = plan.iter().flat_map(|plan| plan.reads().map(|(index, _)| index));
        let old_wanted = pieces.map(|index| (self.durability.ticket(), index)).collect();
        let version = executed.before.map_or(Version::ZERO, |m| m.version);
        let needs = self.seen_uncommitted(&object);
        let at = self.now;
        let old = BTreeMap::new();
        let snaps_gone = self.pool.snaps.removed.count();
        let reading = Reading {
            queued,
            object,
            executed,
            waiting,
            old_wanted,
            old,
            plan,
            write,
            snaps_gone,
            columns,
            version,
            at,
            needs,
        };
        self.ops.reading.insert(number, reading);
        self.gather_for_op(number, view);
    }
}

/// Whether operations say the same whatever the version of an object whose size and attributes stay: then a write may
/// happen before or behind another that was begun earlier.
fn can_share(ops: &[Op]) -> bool {
    let alike = |op: &Op| {
        matches!(
            op,
            Op::AssertExists
                | Op::AssertSnapsKnown
                | Op::CmpXattr { .. }
                | Op::Write { .. }
                | Op::WriteSame { .. }
                | Op::Zero { .. }
                | Op::SetAllocHint { .. }
        )
    };
    ops.iter().all(alike)
}
