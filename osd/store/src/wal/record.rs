//! A log record: one transaction as physical effects, so that redoing it twice is the same as once.
//! Drawn in docs/formats/store.md.

use crate::buf::AlignedBuf;
use crate::layout::UNIT_BYTES;
use bytes::{Buf, Bytes};

/// A unit whose new contents travel in the log and are written in place later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InlineUnit {
    /// The unit of the data area.
    pub(crate) unit: u64,
    /// Exactly one unit of bytes.
    pub(crate) data: Bytes,
}

/// Units that were free and are written beside the record, which carries their checksums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FreshRun {
    /// The first unit of the data area.
    pub(crate) unit: u64,
    /// CRC32C of each unit.
    pub(crate) crcs: Vec<u32>,
}

/// A record as replay sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) lsn: u64,
    /// Encoded index changes.
    pub(crate) index: Bytes,
    pub(crate) inline: Vec<InlineUnit>,
    pub(crate) fresh: Vec<FreshRun>,
}

const FIXED_BYTES: usize = 20;

/// Bytes that a record takes in the log.
pub(crate) fn encoded_len(index: &[u8], inline: usize, fresh: impl Iterator<Item = usize>) -> usize {
    FIXED_BYTES + index.len() + inline * (8 + UNIT_BYTES) + fresh.map(|units| 12 + 4 * units).sum::<usize>()
}

/// Appends a record:
/// `{lsn u64, index bytes u32, inline units u32, fresh runs u32}`, index changes, then per inline unit
/// `{unit u64, 4096 bytes}`, then per fresh run `{unit u64, units u32, crc u32 each}`.
pub(crate) fn encode<'a>(
    buf: &mut AlignedBuf,
    lsn: u64,
    index: &[u8],
    inline: impl ExactSizeIterator<Item = (u64, &'a Bytes)>,
    fresh: impl ExactSizeIterator<Item = (u64, &'a [u32])>,
) {
    let count = |n: usize| u32::try_from(n).expect("a record is bounded by the log").to_le_bytes();
    buf.extend_from_slice(&lsn.to_le_bytes());
    buf.extend_from_slice(&count(index.len()));
    buf.extend_from_slice(&count(inline.len()));
    buf.extend_from_slice(&count(fresh.len()));
    buf.extend_from_slice(index);
    for (unit, data) in inline {
        assert_eq!(data.len(), UNIT_BYTES, "inline data is whole units");
        buf.extend_from_slice(&unit.to_le_bytes());
        buf.extend_from_slice(data);
    }
    for (unit, crcs) in fresh {
        buf.extend_from_slice(&unit.to_le_bytes());
        buf.extend_from_slice(&count(crcs.len()));
        for crc in crcs {
            buf.extend_from_slice(&crc.to_le_bytes());
        }
    }
}

/// Takes one record off the front; `None` for bytes that no writer makes. Allocates no more than the
/// input is long.
pub(crate) fn decode(rest: &mut Bytes) -> Option<Record> {
    if rest.len() < FIXED_BYTES {
        return None;
    }
    let lsn = rest.get_u64_le();
    let (index, inline, fresh) =
        (rest.get_u32_le() as usize, rest.get_u32_le() as usize, rest.get_u32_le() as usize);
    if index > rest.len() {
        return None;
    }
    let index = rest.split_to(index);
    if inline.checked_mul(8 + UNIT_BYTES)? > rest.len() {
        return None;
    }
    let inline = (0..inline)
        .map(|_| InlineUnit { unit: rest.get_u64_le(), data: rest.split_to(UNIT_BYTES) })
        .collect();
    if fresh.checked_mul(12)? > rest.len() {
        return None;
    }
    let fresh = (0..fresh).map(|_| decode_fresh(rest)).collect::<Option<Vec<_>>>()?;
    Some(Record { lsn, index, inline, fresh })
}

fn decode_fresh(rest: &mut Bytes) -> Option<FreshRun> {
    if rest.len() < 12 {
        return None;
    }
    let unit = rest.get_u64_le();
    let units = rest.get_u32_le() as usize;
    if units.checked_mul(4)? > rest.len() {
        return None;
    }
    Some(FreshRun { unit, crcs: (0..units).map(|_| rest.get_u32_le()).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_and_every_cut_is_refused() {
        let data = Bytes::from(vec![9; UNIT_BYTES]);
        let mut buf = AlignedBuf::with_capacity(64);
        encode(&mut buf, 77, b"index", [(5, &data)].into_iter(), [(8, &[1u32, 2][..])].into_iter());
        assert_eq!(buf.len(), encoded_len(b"index", 1, [2].into_iter()));
        let whole = Bytes::copy_from_slice(&buf);
        let want = Record {
            lsn: 77,
            index: Bytes::from_static(b"index"),
            inline: vec![InlineUnit { unit: 5, data }],
            fresh: vec![FreshRun { unit: 8, crcs: vec![1, 2] }],
        };
        let mut rest = whole.clone();
        assert_eq!(decode(&mut rest), Some(want));
        assert!(rest.is_empty());
        for n in 0..whole.len() {
            assert_eq!(decode(&mut whole.slice(..n)), None, "cut at {n}");
        }
    }
}
