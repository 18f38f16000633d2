//! Where things lie on the device. Drawn in docs/formats/store.md.

use crate::error::StoreError;

/// The unit of allocation, checksums and device I/O, in bytes.
pub const UNIT_BYTES: usize = 4096;
pub(crate) const UNIT: u64 = UNIT_BYTES as u64;
/// Superblock copies, and the distance between their starts in bytes.
pub(crate) const SUPERBLOCK_COPIES: u64 = 4;
pub(crate) const SUPERBLOCK_SPACING: u64 = 64 << 10;
/// The log begins behind the superblock area.
pub(crate) const WAL_OFFSET: u64 = SUPERBLOCK_COPIES * SUPERBLOCK_SPACING;
/// The least and the largest log ring, bytes.
pub(crate) const WAL_BYTES_MIN: u64 = 1 << 20;
pub(crate) const WAL_BYTES_MAX: u64 = 1 << 30;
/// The smallest store that makes sense, bytes.
pub const STORE_BYTES_MIN: u64 = 8 << 20;

/// Sizes fixed at mkfs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Length of the log ring, bytes, a whole number of units.
    pub(crate) wal_bytes: u64,
    /// Units in the data area. Unit 0 is never used: 0 means "no unit" in extent maps.
    pub(crate) data_units: u64,
}

impl Geometry {
    /// The layout of a device of `size_bytes`. Fails for one that is too small.
    pub(crate) fn for_size(size_bytes: u64) -> Result<Geometry, StoreError> {
        if size_bytes < STORE_BYTES_MIN {
            return Err(StoreError::TooSmall { size_bytes, least_bytes: STORE_BYTES_MIN });
        }
        let wal_bytes = (size_bytes / 16).clamp(WAL_BYTES_MIN, WAL_BYTES_MAX) / UNIT * UNIT;
        Ok(Geometry { wal_bytes, data_units: (size_bytes - WAL_OFFSET - wal_bytes) / UNIT })
    }

    /// Byte offset of a unit of the data area.
    pub(crate) fn unit_offset(&self, unit: u64) -> u64 {
        assert!(
            unit > 0 && unit < self.data_units,
            "unit {unit} outside the data area of {} units",
            self.data_units
        );
        WAL_OFFSET + self.wal_bytes + unit * UNIT
    }

    /// The bytes that the layout spans.
    pub(crate) fn total_bytes(&self) -> u64 {
        WAL_OFFSET + self.wal_bytes + self.data_units * UNIT
    }
}

/// Units that cover `bytes`.
pub(crate) fn units_for(bytes: u64) -> u64 {
    bytes.div_ceil(UNIT)
}
