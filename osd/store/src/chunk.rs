//! A chunk of an object's extent map: where 64 consecutive logical units lie, and their checksums.
//! One index row per chunk that holds any data (docs/formats/store.md).

use crate::layout::UNIT;
use crate::space::Run;

/// Logical units per chunk.
pub(crate) const CHUNK_UNITS: usize = 64;
/// Bytes of an object that one chunk covers.
pub(crate) const CHUNK_BYTES: u64 = CHUNK_UNITS as u64 * UNIT;
const VERSION: u8 = 1;

/// One chunk. A unit with place 0 is a hole and reads as zeros.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Chunk {
    unit: [u64; CHUNK_UNITS],
    crc: [u32; CHUNK_UNITS],
}

/// Neighbouring logical units that are neighbours on the device too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Index of the first unit within the chunk.
    pub(crate) at: usize,
    /// Where it lies.
    pub(crate) run: Run,
}

impl Chunk {
    pub(crate) fn empty() -> Chunk {
        Chunk { unit: [0; CHUNK_UNITS], crc: [0; CHUNK_UNITS] }
    }
    /// Place and checksum of a unit, unless it is a hole.
    pub(crate) fn get(&self, at: usize) -> Option<(u64, u32)> {
        (self.unit[at] != 0).then(|| (self.unit[at], self.crc[at]))
    }
    /// Points a unit somewhere; returns where it was.
    pub(crate) fn set(&mut self, at: usize, unit: u64, crc: u32) -> Option<u64> {
        assert!(unit != 0, "unit 0 means a hole");
        let old = std::mem::replace(&mut self.unit[at], unit);
        self.crc[at] = crc;
        (old != 0).then_some(old)
    }
    /// Makes a unit a hole; returns where it was.
    pub(crate) fn clear(&mut self, at: usize) -> Option<u64> {
        self.crc[at] = 0;
        let old = std::mem::take(&mut self.unit[at]);
        (old != 0).then_some(old)
    }
    /// Whether it is all holes.
    pub(crate) fn is_empty(&self) -> bool {
        self.unit.iter().all(|u| *u == 0)
    }
    pub(crate) fn crcs(&self, at: usize, len: usize) -> &[u32] {
        &self.crc[at..at + len]
    }

    /// The runs in logical order.
    pub(crate) fn pieces(&self) -> Pieces<'_> {
        Pieces { chunk: self, at: 0, end: CHUNK_UNITS }
    }
    /// The runs within `at..end`.
    pub(crate) fn pieces_in(&self, at: usize, end: usize) -> Pieces<'_> {
        Pieces { chunk: self, at, end }
    }

    /// `{version u8, pieces u8}`, then per piece `{at u8, units u8, first unit u48, crc u32 each}`.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION, 0];
        for p in self.pieces() {
            out[1] += 1;
            out.extend_from_slice(&[p.at as u8, p.run.len as u8]);
            out.extend_from_slice(&p.run.start.to_le_bytes()[..6]);
            for crc in self.crcs(p.at, p.run.len as usize) {
                out.extend_from_slice(&crc.to_le_bytes());
            }
        }
        out
    }

    /// Reads a row; `None` for bytes that no writer makes, or that point outside `units`.
    pub(crate) fn decode(bytes: &[u8], units: u64) -> Option<Chunk> {
        let mut chunk = Chunk::empty();
        let (&[version, count], mut rest) = bytes.split_first_chunk()?;
        if version != VERSION {
            return None;
        }
        let mut next = 0;
        for _ in 0..count {
            let (head, tail) = rest.split_first_chunk::<8>()?;
            let (at, len) = (head[0] as usize, head[1] as usize);
            let start = u64::from_le_bytes([head[2], head[3], head[4], head[5], head[6], head[7], 0, 0]);
            let (crcs, tail) = tail.split_at_checked(len * 4)?;
            rest = tail;
            if at < next || len == 0 || at + len > CHUNK_UNITS || start == 0 || start + len as u64 > units {
                return None;
            }
            for (i, crc) in crcs.chunks_exact(4).enumerate() {
                chunk.unit[at + i] = start + i as u64;
                chunk.crc[at + i] = u32::from_le_bytes([crc[0], crc[1], crc[2], crc[3]]);
            }
            next = at + len;
        }
        rest.is_empty().then_some(chunk)
    }
}

/// Iterates over runs of a chunk.
pub(crate) struct Pieces<'a> {
    chunk: &'a Chunk,
    at: usize,
    end: usize,
}

impl Iterator for Pieces<'_> {
    type Item = Piece;
    fn next(&mut self) -> Option<Piece> {
        let unit = &self.chunk.unit[..self.end];
        while *unit.get(self.at)? == 0 {
            self.at += 1;
        }
        let at = self.at;
        let mut end = at + 1;
        while unit.get(end).is_some_and(|u| *u == unit[at] + (end - at) as u64) {
            end += 1;
        }
        self.at = end;
        Some(Piece { at, run: Run { start: unit[at], len: (end - at) as u64 } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stdx::Rng;

    #[test]
    fn chunks_come_back_and_damage_is_refused_or_harmless() {
        let mut rng = Rng::new(11);
        for _ in 0..500 {
            let mut c = Chunk::empty();
            for _ in 0..rng.below(6) {
                let (at, len) = (rng.below(64) as usize, 1 + rng.below(20) as usize);
                let start = 1 + rng.below(900);
                for i in 0..len.min(64 - at) {
                    c.set(at + i, start + i as u64, rng.next_u64() as u32);
                }
            }
            let bytes = c.encode();
            assert_eq!(Chunk::decode(&bytes, 1000).as_ref(), Some(&c));
            for n in 0..bytes.len() {
                assert_eq!(Chunk::decode(&bytes[..n], 1000), None);
            }
            let covered: u64 = c.pieces().map(|p| p.run.len).sum();
            assert_eq!(covered as usize, (0..64).filter(|i| c.get(*i).is_some()).count());
            let mut bad = bytes.clone();
            let i = rng.below(bad.len() as u64) as usize;
            bad[i] ^= 1 << rng.below(8);
            if let Some(read) = Chunk::decode(&bad, 1000) {
                assert!(read.pieces().all(|p| p.run.start + p.run.len <= 1000));
            }
        }
    }
}
