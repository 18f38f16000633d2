//! What happened, for a person; and a number that two equal runs have in common.

use std::cell::RefCell;
use std::rc::Rc;
use stdx::Time;

/// Lines kept: the last so many of a run.
const LINES_MAX: usize = 2_000_000;

/// Shared with whoever runs the world, so that it outlives a panic.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    lines: Option<Rc<RefCell<Vec<String>>>>,
    hash: u64,
}

impl Trace {
    pub(crate) fn new(wanted: bool) -> Trace {
        Trace { lines: wanted.then(Rc::default), hash: 0xcbf2_9ce4_8422_2325 }
    }

    /// Mixes numbers into the hash (FNV-1a over words).
    pub(crate) fn mix(&mut self, words: &[u64]) {
        for word in words {
            self.hash = (self.hash ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
        }
    }
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// Writes a line, if somebody wants them.
    pub(crate) fn line(&self, now: Time, text: impl FnOnce() -> String) {
        if let Some(lines) = &self.lines {
            let mut lines = lines.borrow_mut();
            if lines.len() < LINES_MAX {
                lines.push(format!("{:>12.6} {}", now.0 as f64 / 1e9, text()));
            }
        }
    }

    /// All lines so far.
    pub(crate) fn take(&self) -> Vec<String> {
        self.lines.as_ref().map(|lines| std::mem::take(&mut *lines.borrow_mut())).unwrap_or_default()
    }
}
