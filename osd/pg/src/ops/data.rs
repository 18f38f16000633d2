//! Data that an operation waited for has come.

use super::queue::Reading;
use super::replies::Pending;
use crate::effect::Ticket;
use crate::machine::Pg;
use bytes::Bytes;
use osd_class::{DataRead, Executed};
use osd_object::op::OpFailure;
use stdx::Errno;
use wire_codec::OsdOutcome;

impl Pg {
    /// One range of data came, or could not be read.
    pub(crate) fn op_data_read(&mut self, number: u64, ticket: Ticket, result: Result<Bytes, Errno>) {
        let Some(reading) = self.ops.reading.get_mut(&number) else { return };
        let old = reading.old_wanted.remove(&ticket);
        let read = match (&old, reading.waiting.remove(&ticket)) {
            (Some(_), _) => DataRead { step: 0, offset: 0, len: 0 },
            (None, read) => read.expect("each read answers once"),
        };
        match result {
            Ok(data) if old.is_some() => {
                reading.old.extend(old.map(|run| (run.first, data)));
            }
            Ok(data) if reading.executed.outcome.is_ok() => reading.executed.fill(read, data),
            Ok(_) => {}
            Err(code) => {
                let failure = OpFailure { code, step: read.step as u32, detail: Bytes::new() };
                reading.executed = Executed::refused(code, reading.executed.before);
                reading.executed.outcome = Err(failure);
            }
        }
        if reading.waiting.is_empty() && reading.old_wanted.is_empty() {
            let reading = self.ops.reading.remove(&number).expect("just seen");
            self.data_complete(reading);
        }
    }

    fn data_complete(&mut self, reading: Reading) {
        let Reading { queued, object, executed, write, snaps_gone, version, at, needs, plan, old, .. } =
            reading;
        if write && snaps_gone != self.pool.snaps.removed.count() {
            // What it would preserve was decided before others went. Nothing has happened yet, so it begins again.
            self.ops.unlock_exclusive(&object);
            self.ops.queue.push_front(queued);
            self.again = true;
            return;
        }
        if write {
            // On shards the lock is kept until the write is certain.
            let kept = self.write(queued, object.clone(), executed, plan.map(|plan| (plan, old)));
            if !kept {
                self.ops.unlock_exclusive(&object);
            }
            return;
        }
        self.ops.unlock_shared(&object);
        self.ops.done(&queued);
        let outcome = OsdOutcome::Done { version, outcome: executed.outcome };
        let (session, request) = (queued.session, queued.op.request);
        self.answer_after(needs, Pending { session, request, outcome, read_at: Some(at) });
    }
}
