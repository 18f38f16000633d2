//! Running operations: what is refused, what must wait, what is read and what is written.

use super::queue::{Queued, Reading};
use super::replies::Pending;
use crate::effect::Effect;
use crate::erasure_coded::tag::Logical;
use crate::erasure_coded::write_plan::WritePlan;
use crate::machine::{Pg, ReadFor};
use crate::names::{belongs, is_internal};
use crate::sabotage::Bug;
use osd_class::{Access, Executed, execute};
use osd_object::op::{OpFailure, OpOutcome};
use osd_object::{ObjectId, ObjectRead, Op, SnapId, Version};
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
                OpTarget::Object { object, .. } => !self.written_now.contains(object),
                OpTarget::List { .. } => self.written_now.is_empty(),
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
        if self.ops.must_wait(&object, write) && !(write && self.breaks(Bug::WriteDuringRead)) {
            self.ops.wait(&object, queued);
            return;
        }
        if write && !self.writable() {
            self.ops.parked.push_back(queued);
            return;
        }
        let mut executed = if self.shape.is_some() {
            execute(&Logical(view), &object, ops, queued.op.mtime, &self.registry)
        } else {
            execute(view, &object, ops, queued.op.mtime, &self.registry)
        };
        if write && !self.full.is_empty() && self.registry.takes_space(ops) {
            executed = Executed::refused(Errno::ENOSPC, executed.before);
        }
        let plan = if write { self.plan_shards(&mut executed) } else { None };
        let onto_old = plan.as_ref().is_some_and(|plan| !plan.reads().is_empty());
        if !executed.data_reads.is_empty() || onto_old {
            self.read_data(queued, object, executed, (write, plan), view);
        } else if write {
            self.write(queued, object, executed, plan.map(|plan| (plan, BTreeMap::new())));
        } else {
            let version = executed.before.map_or(Version::ZERO, |m| m.version);
            let needs = self.seen_uncommitted(&object);
            self.answer_read(queued, version, executed.outcome, needs);
        }
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
        let of_snapshots = |op: &Op| matches!(op, Op::Rollback { .. } | Op::ListSnaps);
        let snapshots =
            object.snap != SnapId::HEAD || !queued.op.snaps.snaps.is_empty() || ops.iter().any(of_snapshots);
        if snapshots {
            return Err(Errno::EOPNOTSUPP);
        }
        self.fits_shards(ops)
    }

    /// The last write of the object that is not yet certain, so that what was read of it is not either.
    pub(crate) fn seen_uncommitted(&self, object: &ObjectId) -> u64 {
        if self.breaks(Bug::AnswerUncommitted) {
            return 0;
        }
        self.primary.as_ref().and_then(|p| p.uncommitted.get(object)).copied().unwrap_or(0)
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
        (write, plan): (bool, Option<WritePlan>),
        view: &dyn ObjectRead,
    ) {
        if write {
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
        let runs = plan.iter().flat_map(WritePlan::reads);
        let old_wanted = runs.map(|run| (self.durability.ticket(), run)).collect();
        let version = executed.before.map_or(Version::ZERO, |m| m.version);
        let needs = self.seen_uncommitted(&object);
        let at = self.now;
        let old = BTreeMap::new();
        let reading =
            Reading { queued, object, executed, waiting, old_wanted, old, plan, write, version, at, needs };
        self.ops.reading.insert(number, reading);
        self.gather_for_op(number, view);
    }
}
