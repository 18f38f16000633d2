//! Which units of the data area are free, shared, or freed but not yet reusable.

mod discard;
mod free;
mod shared;

use crate::sabotage::{self, Sabotage};
pub(crate) use discard::Discards;
pub(crate) use free::FreeMap;
pub(crate) use shared::SharedMap;
use std::collections::VecDeque;

/// Neighbouring units of the data area.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Run {
    pub(crate) start: u64,
    pub(crate) len: u64,
}

impl Run {
    /// The first unit behind the run.
    pub(crate) fn end(&self) -> u64 {
        self.start + self.len
    }
}

/// The space of the data area. Freed units wait here until the record that freed them lies below the trim
/// point: until then a crash could bring back the pointer to them.
#[derive(Debug, Default)]
pub(crate) struct Space {
    pub(crate) free: FreeMap,
    pub(crate) shared: SharedMap,
    pub(crate) discards: Discards,
    waiting: VecDeque<(u64, Run)>,
    waiting_units: u64,
}

impl Space {
    /// Units freed but not yet reusable.
    pub(crate) fn waiting_units(&self) -> u64 {
        self.waiting_units
    }

    /// Units that no object refers to and that cannot be given out yet.
    pub(crate) fn freed_units(&self) -> u64 {
        self.waiting_units + self.discards.units()
    }

    /// Remembers a run that the record `lsn` freed.
    pub(crate) fn retire(&mut self, lsn: u64, run: Run) {
        if sabotage::is(Sabotage::ReuseAtOnce) {
            return self.free.release(run);
        }
        if sabotage::is(Sabotage::DiscardAtOnce) && self.discards.is_on() && run.len >= 16 {
            return self.discards.take_in(vec![run], |run| self.free.release(run));
        }
        self.waiting_units += run.len;
        match self.waiting.back_mut() {
            Some((l, last)) if *l == lsn && last.end() == run.start => last.len += run.len,
            _ => self.waiting.push_back((lsn, run)),
        }
    }

    /// The log is trimmed up to `lsn`: what was freed up to there may be used again, or the device is told first.
    pub(crate) fn reuse_upto(&mut self, lsn: u64) {
        let mut runs = Vec::new();
        while let Some((_, run)) = self.waiting.pop_front_if(|(freed, _)| *freed <= lsn) {
            self.waiting_units -= run.len;
            match self.discards.is_on() {
                true => runs.push(run),
                false => self.free.release(run),
            }
        }
        self.discards.take_in(runs, |run| self.free.release(run));
    }

    /// The device has heard of a run.
    pub(crate) fn discard_done(&mut self) {
        let run = self.discards.done();
        self.free.release(run);
    }

    /// Space is wanted more than the device needs to hear of it.
    pub(crate) fn skip_discards(&mut self) {
        self.discards.give_up(|run| self.free.release(run));
    }

    /// Takes `units` in as few runs as there are; `None`, with nothing taken, if there are too few.
    pub(crate) fn allocate(&mut self, units: u64) -> Option<Vec<Run>> {
        if units > self.free.units() {
            return None;
        }
        let mut runs = Vec::new();
        let mut left = units;
        while left > 0 {
            let run = self.free.take(left)?;
            left -= run.len;
            runs.push(run);
        }
        Some(runs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stdx::Rng;

    /// A store that is 95 % full and lives on: what a write of 1 MiB costs does not grow with its age.
    #[test]
    fn runs_per_megabyte_stay_few_at_95_percent_after_churn() {
        const UNITS: u64 = 1 << 18;
        let mut rng = Rng::new(3);
        let mut space = Space::default();
        space.free.release(Run { start: 1, len: UNITS });
        // Sizes as objects have them: many of a unit or a few, some of up to 4 MiB.
        let size = |rng: &mut Rng| {
            let most = 1 << rng.below(11);
            1 + rng.below(most)
        };
        let (mut held, mut held_units, mut lsn) = (Vec::new(), 0, 0);
        let mut rounds = Vec::new();
        for _ in 0..10 {
            let (mut runs, mut units) = (0u64, 0u64);
            for _ in 0..5_000 {
                let wanted = size(&mut rng);
                while held_units + wanted > UNITS / 100 * 95 {
                    let gone: Vec<Run> = held.swap_remove(rng.below(held.len() as u64) as usize);
                    lsn += 1;
                    held_units -= gone.iter().map(|r: &Run| r.len).sum::<u64>();
                    gone.into_iter().for_each(|run| space.retire(lsn, run));
                    space.reuse_upto(lsn);
                }
                let taken = space.allocate(wanted).expect("5 % are free");
                runs += taken.len() as u64;
                units += wanted;
                held_units += wanted;
                held.push(taken);
            }
            rounds.push(runs * 256 * 100 / units);
        }
        println!("runs per 100 MiB, by age: {rounds:?}");
        let (young, old) = (rounds[3], rounds[9]);
        assert!(old <= young * 5 / 4, "it grows with age: {rounds:?}");
        assert!(rounds.iter().all(|r| *r < 800), "{rounds:?}");
    }
}
