//! Data that an operation waited for has come.

use super::queue::Reading;
use super::replies::Pending;
use crate::effect::Ticket;
use crate::machine::Pg;
use bytes::Bytes;
use osd_class::Executed;
use osd_object::op::OpFailure;
use stdx::Errno;
use wire_codec::OsdOutcome;

impl Pg {
    /// One range of data came, or could not be read.
    pub(crate) fn op_data_read(&mut self, number: u64, ticket: Ticket, result: Result<Bytes, Errno>) {
        let Some(reading) = self.ops.reading.get_mut(&number) else { return };
        let read = reading.waiting.remove(&ticket).expect("each read answers once");
        match result {
            Ok(data) if reading.executed.outcome.is_ok() => reading.executed.fill(read, data),
            Ok(_) => {}
            Err(code) => {
                let failure = OpFailure { code, step: read.step as u32, detail: Bytes::new() };
                reading.executed = Executed::refused(code, reading.executed.before);
                reading.executed.outcome = Err(failure);
            }
        }
        if reading.waiting.is_empty() {
            let reading = self.ops.reading.remove(&number).expect("just seen");
            self.data_complete(reading);
        }
    }

    fn data_complete(&mut self, reading: Reading) {
        let Reading { queued, object, executed, write, version, at, needs, .. } = reading;
        if write {
            self.write(queued, object.clone(), executed);
            self.ops.unlock_exclusive(&object);
            return;
        }
        self.ops.unlock_shared(&object);
        self.ops.done(&queued);
        let outcome = OsdOutcome::Done { version, outcome: executed.outcome };
        let (session, request) = (queued.session, queued.op.request);
        self.answer_after(needs, Pending { session, request, outcome, read_at: Some(at) });
    }
}
