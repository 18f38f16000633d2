//! Units that may be used again, of which the device is told first: long runs wait here for their turn.

use super::Run;
use std::collections::VecDeque;

/// Shorter runs are not worth a command: flash is erased in larger pieces.
const UNITS_MIN: u64 = 16;
/// The most that one command covers: 16 MiB, so that reads do not wait behind it for long.
const UNITS_AT_ONCE: u64 = 4096;
/// Runs that wait, at most; what comes on top is used again without the device hearing of it.
const WAITING_MAX: usize = 1 << 16;

/// Free units on their way through the device.
#[derive(Debug, Default)]
pub(crate) struct Discards {
    on: bool,
    waiting: VecDeque<Run>,
    /// The run that the device is being told of. One at a time is the pace.
    under_way: Option<Run>,
    units: u64,
}

impl Discards {
    /// Whether freed runs come here at all.
    pub(crate) fn is_on(&self) -> bool {
        self.on
    }
    pub(crate) fn turn(&mut self, on: bool) {
        self.on = on;
    }
    /// Units that wait or are under way: neither free nor in use.
    pub(crate) fn units(&self) -> u64 {
        self.units
    }

    /// Takes what is long enough of `runs`; the rest is free at once.
    pub(crate) fn take_in(&mut self, mut runs: Vec<Run>, mut free: impl FnMut(Run)) {
        runs.sort_unstable();
        runs.dedup_by(|b, a| {
            let joins = a.end() == b.start;
            a.len += if joins { b.len } else { 0 };
            joins
        });
        for run in runs {
            if self.on && run.len >= UNITS_MIN && self.waiting.len() < WAITING_MAX {
                self.units += run.len;
                self.waiting.push_back(run);
            } else {
                free(run);
            }
        }
    }

    /// The next run to tell the device of, unless it is busy with one.
    pub(crate) fn next(&mut self) -> Option<Run> {
        if self.under_way.is_some() {
            return None;
        }
        let run = self.waiting.front_mut()?;
        let part = Run { start: run.start, len: run.len.min(UNITS_AT_ONCE) };
        (run.start, run.len) = (part.end(), run.len - part.len);
        if run.len == 0 {
            self.waiting.pop_front();
        }
        self.under_way = Some(part);
        self.under_way
    }

    /// The device is done with the run under way, which is free now.
    pub(crate) fn done(&mut self) -> Run {
        let run = self.under_way.take().expect("one discard is under way");
        self.units -= run.len;
        run
    }

    /// Everything that waits is free: it is wanted now, or nobody is to be told any more.
    pub(crate) fn give_up(&mut self, free: impl FnMut(Run)) {
        self.units = self.under_way.map_or(0, |run| run.len);
        self.waiting.drain(..).for_each(free);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(start: u64, len: u64) -> Run {
        Run { start, len }
    }

    #[test]
    fn neighbours_are_joined_long_runs_wait_their_turn_and_short_ones_do_not() {
        let (mut d, mut free) = (Discards::default(), Vec::new());
        d.take_in(vec![run(5, 100)], |r| free.push(r));
        assert_eq!((free.as_slice(), d.units()), (&[run(5, 100)][..], 0), "off");
        d.turn(true);
        free.clear();
        d.take_in(vec![run(30, 3), run(8, 8), run(16, 8), run(100, 5000)], |r| free.push(r));
        assert_eq!((free.as_slice(), d.units()), (&[run(30, 3)][..], 5016));
        assert_eq!((d.next(), d.next()), (Some(run(8, 16)), None));
        assert_eq!((d.done(), d.next()), (run(8, 16), Some(run(100, 4096))));
        free.clear();
        d.give_up(|r| free.push(r));
        assert_eq!((free.as_slice(), d.units()), (&[run(4196, 904)][..], 4096));
        assert_eq!((d.done(), d.units(), d.next()), (run(100, 4096), 0, None));
    }
}
