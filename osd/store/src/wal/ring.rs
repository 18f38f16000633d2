//! The ring's arithmetic: where a stretch of the log lies on the device, and how much room is left.

use super::Position;
use crate::layout::{UNIT, WAL_OFFSET};

/// The used stretch of the ring.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ring {
    /// Length, bytes.
    pub(crate) bytes: u64,
    /// Where the next batch goes.
    pub(crate) head: Position,
    /// Where replay would begin; nothing before it is needed.
    pub(crate) tail: Position,
}

impl Ring {
    /// Bytes from the trim point to the head.
    pub(crate) fn used(&self) -> u64 {
        self.head.at - self.tail.at
    }
    /// Bytes that batches may still take.
    pub(crate) fn free(&self) -> u64 {
        self.bytes - self.used()
    }
    /// The one or two device ranges `(offset, length)` of a stretch that begins at `at`.
    pub(crate) fn ranges(&self, at: u64, len: u64) -> impl Iterator<Item = (u64, u64)> + use<> {
        assert!(len <= self.bytes && at.is_multiple_of(UNIT) && len.is_multiple_of(UNIT));
        let start = at % self.bytes;
        let first = len.min(self.bytes - start);
        [(WAL_OFFSET + start, first), (WAL_OFFSET, len - first)].into_iter().filter(|(_, len)| *len > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_wraps_at_the_end_of_the_ring() {
        let ring = Ring { bytes: 5 * UNIT, head: Position::default(), tail: Position::default() };
        let of = |at: u64, len: u64| ring.ranges(at * UNIT, len * UNIT).collect::<Vec<_>>();
        assert_eq!(of(3, 2), [(WAL_OFFSET + 3 * UNIT, 2 * UNIT)]);
        assert_eq!(of(8, 4), [(WAL_OFFSET + 3 * UNIT, 2 * UNIT), (WAL_OFFSET, 2 * UNIT)]);
        assert_eq!(of(5, 5), [(WAL_OFFSET, 5 * UNIT)]);
    }
}
