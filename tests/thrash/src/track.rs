//! One register with one writer and any number of readers: which versions a read may give.
//!
//! Versions are numbered as they are issued, from 1; 0 is "nothing yet". A read that begins now may not give less than
//! the newest version whose write was acknowledged, or that another read has given already, before it began; and not
//! more than the newest that was issued before it ended. A write without an answer may take effect at any later time,
//! so its register gets no further writes: with at most one write open, the versions stay in order.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The versions of one register.
#[derive(Debug, Default)]
pub(crate) struct Track {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    floor: u64,
    issued: u64,
    open: bool,
    /// Issued and refused: they never happened and never will.
    refused: BTreeSet<u64>,
}

/// What a read gave cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Impossible {
    /// The oldest version that it may have given.
    pub(crate) floor: u64,
    /// The newest.
    pub(crate) ceiling: u64,
}

impl Track {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panicking thread holds it over no half-done change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Issues the next version. The writer calls one of `acknowledged`, `refused`, `unanswered` when it is over.
    pub(crate) fn begin_write(&self) -> u64 {
        let mut state = self.state();
        assert!(!state.open, "a register with an open write is written to no more");
        state.issued += 1;
        state.issued
    }

    /// The write of `version` was acknowledged.
    pub(crate) fn acknowledged(&self, version: u64) {
        let mut state = self.state();
        state.floor = state.floor.max(version);
    }

    /// The write of `version` was refused: it has not happened.
    pub(crate) fn refused(&self, version: u64) {
        self.state().refused.insert(version);
    }

    /// Nobody knows what became of the last write, and it may still happen.
    pub(crate) fn unanswered(&self) {
        self.state().open = true;
    }

    /// Whether the outcome of the last write is unknown.
    pub(crate) fn is_open(&self) -> bool {
        self.state().open
    }

    /// Call before a read is sent; give the result to `end_read`.
    pub(crate) fn begin_read(&self) -> u64 {
        self.state().floor
    }

    /// Judges a read that began when `begin_read` gave `floor`: `gave` says whether what was read is that version.
    /// Returns the version.
    pub(crate) fn end_read(&self, floor: u64, mut gave: impl FnMut(u64) -> bool) -> Result<u64, Impossible> {
        let (ceiling, refused) = {
            let state = self.state();
            (state.issued, state.refused.clone())
        };
        // The oldest that fits: equal contents (two deletions) must not raise the floor too far.
        let found = (floor..=ceiling).find(|v| !refused.contains(v) && gave(*v));
        let Some(found) = found else { return Err(Impossible { floor, ceiling }) };
        let mut state = self.state();
        state.floor = state.floor.max(found);
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledged_write_is_seen_by_all_that_begin_later() {
        let track = Track::default();
        let early = track.begin_read();
        let one = track.begin_write();
        track.acknowledged(one);
        let late = track.begin_read();
        assert_eq!(track.end_read(early, |v| v == 0), Ok(0), "it may have come before the write");
        assert_eq!(
            track.end_read(late, |v| v == 0),
            Err(Impossible { floor: 1, ceiling: 1 }),
            "a stale read"
        );
        assert_eq!(track.end_read(late, |v| v == 1), Ok(1));
        assert!(track.end_read(late, |v| v == 2).is_err(), "nobody wrote that");
    }

    #[test]
    fn what_one_read_has_given_no_later_one_takes_back() {
        let track = Track::default();
        track.begin_write();
        track.unanswered();
        assert!(track.is_open());
        let first = track.begin_read();
        assert_eq!(track.end_read(first, |v| v == 0), Ok(0), "not yet, or never");
        let second = track.begin_read();
        assert_eq!(track.end_read(second, |v| v == 1), Ok(1), "it happened after all");
        let third = track.begin_read();
        assert!(track.end_read(third, |v| v == 0).is_err(), "and does not go away again");
    }

    #[test]
    fn a_refused_write_never_happens_and_equal_states_are_the_oldest() {
        let track = Track::default();
        let one = track.begin_write();
        track.refused(one);
        let floor = track.begin_read();
        assert!(track.end_read(floor, |v| v == 1).is_err());
        for _ in 0..2 {
            let version = track.begin_write();
            let floor = track.begin_read();
            assert_eq!(track.end_read(floor, |_| true).map(|v| v < version), Ok(true));
            track.acknowledged(version);
        }
        assert_eq!(track.begin_read(), 3);
    }
}
