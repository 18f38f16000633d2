//! What is counted in a run: acknowledgements, answers that were none, faults, and the longest silence.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Which way an operation took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    /// Through a gateway.
    S3,
    /// Straight to the OSDs.
    Raw,
}

#[derive(Debug, Default)]
struct Counts {
    acknowledged: BTreeMap<(Side, &'static str), u64>,
    without: BTreeMap<String, u64>,
    faults: BTreeMap<&'static str, u64>,
    last: BTreeMap<Side, Instant>,
    silence: BTreeMap<Side, (Duration, String)>,
    slowest: BTreeMap<Side, (Duration, String)>,
    now: String,
}

/// The counts of one run; shared by everything in it.
#[derive(Debug, Default)]
pub(crate) struct Report {
    counts: Mutex<Counts>,
}

impl Report {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A write was acknowledged, or a read answered, that was sent at `begun`.
    pub(crate) fn acknowledged(&self, side: Side, what: &'static str, begun: Instant) {
        let now = Instant::now();
        let mut counts = self.counts();
        *counts.acknowledged.entry((side, what)).or_default() += 1;
        let during = counts.now.clone();
        let silence = counts.last.insert(side, now).map_or(Duration::ZERO, |last| now - last);
        let longest = |kept: Option<&(Duration, String)>, new: Duration| kept.is_none_or(|k| new > k.0);
        if longest(counts.silence.get(&side), silence) {
            counts.silence.insert(side, (silence, during.clone()));
        }
        let took = now - begun;
        if longest(counts.slowest.get(&side), took) {
            counts.slowest.insert(side, (took, format!("{what}; {during}")));
        }
    }

    /// An operation ended without a success.
    pub(crate) fn without(&self, how: String) {
        *self.counts().without.entry(how).or_default() += 1;
    }

    /// A fault was injected.
    pub(crate) fn fault(&self, name: &'static str) {
        *self.counts().faults.entry(name).or_default() += 1;
    }

    /// What is wrong with the cluster now, for people.
    pub(crate) fn now(&self, text: String) {
        self.counts().now = text;
    }

    /// Acknowledgements so far, of one side.
    pub(crate) fn total(&self, side: Side) -> u64 {
        self.counts().acknowledged.iter().filter(|((s, _), _)| *s == side).map(|(_, n)| n).sum()
    }

    /// A line while it runs.
    pub(crate) fn status(&self) -> String {
        let (s3, raw) = (self.total(Side::S3), self.total(Side::Raw));
        let counts = self.counts();
        let faults: u64 = counts.faults.values().sum();
        let without: u64 = counts.without.values().sum();
        let now = if counts.now.is_empty() { "nothing is wrong" } else { &counts.now };
        format!("{s3} S3 and {raw} raw operations acknowledged, {without} not; {faults} faults; {now}")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.counts();
        write!(f, "acknowledged:")?;
        for ((side, what), n) in &counts.acknowledged {
            write!(f, " {side:?}:{what} {n}")?;
        }
        write!(f, "\nwithout success:")?;
        for (how, n) in &counts.without {
            write!(f, " [{how}] {n}")?;
        }
        write!(f, "\nfaults:")?;
        for (name, n) in &counts.faults {
            write!(f, " {name} {n}")?;
        }
        for (side, (silence, during)) in &counts.silence {
            write!(
                f,
                "\nlongest time without an acknowledgement, {side:?}: {:.1} s ({during})",
                silence.as_secs_f64()
            )?;
        }
        for (side, (took, during)) in &counts.slowest {
            write!(f, "\nslowest operation, {side:?}: {:.1} s ({during})", took.as_secs_f64())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_and_are_told() {
        let report = Report::default();
        let begun = Instant::now();
        report.acknowledged(Side::S3, "put", begun);
        report.acknowledged(Side::S3, "get", begun);
        report.acknowledged(Side::Raw, "append", begun);
        report.without("503 SlowDown".into());
        report.fault("kill-osd");
        assert_eq!((report.total(Side::S3), report.total(Side::Raw)), (2, 1));
        let text = format!("{report}\n{}", report.status());
        for part in ["S3:put 1", "Raw:append 1", "[503 SlowDown] 1", "kill-osd 1", "nothing is wrong"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
}
