//! The PG log: what was written lately, so that replays are recognised and members brought level.

pub(crate) mod rows;

use osd_object::{RequestId, Version};
use std::collections::{BTreeMap, VecDeque};
use wire_codec::pg::LogEntry;

/// The entries behind `tail`, in memory. Sequence numbers have no gaps. Two logs of one PG that hold the
/// same version are equal up to it: versions are given out by one primary an interval, each after a log
/// that the next primary made everybody's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    tail: Version,
    entries: VecDeque<LogEntry>,
    bytes: usize,
    by_request: BTreeMap<RequestId, u64>,
}

/// Where another member's log stands: what `Head` says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outline {
    pub(crate) tail: Version,
    pub(crate) head: Version,
    /// First version of each interval in it.
    pub(crate) runs: Vec<Version>,
}

impl Log {
    /// A log of which everything through `tail` was trimmed.
    pub(crate) fn new(tail: Version) -> Log {
        Log { tail, ..Log::default() }
    }
    /// The version of the last entry trimmed.
    pub(crate) fn tail(&self) -> Version {
        self.tail
    }
    /// The version of the last entry, or of the last trimmed one.
    pub(crate) fn head(&self) -> Version {
        self.entries.back().map_or(self.tail, |e| e.version)
    }
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
    /// Adds the next entry.
    pub(crate) fn push(&mut self, entry: LogEntry) {
        let head = self.head();
        assert!(
            entry.version.seq == head.seq + 1 && entry.version.interval >= head.interval,
            "log entry {} behind {head}",
            entry.version
        );
        self.bytes += rows::bytes_of(&entry);
        self.by_request.insert(entry.request, entry.version.seq);
        self.entries.push_back(entry);
    }
    /// The version at a sequence number, if it is the tail or an entry.
    pub(crate) fn version_at(&self, seq: u64) -> Option<Version> {
        if seq == self.tail.seq { Some(self.tail) } else { self.at(seq).map(|e| e.version) }
    }
    pub(crate) fn at(&self, seq: u64) -> Option<&LogEntry> {
        let index = seq.checked_sub(self.tail.seq + 1)?;
        self.entries.get(usize::try_from(index).ok()?)
    }
    /// Whether the log went through this version, as far as it remembers.
    pub(crate) fn contains(&self, version: Version) -> bool {
        self.version_at(version.seq) == Some(version)
    }
    /// The entries behind a sequence number.
    pub(crate) fn after(&self, seq: u64) -> impl Iterator<Item = &LogEntry> {
        let skip = seq.saturating_sub(self.tail.seq);
        self.entries.iter().skip(usize::try_from(skip).unwrap_or(usize::MAX))
    }
    /// The write that a request became.
    pub(crate) fn find(&self, request: RequestId) -> Option<&LogEntry> {
        self.at(*self.by_request.get(&request)?)
    }

    /// Where the log could be trimmed to hold the limits, if it is well beyond them. Never past `seq_max`.
    pub(crate) fn trim_point(&self, entries_max: usize, bytes_max: usize, seq_max: u64) -> Option<Version> {
        // An eighth of slack, so that trimming and its range removal happen once in many writes.
        if self.len() <= entries_max + entries_max / 8 && self.bytes <= bytes_max + bytes_max / 8 {
            return None;
        }
        let (mut point, mut left, mut bytes) = (None, self.len(), self.bytes);
        for entry in &self.entries {
            if (left <= entries_max && bytes <= bytes_max) || entry.version.seq > seq_max {
                break;
            }
            left -= 1;
            bytes -= rows::bytes_of(entry);
            point = Some(entry.version);
        }
        point
    }
    /// Forgets the entries through `to`; harmless if they are forgotten already.
    pub(crate) fn trim(&mut self, to: Version) {
        while self.entries.front().is_some_and(|e| e.version.seq <= to.seq) {
            let entry = self.entries.pop_front().expect("there is a front");
            self.tail = entry.version;
            self.forget(&entry);
        }
    }
    /// Drops the entries behind `keep`, which the log contains.
    pub(crate) fn cut(&mut self, keep: Version) {
        assert!(self.contains(keep), "a log is cut where it was");
        while self.entries.back().is_some_and(|e| e.version.seq > keep.seq) {
            let entry = self.entries.pop_back().expect("there is a back");
            self.forget(&entry);
        }
    }
    fn forget(&mut self, entry: &LogEntry) {
        self.bytes -= rows::bytes_of(entry);
        if self.by_request.get(&entry.request) == Some(&entry.version.seq) {
            self.by_request.remove(&entry.request);
        }
    }

    /// What another member needs to find where the logs part.
    pub(crate) fn outline(&self) -> Outline {
        let mut runs: Vec<Version> = Vec::new();
        for entry in &self.entries {
            if runs.last().is_none_or(|r| r.interval != entry.version.interval) {
                runs.push(entry.version);
            }
        }
        Outline { tail: self.tail, head: self.head(), runs }
    }

    /// The last version that this log and the outlined one both went through; `None` if they do not overlap.
    pub(crate) fn common(&self, other: &Outline) -> Option<Version> {
        let mut end = other.head.seq;
        for first in other.runs.iter().rev().chain(std::iter::once(&other.tail)) {
            let start = if *first == other.tail { other.tail.seq } else { first.seq };
            let here = start.max(self.tail.seq)..=end.min(self.head().seq);
            // Within one interval sequence numbers are contiguous on both sides: the highest match is the one.
            let found = here.rev().find_map(|seq| {
                let mine = self.version_at(seq)?;
                (mine.interval == first.interval).then_some(mine)
            });
            if found.is_some() {
                return found;
            }
            end = start.saturating_sub(1);
        }
        None
    }
}

#[cfg(test)]
#[path = "log_test.rs"]
mod tests;
