//! Keys and values of index rows (docs/formats/store.md).

use crate::layout::UNIT;
use osd_object::draft::OBJECT_BYTES_MAX;
use osd_object::{AllocHint, Compressible, ObjectMeta, Version};
use stdx::time::WallTime;

/// What a row of the family `Rows` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum RowKind {
    Xattr = 0,
    Omap = 1,
}

/// `{object number u64 BE, chunk u32 BE}`
pub(crate) fn chunk_key(number: u64, chunk: u32) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&number.to_be_bytes());
    key[8..].copy_from_slice(&chunk.to_be_bytes());
    key
}

/// The object number and chunk of a key; `None` for bytes of another shape.
pub(crate) fn chunk_of_key(key: &[u8]) -> Option<(u64, u32)> {
    let (number, rest) = key.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*number), u32::from_be_bytes(rest.try_into().ok()?)))
}

/// `{object number u64 BE, kind u8, key}`
pub(crate) fn row_key(number: u64, kind: RowKind, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(ROW_PREFIX_BYTES + key.len());
    out.extend_from_slice(&number.to_be_bytes());
    out.push(kind as u8);
    out.extend_from_slice(key);
    out
}

/// Bytes before the caller's own key in a row key.
pub(crate) const ROW_PREFIX_BYTES: usize = 9;

/// The first key behind all rows of one kind of an object.
pub(crate) fn row_end(number: u64, kind: RowKind) -> Vec<u8> {
    let mut out = row_key(number, kind, &[]);
    out[8] += 1;
    out
}

/// What the index knows of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ObjectRow {
    /// Names the object's chunks and rows; never used twice.
    pub(crate) number: u64,
    pub(crate) meta: ObjectMeta,
    /// Whether it may have attributes or omap rows.
    pub(crate) has_rows: bool,
    pub(crate) hint: RowHint,
}

/// What the writes of an object are planned by, of the hint that is an attribute of it (`osd_object::hint`): in the row,
/// as no write should look up an attribute first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RowHint {
    pub(crate) compressible: Compressible,
    /// Units that the object will have, rounded up to a power of two: its exponent and 1; 0: unknown. At most 31.
    expected: u8,
}

impl RowHint {
    pub(crate) fn of(hint: &AllocHint) -> RowHint {
        let units = hint.expected_object_bytes.min(OBJECT_BYTES_MAX).div_ceil(UNIT);
        let expected = if units == 0 { 0 } else { units.next_power_of_two().trailing_zeros() as u8 + 1 };
        RowHint { compressible: hint.compressible, expected }
    }
    /// Units that the object will have, if that is known.
    pub(crate) fn expected_units(self) -> Option<u64> {
        self.expected.checked_sub(1).map(|exponent| 1 << exponent)
    }
}

const VERSION: u8 = 1;
const ROW_BYTES: usize = 42;
const HAS_ROWS: u8 = 1;
const COMPRESSIBLE: u8 = 2;
const INCOMPRESSIBLE: u8 = 4;
const EXPECTED_SHIFT: u32 = 3;

impl ObjectRow {
    /// `{version u8, flags u8, number u64, size u64, interval u64, seq u64, mtime u64}`
    pub(crate) fn encode(&self) -> [u8; ROW_BYTES] {
        let mut out = [0; ROW_BYTES];
        out[0] = VERSION;
        out[1] = (u8::from(self.has_rows) * HAS_ROWS) | (self.hint.expected << EXPECTED_SHIFT);
        out[1] |= match self.hint.compressible {
            Compressible::Unknown => 0,
            Compressible::Yes => COMPRESSIBLE,
            Compressible::No => INCOMPRESSIBLE,
        };
        let m = &self.meta;
        let words = [self.number, m.size, m.version.interval, m.version.seq, m.mtime.0];
        for (slot, word) in out[2..].chunks_exact_mut(8).zip(words) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<ObjectRow> {
        let bytes: &[u8; ROW_BYTES] = bytes.try_into().ok()?;
        if bytes[0] != VERSION {
            return None;
        }
        let flags = bytes[1];
        let compressible = match flags & (COMPRESSIBLE | INCOMPRESSIBLE) {
            0 => Compressible::Unknown,
            COMPRESSIBLE => Compressible::Yes,
            INCOMPRESSIBLE => Compressible::No,
            _ => return None,
        };
        let hint = RowHint { compressible, expected: flags >> EXPECTED_SHIFT };
        let word = |i: usize| {
            let mut w = [0; 8];
            w.copy_from_slice(&bytes[2 + i * 8..10 + i * 8]);
            u64::from_le_bytes(w)
        };
        let version = Version { interval: word(2), seq: word(3) };
        let meta = ObjectMeta { size: word(1), version, mtime: WallTime(word(4)) };
        Some(ObjectRow { number: word(0), meta, has_rows: flags & HAS_ROWS != 0, hint })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back() {
        let meta = ObjectMeta { size: 5, version: Version { interval: 6, seq: 7 }, mtime: WallTime(8) };
        let mut row = ObjectRow { number: 4, meta, has_rows: true, hint: RowHint::default() };
        assert_eq!(ObjectRow::decode(&row.encode()), Some(row));
        for (bytes, units) in
            [(0, None), (1, Some(1)), (4 << 20, Some(1024)), (5 << 20, Some(2048)), (u64::MAX, Some(1 << 15))]
        {
            for compressible in [Compressible::Unknown, Compressible::Yes, Compressible::No] {
                let hint = AllocHint { expected_object_bytes: bytes, expected_write_bytes: 0, compressible };
                row.hint = RowHint::of(&hint);
                row.has_rows = !row.has_rows;
                assert_eq!(row.hint.expected_units(), units);
                assert_eq!(ObjectRow::decode(&row.encode()), Some(row));
            }
        }
        assert_eq!(ObjectRow::decode(&row.encode()[1..]), None);
        assert_eq!(chunk_of_key(&chunk_key(3, 9)), Some((3, 9)));
        assert_eq!(chunk_of_key(&[0; 11]), None);
        assert!(row_key(3, RowKind::Xattr, &[0xff; 9]) < row_end(3, RowKind::Xattr));
        assert!(row_end(3, RowKind::Xattr) <= row_key(3, RowKind::Omap, &[]));
        assert!(row_end(3, RowKind::Omap) < row_key(4, RowKind::Xattr, &[]));
    }
}
