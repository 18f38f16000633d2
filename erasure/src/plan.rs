//! Which chunks to read to have the wanted ones, and how the lost ones follow from them.

use crate::basis::{Basis, Combination};
use crate::kernel::Mode;
use crate::matrix::Matrix;
use crate::{ChunkError, ChunkSet, Code, TooManyLost, pass};

/// How lost chunks are rebuilt. Made by [`Code::plan`] for one code; worth keeping ([`crate::Plans`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    reads: ChunkSet,
    sources: ChunkSet,
    rebuilds: ChunkSet,
    /// A row for each chunk to rebuild, a column for each source, both by position.
    matrix: Matrix,
}

impl Plan {
    /// Everything to read: the sources, and the wanted chunks that are there.
    pub fn reads(&self) -> ChunkSet {
        self.reads
    }

    /// The chunks that [`Code::decode`] takes, ascending; none if nothing wanted is lost.
    pub fn sources(&self) -> ChunkSet {
        self.sources
    }

    /// The chunks that [`Code::decode`] makes, ascending: the wanted ones that are lost.
    pub fn rebuilds(&self) -> ChunkSet {
        self.rebuilds
    }
}

impl Code {
    /// The chunks to read so that those in `wanted` can be had: the wanted ones themselves; or what is left of the lost
    /// ones' local groups; or k. Local groups come first, as in Ceph, so that a repair stays in its rack; but when wanted
    /// chunks of other groups are read anyway, whatever needs fewer reads (Ceph then still reads the group).
    pub fn minimum_to_decode(&self, wanted: ChunkSet, available: ChunkSet) -> Result<ChunkSet, TooManyLost> {
        self.plan(wanted, available).map(|plan| plan.reads)
    }

    /// How to have `wanted` from `available`. Positions beyond the code's are never available.
    pub fn plan(&self, wanted: ChunkSet, available: ChunkSet) -> Result<Plan, TooManyLost> {
        let all = ChunkSet::first(self.profile().chunks());
        let available = available & all;
        let (at_hand, lost) = (wanted & available, wanted - available);
        let anywhere = || {
            let order = self.sources_in_order(at_hand, available);
            self.solve(lost, order).filter(|_| lost.is_subset(all))
        };
        let reads = |way: &[Combination]| (used(way) | at_hand).len();
        let found = match self.solve_locally(lost, available) {
            // Only what must cross racks anyway is done with the fewest reads.
            Some(local) if at_hand.is_subset(self.groups_of(lost)) => Some(local),
            Some(local) => anywhere().filter(|way| reads(way) < reads(&local)).or(Some(local)),
            None => anywhere(),
        };
        let found = found.ok_or(TooManyLost { missing: lost, available })?;
        let sources = used(&found);
        let columns: Vec<usize> = sources.iter().collect();
        let matrix = Matrix::from_fn(lost.len(), columns.len(), |row, column| found[row][columns[column]]);
        Ok(Plan { reads: at_hand | sources, sources, rebuilds: lost, matrix })
    }

    /// Makes the chunks of `plan.rebuilds()` from those of `plan.sources()`, both ascending and equally long. The plan is
    /// one of this code.
    pub fn decode(
        &self,
        plan: &Plan,
        sources: &[&[u8]],
        rebuilt: &mut [&mut [u8]],
    ) -> Result<(), ChunkError> {
        check_counts(plan, sources, rebuilt)?;
        if rebuilt.is_empty() {
            return Ok(());
        }
        pass::combine(self.kernel(), &plan.matrix, sources, rebuilt, Mode::Replace)
    }

    /// [`Code::decode`], and in the same pass the CRC32C of every `unit` bytes of each rebuilt chunk, for the disk that it
    /// goes to: chunk by chunk, `ceil(length / unit)` sums each. `unit` is not 0.
    pub fn decode_with_crc32c(
        &self,
        plan: &Plan,
        sources: &[&[u8]],
        rebuilt: &mut [&mut [u8]],
        unit: usize,
        sums: &mut [u32],
    ) -> Result<(), ChunkError> {
        check_counts(plan, sources, rebuilt)?;
        if rebuilt.is_empty() {
            return Ok(());
        }
        pass::combine_summed(self.kernel(), &plan.matrix, sources, rebuilt, unit, false, sums)
    }

    /// All chunks of the local groups that these chunks belong to.
    fn groups_of(&self, chunks: ChunkSet) -> ChunkSet {
        let groups = chunks.iter().filter_map(|position| self.layout.group_of(position));
        groups.fold(ChunkSet::new(), |all, group| all | group)
    }

    /// Each lost chunk out of its own local group, if it is the only one that the group misses.
    fn solve_locally(&self, lost: ChunkSet, available: ChunkSet) -> Option<Vec<Combination>> {
        let of_group = |position| {
            let group = self.layout.group_of(position)?;
            let rest: Vec<usize> = (group & available).iter().collect();
            (rest.len() + 1 == group.len()).then(|| self.solve(ChunkSet::from_iter([position]), rest))?
        };
        let found: Option<Vec<Vec<Combination>>> = lost.iter().map(of_group).collect();
        found.map(|found| found.concat())
    }

    /// All that is available: first what is read anyway, then data, then parity.
    fn sources_in_order(&self, at_hand: ChunkSet, available: ChunkSet) -> Vec<usize> {
        let data = ChunkSet::from_iter(self.layout.data.iter().copied());
        let more = available - at_hand;
        let parts = [at_hand & data, at_hand - data, more & data, more - data];
        parts.into_iter().flat_map(ChunkSet::iter).collect()
    }

    /// The lost chunks out of as many of `order` as it takes: for each how it is put together.
    fn solve(&self, lost: ChunkSet, order: Vec<usize>) -> Option<Vec<Combination>> {
        let k = self.profile().k();
        let wanted: Vec<Vec<u8>> = lost.iter().map(|position| self.generator_row(position)).collect();
        let mut basis = Basis::default();
        for position in order {
            // Without groups fewer than k chunks never give another one; with them it is worth looking.
            if basis.add(position, &self.generator_row(position))
                && (basis.len() == k || !self.layout.groups.is_empty())
                && let Some(found) = wanted.iter().map(|row| basis.solve(row)).collect()
            {
                return Some(found);
            }
        }
        // Nothing lost, nothing to put together.
        lost.is_empty().then(Vec::new)
    }
}

/// The chunks that any of these combinations takes.
fn used(way: &[Combination]) -> ChunkSet {
    let takes = |position: &usize| way.iter().any(|made_of| made_of[*position] != 0);
    (0..ChunkSet::POSITIONS_MAX).filter(takes).collect()
}

fn check_counts(plan: &Plan, sources: &[&[u8]], rebuilt: &[&mut [u8]]) -> Result<(), ChunkError> {
    pass::check_count("source chunks", sources.len(), plan.sources.len())?;
    pass::check_count("rebuilt chunks", rebuilt.len(), plan.rebuilds.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Profile, Technique};

    fn set(positions: &[usize]) -> ChunkSet {
        positions.iter().copied().collect()
    }

    #[test]
    fn reads_the_wanted_or_else_k() {
        let code = Code::new(Profile::isa(4, 2).unwrap());
        let all = ChunkSet::first(6);
        let minimum = |wanted: &[usize], lost: &[usize]| code.minimum_to_decode(set(wanted), all - set(lost));
        assert_eq!(minimum(&[1, 5], &[0, 2]), Ok(set(&[1, 5])), "nothing wanted is lost");
        assert_eq!(minimum(&[1], &[1]), Ok(set(&[0, 2, 3, 4])));
        assert_eq!(minimum(&[5], &[5, 0]), Ok(set(&[1, 2, 3, 4])));
        assert_eq!(minimum(&[0, 1, 2, 3], &[0, 3]), Ok(set(&[1, 2, 4, 5])));
        assert_eq!(minimum(&[0, 5], &[0]), Ok(set(&[1, 2, 3, 5])), "what is read anyway is used");
        let lost = minimum(&[0, 1], &[0, 4, 5]).unwrap_err();
        assert_eq!((lost.missing, lost.available), (set(&[0]), set(&[1, 2, 3])));
        assert!(minimum(&[6], &[]).is_err(), "there is no such chunk");
    }

    #[test]
    fn lrc_reads_the_group_of_a_lost_chunk() {
        let code = Code::new(Profile::new(Technique::Local { l: 3 }, 4, 2).unwrap());
        let all = ChunkSet::first(8);
        let minimum = |wanted: &[usize], lost: &[usize]| code.minimum_to_decode(set(wanted), all - set(lost));
        for position in 0..8 {
            let group = if position < 4 { set(&[0, 1, 2, 3]) } else { set(&[4, 5, 6, 7]) };
            assert_eq!(minimum(&[position], &[position]), Ok(group - set(&[position])));
        }
        assert_eq!(minimum(&[0, 7], &[0, 7]).map(ChunkSet::len), Ok(6), "one in each group, k and one more");
        assert_eq!(minimum(&[0, 1], &[0, 1]), Ok(set(&[2, 4, 5, 6])), "two in one group: k anywhere");
        assert_eq!(
            minimum(&[0, 1, 4, 5], &[0]).map(ChunkSet::len),
            Ok(4),
            "a whole read takes k, not the group"
        );
        // Three losses can be had when one of them is a group's own, though m is 2.
        assert!(minimum(&[0, 1, 4], &[0, 1, 4]).is_ok());
        assert!(minimum(&[0, 1, 2, 3], &[0, 1, 2, 3]).is_err());
    }
}
