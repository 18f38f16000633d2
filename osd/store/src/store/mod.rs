//! The store: one reactor's, no locks, no threads of its own.
//!
//! A transaction is planned (`plan`), applied to the index in memory at once, and put into the log batch
//! that is filling (`submit`). One batch is in flight at a time (`commit`); when it is durable its
//! transactions are acknowledged. Logged data is written in place later (`apply`). A checkpoint makes the
//! index durable and trims the log (`checkpoint`).

mod apply;
mod check;
mod checkpoint;
mod commit;
mod compression;
#[cfg(test)]
mod compression_test;
mod discard;
mod examine;
mod fsck;
#[cfg(test)]
mod fsck_test;
#[cfg(any(test, feature = "harness"))]
pub mod harness;
mod host;
#[cfg(test)]
mod host_test;
mod memory_target;
mod mkfs;
#[cfg(test)]
mod near_test;
mod open;
#[cfg(test)]
mod order_test;
mod overlap;
mod problem;
mod read;
mod repair;
mod replay;
mod salvage;
#[cfg(test)]
mod salvage_test;
mod scrub;
#[cfg(test)]
mod scrub_test;
#[cfg(test)]
mod store_test;
mod submit;
mod usage;
mod view;

pub use examine::{
    CopyView, Examiner, ExtentView, LogBatchView, LogView, ObjectView, PackedView, SuperblockView,
};
pub use fsck::{FsckReport, fsck};
pub use problem::Problem;
pub use repair::{Repaired, repair};
pub use scrub::{ScrubBudget, ScrubCursor, ScrubObject, ScrubPage};
pub use usage::Usage;

use crate::chunk::Packing;
use crate::compress::Compressions;
use crate::config::{CacheMode, Identity};
use crate::device::{Device, Event};
use crate::error::StoreError;
use crate::index::Index;
use crate::layout::Geometry;
use crate::overlay::Overlay;
use crate::sabotage::{self, Sabotage};
use crate::slab::Slab;
use crate::space::Space;
use crate::superblock::Superblock;
use crate::wal::ring::Ring;
use bytes::Bytes;
use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use stdx::Errno;

/// Something that the store finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completion {
    /// The transaction submitted under this ticket is on stable storage; in the order of `submit`.
    Durable {
        /// What `submit` was given.
        ticket: u64,
    },
    /// A read is done.
    Read {
        /// What `read` was given.
        ticket: u64,
        /// The bytes, cut at the object's end; ENOENT for no such object, EIO for damage.
        result: Result<Bytes, Errno>,
    },
}

/// Limits that a store works within.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Whether the device forgets what was not flushed.
    pub volatile_cache: bool,
    /// What caches and buffers may use, bytes.
    pub memory_target_bytes: u64,
    /// Index changes held in memory before they are flushed, bytes.
    pub index_dirty_bytes_max: u64,
    /// Logged units held in memory before they are written in place, bytes.
    pub overlay_bytes_max: u64,
}

impl Limits {
    /// The shares of a memory target.
    pub fn new(memory_target_bytes: u64, volatile_cache: bool) -> Limits {
        Limits {
            volatile_cache,
            memory_target_bytes,
            index_dirty_bytes_max: (memory_target_bytes / 16).clamp(4 << 20, 64 << 20),
            overlay_bytes_max: (memory_target_bytes / 8).clamp(4 << 20, 256 << 20),
        }
    }

    pub(crate) fn is_volatile(mode: CacheMode, device_says_write_through: bool) -> bool {
        match mode {
            CacheMode::Auto => !device_says_write_through,
            CacheMode::Volatile => true,
            CacheMode::None => false,
        }
    }
}

/// Reads finished per `poll`, at most: whoever waited for them asks for more while the rest are checked, so
/// that the device does not idle.
const TURN_READS_MAX: usize = 8;

/// A local object store. See the crate's documentation for the contract.
pub struct Store {
    device: Box<dyn Device>,
    index: Box<dyn Index>,
    superblock: Superblock,
    limits: Limits,
    space: Space,
    compressions: Compressions,
    packing: Packing,
    overlay: Overlay,
    ring: Ring,
    /// The latest incarnation that superblock or log show.
    incarnation_seen: u64,
    /// The LSN that the next transaction gets.
    next_lsn: u64,
    /// Everything up to here is on stable storage.
    durable_lsn: u64,
    commit: commit::Commit,
    checkpoint: checkpoint::Checkpoint,
    /// Estimated memory of index changes since the last flush began.
    index_dirty_bytes: u64,
    index_disk_bytes: u64,
    operations: Slab<Operation>,
    reads: Slab<read::ReadOp>,
    /// Device reads laid out since the device was last given work.
    reads_waiting: usize,
    completions: VecDeque<Completion>,
    /// Whether the last turn left completions on the device.
    more: bool,
    /// What this open found wrong with the log below what had been promised durable.
    log_damage: Option<String>,
    stopped: bool,
}

/// What a device operation under way is for.
enum Operation {
    BatchWrite,
    BatchWriteDurably,
    BatchFlush,
    Fresh { start: u64, batch: u64 },
    Apply { start: u64, lsns: Vec<u64> },
    CheckpointFlush,
    SuperblockWrite,
    SuperblockFlush,
    Discard,
    Read { read: u64, segment: usize },
}

impl Store {
    /// Who this store is.
    pub fn identity(&self) -> Identity {
        self.superblock.identity
    }

    /// Readable when `poll` has something to do.
    pub fn event_fd(&self) -> BorrowedFd<'_> {
        self.device.event_fd()
    }

    /// The next thing that was finished.
    pub fn next_completion(&mut self) -> Option<Completion> {
        self.completions.pop_front()
    }

    /// Everything up to this LSN is on stable storage; LSNs count transactions from 1 since mkfs.
    pub fn durable_lsn(&self) -> u64 {
        self.durable_lsn
    }

    /// Reaps what the device finished, starts the next batch and does work that could wait. Call it after
    /// a round of `submit` and `read`, whenever `event_fd` is readable, and again while `has_more`. An error means that the store
    /// has stopped and that the OSD must stop too; later calls say `Stopped`.
    pub fn poll(&mut self) -> Result<(), StoreError> {
        self.alive()?;
        let outcome = self.turn();
        self.stop_on_error(outcome)
    }

    /// Whether the last `poll` left completions for the next: call it again before sleeping on `event_fd`.
    pub fn has_more(&self) -> bool {
        self.more
    }

    /// Makes the index durable and trims the log, blocking.
    pub fn flush_index(&mut self) -> Result<(), StoreError> {
        self.alive()?;
        let outcome = self.checkpoint_now();
        self.stop_on_error(outcome)
    }

    /// Stops cleanly: everything submitted becomes durable, and the next open has nothing to replay.
    /// Completions stay readable.
    pub fn shutdown(&mut self) -> Result<(), StoreError> {
        self.alive()?;
        let outcome = self.checkpoint_now().and_then(|()| self.write_superblock_now(true));
        self.stop_on_error(outcome)?;
        self.stopped = true;
        Ok(())
    }

    fn turn(&mut self) -> Result<(), StoreError> {
        self.device.acknowledge();
        // What was asked for since the last turn goes out first: the device works while completions are handled.
        self.device.submit()?;
        self.reads_waiting = 0;
        self.reap_some(TURN_READS_MAX)?;
        self.start_batch(false)?;
        self.step_checkpoint()?;
        self.apply_if_full();
        Ok(self.device.submit()?)
    }

    /// Handles every completion that is there.
    fn reap(&mut self) -> Result<(), StoreError> {
        self.reap_some(usize::MAX)
    }

    /// Handles completions until `reads_max` of them were reads.
    fn reap_some(&mut self, reads_max: usize) -> Result<(), StoreError> {
        let mut reads = 0;
        while reads < reads_max {
            let Some(event) = self.device.reap() else {
                self.more = false;
                return Ok(());
            };
            reads += usize::from(self.complete(event)?);
        }
        self.more = true;
        Ok(())
    }

    /// Blocks until the device finished something, and handles it.
    fn wait(&mut self) -> Result<(), StoreError> {
        assert!(self.operations.len() > 0, "waiting for a device that has nothing to do would last for ever");
        self.device.submit()?;
        self.device.wait()?;
        self.reap()
    }

    /// Whether it was a read.
    fn complete(&mut self, event: Event) -> Result<bool, StoreError> {
        match self.operations.remove(event.tag) {
            Operation::Read { read, segment } => {
                self.read_segment_done(read, segment, event.result, event.buf);
                return Ok(true);
            }
            Operation::Discard => self.discarded(event.result),
            operation => {
                let failed = |what| event.result.as_ref().is_err_and(|e| e.operation == what);
                if failed("flush") && sabotage::is(Sabotage::RetryFailedFlush) {
                    let tag = self.operations.insert(operation);
                    self.device.flush(tag);
                    return Ok(false);
                }
                let ignored = failed("write") && matches!(operation, Operation::Apply { .. });
                if !ignored || !sabotage::is(Sabotage::IgnoreFailedWrite) {
                    event.result?;
                }
                match operation {
                    Operation::BatchWrite => self.batch_write_done(),
                    Operation::BatchWriteDurably => self.batch_written_durably(),
                    Operation::BatchFlush => self.batch_durable(),
                    Operation::Fresh { start, batch } => self.fresh_done(start, batch),
                    Operation::Apply { start, lsns } => self.overlay.applied(start, &lsns),
                    Operation::CheckpointFlush => self.checkpoint.flushed(),
                    Operation::SuperblockWrite => self.superblock_written(),
                    Operation::SuperblockFlush => self.superblock_durable(),
                    Operation::Discard | Operation::Read { .. } => unreachable!("handled above"),
                }
            }
        }
        Ok(false)
    }

    fn alive(&self) -> Result<(), StoreError> {
        if self.stopped { Err(StoreError::Stopped) } else { Ok(()) }
    }

    /// A refusal passes through; any other error stops the store for good: after a failed write or flush
    /// nothing is known of what the device holds, and retrying could acknowledge what is lost.
    fn stop_on_error<T>(&mut self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(e) = &outcome
            && !e.is_refusal()
        {
            self.stopped = true;
        }
        outcome
    }

    fn geometry(&self) -> Geometry {
        self.superblock.geometry
    }
}
