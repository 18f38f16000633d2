//! Which units of the data area are free, shared, or freed but not yet reusable.

mod free;
mod shared;

use crate::sabotage::{self, Sabotage};
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
    waiting: VecDeque<(u64, Run)>,
    waiting_units: u64,
}

impl Space {
    /// Units freed but not yet reusable.
    pub(crate) fn waiting_units(&self) -> u64 {
        self.waiting_units
    }

    /// Remembers a run that the record `lsn` freed.
    pub(crate) fn retire(&mut self, lsn: u64, run: Run) {
        if sabotage::is(Sabotage::ReuseAtOnce) {
            return self.free.release(run);
        }
        self.waiting_units += run.len;
        match self.waiting.back_mut() {
            Some((l, last)) if *l == lsn && last.end() == run.start => last.len += run.len,
            _ => self.waiting.push_back((lsn, run)),
        }
    }

    /// The log is trimmed up to `lsn`: what was freed up to there may be used again.
    pub(crate) fn reuse_upto(&mut self, lsn: u64) {
        while let Some((_, run)) = self.waiting.pop_front_if(|(freed, _)| *freed <= lsn) {
            self.waiting_units -= run.len;
            self.free.release(run);
        }
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
