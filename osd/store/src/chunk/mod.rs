//! A chunk of an object's extent map: where 64 consecutive logical units lie, and their checksums.
//! One index row per chunk that holds any data (docs/formats/store.md).

mod packed;
mod row;

use crate::layout::UNIT;
use crate::space::Run;
pub(crate) use packed::{Packed, WINDOW_UNITS};

/// Logical units per chunk.
pub(crate) const CHUNK_UNITS: usize = 64;
/// Bytes of an object that one chunk covers.
pub(crate) const CHUNK_BYTES: u64 = CHUNK_UNITS as u64 * UNIT;

/// Units that packed extents take, and units that they stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Packing {
    pub(crate) stored: u64,
    pub(crate) unpacked: u64,
}

impl Packing {
    /// With what a change of some chunks added to and took from it.
    pub(crate) fn changed(self, added: Packing, gone: Packing) -> Packing {
        let stored = (self.stored + added.stored).checked_sub(gone.stored);
        let unpacked = (self.unpacked + added.unpacked).checked_sub(gone.unpacked);
        let sum = "only what was counted goes";
        Packing { stored: stored.expect(sum), unpacked: unpacked.expect(sum) }
    }
    pub(crate) fn add(&mut self, other: Packing) {
        self.stored += other.stored;
        self.unpacked += other.unpacked;
    }
}

/// One chunk. A unit with place 0 is a hole and reads as zeros.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Chunk {
    unit: [u64; CHUNK_UNITS],
    /// Of the unit as it reads, packed or not.
    crc: [u32; CHUNK_UNITS],
    /// Ascending; each has a unit that lives.
    packed: Vec<Packed>,
}

/// Where the bytes of a unit are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// In a unit of the device, as they are.
    Plain {
        /// Which.
        unit: u64,
        /// Checksum.
        crc: u32,
    },
    /// In the packed extent of its window.
    Packed {
        /// Checksum, of the bytes as they read.
        crc: u32,
    },
}

impl Slot {
    /// What the table of places has for a packed unit; no device has so many.
    const PACKED: u64 = u64::MAX;

    /// The checksum of the unit as it reads.
    pub(crate) fn crc(self) -> u32 {
        match self {
            Slot::Plain { crc, .. } | Slot::Packed { crc } => crc,
        }
    }
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
        Chunk { unit: [0; CHUNK_UNITS], crc: [0; CHUNK_UNITS], packed: Vec::new() }
    }
    /// A unit, unless it is a hole.
    pub(crate) fn get(&self, at: usize) -> Option<Slot> {
        let crc = self.crc[at];
        match self.unit[at] {
            0 => None,
            Slot::PACKED => Some(Slot::Packed { crc }),
            unit => Some(Slot::Plain { unit, crc }),
        }
    }
    /// Points a unit somewhere; returns what the chunk no longer refers to.
    pub(crate) fn set(&mut self, at: usize, unit: u64, crc: u32) -> Option<Run> {
        assert!(unit != 0 && unit != Slot::PACKED, "these are no places");
        let old = std::mem::replace(&mut self.unit[at], unit);
        self.crc[at] = crc;
        self.left(at, old).filter(|gone| gone.start != unit || old == Slot::PACKED)
    }
    /// Makes a unit a hole; returns what the chunk no longer refers to.
    pub(crate) fn clear(&mut self, at: usize) -> Option<Run> {
        self.crc[at] = 0;
        let old = std::mem::take(&mut self.unit[at]);
        self.left(at, old)
    }
    fn left(&mut self, at: usize, old: u64) -> Option<Run> {
        match old {
            0 => None,
            Slot::PACKED => packed::left(&mut self.packed, &self.unit, at),
            unit => Some(Run { start: unit, len: 1 }),
        }
    }

    /// Whether units of one window may become a packed extent: no other part of the window is in one.
    pub(crate) fn can_pack(&self, at: usize, units: usize) -> bool {
        self.packed_of(at).is_none_or(|p| self.live(p).all(|live| (at..at + units).contains(&live)))
    }
    /// Makes units of one window a packed extent, with the checksums that they read with; returns what the chunk no
    /// longer refers to.
    pub(crate) fn pack(&mut self, packed: Packed, crcs: &[u32]) -> Vec<Run> {
        assert_eq!(crcs.len(), packed.units);
        let range = packed.at..packed.at + packed.units;
        let gone = range.clone().filter_map(|at| self.clear(at)).collect();
        self.unit[range.clone()].fill(Slot::PACKED);
        self.crc[range].copy_from_slice(crcs);
        let place = self.packed.partition_point(|p| p.window() < packed.window());
        assert!(self.packed.get(place).is_none_or(|p| p.window() != packed.window()), "one to a window");
        self.packed.insert(place, packed);
        gone
    }
    /// What its packed extents take, and what the units that live in them would take as they are, units.
    pub(crate) fn packing(&self) -> Packing {
        let units = |p: &Packed| (p.run.len, self.live(p).count() as u64);
        let (stored, unpacked) = self.packed.iter().map(units).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        Packing { stored, unpacked }
    }
    /// The packed extents, ascending.
    pub(crate) fn packed(&self) -> &[Packed] {
        &self.packed
    }
    /// The packed extent of the window that a unit is in.
    pub(crate) fn packed_of(&self, at: usize) -> Option<&Packed> {
        self.packed.iter().find(|p| p.window() == at / WINDOW_UNITS)
    }
    /// The units of a packed extent that were not overwritten since.
    pub(crate) fn live<'a>(&'a self, p: &Packed) -> impl Iterator<Item = usize> + Clone + use<'a> {
        (p.at..p.at + p.units).filter(|at| self.unit[*at] == Slot::PACKED)
    }
    /// Everything on the device that the chunk refers to.
    pub(crate) fn runs(&self) -> impl Iterator<Item = Run> {
        self.pieces().map(|p| p.run).chain(self.packed.iter().map(|p| p.run))
    }
    /// Whether it is all holes.
    pub(crate) fn is_empty(&self) -> bool {
        self.unit.iter().all(|u| *u == 0)
    }
    pub(crate) fn crcs(&self, at: usize, len: usize) -> &[u32] {
        &self.crc[at..at + len]
    }

    /// The runs of units that are not packed, in logical order.
    pub(crate) fn pieces(&self) -> Pieces<'_> {
        Pieces { chunk: self, at: 0, end: CHUNK_UNITS }
    }
    /// The runs within `at..end`.
    pub(crate) fn pieces_in(&self, at: usize, end: usize) -> Pieces<'_> {
        Pieces { chunk: self, at, end }
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
        while matches!(*unit.get(self.at)?, 0 | Slot::PACKED) {
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
    use crate::compress::Algorithm;
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
            for _ in 0..rng.below(4) {
                let (packed, crcs) = any_packed(&mut rng);
                if c.can_pack(packed.at, packed.units) {
                    c.pack(packed, &crcs);
                }
            }
            for _ in 0..rng.below(9) {
                c.clear(rng.below(64) as usize);
            }
            let bytes = c.encode();
            assert_eq!(Chunk::decode(&bytes, 1000).as_ref(), Some(&c));
            for n in 0..bytes.len() {
                assert_eq!(Chunk::decode(&bytes[..n], 1000), None);
            }
            let covered: u64 = c.pieces().map(|p| p.run.len).sum();
            let plain = (0..64).filter(|i| matches!(c.get(*i), Some(Slot::Plain { .. }))).count();
            assert_eq!(covered as usize, plain);
            let mut bad = bytes.clone();
            let i = rng.below(bad.len() as u64) as usize;
            bad[i] ^= 1 << rng.below(8);
            if let Some(read) = Chunk::decode(&bad, 1000) {
                assert!(read.runs().all(|run| run.start > 0 && run.end() <= 1000));
            }
        }
    }

    fn any_packed(rng: &mut Rng) -> (Packed, Vec<u32>) {
        let at = rng.below(64) as usize;
        let at = if at % WINDOW_UNITS > WINDOW_UNITS - 2 { at - 1 } else { at };
        let units = 2 + rng.below((WINDOW_UNITS - at % WINDOW_UNITS - 1) as u64) as usize;
        let stored = 1 + rng.below(units as u64 - 1) as usize;
        let mut sums = |n| (0..n).map(|_| rng.next_u64() as u32).collect::<Vec<u32>>();
        let (crcs, logical) = (sums(stored), sums(units));
        let algorithm = if stored % 2 == 0 { Algorithm::Lz4 } else { Algorithm::Zstd };
        let run = Run { start: 1 + rng.below(900), len: stored as u64 };
        (Packed { at, units, run, bytes: stored * 4096 - rng.below(4096) as usize, algorithm, crcs }, logical)
    }

    #[test]
    fn a_packed_extent_is_let_go_of_when_its_last_unit_leaves() {
        let run = Run { start: 9, len: 1 };
        let packed =
            |at, units| Packed { at, units, run, bytes: 5, algorithm: Algorithm::Lz4, crcs: vec![7] };
        let mut c = Chunk::empty();
        c.set(17, 100, 1);
        assert_eq!(c.pack(packed(16, 3), &[1, 2, 3]), [Run { start: 100, len: 1 }]);
        assert_eq!(c.set(16, 200, 4), None);
        assert_eq!(c.get(17), Some(Slot::Packed { crc: 2 }));
        assert!(c.can_pack(17, 2) && !c.can_pack(18, 9), "unit 17 lives in the old one");
        assert_eq!(c.clear(17), None);
        assert_eq!(c.runs().collect::<Vec<_>>(), [Run { start: 200, len: 1 }, run]);
        assert_eq!(c.set(18, 300, 5), Some(run));
        assert_eq!(c.runs().count(), 2);
        assert_eq!(c.pack(packed(20, 2), &[1, 2]), []);
        assert_eq!(c.pack(packed(20, 4), &[1, 2, 3, 4]), [run], "over the whole of the one before");
    }
}
