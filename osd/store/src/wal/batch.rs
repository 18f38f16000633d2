//! A batch's header: what ties it to its place, its store and the batch before it.
//! Drawn in docs/formats/store.md.

use super::Position;
use super::record::{self, Record};
use crate::buf::AlignedBuf;
use crate::config::Uuid16;
use crate::layout::{UNIT, UNIT_BYTES};
use bytes::Bytes;
use stdx::checksum::crc32c_of;

const MAGIC: u32 = 0x4c57_434e; // "NCWL"
const VERSION: u16 = 1;
/// Bytes of the header; records follow it directly.
pub(crate) const HEADER_BYTES: usize = 80;
const CRC_AT: usize = 76;

/// What a batch says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    /// Its number; consecutive.
    pub(crate) sequence: u64,
    /// The store's incarnation that wrote it.
    pub(crate) incarnation: u64,
    /// LSN of its first record.
    pub(crate) first_lsn: u64,
    /// Everything up to this LSN was durable when the batch was written.
    pub(crate) durable_upto: u64,
    /// CRC of the batch before it.
    pub(crate) previous_crc: u32,
    /// Header and records together, bytes; the batch takes the next whole number of units.
    pub(crate) len: u32,
    /// Number of records.
    pub(crate) records: u32,
    /// CRC32C of header (without this field) and records.
    pub(crate) crc: u32,
}

impl BatchHeader {
    /// Where the batch after this one begins, if this one begins at `at`.
    pub(crate) fn next(&self, at: u64) -> Position {
        let len = u64::from(self.len).next_multiple_of(UNIT);
        Position { at: at + len, sequence: self.sequence + 1, previous_crc: self.crc }
    }

    fn write(&self, uuid: &Uuid16, out: &mut [u8]) {
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(&MAGIC.to_le_bytes());
        put(&VERSION.to_le_bytes());
        put(&0u16.to_le_bytes());
        put(uuid);
        put(&self.sequence.to_le_bytes());
        put(&self.incarnation.to_le_bytes());
        put(&self.first_lsn.to_le_bytes());
        put(&self.durable_upto.to_le_bytes());
        put(&self.previous_crc.to_le_bytes());
        put(&self.len.to_le_bytes());
        put(&self.records.to_le_bytes());
        put(&0u64.to_le_bytes());
        assert_eq!(at, CRC_AT, "the header's drawing and its code differ");
    }

    /// Reads the header at the front of `unit`, if it is one of this store. Its CRC is not checked here:
    /// that takes the whole batch.
    pub(crate) fn read(uuid: &Uuid16, unit: &[u8]) -> Option<BatchHeader> {
        let u32_at = |at: usize| u32::from_le_bytes([unit[at], unit[at + 1], unit[at + 2], unit[at + 3]]);
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        if unit.len() < HEADER_BYTES || u32_at(0) != MAGIC || unit[4..6] != VERSION.to_le_bytes() {
            return None;
        }
        if &unit[8..24] != uuid {
            return None;
        }
        let header = BatchHeader {
            sequence: u64_at(24),
            incarnation: u64_at(32),
            first_lsn: u64_at(40),
            durable_upto: u64_at(48),
            previous_crc: u32_at(56),
            len: u32_at(60),
            records: u32_at(64),
            crc: u32_at(CRC_AT),
        };
        (header.len as usize >= HEADER_BYTES).then_some(header)
    }

    /// Whether these bytes (at least `len`) are what the header vouches for.
    pub(crate) fn matches(&self, batch: &[u8]) -> bool {
        self.checksum_of(batch) == Some(self.crc)
    }

    /// The checksum of a batch with this header, if it is all there.
    pub(crate) fn checksum_of(&self, batch: &[u8]) -> Option<u32> {
        batch.get(..self.len as usize).map(checksum)
    }
}

/// The records of a batch whose checksum holds, of a store with so many data units. Anything wrong in them was written
/// so: damage, no tear. Allocates no more than a few times what the batch is long.
pub(crate) fn records(
    header: &BatchHeader,
    batch: Bytes,
    data_units: u64,
) -> Result<Vec<Record>, &'static str> {
    let mut rest = batch.slice(HEADER_BYTES..header.len as usize);
    let mut records = Vec::new();
    for i in 0..u64::from(header.records) {
        let record = record::decode(&mut rest).ok_or("a record cannot be read")?;
        if record.lsn.checked_sub(i) != Some(header.first_lsn) {
            return Err("records out of order");
        }
        let inline = record.inline.iter().map(|u| (u.unit, 1));
        let fresh = record.fresh.iter().map(|f| (f.unit, f.crcs.len() as u64));
        if inline.chain(fresh).any(|(unit, n)| unit == 0 || unit.saturating_add(n) > data_units) {
            return Err("a unit outside the data area");
        }
        records.push(record);
    }
    if rest.is_empty() { Ok(records) } else { Err("bytes behind the last record") }
}

/// Completes a batch in place: `buf` holds `HEADER_BYTES` of room and the records behind it.
/// Pads to whole units and returns the header as written.
pub(crate) fn seal(uuid: &Uuid16, mut header: BatchHeader, buf: &mut AlignedBuf) -> BatchHeader {
    header.len = u32::try_from(buf.len()).expect("a batch is bounded far below 4 GiB");
    header.write(uuid, &mut buf[..HEADER_BYTES]);
    header.crc = checksum(buf);
    buf[CRC_AT..CRC_AT + 4].copy_from_slice(&header.crc.to_le_bytes());
    let whole = buf.len().next_multiple_of(UNIT_BYTES);
    buf.grow_zeroed(whole);
    header
}

fn checksum(batch: &[u8]) -> u32 {
    crc32c_of([&batch[..CRC_AT], &batch[HEADER_BYTES..]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_batch_is_recognised_and_any_change_is_not() {
        let uuid = [7; 16];
        let mut buf = AlignedBuf::zeroed(HEADER_BYTES);
        buf.extend_from_slice(&[5; 5000]);
        let header = BatchHeader {
            sequence: 3,
            incarnation: 2,
            first_lsn: 10,
            durable_upto: 9,
            previous_crc: 0xabcd,
            len: 0,
            records: 1,
            crc: 0,
        };
        let sealed = seal(&uuid, header, &mut buf);
        assert_eq!(buf.len(), 8192);
        assert_eq!(BatchHeader::read(&uuid, &buf), Some(sealed));
        assert!(sealed.matches(&buf));
        assert_eq!(sealed.next(4096), Position { at: 4096 + 8192, sequence: 4, previous_crc: sealed.crc });
        assert_eq!(BatchHeader::read(&[8; 16], &buf), None);
        for i in 0..HEADER_BYTES + 5000 {
            buf[i] ^= 1;
            let noticed = BatchHeader::read(&uuid, &buf).is_none_or(|h| !h.matches(&buf));
            assert!(noticed, "byte {i}");
            buf[i] ^= 1;
        }
    }
}
