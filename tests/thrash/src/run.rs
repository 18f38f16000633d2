//! What all parts of a run share: the seed, the counts, the word to stop, and the first thing that went wrong.

use crate::report::Report;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use stdx::Rng;

/// The shared part.
#[derive(Debug)]
pub(crate) struct Run {
    /// Decides everything that is chosen.
    pub(crate) seed: u64,
    /// The counts.
    pub(crate) report: Report,
    /// When it began.
    pub(crate) begun: Instant,
    stop: AtomicBool,
    wrong: Mutex<Vec<String>>,
}

/// So many violations are kept: the first one matters, a few more help.
const WRONG_MAX: usize = 10;

impl Run {
    /// A run that begins now.
    pub(crate) fn new(seed: u64) -> Run {
        Run {
            seed,
            report: Report::default(),
            begun: Instant::now(),
            stop: AtomicBool::new(false),
            wrong: Mutex::default(),
        }
    }

    /// Chance of its own for one part.
    pub(crate) fn rng(&self, part: &str, number: u64) -> Rng {
        let part = part.bytes().fold(0, |sum: u64, b| sum.wrapping_mul(257).wrapping_add(u64::from(b)));
        Rng::new(tests_cluster::content::mix(&[self.seed, part, number]))
    }

    /// A promise was broken. The run ends, and says this.
    pub(crate) fn broken(&self, what: String) {
        let at = self.begun.elapsed().as_secs_f64();
        tests_cluster::say!("  [{at:7.1} s] BROKEN: {what}");
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if wrong.len() < WRONG_MAX {
            wrong.push(format!("at {at:.1} s: {what}"));
        }
    }

    /// What was broken so far.
    pub(crate) fn wrong(&self) -> Vec<String> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks all workers to end after their operation.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether workers should end.
    pub(crate) fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// A pause of a load so that it leaves processor time to the cluster, or of somebody who looks again.
    pub(crate) fn pace(&self, pause: Duration) {
        std::thread::sleep(pause);
    }
}
