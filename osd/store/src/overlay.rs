//! Data that is newer in memory than in its place on the device: logged units that wait to be written in
//! place, and fresh runs whose first write is still under way.

use crate::layout::UNIT_BYTES;
use bytes::Bytes;
use std::collections::BTreeMap;

/// Units by place. Keyed by device unit, so that objects which share a unit share its entry.
#[derive(Default)]
pub(crate) struct Overlay {
    logged: BTreeMap<u64, Logged>,
    fresh: BTreeMap<u64, Bytes>,
    /// In-place writes handed to the device and not back yet.
    writes_in_flight: usize,
}

struct Logged {
    lsn: u64,
    data: Bytes,
    /// A write of this or an older state is under way: the next must wait for it.
    applying: bool,
    /// Freed while a write was under way; only that write is waited for.
    dead: bool,
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
            && !e.dead
        {
            return Some(e.data.clone());
        }
        let (start, data) = self.fresh.range(..=unit).next_back()?;
        let at = (unit - start) as usize * UNIT_BYTES;
        (at < data.len()).then(|| data.slice(at..at + UNIT_BYTES))
    }

    /// The record `lsn` gives a unit new contents.
    pub(crate) fn log(&mut self, unit: u64, lsn: u64, data: Bytes) {
        assert_eq!(data.len(), UNIT_BYTES);
        let new = Logged { lsn, data, applying: false, dead: false };
        if let Some(old) = self.logged.insert(unit, new) {
            assert!(!old.dead, "unit {unit} was reused while a write to it was under way");
            if old.applying {
                self.logged.entry(unit).and_modify(|e| e.applying = true);
            }
        }
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

    /// A unit was freed: nobody will read it, so it need not be written any more.
    pub(crate) fn forget(&mut self, unit: u64) {
        if let Some(e) = self.logged.get_mut(&unit) {
            if e.applying {
                e.dead = true;
            } else {
                self.logged.remove(&unit);
            }
        }
    }

    /// The next run at or behind `from`, of at most `units_max` units whose records are at most
    /// `upto`, and marks it as being written.
    pub(crate) fn take_run(&mut self, from: u64, upto: u64, units_max: usize) -> Option<ApplyRun> {
        let ready = |e: &Logged| !e.applying && !e.dead && e.lsn <= upto;
        let mut rows = self.logged.range_mut(from..).skip_while(|(_, e)| !ready(e));
        let (start, first) = rows.next()?;
        first.applying = true;
        let mut run = ApplyRun { start: *start, lsns: vec![first.lsn], data: vec![first.data.clone()] };
        for (unit, e) in rows {
            if run.lsns.len() >= units_max || *unit != run.start + run.lsns.len() as u64 || !ready(e) {
                break;
            }
            e.applying = true;
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
            let e = self.logged.get_mut(&unit).expect("an entry stays while its write is under way");
            if e.dead || e.lsn == *lsn {
                self.logged.remove(&unit);
            } else {
                e.applying = false;
            }
        }
    }

    /// Whether a state at most `lsn` is not safely in place yet.
    pub(crate) fn waits_upto(&self, lsn: u64) -> bool {
        self.logged.values().any(|e| e.lsn <= lsn || e.applying)
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
        assert!(o.take_run(0, 0, 9).is_none(), "nothing is durable yet");
        let run = o.take_run(0, 3, 9).unwrap();
        assert_eq!((run.start, &run.lsns[..]), (5, &[1, 2][..]));
        o.log(5, 4, unit(4));
        assert_eq!(o.take_run(0, 9, 9).unwrap().start, 8, "unit 5 is being written");
        o.applied(5, &run.lsns);
        assert_eq!(o.get(5), Some(unit(4)));
        assert_eq!(o.get(6), None);
        assert_eq!(o.take_run(0, 9, 9).unwrap().lsns, [4]);
    }

    #[test]
    fn a_freed_unit_is_forgotten_but_its_write_is_waited_for() {
        let mut o = Overlay::default();
        o.log(5, 1, unit(1));
        let run = o.take_run(0, 1, 9).unwrap();
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
        assert_eq!(o.get(9), None);
        o.fresh_done(10);
        assert_eq!(o.get(10), None);
    }
}
