//! Data that is newer in memory than in its place on the device: logged units that wait to be written in
//! place, and fresh runs whose first write is still under way.

use crate::layout::UNIT_BYTES;
use crate::space::Run;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// Units by place. Keyed by device unit, so that objects which share a unit share its entry.
#[derive(Default)]
pub(crate) struct Overlay {
    logged: BTreeMap<u64, Logged>,
    /// What is to be written in place, oldest record first: `(lsn, unit)`.
    waiting: BTreeSet<(u64, u64)>,
    /// What is being written in place: `(lsn, unit)`.
    applying: BTreeSet<(u64, u64)>,
    fresh: BTreeMap<u64, Bytes>,
    /// In-place writes handed to the device and not back yet.
    writes_in_flight: usize,
}

struct Logged {
    lsn: u64,
    data: Bytes,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be written in place; a write of an older state may be under way, and must be back first.
    Waiting { behind_a_write: bool },
    /// This state is being written.
    Applying,
    /// Freed while a write was under way; only that write is waited for.
    Dead,
}

/// Neighbouring units to be written in place with one device write.
pub(crate) struct ApplyRun {
    pub(crate) start: u64,
    pub(crate) lsns: Vec<u64>,
    pub(crate) data: Vec<Bytes>,
}

impl Overlay {
    /// The newest bytes of a unit, if they are in memory.
    pub(crate) fn get(&self, unit: u64) -> Option<Bytes> {
        if let Some(e) = self.logged.get(&unit)
            && e.state != State::Dead
        {
            return Some(e.data.clone());
        }
        let (start, data) = self.fresh.range(..=unit).next_back()?;
        let at = (unit - start) as usize * UNIT_BYTES;
        (at < data.len()).then(|| data.slice(at..at + UNIT_BYTES))
    }

    /// The newest bytes of a run that was written as a whole and never in part, if they are in memory.
    pub(crate) fn get_run(&self, run: Run) -> Option<Bytes> {
        if run.len == 1 {
            return self.get(run.start);
        }
        let (start, data) = self.fresh.range(..=run.start).next_back()?;
        let at = (run.start - start) as usize * UNIT_BYTES;
        let end = at + run.len as usize * UNIT_BYTES;
        (end <= data.len()).then(|| data.slice(at..end))
    }

    /// Whether any unit of a run may have newer bytes in memory.
    pub(crate) fn touches(&self, run: Run) -> bool {
        let fresh = self.fresh.range(..run.end()).next_back();
        fresh.is_some_and(|(start, data)| start + (data.len() / UNIT_BYTES) as u64 > run.start)
            || self.logged.range(run.start..run.end()).next().is_some()
    }

    /// The record `lsn` gives a unit new contents.
    pub(crate) fn log(&mut self, unit: u64, lsn: u64, data: Bytes) {
        assert_eq!(data.len(), UNIT_BYTES);
        let mut state = State::Waiting { behind_a_write: false };
        if let Some(old) = self.logged.get(&unit) {
            match old.state {
                State::Waiting { behind_a_write } => {
                    state = State::Waiting { behind_a_write };
                    self.waiting.remove(&(old.lsn, unit));
                }
                State::Applying => state = State::Waiting { behind_a_write: true },
                State::Dead => panic!("unit {unit} was reused while a write to it was under way"),
            }
        }
        self.waiting.insert((lsn, unit));
        self.logged.insert(unit, Logged { lsn, data, state });
    }

    /// A fresh run's write begins.
    pub(crate) fn fresh_begins(&mut self, start: u64, data: Bytes) {
        let old = self.fresh.insert(start, data);
        assert!(old.is_none(), "unit {start} was given out while its first write was under way");
    }
    /// A fresh run's write is done.
    pub(crate) fn fresh_done(&mut self, start: u64) {
        self.fresh.remove(&start);
    }

    /// Units were freed: nobody will read them, so they need not be written any more.
    pub(crate) fn forget_run(&mut self, run: Run) {
        let held: Vec<u64> = self.logged.range(run.start..run.end()).map(|(unit, _)| *unit).collect();
        held.into_iter().for_each(|unit| self.forget(unit));
    }

    fn forget(&mut self, unit: u64) {
        let Some(e) = self.logged.get_mut(&unit) else { return };
        self.waiting.remove(&(e.lsn, unit));
        match e.state {
            State::Waiting { behind_a_write: false } => drop(self.logged.remove(&unit)),
            State::Waiting { behind_a_write: true } | State::Applying => e.state = State::Dead,
            State::Dead => {}
        }
    }

    /// The run around the oldest state that may be written, of at most `units_max` units whose records are at
    /// most `upto`, and marks it as being written.
    pub(crate) fn take_run(&mut self, upto: u64, units_max: usize) -> Option<ApplyRun> {
        let ready = |logged: &BTreeMap<u64, Logged>, unit: u64| {
            logged
                .get(&unit)
                .is_some_and(|e| e.lsn <= upto && e.state == State::Waiting { behind_a_write: false })
        };
        let oldest = self.waiting.iter().take_while(|(lsn, _)| *lsn <= upto).map(|(_, unit)| *unit);
        let seed = oldest.into_iter().find(|unit| ready(&self.logged, *unit))?;
        let (mut start, mut end) = (seed, seed + 1);
        while end - start < units_max as u64 && ready(&self.logged, end) {
            end += 1;
        }
        while end - start < units_max as u64 && ready(&self.logged, start - 1) {
            start -= 1;
        }
        let mut run = ApplyRun { start, lsns: Vec::new(), data: Vec::new() };
        for (unit, e) in self.logged.range_mut(start..end) {
            e.state = State::Applying;
            self.waiting.remove(&(e.lsn, *unit));
            self.applying.insert((e.lsn, *unit));
            run.lsns.push(e.lsn);
            run.data.push(e.data.clone());
        }
        self.writes_in_flight += 1;
        Some(run)
    }

    /// A run is in place now: entries that did not change meanwhile are no longer needed.
    pub(crate) fn applied(&mut self, start: u64, lsns: &[u64]) {
        self.writes_in_flight -= 1;
        for (unit, lsn) in (start..).zip(lsns) {
            self.applying.remove(&(*lsn, unit));
            let e = self.logged.get_mut(&unit).expect("an entry stays while its write is under way");
            match e.state {
                State::Applying | State::Dead => drop(self.logged.remove(&unit)),
                State::Waiting { .. } => e.state = State::Waiting { behind_a_write: false },
            }
        }
    }

    /// Whether a state at most `lsn` is not safely in place yet.
    pub(crate) fn waits_upto(&self, lsn: u64) -> bool {
        let old = |set: &BTreeSet<(u64, u64)>| set.first().is_some_and(|(l, _)| *l <= lsn);
        old(&self.waiting) || old(&self.applying)
    }
    /// Bytes of logged units held.
    pub(crate) fn bytes(&self) -> u64 {
        (self.logged.len() * UNIT_BYTES) as u64
    }
    /// Device writes under way.
    pub(crate) fn writes_in_flight(&self) -> usize {
        self.writes_in_flight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(b: u8) -> Bytes {
        vec![b; UNIT_BYTES].into()
    }

    #[test]
    fn a_newer_state_waits_for_the_older_write_and_survives_it() {
        let mut o = Overlay::default();
        o.log(5, 1, unit(1));
        o.log(6, 2, unit(2));
        o.log(8, 3, unit(3));
        assert!(o.take_run(0, 9).is_none(), "nothing is durable yet");
        let run = o.take_run(3, 9).unwrap();
        assert_eq!((run.start, &run.lsns[..]), (5, &[1, 2][..]));
        o.log(5, 4, unit(4));
        assert_eq!(o.take_run(9, 9).unwrap().start, 8, "unit 5 is being written");
        assert!(o.waits_upto(1), "the older write is under way");
        o.applied(5, &run.lsns);
        assert!(!o.waits_upto(2) && o.waits_upto(3));
        assert_eq!(o.get(5), Some(unit(4)));
        assert_eq!(o.get(6), None);
        assert_eq!(o.take_run(9, 9).unwrap().lsns, [4]);
    }

    #[test]
    fn a_freed_unit_is_forgotten_but_its_write_is_waited_for() {
        let mut o = Overlay::default();
        o.log(5, 1, unit(1));
        let run = o.take_run(1, 9).unwrap();
        o.forget(5);
        assert_eq!(o.get(5), None);
        assert!(o.waits_upto(1));
        o.applied(5, &run.lsns);
        assert!(!o.waits_upto(1) && o.bytes() == 0);
    }

    #[test]
    fn fresh_data_is_read_from_memory_until_it_is_written() {
        let mut o = Overlay::default();
        o.fresh_begins(10, [unit(1), unit(2)].concat().into());
        assert_eq!(o.get(11), Some(unit(2)));
        assert_eq!(o.get(12), None);
        let touched = |start, len| o.touches(Run { start, len });
        assert!(touched(9, 2) && touched(11, 5) && !touched(12, 5) && !touched(1, 9));
        assert_eq!(o.get(9), None);
        o.fresh_done(10);
        assert_eq!(o.get(10), None);
    }
}
