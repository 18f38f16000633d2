//! A checkpoint: the index becomes durable up to an LSN, data up to it is in place and flushed, a superblock
//! says so, and only then is the log trimmed and freed space used again.
//!
//! The index must never hold on disk what the log does not: its flush begins at a moment when everything
//! applied to it is durable. The store drains for that moment (about one flush of the device); the writing
//! of the index itself goes on in the background.

use super::{Operation, Store};
use crate::buf::AlignedBuf;
use crate::error::StoreError;
use crate::sabotage::{self, Sabotage};
use crate::superblock::Superblock;
use crate::wal::Position;
use bytes::Bytes;

/// How far a checkpoint has come.
#[derive(Default)]
pub(super) enum Checkpoint {
    #[default]
    Idle,
    /// The index is being flushed and data up to `lsn` written in place.
    Gathering { lsn: u64, trim: Position },
    /// The device is being flushed. Data superseded or freed by records up to `barrier` was not written in
    /// place, so those records must be durable before the log is trimmed.
    Flushing { lsn: u64, trim: Position, barrier: u64, flushed: bool },
    /// The superblock is being written, then flushed.
    Superblock { next: Box<Superblock>, writes: usize },
}

impl Checkpoint {
    pub(super) fn flushed(&mut self) {
        match self {
            Checkpoint::Flushing { flushed, .. } => *flushed = true,
            _ => panic!("a checkpoint flush without a checkpoint"),
        }
    }
    fn is_idle(&self) -> bool {
        matches!(self, Checkpoint::Idle)
    }
}

impl Store {
    /// Starts a checkpoint when one is due, and moves the one under way as far as it goes without waiting.
    pub(super) fn step_checkpoint(&mut self) -> Result<(), StoreError> {
        if self.checkpoint.is_idle() && self.checkpoint_is_due() {
            if !sabotage::is(Sabotage::IndexAheadOfLog) {
                self.drain()?;
            }
            self.begin_checkpoint(false)?;
        }
        self.advance_checkpoint()
    }

    fn checkpoint_is_due(&self) -> bool {
        let free = self.space.free.units();
        let waiting = self.space.waiting_units();
        self.index_dirty_bytes > self.limits.index_dirty_bytes_max
            || self.ring.used() > self.ring.bytes / 2
            || (waiting > free / 4 && waiting > self.geometry().data_units / 64)
    }

    /// Only with everything durable: the index must not get ahead of the log.
    pub(super) fn begin_checkpoint(&mut self, blocking: bool) -> Result<(), StoreError> {
        let drained = self.durable_lsn + 1 == self.next_lsn;
        assert!(drained || sabotage::is(Sabotage::IndexAheadOfLog), "the index would get ahead of the log");
        let lsn = self.durable_lsn;
        if blocking {
            self.index.flush_wait(lsn)?;
        } else {
            self.index.flush_begin(lsn)?;
        }
        self.index_dirty_bytes = 0;
        self.checkpoint = Checkpoint::Gathering { lsn, trim: self.ring.head };
        Ok(())
    }

    fn advance_checkpoint(&mut self) -> Result<(), StoreError> {
        if let Checkpoint::Gathering { lsn, trim } = self.checkpoint {
            self.apply(lsn);
            let data = self.overlay.waits_upto(lsn) && !sabotage::is(Sabotage::TrimBeforeData);
            if data || (self.index.persisted_lsn()? < lsn && !sabotage::is(Sabotage::TrimBeforeIndex)) {
                return Ok(());
            }
            let flushed = !self.limits.volatile_cache || sabotage::is(Sabotage::TrimUnflushed);
            if !flushed {
                let tag = self.operations.insert(Operation::CheckpointFlush);
                self.device.flush(tag);
            }
            self.checkpoint = Checkpoint::Flushing { lsn, trim, barrier: self.next_lsn - 1, flushed };
        }
        if let Checkpoint::Flushing { lsn, trim, barrier, flushed: true } = self.checkpoint
            && (self.durable_lsn >= barrier || sabotage::is(Sabotage::TrimWithoutBarrier))
        {
            let next = Superblock { trim, trim_lsn: lsn, clean: false, ..self.superblock.clone() };
            self.write_superblock(next);
        }
        Ok(())
    }

    fn write_superblock(&mut self, mut next: Superblock) {
        // The next sequence, so never the pair that holds the state in force: this write may be torn.
        let same_pair = sabotage::is(Sabotage::OverwriteSuperblockInForce);
        next.sequence = self.superblock.sequence + if same_pair { 2 } else { 1 };
        let mut buf = AlignedBuf::with_capacity(1);
        buf.extend_from_slice(&next.encode());
        let data = Bytes::from_owner(buf);
        let offsets = Superblock::pair_offsets(next.sequence);
        for offset in offsets {
            let tag = self.operations.insert(Operation::SuperblockWrite);
            self.device.write(tag, offset, data.clone());
        }
        self.checkpoint = Checkpoint::Superblock { next: Box::new(next), writes: offsets.len() };
    }

    pub(super) fn superblock_written(&mut self) {
        let Checkpoint::Superblock { writes, .. } = &mut self.checkpoint else {
            panic!("a superblock was written without a checkpoint");
        };
        *writes -= 1;
        if *writes > 0 {
            return;
        }
        if self.limits.volatile_cache && !sabotage::is(Sabotage::TrustUnflushedSuperblock) {
            let tag = self.operations.insert(Operation::SuperblockFlush);
            self.device.flush(tag);
        } else {
            self.superblock_durable();
        }
    }

    /// The new trim point is on stable storage.
    pub(super) fn superblock_durable(&mut self) {
        let Checkpoint::Superblock { next, .. } = std::mem::take(&mut self.checkpoint) else {
            panic!("a superblock became durable without a checkpoint");
        };
        self.superblock = *next;
        self.ring.tail = self.superblock.trim;
        self.space.reuse_upto(self.superblock.trim_lsn);
        self.discard_next();
        self.index_disk_bytes = self.index.disk_bytes();
    }

    /// Makes everything durable and trims all of the log, blocking.
    pub(super) fn checkpoint_now(&mut self) -> Result<(), StoreError> {
        self.drain()?;
        if !self.checkpoint.is_idle() {
            // One is under way; make sure that its index flush is done, so that only the device is waited for.
            self.index.flush_wait(self.durable_lsn)?;
            self.finish_checkpoint()?;
        }
        if self.superblock.trim_lsn < self.durable_lsn {
            self.begin_checkpoint(true)?;
            self.finish_checkpoint()?;
        }
        Ok(())
    }

    fn finish_checkpoint(&mut self) -> Result<(), StoreError> {
        loop {
            self.advance_checkpoint()?;
            if self.checkpoint.is_idle() {
                return Ok(());
            }
            self.wait()?;
        }
    }

    /// Writes the superblock as it is, blocking. Only while no checkpoint is under way.
    pub(super) fn write_superblock_now(&mut self, clean: bool) -> Result<(), StoreError> {
        assert!(self.checkpoint.is_idle());
        let next = Superblock { clean, ..self.superblock.clone() };
        self.write_superblock(next);
        self.finish_checkpoint()
    }
}
