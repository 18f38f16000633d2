//! Which pools' data is packed.

use super::Store;
use crate::compress::Compression;
use crate::error::StoreError;
use crate::superblock::PACKED_EXTENTS;
use placement_map::PoolId;
use std::collections::BTreeMap;

impl Store {
    /// From now on large writes to objects of these pools are packed so, and those of others are not; what is there
    /// stays as it is. A store made before there were packed extents is marked first, so that no older build opens it: blocks for
    /// that once.
    ///
    /// Errors: the mark cannot be written; the store has stopped then.
    pub fn set_compressions(&mut self, wanted: &BTreeMap<PoolId, Compression>) -> Result<(), StoreError> {
        if self.compressions == *wanted {
            return Ok(());
        }
        self.alive()?;
        if !wanted.is_empty() && self.superblock.features & PACKED_EXTENTS == 0 {
            let marked = self.mark_packed();
            self.stop_on_error(marked)?;
        }
        self.compressions.clone_from(wanted);
        Ok(())
    }

    fn mark_packed(&mut self) -> Result<(), StoreError> {
        self.checkpoint_now()?;
        self.superblock.features |= PACKED_EXTENTS;
        self.write_superblock_now(false)
    }
}
