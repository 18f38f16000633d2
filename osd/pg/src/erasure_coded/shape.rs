//! A pool's code and stripes at work: objects to shards and back.

use bytes::Bytes;
use erasure::{ChunkSet, Code, Plans, Profile, Stripes, TooManyLost};
use std::collections::BTreeMap;

/// How an erasure-coded pool codes: what of the pool concerns its PGs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EcSpec {
    /// The code.
    pub profile: Profile,
    /// Bytes of a chunk.
    pub stripe_unit: u64,
}

/// Plans of decoding kept: while an OSD is down the same few come again and again.
const PLANS_MAX: usize = 64;

/// A code with its stripes. Making one costs as much as coding some hundred KiB.
pub(crate) struct Shape {
    pub(crate) spec: EcSpec,
    pub(crate) code: Code,
    pub(crate) stripes: Stripes,
    plans: Plans,
}

impl Shape {
    /// None for a stripe unit that no stripes can be made of; the monitors make no such pool.
    pub(crate) fn new(spec: EcSpec) -> Option<Shape> {
        let stripes = Stripes::new(spec.profile, spec.stripe_unit).ok()?;
        Some(Shape { spec, code: Code::new(spec.profile), stripes, plans: Plans::new(PLANS_MAX) })
    }

    pub(crate) fn unit(&self) -> u64 {
        self.spec.stripe_unit
    }
    pub(crate) fn width(&self) -> u64 {
        self.stripes.width()
    }
    /// Shards of an object.
    pub(crate) fn shards(&self) -> usize {
        self.spec.profile.chunks()
    }
    /// So many different shards give every object, whichever they are.
    pub(crate) fn fewest(&self) -> usize {
        self.shards() - self.spec.profile.m()
    }
    /// Bytes of every shard of an object. Objects are at most 128 MiB.
    pub(crate) fn shard_bytes(&self, object_bytes: u64) -> u64 {
        self.stripes.shard_bytes(object_bytes).expect("objects are far below 64 bits")
    }
    /// Which range of which data shards an object's bytes lie in: one range that holds all.
    pub(crate) fn span(&self, offset: u64, len: u64) -> (u64, u64, ChunkSet) {
        let (mut low, mut high, mut shards) = (u64::MAX, 0, ChunkSet::new());
        for extent in self.stripes.extents(offset, len) {
            low = low.min(extent.offset);
            high = high.max(extent.offset + extent.len);
            shards.insert(self.code.data_positions()[extent.data]);
        }
        (low.min(high), high, shards)
    }

    /// The object's bytes `offset .. offset + len` out of data shards that were read from `low` on.
    pub(crate) fn assemble(&self, offset: u64, len: u64, low: u64, shards: &BTreeMap<usize, Bytes>) -> Bytes {
        let mut out = Vec::with_capacity(len as usize);
        let (mut at, end) = (offset, offset + len);
        while at < end {
            let (data, within) = self.stripes.locate(at);
            let here = (self.unit() - within % self.unit()).min(end - at);
            let from = (within - low) as usize;
            let shard = &shards[&self.code.data_positions()[data]];
            if here == len {
                return shard.slice(from..from + here as usize);
            }
            out.extend_from_slice(&shard[from..from + here as usize]);
            at += here;
        }
        out.into()
    }

    /// The parity chunks, with their positions, of data chunks in the order of the object's bytes.
    pub(crate) fn parity_of(&self, data: &[&[u8]]) -> Vec<(usize, Vec<u8>)> {
        let places = self.code.coding_positions();
        let len = data.first().map_or(0, |chunk| chunk.len());
        let mut parity: Vec<Vec<u8>> = vec![vec![0; len]; places.len()];
        let mut outputs: Vec<&mut [u8]> = parity.iter_mut().map(|chunk| &mut chunk[..]).collect();
        self.code.encode(data, &mut outputs).expect("chunks made to fit");
        places.iter().copied().zip(parity).collect()
    }

    /// The parity chunks, with their positions, after data chunks changed: of each its position, what it was (zeros if
    /// it was nothing) and what it is. `old` holds the parity chunks as they were.
    pub(crate) fn parity_by_deltas<'a>(
        &self,
        changes: impl Iterator<Item = (usize, Option<&'a [u8]>, &'a [u8])>,
        old: &BTreeMap<usize, Bytes>,
    ) -> Vec<(usize, Vec<u8>)> {
        let mut deltas: Vec<(usize, Vec<u8>)> = Vec::new();
        for (position, old, new) in changes {
            let mut delta = new.to_vec();
            if let Some(old) = old {
                self.code.delta(old, new, &mut delta).expect("one range of a chunk");
            }
            deltas.push((position, delta));
        }
        let places = self.code.coding_positions();
        let mut parity: Vec<(usize, Vec<u8>)> = places.iter().map(|p| (*p, old[p].to_vec())).collect();
        let deltas: Vec<(usize, &[u8])> = deltas.iter().map(|(p, delta)| (*p, &delta[..])).collect();
        let mut outputs: Vec<(usize, &mut [u8])> = parity.iter_mut().map(|(p, b)| (*p, &mut b[..])).collect();
        self.code.add_deltas(&deltas, &mut outputs).expect("one range of all chunks");
        parity
    }

    /// The shards to read so that `wanted` can be had from `available`.
    pub(crate) fn reads(&mut self, wanted: ChunkSet, available: ChunkSet) -> Result<ChunkSet, TooManyLost> {
        self.plans.plan(&self.code, wanted, available).map(|plan| plan.reads())
    }

    /// Whether a range of all shards is what one object's bytes give.
    pub(crate) fn belong_together(&mut self, all: &BTreeMap<usize, Bytes>) -> bool {
        let some: BTreeMap<usize, Bytes> =
            all.iter().take(self.fewest()).map(|(position, data)| (*position, data.clone())).collect();
        let wanted: ChunkSet = all.keys().copied().collect();
        self.rebuild(wanted, &some).is_ok_and(|rebuilt| rebuilt == *all)
    }

    /// Of shards that do not belong together: the one without which all others do, and what it should be. None if there
    /// is none, or more than one (with a single parity there always is): then nobody can tell. Needs three parities:
    /// with two, two wrong shards can look like one wrong third, and "repairing" that would spoil a sound one.
    pub(crate) fn odd_one_out(&mut self, all: &BTreeMap<usize, Bytes>) -> Option<(usize, Bytes)> {
        if self.shards() < self.fewest() + 3 {
            return None;
        }
        let mut odd = None;
        for position in 0..self.shards() {
            let mut others = all.clone();
            others.remove(&position)?;
            if self.belong_together(&others) {
                if odd.is_some() {
                    return None;
                }
                let rebuilt = self.rebuild(ChunkSet::from_iter([position]), &others).ok()?;
                odd = rebuilt.into_iter().next();
            }
        }
        odd
    }

    /// The wanted shards, out of a range of others that are equally long.
    pub(crate) fn rebuild(
        &mut self,
        wanted: ChunkSet,
        have: &BTreeMap<usize, Bytes>,
    ) -> Result<BTreeMap<usize, Bytes>, TooManyLost> {
        let available: ChunkSet = have.keys().copied().collect();
        let plan = self.plans.plan(&self.code, wanted, available)?;
        let len = have.values().next().map_or(0, Bytes::len);
        let sources: Vec<&[u8]> = plan.sources().iter().map(|p| &have[&p][..]).collect();
        let mut rebuilt: Vec<Vec<u8>> = plan.rebuilds().iter().map(|_| vec![0; len]).collect();
        if !rebuilt.is_empty() {
            let mut outputs: Vec<&mut [u8]> = rebuilt.iter_mut().map(|chunk| &mut chunk[..]).collect();
            self.code.decode(plan, &sources, &mut outputs).expect("ranges are equally long, and not empty");
        }
        let mut all: BTreeMap<usize, Bytes> =
            plan.rebuilds().iter().zip(rebuilt).map(|(position, chunk)| (position, chunk.into())).collect();
        for position in (wanted & available).iter() {
            all.insert(position, have[&position].clone());
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards(k: u32, m: u32) -> (Shape, BTreeMap<usize, Bytes>) {
        let profile = Profile::isa(k as usize, m as usize).expect("a code that there is");
        let shape = Shape::new(EcSpec { profile, stripe_unit: 64 }).expect("stripes");
        let object: Vec<u8> = (0..64 * u64::from(k) * 3).map(|i| (i * 31 + i / 7) as u8).collect();
        let all = encode(&shape, &object).into_iter().map(Bytes::from).enumerate().collect();
        (shape, all)
    }
    /// All shards of whole stripes, by position.
    fn encode(shape: &Shape, object: &[u8]) -> Vec<Vec<u8>> {
        let (unit, width) = (shape.unit() as usize, shape.width() as usize);
        let mut shards = vec![Vec::new(); shape.shards()];
        for (index, position) in shape.code.data_positions().iter().enumerate() {
            let chunks = object.chunks_exact(width).map(|stripe| &stripe[index * unit..(index + 1) * unit]);
            shards[*position] = chunks.collect::<Vec<_>>().concat();
        }
        let data: Vec<&[u8]> = shape.code.data_positions().iter().map(|p| &shards[*p][..]).collect();
        for (position, chunk) in shape.parity_of(&data) {
            shards[position] = chunk;
        }
        shards
    }
    fn spoil(all: &mut BTreeMap<usize, Bytes>, position: usize) {
        let mut bytes = all[&position].to_vec();
        bytes[70] ^= 4;
        all.insert(position, bytes.into());
    }

    #[test]
    fn one_wrong_shard_is_singled_out_where_three_parities_are_and_two_wrong_ones_are_not() {
        let (mut shape, sound) = shards(4, 3);
        assert!(shape.belong_together(&sound));
        for position in 0..7 {
            let mut all = sound.clone();
            spoil(&mut all, position);
            assert!(!shape.belong_together(&all));
            assert_eq!(shape.odd_one_out(&all), Some((position, sound[&position].clone())));
            for other in (0..7).filter(|other| *other != position) {
                let mut two = all.clone();
                spoil(&mut two, other);
                assert!(!shape.belong_together(&two));
                assert_eq!(shape.odd_one_out(&two), None, "it could be any two");
            }
        }
        // The same change in two data shards leaves the first parity right and the second wrong.
        let (mut shape, mut all) = shards(4, 2);
        spoil(&mut all, 0);
        assert!(!shape.belong_together(&all));
        spoil(&mut all, 1);
        assert_eq!(shape.odd_one_out(&all), None, "not the second parity");
        let (mut shape, mut all) = shards(2, 1);
        spoil(&mut all, 1);
        assert!(!shape.belong_together(&all));
        assert_eq!(shape.odd_one_out(&all), None, "each two of the three give something");
    }
}
