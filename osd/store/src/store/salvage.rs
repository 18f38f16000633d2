//! Going on with a store whose log lost writes that had been acknowledged.
//!
//! What is left is the state after some earlier transaction, with units here and there that do not match their
//! checksums. That is good enough to be refilled, never to be trusted: the superblock says so durably, the
//! OSD leaves every in-sync set before it counts as up, and objects that cannot be read whole get version 0'0,
//! so that the comparison with a peer replaces them.

use super::open::with_hot_rows;
use super::replay::Redo;
use super::{Completion, Problem, Store};
use crate::error::StoreError;
use crate::index::Index;
use crate::index::map::{MapDisk, MapIndex};
use crate::overlay::Overlay;
use crate::superblock::LOST_WRITES;
use osd_object::{Mutation, ObjectId, ObjectRead, Transaction, Version};
use std::collections::BTreeSet;

/// Objects stamped in one transaction.
const STAMPED_AT_ONCE: usize = 1000;

impl Store {
    /// Whether writes that had been acknowledged are missing. The OSD must say so when it boots, must not count as
    /// up in any in-sync set, and must not call any PG's copy complete; then `clear_damaged`.
    pub fn is_damaged(&self) -> bool {
        self.superblock.features & LOST_WRITES != 0
    }

    /// What this open found wrong with the log, if it found anything.
    pub fn log_damage(&self) -> Option<&str> {
        self.log_damage.as_deref()
    }

    /// The cluster has noted that this store lost writes, and nothing in it says otherwise any more. Blocking.
    pub fn clear_damaged(&mut self) -> Result<(), StoreError> {
        self.alive()?;
        let outcome = self.mark_damaged(false);
        self.stop_on_error(outcome)
    }

    /// Makes the note of lost writes durable, or takes it back, together with all that was submitted before.
    pub(super) fn mark_damaged(&mut self, damaged: bool) -> Result<(), StoreError> {
        self.checkpoint_now()?;
        self.superblock.features &= !LOST_WRITES;
        self.superblock.features |= if damaged { LOST_WRITES } else { 0 };
        self.write_superblock_now(false)
    }

    /// Takes the newest state that log and index can still give, after a replay that found `detail`.
    pub(super) fn salvage(
        &mut self,
        detail: String,
        open_index: &mut dyn FnMut() -> Result<Box<dyn Index>, StoreError>,
    ) -> Result<(), StoreError> {
        tracing::error!(
            detail,
            "the log is damaged below what was acknowledged: this OSD goes on with what is left and is refilled by \
             its peers"
        );
        assert_eq!(self.operations.len(), 0, "replay leaves nothing under way");
        // The failed replay's changes lie in its memory only. It has to be closed before it can be opened again.
        self.index = Box::new(MapIndex::open(&MapDisk::new()));
        self.index = with_hot_rows(open_index()?, &self.limits);
        let index_lsn = self.index.persisted_lsn()?;
        let mut last_lsn = self.superblock.trim_lsn;
        self.rewind();
        self.walk(&mut |_, header, _| {
            last_lsn = header.first_lsn + u64::from(header.records) - 1;
            Ok(())
        })?;
        // An index that is newer than what is left of the log is right as it is: older rows would mix two states.
        let redo = Redo { index: index_lsn <= last_lsn, flush_from: index_lsn };
        self.walk(&mut |store, header, records| store.redo(redo, header, records))?;
        self.durable_lsn = last_lsn.max(index_lsn);
        self.next_lsn = self.durable_lsn + 1;
        self.superblock.features |= LOST_WRITES;
        self.log_damage = Some(detail);
        Ok(())
    }

    /// Back to the trim point, with nothing redone.
    fn rewind(&mut self) {
        self.overlay = Overlay::default();
        self.ring.head = self.ring.tail;
        self.durable_lsn = self.superblock.trim_lsn;
        self.next_lsn = self.durable_lsn + 1;
        self.index_dirty_bytes = 0;
    }

    /// Gives every object that cannot be read whole the version 0'0, blocking; returns how many. Reads all data.
    pub(super) fn distrust_damaged_objects(&mut self) -> Result<u64, StoreError> {
        tracing::warn!("every unit is read, to find out which objects are damaged");
        let report = self.check(true, &mut |_, _| ())?;
        let damaged: BTreeSet<&ObjectId> =
            report.problems.iter().filter_map(Problem::damaged_object).collect();
        let distrusted = self.distrust(damaged)?;
        tracing::warn!(objects = distrusted, "damaged objects will be replaced by those of peers");
        if report.more_problems > 0 {
            // The list is bounded; what was stamped needs no second stamp, and so this ends.
            return Ok(distrusted + self.distrust_the_rest(report.more_problems)?);
        }
        Ok(distrusted)
    }

    /// More damage than one report lists: then nothing in this store is worth a comparison one by one.
    fn distrust_the_rest(&mut self, more: u64) -> Result<u64, StoreError> {
        tracing::warn!(more, "the damage is widespread, every object will be replaced");
        let mut all = Vec::new();
        self.index.scan(crate::index::Family::Objects, &[], None, false, &mut |key, _| {
            all.extend(ObjectId::from_sort_key(key));
            true
        })?;
        self.distrust(all.iter().collect())
    }

    pub(super) fn distrust(&mut self, objects: BTreeSet<&ObjectId>) -> Result<u64, StoreError> {
        let objects: Vec<&ObjectId> = objects.into_iter().collect();
        for some in objects.chunks(STAMPED_AT_ONCE) {
            let mut t = Transaction::new();
            for object in some {
                // One that cannot be looked up was reported by the check already.
                let Ok(Some(meta)) = self.meta(object) else { continue };
                t.push(Mutation::Stamp {
                    object: (*object).clone(),
                    version: Version::ZERO,
                    mtime: meta.mtime,
                });
            }
            self.submit(0, t)?;
        }
        self.flush_index()?;
        // Nobody waits for these tickets.
        self.completions.retain(|c| !matches!(c, Completion::Durable { .. }));
        Ok(objects.len() as u64)
    }
}
