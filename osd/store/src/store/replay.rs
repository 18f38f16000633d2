//! Redoing the log. Batches are chained, so the log ends at the first break; one batch is in flight at a
//! time, so only the last can be incomplete, and only its fresh data need be compared with their checksums.

use super::Store;
use crate::blocking;
use crate::buf::AlignedBuf;
use crate::error::StoreError;
use crate::layout::{UNIT, UNIT_BYTES};
use crate::sabotage::{self, Sabotage};
use crate::wal::Position;
use crate::wal::batch::{self, BatchHeader};
use crate::wal::record::Record;
use bytes::Bytes;
use std::collections::BTreeSet;
use stdx::checksum::crc32c;

/// How far behind a break a later batch is looked for, bytes. A batch is at most a batch limit and one
/// record long.
const LOOK_AHEAD_BYTES: u64 = 16 << 20;

/// What is done with each batch.
pub(super) type Batches<'a> =
    &'a mut dyn FnMut(&mut Store, BatchHeader, Vec<Record>) -> Result<(), StoreError>;

/// What of a record is done again.
#[derive(Clone, Copy)]
pub(super) struct Redo {
    /// Its changes to the index; its data always.
    pub(super) index: bool,
    /// The LSN that the index has on disk: older states of it must not replace that one before the log is known to
    /// reach as far.
    pub(super) flush_from: u64,
}

impl Store {
    /// Redoes the log from the trim point; afterwards head and LSNs stand behind the last batch.
    pub(super) fn replay(&mut self) -> Result<(), StoreError> {
        let least_lsn = self.index.persisted_lsn()?.max(self.superblock.trim_lsn);
        // What is read below must stay: it may still lie in the device's cache only, and in-place writes
        // that follow from it must not outlive it.
        if !sabotage::is(Sabotage::ReplayUnflushed) {
            blocking::flush(&mut *self.device)?;
        }
        let redo = Redo { index: true, flush_from: least_lsn };
        let damage = self.walk(&mut |store, header, records| store.redo(redo, header, records))?;
        self.next_lsn = self.durable_lsn + 1;
        // Also when damage is known already: it tells which incarnations are taken.
        let behind = self.look_for_damage()?;
        let short = || format!("LSN {}, but the index is as of {least_lsn}", self.durable_lsn);
        let damage = damage.or_else(|| (self.durable_lsn < least_lsn).then(short)).or(behind);
        damage.map_or(Ok(()), |detail| Err(StoreError::DamagedLog { detail }))
    }

    /// Hands over every batch that counts, in order from the trim point. Tells what is wrong if the chain leads to a
    /// batch that no writer makes.
    pub(super) fn walk(&mut self, visit: Batches<'_>) -> Result<Option<String>, StoreError> {
        let mut pending: Option<(BatchHeader, Vec<Record>)> = None;
        let (mut at, mut lsn, mut damage) = (self.superblock.trim, self.superblock.trim_lsn, None);
        while let Some((header, batch)) = self.read_batch(at)? {
            if let Some((header, records)) = pending.take() {
                visit(self, header, records)?;
            }
            if header.first_lsn != lsn + 1 {
                damage = Some(format!("LSN {} where {} was expected", header.first_lsn, lsn + 1));
                break;
            }
            match batch::records(&header, batch, self.geometry().data_units) {
                Ok(records) => pending = Some((header, records)),
                Err(what) => {
                    damage = Some(format!("batch {} (LSN {}): {what}", header.sequence, header.first_lsn));
                    break;
                }
            }
            lsn += u64::from(header.records);
            at = header.next(at.at);
        }
        if let Some((header, records)) = pending {
            // With anything behind it, it was durable as a whole; its units may have been overwritten in place since.
            let whole = damage.is_some() || sabotage::is(Sabotage::AcceptUncheckedFreshData);
            if whole || self.fresh_data_is_there(&records)? {
                visit(self, header, records)?;
            } else {
                tracing::info!(
                    sequence = header.sequence,
                    "the last log batch was never completed and is cut"
                );
            }
        }
        Ok(damage)
    }

    /// The batch that begins at `at`, if it is valid and continues the chain.
    fn read_batch(&mut self, at: Position) -> Result<Option<(BatchHeader, Bytes)>, StoreError> {
        let used = at.at - self.ring.tail.at;
        let room = self.ring.bytes - used;
        if room < UNIT {
            return Ok(None);
        }
        let first = self.read_ring(at.at, UNIT)?;
        let Some(header) = BatchHeader::read(&self.superblock.identity.uuid, &first) else { return Ok(None) };
        let continues = header.sequence == at.sequence
            && header.previous_crc == at.previous_crc
            && header.incarnation == self.superblock.incarnation;
        let len = u64::from(header.len).next_multiple_of(UNIT);
        if !continues || len > room {
            return Ok(None);
        }
        let batch = if len > UNIT { self.read_ring(at.at, len)? } else { first };
        let whole = header.matches(&batch) || sabotage::is(Sabotage::AcceptTornBatch);
        Ok(whole.then(|| (header, Bytes::from_owner(batch))))
    }

    fn read_ring(&mut self, at: u64, len: u64) -> Result<AlignedBuf, StoreError> {
        let ranges: Vec<_> = self.ring.ranges(at, len).collect();
        let mut whole = AlignedBuf::with_capacity(len as usize);
        for (offset, len) in ranges {
            let mut part = AlignedBuf::zeroed(len as usize);
            self.device.read_now(offset, &mut part)?;
            whole.extend_from_slice(&part);
        }
        Ok(whole)
    }

    pub(super) fn redo(
        &mut self,
        how: Redo,
        header: BatchHeader,
        records: Vec<Record>,
    ) -> Result<(), StoreError> {
        assert_eq!(header.first_lsn, self.durable_lsn + 1, "batches are walked without gaps");
        for record in records {
            if how.index {
                self.index.write(&record.index)?;
                self.index_dirty_bytes += record.index.len() as u64;
            }
            for unit in record.inline {
                self.overlay.log(unit.unit, record.lsn, unit.data);
            }
            self.durable_lsn = record.lsn;
        }
        self.ring.head = header.next(self.ring.head.at);
        self.next_lsn = self.durable_lsn + 1;
        if self.overlay.bytes() > self.limits.overlay_bytes_max {
            self.apply_all()?;
        }
        if self.index_dirty_bytes > self.limits.index_dirty_bytes_max && self.durable_lsn >= how.flush_from {
            self.index.flush_wait(self.durable_lsn)?;
            self.index_dirty_bytes = 0;
        }
        Ok(())
    }

    /// Whether the fresh data of a batch is on the device. Units that the same batch also logs are left out:
    /// they may have been overwritten in place already, and their contents are in the log anyway.
    fn fresh_data_is_there(&mut self, records: &[Record]) -> Result<bool, StoreError> {
        let all = sabotage::is(Sabotage::CompareOverwrittenFreshData);
        let logged: BTreeSet<u64> = records.iter().flat_map(|r| r.inline.iter().map(|u| u.unit)).collect();
        for run in records.iter().flat_map(|r| &r.fresh) {
            let mut buf = AlignedBuf::zeroed(run.crcs.len() * UNIT_BYTES);
            if buf.is_empty() {
                continue;
            }
            self.device.read_now(self.geometry().unit_offset(run.unit), &mut buf)?;
            let units = buf.chunks_exact(UNIT_BYTES).zip(&run.crcs);
            let good = (run.unit..)
                .zip(units)
                .all(|(u, (data, crc))| (logged.contains(&u) && !all) || crc32c(data) == *crc);
            if !good {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the batch that begins at `at` is there as a whole. `seen` is what was read from there on: less than all
    /// of it where the reading ended, as for a batch that a disk put in the wrong place, over the end of the log.
    fn is_whole(&mut self, header: &BatchHeader, at: u64, seen: &[u8]) -> Result<bool, StoreError> {
        let len = u64::from(header.len).next_multiple_of(UNIT);
        if len <= seen.len() as u64 || len > self.ring.bytes {
            return Ok(header.matches(seen));
        }
        Ok(header.matches(&self.read_ring(at, len)?))
    }

    /// A batch is written only after the one before it is durable. So a valid later batch behind the end of
    /// the chain proves that something durable is missing. So does a batch of a later incarnation: the superblock that
    /// began it was durable, and is gone.
    fn look_for_damage(&mut self) -> Result<Option<String>, StoreError> {
        if sabotage::is(Sabotage::CutDamage) {
            return Ok(None);
        }
        let head = self.ring.head;
        let span = self.ring.free().min(LOOK_AHEAD_BYTES);
        let ahead = self.read_ring(head.at, span)?;
        for at in (0..span).step_by(UNIT_BYTES) {
            let Some(header) = BatchHeader::read(&self.superblock.identity.uuid, &ahead[at as usize..])
            else {
                continue;
            };
            let ours = self.superblock.incarnation;
            if header.incarnation > ours || header.incarnation == ours && header.sequence > head.sequence {
                let whole = self.is_whole(&header, head.at + at, &ahead[at as usize..])?;
                if whole && header.incarnation > ours {
                    let (lsn, theirs) = (self.durable_lsn + 1, header.incarnation);
                    // The next life must not take over what is left of that one.
                    self.incarnation_seen = theirs;
                    return Ok(Some(format!(
                        "LSN {lsn}: the superblocks are of incarnation {ours}, a batch of {theirs}"
                    )));
                }
                if whole && header.durable_upto > self.durable_lsn {
                    return Ok(Some(format!(
                        "LSN {}, but a later batch says that LSN {} was durable",
                        self.durable_lsn + 1,
                        header.durable_upto
                    )));
                }
            }
        }
        Ok(None)
    }
}
