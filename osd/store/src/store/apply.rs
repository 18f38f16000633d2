//! Writing logged units in place, lazily: the more often a unit was overwritten meanwhile, the more is
//! saved. Only what is durable in the log may be written over its old state.

use super::{Operation, Store};
use crate::buf::AlignedBuf;
use crate::error::StoreError;
use crate::layout::UNIT_BYTES;
use crate::sabotage::{self, Sabotage};
use bytes::Bytes;

/// Units per in-place write, at most.
const APPLY_UNITS_MAX: usize = 128;
/// In-place writes under way, at most: as many as a fast device wants to be kept busy.
const APPLY_WRITES_MAX: usize = 64;
/// Once so few are under way the next ones go out, together: one by one each would cost a system call and a
/// signal to the device.
const APPLY_WRITES_LOW: usize = 32;

impl Store {
    /// Starts in-place writes of states up to `upto`.
    pub(super) fn apply(&mut self, upto: u64) {
        let early = sabotage::is(Sabotage::ApplyUndurable);
        let upto = if early { self.next_lsn } else { upto };
        assert!(early || upto <= self.durable_lsn, "data would be overwritten before its record is durable");
        if self.overlay.writes_in_flight() > APPLY_WRITES_LOW {
            return;
        }
        while self.overlay.writes_in_flight() < APPLY_WRITES_MAX {
            let Some(run) = self.overlay.take_run(upto, APPLY_UNITS_MAX) else { return };
            let data = match &run.data[..] {
                [one] if crate::buf::is_direct(one) => one.clone(),
                many => {
                    let mut buf = AlignedBuf::with_capacity(many.len() * UNIT_BYTES);
                    many.iter().for_each(|unit| buf.extend_from_slice(unit));
                    Bytes::from_owner(buf)
                }
            };
            let offset = self.geometry().unit_offset(run.start);
            let tag = self.operations.insert(Operation::Apply { start: run.start, lsns: run.lsns });
            self.device.write(tag, offset, data);
        }
    }

    /// Writes in place when too much is held in memory.
    pub(super) fn apply_if_full(&mut self) {
        if self.overlay.bytes() > self.limits.overlay_bytes_max {
            self.apply(self.durable_lsn);
        }
    }

    /// Blocks until every durable state is in place.
    pub(super) fn apply_all(&mut self) -> Result<(), StoreError> {
        while self.overlay.waits_upto(self.durable_lsn) {
            self.apply(self.durable_lsn);
            self.wait()?;
        }
        Ok(())
    }
}
