//! The bytes of a chunk's index row (docs/formats/store.md). Version 1 has no packed extents, and is what is written
//! when there are none.

use super::packed::Packed;
use super::{CHUNK_UNITS, Chunk, Slot};
use crate::compress::Algorithm;
use crate::space::Run;

const PLAIN: u8 = 1;
const WITH_PACKED: u8 = 2;

impl Chunk {
    /// The row.
    pub(crate) fn encode(&self) -> Vec<u8> {
        // As much as a chunk takes whose units lie in a few runs.
        let mut out = Vec::with_capacity(128);
        out.extend_from_slice(&[if self.packed.is_empty() { PLAIN } else { WITH_PACKED }, 0]);
        for p in self.pieces() {
            out[1] += 1;
            out.extend_from_slice(&[p.at as u8, p.run.len as u8]);
            out.extend_from_slice(&p.run.start.to_le_bytes()[..6]);
            for crc in self.crcs(p.at, p.run.len as usize) {
                out.extend_from_slice(&crc.to_le_bytes());
            }
        }
        if !self.packed.is_empty() {
            out.push(self.packed.len() as u8);
        }
        for p in &self.packed {
            out.extend_from_slice(&[p.at as u8, p.units as u8, p.run.len as u8, p.algorithm as u8]);
            out.extend_from_slice(&p.run.start.to_le_bytes()[..6]);
            out.extend_from_slice(&(p.bytes as u32).to_le_bytes());
            let live = self.live(p);
            let mask = live.clone().fold(0u16, |mask, at| mask | 1 << (at - p.at));
            out.extend_from_slice(&mask.to_le_bytes());
            for crc in p.crcs.iter().copied().chain(live.map(|at| self.crc[at])) {
                out.extend_from_slice(&crc.to_le_bytes());
            }
        }
        out
    }

    /// Reads a row; `None` for bytes that no writer makes, or that point outside `units`.
    pub(crate) fn decode(bytes: &[u8], units: u64) -> Option<Chunk> {
        let mut chunk = Chunk::empty();
        let (&[version, count], mut rest) = bytes.split_first_chunk()?;
        if version != PLAIN && version != WITH_PACKED {
            return None;
        }
        let mut next = 0;
        for _ in 0..count {
            let (head, tail) = rest.split_first_chunk::<8>()?;
            let (at, len) = (head[0] as usize, head[1] as usize);
            let start = place(&head[2..]);
            let (crcs, tail) = tail.split_at_checked(len * 4)?;
            rest = tail;
            if at < next || len == 0 || at + len > CHUNK_UNITS || start == 0 || start + len as u64 > units {
                return None;
            }
            for (i, crc) in sums(crcs).enumerate() {
                chunk.unit[at + i] = start + i as u64;
                chunk.crc[at + i] = crc;
            }
            next = at + len;
        }
        if version == WITH_PACKED {
            rest = chunk.decode_packed(rest, units)?;
        }
        rest.is_empty().then_some(chunk)
    }

    fn decode_packed<'a>(&mut self, bytes: &'a [u8], units: u64) -> Option<&'a [u8]> {
        let (&count, mut rest) = bytes.split_first()?;
        if count == 0 {
            return None;
        }
        for _ in 0..count {
            let (head, tail) = rest.split_first_chunk::<16>()?;
            let (crcs, tail) = tail.split_at_checked(head[2] as usize * 4)?;
            let packed = Packed {
                at: head[0] as usize,
                units: head[1] as usize,
                run: Run { start: place(&head[4..]), len: u64::from(head[2]) },
                bytes: u32::from_le_bytes([head[10], head[11], head[12], head[13]]) as usize,
                algorithm: Algorithm::from_u8(head[3])?,
                crcs: sums(crcs).collect(),
            };
            let mask = u16::from_le_bytes([head[14], head[15]]);
            let after = self.packed.last().map_or(0, |last| last.window() + 1);
            let within = packed.at + packed.units <= CHUNK_UNITS && packed.is_possible(units);
            if !within || packed.window() < after || mask == 0 || u32::from(mask) >> packed.units != 0 {
                return None;
            }
            let (crcs, tail) = tail.split_at_checked(mask.count_ones() as usize * 4)?;
            rest = tail;
            let live = (0..packed.units).filter(|i| mask >> i & 1 == 1).map(|i| packed.at + i);
            for (at, crc) in live.zip(sums(crcs)) {
                if std::mem::replace(&mut self.unit[at], Slot::PACKED) != 0 {
                    return None;
                }
                self.crc[at] = crc;
            }
            self.packed.push(packed);
        }
        Some(rest)
    }
}

fn place(bytes: &[u8]) -> u64 {
    u64::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], 0, 0])
}

fn sums(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.chunks_exact(4).map(|crc| u32::from_le_bytes([crc[0], crc[1], crc[2], crc[3]]))
}
