//! Free units, by place and by size: best fit, so that small gaps fill first and long runs stay long.

use super::Run;
use std::collections::{BTreeMap, BTreeSet};

/// Runs that are looked at for an aligned stretch; one of twice its length has one for certain.
const RUNS_LOOKED_AT: usize = 16;

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

    /// Units of the longest run.
    pub(crate) fn longest(&self) -> u64 {
        self.by_len.last().map_or(0, |(len, _)| *len)
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

    /// Takes up to `units` from `start` on; `None` if that one is not free.
    pub(crate) fn take_at(&mut self, start: u64, units: u64) -> Option<Run> {
        assert!(units > 0);
        let (s, l) = self.by_start.range(..=start).next_back().map(|(s, l)| (*s, *l))?;
        if s + l <= start {
            return None;
        }
        self.remove(s, l);
        let taken = Run { start, len: units.min(s + l - start) };
        for rest in [Run { start: s, len: start - s }, Run { start: taken.end(), len: s + l - taken.end() }] {
            if rest.len > 0 {
                self.insert(rest.start, rest.len);
            }
        }
        Some(taken)
    }

    /// A free stretch of `units`, a power of two, at a multiple of them, in one of the smallest runs that have one: two
    /// that are asked for one after the other, and used in part only, do not lie in each other's way.
    pub(crate) fn aligned(&self, units: u64) -> Option<u64> {
        let runs = self.by_len.range((units, 0)..).take(RUNS_LOOKED_AT);
        let within = |(len, start): &(u64, u64)| {
            let at = start.next_multiple_of(units);
            (at + units <= start + len).then_some(at)
        };
        runs.into_iter().find_map(within).or_else(|| within(self.by_len.last()?))
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
                let units = 1 + rng.below(20);
                let taken = match rng.chance(1, 3) {
                    true => free.take_at(1 + rng.below(999), units),
                    false => free.take(units),
                };
                if let Some(run) = taken {
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
