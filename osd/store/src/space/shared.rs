//! How many objects share a unit, for the few units that more than one does.

use super::Run;
use crate::sabotage::{self, Sabotage};
use std::collections::BTreeMap;

/// Runs with the number of owners beyond the first. Disjoint; a unit that is not here has one owner.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct SharedMap {
    extra: BTreeMap<u64, (u64, u32)>,
}

impl SharedMap {
    /// Whether a unit has more than one owner.
    pub(crate) fn is_shared(&self, unit: u64) -> bool {
        !sabotage::is(Sabotage::OverwriteShared)
            && self.extra.range(..=unit).next_back().is_some_and(|(s, (len, _))| unit < s + len)
    }

    /// One more owner for each unit of the run.
    pub(crate) fn add(&mut self, run: Run) {
        self.split_at(run.start);
        self.split_at(run.end());
        let mut at = run.start;
        while at < run.end() {
            match self.extra.range_mut(at..run.end()).next() {
                Some((s, (len, n))) if *s == at => {
                    *n += 1;
                    at = s + *len;
                }
                next => {
                    let gap_end = next.map_or(run.end(), |(s, _)| *s);
                    self.extra.insert(at, (gap_end - at, 1));
                    at = gap_end;
                }
            }
        }
        self.merge_around(run);
    }

    /// One owner fewer for each unit of the run; calls `last` for the parts that had a single owner.
    pub(crate) fn drop(&mut self, run: Run, mut last: impl FnMut(Run)) {
        if self.extra.is_empty() {
            return last(run);
        }
        self.split_at(run.start);
        self.split_at(run.end());
        let mut at = run.start;
        while at < run.end() {
            match self.extra.range_mut(at..run.end()).next().map(|(s, (len, n))| (*s, *len, n)) {
                Some((s, len, n)) if s == at => {
                    *n -= 1;
                    if *n == 0 {
                        self.extra.remove(&s);
                    }
                    at = s + len;
                }
                next => {
                    let gap_end = next.map_or(run.end(), |(s, ..)| s);
                    last(Run { start: at, len: gap_end - at });
                    at = gap_end;
                }
            }
        }
        self.merge_around(run);
    }

    /// Owners beyond the first, over all units.
    pub(crate) fn extra_owners(&self) -> u64 {
        self.extra.values().map(|(len, n)| len * u64::from(*n)).sum()
    }

    /// Units with more than one owner.
    pub(crate) fn units(&self) -> u64 {
        self.extra.values().map(|(len, _)| len).sum()
    }

    fn split_at(&mut self, unit: u64) {
        if let Some((&s, &(len, n))) = self.extra.range(..unit).next_back()
            && unit < s + len
        {
            self.extra.insert(s, (unit - s, n));
            self.extra.insert(unit, (s + len - unit, n));
        }
    }

    /// Joins equal neighbours at and within the borders of a run, so that the map stays small.
    fn merge_around(&mut self, run: Run) {
        let first = self.extra.range(..run.start).next_back().map_or(run.start, |(s, _)| *s);
        let mut keys: Vec<u64> = self.extra.range(first..=run.end()).map(|(s, _)| *s).collect();
        keys.reverse();
        for pair in keys.windows(2) {
            let (b, a) = (pair[0], pair[1]);
            let (len_a, n_a) = self.extra[&a];
            let (len_b, n_b) = self.extra[&b];
            if a + len_a == b && n_a == n_b {
                self.extra.remove(&b);
                self.extra.insert(a, (len_a + len_b, n_a));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stdx::Rng;

    #[test]
    fn counts_are_those_of_a_plain_array() {
        let mut rng = Rng::new(9);
        let mut shared = SharedMap::default();
        let mut owners = [1u32; 64];
        for _ in 0..20_000 {
            let start = rng.below(60);
            let run = Run { start, len: 1 + rng.below(63 - start) };
            let all = run.start as usize..run.end() as usize;
            if rng.chance(1, 2) && owners[all.clone()].iter().all(|n| *n < 5) {
                shared.add(run);
                owners[all].iter_mut().for_each(|n| *n += 1);
            } else {
                let mut last = Vec::new();
                shared.drop(run, |r| last.extend(r.start..r.end()));
                let want: Vec<u64> = all.clone().filter(|u| owners[*u] == 1).map(|u| u as u64).collect();
                assert_eq!(last, want);
                owners[all].iter_mut().for_each(|n| *n = (*n - 1).max(1));
            }
            for u in 0..64u64 {
                assert_eq!(shared.is_shared(u), owners[u as usize] > 1);
            }
            assert_eq!(shared.units(), owners.iter().filter(|n| **n > 1).count() as u64);
        }
    }
}
