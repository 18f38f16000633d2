//! Checking a whole store: the entry points and what they answer. The passes are in `check.rs`.

use super::{Examiner, Problem, Store};
use crate::config::StoreConfig;
use crate::error::StoreError;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FsckReport {
    /// Objects.
    pub objects: u64,
    /// Units that rows refer to, shared ones once.
    pub units: u64,
    /// Units that more than one object refers to.
    pub shared_units: u64,
    /// Attribute and omap rows.
    pub rows: u64,
    /// Units that are in use for nobody: neither free nor referred to, or referred to by no object.
    pub leaked_units: u64,
    /// Data read and compared with its checksums, bytes.
    pub bytes_read: u64,
    /// What is wrong; at most `PROBLEMS_MAX`.
    pub problems: Vec<Problem>,
    /// What is wrong besides, counted only.
    pub more_problems: u64,
}

/// More problems than this are counted and not listed.
const PROBLEMS_MAX: usize = 1000;

impl FsckReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty() && self.more_problems == 0 && self.leaked_units == 0
    }
    pub(super) fn problem(&mut self, problem: Problem) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        } else {
            self.more_problems += 1;
        }
    }
}

/// Checks all of a stopped OSD's store, all data included, and changes nothing.
pub fn fsck(config: &StoreConfig) -> Result<FsckReport, StoreError> {
    Examiner::open(config)?.check(true, &mut |_, _| ())
}

impl Store {
    /// Checks everything, blocking; first makes a checkpoint, so that all data is in place.
    pub fn fsck(&mut self) -> Result<FsckReport, StoreError> {
        self.flush_index()?;
        self.check(true, &mut |_, _| ())
    }
}
