//! The bytes that all transfers together may hold in memory.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes per permit.
const UNIT: usize = 1024;

/// A share of the budget; dropping it gives it back.
pub(crate) type Share = OwnedSemaphorePermit;

/// Counts buffered bytes of all transfers.
#[derive(Clone)]
pub(crate) struct Budget {
    units: Arc<Semaphore>,
    total: usize,
}

fn units(bytes: usize) -> usize {
    bytes.div_ceil(UNIT)
}

impl Budget {
    /// A budget of about so many bytes, at least one piece of 1 MiB.
    pub(crate) fn new(bytes: usize) -> Budget {
        let total = units(bytes).clamp(1024, u32::MAX as usize);
        Budget { units: Arc::new(Semaphore::new(total)), total }
    }

    /// A share for so many bytes, if it is to be had at once. More than there is in all counts as all.
    pub(crate) fn try_take(&self, bytes: usize) -> Option<Share> {
        let n = units(bytes).min(self.total) as u32;
        self.units.clone().try_acquire_many_owned(n).ok()
    }

    /// A share for so many bytes, in turn. The caller must not hold another share meanwhile, or two of them
    /// might wait for each other.
    pub(crate) async fn take(&self, bytes: usize) -> Share {
        let n = units(bytes).min(self.total) as u32;
        self.units.clone().acquire_many_owned(n).await.expect("the semaphore is never closed")
    }

    /// Bytes that nobody holds.
    #[cfg(test)]
    pub(crate) fn available(&self) -> usize {
        self.units.available_permits() * UNIT
    }

    /// How large a piece should be now: the wanted size while there is plenty, less when many transfers are
    /// under way, so that slow ones hold little.
    pub(crate) fn piece(&self, wanted: usize) -> usize {
        let free = self.units.available_permits() * UNIT;
        (free / 8).clamp(64 << 10, wanted.max(64 << 10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_come_back_and_pieces_shrink_under_pressure() {
        let b = Budget::new(8 << 20);
        assert_eq!(b.piece(1 << 20), 1 << 20);
        let held = b.try_take(7 << 20).unwrap();
        assert_eq!(b.piece(1 << 20), 128 << 10);
        assert!(b.try_take(2 << 20).is_none());
        drop(held);
        assert!(b.try_take(1 << 30).is_some(), "more than there is counts as all");
    }
}
