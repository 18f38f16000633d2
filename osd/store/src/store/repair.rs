//! Putting right what can be put right without inventing data.
//!
//! Two grades. What belongs to nobody is dropped, and the superblock copies are rewritten: nothing that anyone could
//! read changes. Objects that cannot be read whole stay as they are (reads of the bad bytes are errors, never wrong
//! bytes) unless a refill is asked for: then they are given the version 0'0 or removed, and the store notes
//! durably that it lost writes, so that the OSD has its PGs compared and refilled by their other members.

use super::open::Opening;
use super::problem::Owner;
use super::{FsckReport, Problem, Store};
use crate::chunk::{CHUNK_BYTES, CHUNK_UNITS, Chunk};
use crate::config::StoreConfig;
use crate::error::StoreError;
use crate::index::{Family, IndexBatch};
use crate::keys::{RowKind, chunk_key, chunk_of_key, row_end, row_key};
use crate::layout::UNIT;
use crate::plan::Plan;
use crate::space::Space;
use osd_object::{Mutation, ObjectId, Transaction};
use std::collections::BTreeSet;

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Superblock copies that were rewritten.
    pub superblock_copies: u64,
    /// Rows of the index that belonged to nobody and were dropped.
    pub rows_dropped: u64,
    /// Extent rows that were cut at their object's end.
    pub rows_cut: u64,
    /// Objects whose last unit was cleared behind their end.
    pub tails_cleared: u64,
    /// Objects that will be compared as never written, and so replaced by those of peers.
    pub objects_distrusted: u64,
    /// Objects that were removed because their rows cannot be read.
    pub objects_removed: u64,
    /// Whether the store now says that it lost writes.
    pub marked_damaged: bool,
}

/// Changes logged in one record.
const CHANGES_AT_ONCE: usize = 500;

/// Repairs a stopped OSD's store; with `refill` also what only its peers can make good. Says what was done; a check
/// afterwards says what is left.
///
/// Errors: those of opening it. A repair that was cut short may be started again.
pub fn repair(config: &StoreConfig, refill: bool) -> Result<Repaired, StoreError> {
    let mut done = Repaired::default();
    let bad_copies = super::examine::Examiner::open(config)?.bad_copies();
    // An open and a clean stop write both pairs of copies anew.
    let mut store = Store::open_host(config, Opening::Repair)?;
    done.superblock_copies = bad_copies.len() as u64;
    store.repair_rows(&mut done, refill)?;
    let damaged = store.check(true, &mut |_, _| ())?;
    done.tails_cleared = store.clear_tails(&damaged)?;
    if refill {
        let objects: BTreeSet<&ObjectId> =
            damaged.problems.iter().filter_map(Problem::damaged_object).collect();
        done.objects_distrusted = store.distrust(objects)?;
        // Not for a store that lost nothing.
        if done.objects_distrusted + done.objects_removed > 0 {
            store.mark_damaged(true)?;
        }
    }
    done.marked_damaged = store.is_damaged();
    store.shutdown()?;
    Ok(done)
}

impl Store {
    /// Drops and cuts rows, list after list, until a check of the rows finds no more of them.
    fn repair_rows(&mut self, done: &mut Repaired, refill: bool) -> Result<(), StoreError> {
        loop {
            let report = self.check(false, &mut |_, _| ())?;
            let mut batch = IndexBatch::new();
            let mut changes = 0;
            let mut gone: BTreeSet<u64> = BTreeSet::new();
            for problem in &report.problems {
                changes += usize::from(self.mend(problem, refill, &mut batch, done, &mut gone));
                if changes == CHANGES_AT_ONCE {
                    break;
                }
            }
            if changes == 0 {
                return Ok(());
            }
            self.accept(0, Plan::of_index(batch))?;
            self.flush_index()?;
            self.completions.clear();
            // Units that rows gave up are free from here on.
            self.space = Space::default();
            self.rebuild_space(true)?;
        }
    }

    /// Clears what lies behind objects' ends in their last units.
    fn clear_tails(&mut self, report: &FsckReport) -> Result<u64, StoreError> {
        let mut cleared = 0;
        for problem in &report.problems {
            let Problem::DirtyTail { owner: Owner { id: Some(id), .. }, size } = problem else { continue };
            // To grow and to shrink clears what lies between.
            let object = || id.clone();
            let grow = Mutation::Truncate { object: object(), size: size + 1 };
            let shrink = Mutation::Truncate { object: object(), size: *size };
            self.submit(0, Transaction { mutations: vec![grow, shrink] })?;
            self.drain()?;
            cleared += 1;
        }
        self.completions.clear();
        Ok(cleared)
    }

    /// Adds the change that mends a problem, if it can be mended.
    fn mend(
        &self,
        problem: &Problem,
        refill: bool,
        batch: &mut IndexBatch,
        done: &mut Repaired,
        gone: &mut BTreeSet<u64>,
    ) -> bool {
        match problem {
            Problem::OrphanExtents { key, .. } | Problem::ExtentRow { key, owner: None } => {
                batch.delete(Family::Extents, key);
                done.rows_dropped += 1;
            }
            Problem::OrphanRow { key } => {
                batch.delete(Family::Rows, key);
                done.rows_dropped += 1;
            }
            Problem::BehindEnd { key, size, .. } => match self.cut_at_end(key, *size) {
                Some(Some(row)) => {
                    batch.put(Family::Extents, key, &row);
                    done.rows_cut += 1;
                }
                Some(None) => {
                    batch.delete(Family::Extents, key);
                    done.rows_cut += 1;
                }
                None => return false,
            },
            // Its extents and rows are orphans from then on.
            Problem::ObjectRow { key, .. } if refill => {
                batch.delete(Family::Objects, key);
                done.objects_removed += 1;
            }
            Problem::ExtentRow { owner: Some(owner), .. } if refill => {
                let Some(id) = &owner.id else { return false };
                if !gone.insert(owner.number) {
                    return false;
                }
                batch.delete(Family::Objects, &id.sort_key());
                batch.delete_range(
                    Family::Extents,
                    &chunk_key(owner.number, 0),
                    &chunk_key(owner.number, u32::MAX),
                );
                let rows = row_key(owner.number, RowKind::Xattr, &[]);
                batch.delete_range(Family::Rows, &rows, &row_end(owner.number, RowKind::Omap));
                done.objects_removed += 1;
            }
            _ => return false,
        }
        true
    }

    /// An extent row without what lies behind `size`; `Some(None)` if nothing is left of it.
    fn cut_at_end(&self, key: &[u8], size: u64) -> Option<Option<Vec<u8>>> {
        let (_, c) = chunk_of_key(key)?;
        let value = self.index.get(Family::Extents, key).ok()??;
        let mut chunk = Chunk::decode(&value, self.geometry().data_units)?;
        let keep = size.div_ceil(UNIT).saturating_sub(u64::from(c) * CHUNK_BYTES / UNIT);
        for at in (keep.min(CHUNK_UNITS as u64) as usize)..CHUNK_UNITS {
            chunk.clear(at);
        }
        Some((!chunk.is_empty()).then(|| chunk.encode()))
    }
}

impl FsckReport {
    /// How many of its problems a plain repair mends, and how many only a refill does.
    pub fn mendable(&self) -> (u64, u64) {
        let plain = |p: &&Problem| {
            matches!(
                p,
                Problem::SuperblockCopy { .. }
                    | Problem::OrphanExtents { .. }
                    | Problem::ExtentRow { owner: None, .. }
                    | Problem::OrphanRow { .. }
                    | Problem::BehindEnd { .. }
                    | Problem::DirtyTail { .. }
            )
        };
        let refill = |p: &&Problem| {
            matches!(
                p,
                Problem::BadUnit { .. }
                    | Problem::ObjectRow { .. }
                    | Problem::ExtentRow { owner: Some(_), .. }
            )
        };
        let count = |is: &dyn Fn(&&Problem) -> bool| self.problems.iter().filter(is).count() as u64;
        (count(&plain), count(&refill))
    }
}
