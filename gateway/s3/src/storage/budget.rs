//! The bytes that all transfers together may hold in memory.
//!
//! Two halves, so that slow clients hold back only themselves. *Moving* bytes are on their way between storage
//! and us: their shares come back by themselves, since storage answers or fails. *Resting* bytes wait for a client
//! to take them; they are taken only when they are to be had at once, so nobody waits for a slow client.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes per permit.
const UNIT: usize = 1024;
/// No piece is smaller, however many transfers there are.
pub(crate) const PIECE_MIN: usize = 64 << 10;

/// A share of the budget; dropping it gives it back.
pub(crate) type Share = OwnedSemaphorePermit;

/// Counts buffered bytes of all transfers.
#[derive(Clone)]
pub(crate) struct Budget {
    moving: Half,
    resting: Half,
}

#[derive(Clone)]
struct Half {
    units: Arc<Semaphore>,
    total: usize,
}

fn units(bytes: usize) -> usize {
    bytes.div_ceil(UNIT)
}

impl Half {
    fn new(bytes: usize) -> Half {
        let total = units(bytes).clamp(1024, u32::MAX as usize);
        Half { units: Arc::new(Semaphore::new(total)), total }
    }
    fn try_take(&self, units: usize) -> Option<Share> {
        self.units.clone().try_acquire_many_owned(units.min(self.total) as u32).ok()
    }
    fn free(&self) -> usize {
        self.units.available_permits() * UNIT
    }
    /// The wanted size while there is plenty, less when many transfers are under way.
    fn piece(&self, wanted: usize) -> usize {
        (self.free() / 8).clamp(PIECE_MIN, wanted.max(PIECE_MIN))
    }
}

impl Budget {
    /// A budget of about so many bytes, at least 2 MiB.
    pub(crate) fn new(bytes: usize) -> Budget {
        Budget { moving: Half::new(bytes / 2), resting: Half::new(bytes / 2) }
    }

    /// A share for a buffer that grows from `from` to `to` bytes, if it is to be had at once.
    pub(crate) fn try_grow(&self, from: usize, to: usize) -> Option<Share> {
        self.moving.try_take(units(to) - units(from))
    }

    /// A share for so many moving bytes, in turn; more than there is in all counts as all. The caller must
    /// hold no other share of moving bytes meanwhile, or two of them might wait for each other.
    pub(crate) async fn take(&self, bytes: usize) -> Share {
        let n = units(bytes).min(self.moving.total) as u32;
        let taken = self.moving.units.clone().acquire_many_owned(n).await;
        taken.expect("the semaphore is never closed")
    }

    /// A share for so many resting bytes, if it is to be had at once.
    pub(crate) fn try_rest(&self, bytes: usize) -> Option<Share> {
        self.resting.try_take(units(bytes))
    }

    /// How large a piece of an upload should be now.
    pub(crate) fn upload_piece(&self, wanted: usize) -> usize {
        self.moving.piece(wanted)
    }
    /// How large a piece of a download should be now.
    pub(crate) fn download_piece(&self, wanted: usize) -> usize {
        self.resting.piece(wanted).min(self.moving.piece(wanted))
    }

    /// Whether uploads should not sit on what they hold.
    pub(crate) fn is_short(&self) -> bool {
        self.moving.free() < self.moving.total * UNIT / 2
    }

    /// Bytes that nobody holds.
    #[cfg(test)]
    pub(crate) fn available(&self) -> usize {
        self.moving.free() + self.resting.free()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_come_back_and_pieces_shrink_under_pressure() {
        let b = Budget::new(16 << 20);
        assert_eq!(b.upload_piece(1 << 20), 1 << 20);
        let held = b.try_grow(0, 7 << 20).unwrap();
        assert_eq!((b.upload_piece(1 << 20), b.is_short()), (128 << 10, true));
        assert!(b.try_grow(0, 2 << 20).is_none());
        assert!(b.try_rest(2 << 20).is_some(), "the other half is untouched");
        drop(held);
        assert!(b.try_grow(0, 1 << 30).is_some(), "more than there is counts as all");
    }

    #[test]
    fn a_buffer_that_grows_byte_by_byte_costs_what_it_holds() {
        let b = Budget::new(4 << 20);
        let free = b.available();
        let shares: Vec<_> = (0..5000).map(|n| b.try_grow(n, n + 1).unwrap()).collect();
        assert_eq!(free - b.available(), 5 * UNIT);
        drop(shares);
        assert_eq!(b.available(), free);
    }
}
