//! Data that an operation waited for has come.

use super::queue::{Queued, Reading};
use super::replies::Pending;
use crate::effect::Ticket;
use crate::erasure_coded::write_plan::Planned;
use crate::machine::Pg;
use bytes::Bytes;
use osd_class::Executed;
use osd_object::ObjectId;
use osd_object::op::OpFailure;
use std::collections::BTreeMap;
use stdx::Errno;
use wire_codec::OsdOutcome;

impl Reading {
    /// What it needs cannot be read.
    fn fail(&mut self, code: Errno, step: usize) {
        let failure = OpFailure { code, step: step as u32, detail: Bytes::new() };
        self.executed = Executed::refused(code, self.executed.before);
        self.executed.outcome = Err(failure);
    }
}

impl Pg {
    /// One range of data came, or could not be read.
    pub(crate) fn op_data_read(&mut self, number: u64, ticket: Ticket, result: Result<Bytes, Errno>) {
        let Some(reading) = self.ops.reading.get_mut(&number) else { return };
        let read = reading.waiting.remove(&ticket).expect("each read answers once");
        match result {
            Ok(data) if reading.executed.outcome.is_ok() => reading.executed.fill(read, data),
            Ok(_) => {}
            Err(code) => reading.fail(code, read.step),
        }
        self.op_advanced(number);
    }

    /// The old bytes came that a write wants of one of its pieces.
    pub(crate) fn op_old_read(
        &mut self,
        number: u64,
        ticket: Ticket,
        result: Result<BTreeMap<usize, Bytes>, Errno>,
    ) {
        let Some(reading) = self.ops.reading.get_mut(&number) else { return };
        let piece = reading.old_wanted.remove(&ticket).expect("each read answers once");
        match result {
            Ok(shards) => drop(reading.old.insert(piece, shards)),
            Err(code) => reading.fail(code, 0),
        }
        self.op_advanced(number);
    }

    fn op_advanced(&mut self, number: u64) {
        let Some(reading) = self.ops.reading.get(&number) else { return };
        if reading.waiting.is_empty() && reading.old_wanted.is_empty() {
            let reading = self.ops.reading.remove(&number).expect("just seen");
            self.data_complete(reading);
        }
    }

    /// A write has all that it wants. On shards its lock is kept until it is certain.
    fn finish_write(
        &mut self,
        queued: Queued,
        object: ObjectId,
        executed: Executed,
        planned: Option<Planned>,
        columns: Option<u64>,
    ) {
        if !self.write(queued, object.clone(), executed, planned) {
            self.unlock_write(&object, columns);
        }
    }

    /// A write that did not happen lets go of what it had.
    fn unlock_write(&mut self, object: &ObjectId, columns: Option<u64>) {
        match columns {
            Some(number) => self.ops.unlock_columns(object, number),
            None => self.ops.unlock_exclusive(object),
        }
    }

    fn data_complete(&mut self, reading: Reading) {
        let Reading { queued, object, executed, write, columns, snaps_gone, .. } = reading;
        let Reading { version, at, needs, plan, old, .. } = reading;
        if write && snaps_gone != self.pool.snaps.removed.count() {
            // What it would preserve was decided before others went. Nothing has happened yet, so it begins again.
            self.unlock_write(&object, columns);
            self.ops.queue.push_front(queued);
            self.again = true;
            return;
        }
        if write {
            let planned = plan.map(|plan| Planned { plan, old, columns });
            self.finish_write(queued, object, executed, planned, columns);
            return;
        }
        self.ops.unlock_shared(&object);
        self.ops.done(&queued);
        let outcome = OsdOutcome::Done { version, outcome: executed.outcome };
        let (session, request) = (queued.session, queued.op.request);
        self.answer_after(needs, Pending { session, request, outcome, read_at: Some(at) });
    }
}
