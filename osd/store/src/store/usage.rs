//! How full the store is, and how full it may get.

use super::Store;
use crate::error::StoreError;
use crate::layout::UNIT;
use osd_object::{Mutation, Transaction};

/// Space of a store, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// What data and index may use together.
    pub total_bytes: u64,
    /// What they use: units that hold data, and the index's files.
    pub used_bytes: u64,
    /// What ordinary writes may still take.
    pub available_bytes: u64,
    /// Of `used_bytes`, object data.
    pub data_bytes: u64,
    /// Of `used_bytes`, the index's files as of the last checkpoint.
    pub index_bytes: u64,
    /// Freed, but not usable before the next checkpoint, or before the device has heard of it. Not part of
    /// `used_bytes`.
    pub freed_bytes: u64,
    /// Log waiting to be trimmed.
    pub log_bytes: u64,
    /// What compressed data takes, clones counted like any other object.
    pub compressed_bytes: u64,
    /// What that data is.
    pub compressed_original_bytes: u64,
}

/// A share of the store that ordinary writes leave free, so that deletes (which need index and log) and
/// recovery always work: one part in this many.
const RESERVE_PART: u64 = 33;
/// Transactions that add no more than this to the index go on when the reserve is reached: until half of it
/// is used, and deletes with their log entries always.
const SMALL_BYTES: u64 = 64 << 10;

impl Store {
    /// How full the store is.
    pub fn usage(&self) -> Usage {
        let total = self.geometry().data_units - 1;
        let (free, waiting) = (self.space.free.units(), self.space.freed_units());
        let data_bytes = (total - free - waiting) * UNIT;
        let used_bytes = (data_bytes + self.index_disk_bytes).min(total * UNIT);
        Usage {
            total_bytes: total * UNIT,
            used_bytes,
            available_bytes: (free + waiting).saturating_sub(self.spare_units()) * UNIT,
            data_bytes,
            index_bytes: self.index_disk_bytes,
            freed_bytes: waiting * UNIT,
            log_bytes: self.ring.used(),
            compressed_bytes: self.packing.stored * UNIT,
            compressed_original_bytes: self.packing.unpacked * UNIT,
        }
    }

    /// Units that ordinary writes must leave free: the reserve, and what the index takes.
    pub(super) fn spare_units(&self) -> u64 {
        self.geometry().data_units / RESERVE_PART
            + (self.index_disk_bytes + self.index_dirty_bytes).div_ceil(UNIT)
    }

    /// Refuses large additions to the index when the store is full. Object data is counted when it is
    /// planned; deletes always pass.
    pub(super) fn admit(&self, transaction: &Transaction) -> Result<(), StoreError> {
        let is_row = |m: &Mutation| matches!(m, Mutation::SetXattr { .. } | Mutation::OmapSet { .. });
        if !transaction.mutations.iter().any(is_row) {
            return Ok(());
        }
        let frees = |m: &Mutation| {
            matches!(
                m,
                Mutation::Remove { .. }
                    | Mutation::Truncate { .. }
                    | Mutation::Zero { .. }
                    | Mutation::OmapRm { .. }
                    | Mutation::OmapRmRange { .. }
            )
        };
        let bytes = transaction.payload_bytes();
        let available = self.usage().available_bytes;
        // What a PG notes of itself must go on for a while after client data is refused.
        let left = self.space.free.units() + self.space.freed_units();
        let within_reserve = left > self.spare_units() - self.geometry().data_units / RESERVE_PART / 2;
        let goes_on = within_reserve || transaction.mutations.iter().any(frees);
        if bytes <= available || (bytes <= SMALL_BYTES && goes_on) {
            return Ok(());
        }
        Err(StoreError::NoSpace { wanted_bytes: bytes, free_bytes: available })
    }
}
