//! Accepting a transaction: planned, applied to the index in memory, and put into the log batch.

use super::{Operation, Store};
use crate::error::StoreError;
use crate::layout::UNIT;
use crate::plan::{Plan, Planner, Sources};
use crate::superblock::PACKED_EXTENTS;
use crate::wal::{batch, record};
use osd_object::Transaction;

/// Memory that one index change takes beyond its bytes, roughly.
const INDEX_CHANGE_BYTES: u64 = 64;

/// Changes that gather in memory while earlier ones are flushed, in units of what begins a flush; more are waited for, or
/// the memory target would be no bound.
const INDEX_DIRTY_TIMES_MAX: u64 = 2;

/// Fresh data from this size on goes to the device at once.
const EARLY_FRESH_BYTES: usize = 256 << 10;

impl Store {
    /// The most that one transaction may take of the log, bytes; a larger one is refused.
    fn record_bytes_max(&self) -> u64 {
        self.ring.bytes / 8
    }

    /// What of one transaction may go through the log so that it is surely taken, bytes: the rest is for what the index
    /// notes of it.
    pub fn logged_bytes_max(&self) -> u64 {
        let most = self.record_bytes_max();
        most - (most / 4).min(256 << 10)
    }

    /// Accepts a transaction. Its effects are visible at once and durable when its completion says so;
    /// transactions become durable in the order of `submit`. A refusal (`StoreError::is_refusal`) leaves
    /// everything as it was; any other error has stopped the store.
    pub fn submit(&mut self, ticket: u64, transaction: Transaction) -> Result<(), StoreError> {
        self.alive()?;
        let outcome = self.try_submit(ticket, &transaction);
        self.stop_on_error(outcome)
    }

    fn try_submit(&mut self, ticket: u64, transaction: &Transaction) -> Result<(), StoreError> {
        self.admit(transaction)?;
        if self.index_dirty_bytes > INDEX_DIRTY_TIMES_MAX * self.limits.index_dirty_bytes_max {
            // The flush that is under way does not keep up (its thread finds no processor, say).
            self.checkpoint_now()?;
        }
        let mut plan = self.plan(transaction);
        if matches!(plan, Err(StoreError::NoSpace { .. })) && self.space.discards.units() > 0 {
            self.end_discards()?;
            plan = self.plan(transaction);
        }
        let plan = match plan {
            // Deletes may have freed enough, only not reusably yet.
            Err(StoreError::NoSpace { .. }) if self.space.waiting_units() > 0 => {
                self.checkpoint_now()?;
                self.end_discards()?;
                self.plan(transaction)?
            }
            plan => plan?,
        };
        let fresh = plan.fresh.iter().map(|f| f.crcs.len());
        let bytes = record::encoded_len(plan.index.as_bytes(), plan.inline.len(), fresh) as u64;
        let most_bytes = self.record_bytes_max();
        if bytes > most_bytes {
            plan.abandon(&mut self.space);
            return Err(StoreError::TooLarge { bytes, most_bytes });
        }
        // Whatever the index holds must always fit into the log, or neither could ever be made durable.
        let in_log = (bytes + batch::HEADER_BYTES as u64).next_multiple_of(UNIT) + UNIT;
        if self.ring.free() < self.commit.queued_bytes() + in_log
            && let Err(e) = self.checkpoint_now()
        {
            plan.abandon(&mut self.space);
            return Err(e);
        }
        self.accept(ticket, plan)
    }

    fn plan(&mut self, transaction: &Transaction) -> Result<Plan, StoreError> {
        let sources = Sources {
            spare_units: self.spare_units(),
            compressions: &self.compressions,
            hints: self.superblock.features & PACKED_EXTENTS != 0,
            geometry: self.geometry(),
            space: &mut self.space,
            index: &*self.index,
            overlay: &self.overlay,
            device: &mut *self.device,
            lsn: self.next_lsn,
        };
        Planner::plan(sources, transaction)
    }

    pub(super) fn accept(&mut self, ticket: u64, plan: Plan) -> Result<(), StoreError> {
        let lsn = self.next_lsn;
        let changes = plan.index.ops().count() as u64;
        self.index.write(plan.index.as_bytes())?;
        self.index_dirty_bytes += plan.index.as_bytes().len() as u64 + changes * INDEX_CHANGE_BYTES;
        let batch = self.commit.open_batch(lsn);
        record::encode(
            &mut batch.buf,
            lsn,
            plan.index.as_bytes(),
            plan.inline.iter().map(|(unit, data)| (*unit, data)),
            plan.fresh.iter().map(|f| (f.run.start, &f.crcs[..])),
        );
        batch.add(ticket, lsn, plan.fresh.len());
        let batch = batch.number;
        for (unit, data) in plan.inline {
            self.overlay.log(unit, lsn, data);
        }
        let mut fresh_bytes = 0;
        for f in plan.fresh {
            fresh_bytes += f.data.len();
            let tag = self.operations.insert(Operation::Fresh { start: f.run.start, batch });
            self.device.write(tag, self.superblock.geometry.unit_offset(f.run.start), f.data.clone());
            self.overlay.fresh_begins(f.run.start, f.data);
        }
        self.packing = self.packing.changed(plan.packed_added, plan.packed_gone);
        for run in plan.freed {
            self.overlay.forget_run(run);
            self.space.retire(lsn, run);
        }
        self.next_lsn += 1;
        self.begin_early(fresh_bytes)
    }

    /// Hands work to an idle device before the next `poll`, so that it works while the next transactions are
    /// planned: large data at once, and a batch that is large enough to be worth a flush of its own.
    fn begin_early(&mut self, fresh_bytes: usize) -> Result<(), StoreError> {
        let worth_a_flush = self.commit.is_worth_a_flush();
        if worth_a_flush {
            self.start_batch(false)?;
        }
        if worth_a_flush || fresh_bytes >= EARLY_FRESH_BYTES {
            self.device.submit()?;
        }
        Ok(())
    }
}
