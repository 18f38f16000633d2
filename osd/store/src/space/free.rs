//! Free units, by place and by size: best fit, so that small gaps fill first and long runs stay long.

use super::Run;
use std::collections::{BTreeMap, BTreeSet};

/// Which units are free.
#[derive(Debug, Default)]
pub(crate) struct FreeMap {
    by_start: BTreeMap<u64, u64>,
    by_len: BTreeSet<(u64, u64)>,
    units: u64,
}

impl FreeMap {
    /// Units free in all.
    pub(crate) fn units(&self) -> u64 {
        self.units
    }

    /// Frees a run, which must not be free already.
    pub(crate) fn release(&mut self, run: Run) {
        assert!(run.len > 0);
        let (mut start, mut end) = (run.start, run.end());
        if let Some((s, l)) = self.by_start.range(..=run.start).next_back().map(|(s, l)| (*s, *l)) {
            assert!(s + l <= run.start, "units {run:?} are freed twice");
            if s + l == run.start {
                self.remove(s, l);
                start = s;
            }
        }
        if let Some((s, l)) = self.by_start.range(run.start..).next().map(|(s, l)| (*s, *l)) {
            assert!(s >= run.end(), "units {run:?} are freed twice");
            if s == run.end() {
                self.remove(s, l);
                end = s + l;
            }
        }
        self.insert(start, end - start);
    }

    /// Takes up to `units` as one run: the smallest run that holds them all, else the largest there is.
    /// `None` only when nothing is free.
    pub(crate) fn take(&mut self, units: u64) -> Option<Run> {
        assert!(units > 0);
        let fits = self.by_len.range((units, 0)..).next().copied();
        let (len, start) = fits.or_else(|| self.by_len.last().copied())?;
        self.remove(start, len);
        let taken = len.min(units);
        if len > taken {
            self.insert(start + taken, len - taken);
        }
        Some(Run { start, len: taken })
    }

    fn insert(&mut self, start: u64, len: u64) {
        self.by_start.insert(start, len);
        self.by_len.insert((len, start));
        self.units += len;
    }
    fn remove(&mut self, start: u64, len: u64) {
        self.by_start.remove(&start);
        self.by_len.remove(&(len, start));
        self.units -= len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stdx::Rng;

    #[test]
    fn runs_are_disjoint_merge_again_and_nothing_is_lost() {
        let mut rng = Rng::new(5);
        let mut free = FreeMap::default();
        free.release(Run { start: 1, len: 999 });
        let mut held: Vec<Run> = Vec::new();
        let mut used = [false; 1000];
        for _ in 0..20_000 {
            if rng.chance(1, 2) {
                if let Some(run) = free.take(1 + rng.below(20)) {
                    for u in run.start..run.end() {
                        assert!(!std::mem::replace(&mut used[u as usize], true), "unit {u} given out twice");
                    }
                    held.push(run);
                }
            } else if !held.is_empty() {
                let run = held.swap_remove(rng.below(held.len() as u64) as usize);
                (run.start..run.end()).for_each(|u| used[u as usize] = false);
                free.release(run);
            }
            assert_eq!(free.units(), 999 - used.iter().filter(|u| **u).count() as u64);
        }
        held.drain(..).for_each(|r| free.release(r));
        assert_eq!(free.take(5000), Some(Run { start: 1, len: 999 }));
        assert_eq!(free.take(1), None);
    }
}
