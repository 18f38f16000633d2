//! A packed extent: logical units of one window that were compressed together and lie on the device as fewer units.
//!
//! Units leave it one by one, as they are overwritten or cleared; its space is free when the last one left. It never
//! reaches over its window, and a window has at most one.

use super::Slot;
use crate::compress::Algorithm;
use crate::layout::UNIT_BYTES;
use crate::sabotage::{self, Sabotage};
use crate::space::Run;
use stdx::checksum::crc32c;

/// Logical units of a window: what is packed together at most, 64 KiB, so that a small read unpacks no more.
pub(crate) const WINDOW_UNITS: usize = 16;

/// A packed extent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    /// The first logical unit that was packed, within the chunk.
    pub(crate) at: usize,
    /// Logical units that were packed.
    pub(crate) units: usize,
    /// Where the packed bytes lie.
    pub(crate) run: Run,
    /// Packed bytes; the rest of the last unit is zeros.
    pub(crate) bytes: usize,
    pub(crate) algorithm: Algorithm,
    /// Checksum of each unit on the device.
    pub(crate) crcs: Vec<u32>,
}

impl Packed {
    /// The window that it is in.
    pub(crate) fn window(&self) -> usize {
        self.at / WINDOW_UNITS
    }

    /// Whether what the device gave is what was written there.
    pub(crate) fn matches(&self, stored: &[u8]) -> bool {
        stored.len() == self.crcs.len() * UNIT_BYTES
            && stored.chunks_exact(UNIT_BYTES).zip(&self.crcs).all(|(unit, crc)| crc32c(unit) == *crc)
    }

    /// The logical units again, all that were packed; `None` if that cannot be.
    pub(crate) fn unpack(&self, stored: &[u8]) -> Option<Vec<u8>> {
        self.algorithm.unpack(stored.get(..self.bytes)?, self.units * UNIT_BYTES)
    }

    /// The part of the unpacked bytes that is the logical unit `at` of the chunk.
    pub(crate) fn unit<'a>(&self, unpacked: &'a [u8], at: usize) -> &'a [u8] {
        &unpacked[(at - self.at) * UNIT_BYTES..][..UNIT_BYTES]
    }

    /// Whether it could be of any store with so many units.
    pub(crate) fn is_possible(&self, units: u64) -> bool {
        let stored = self.crcs.len();
        self.units > 0
            && self.at % WINDOW_UNITS + self.units <= WINDOW_UNITS
            && self.run.start != 0
            && self.run.len == stored as u64
            && self.run.start + self.run.len <= units
            && stored < self.units
            && self.bytes.div_ceil(UNIT_BYTES) == stored
    }
}

/// What a change of a chunk lets go of: nothing else of the chunk refers to it.
pub(super) fn left(packed: &mut Vec<Packed>, unit: &[u64], at: usize) -> Option<Run> {
    let i =
        packed.iter().position(|p| p.window() == at / WINDOW_UNITS).expect("a packed unit has its extent");
    let p = &packed[i];
    if unit[p.at..p.at + p.units].contains(&Slot::PACKED) {
        return sabotage::is(Sabotage::FreePackedEarly).then_some(p.run);
    }
    Some(packed.remove(i).run)
}
