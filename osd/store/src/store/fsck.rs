//! Checking a whole store: rows against each other, extents against free space, data against checksums.

use super::Store;
use crate::buf::AlignedBuf;
use crate::chunk::{CHUNK_BYTES, Chunk};
use crate::config::StoreConfig;
use crate::error::StoreError;
use crate::index::Family;
use crate::keys::{ObjectRow, chunk_of_key};
use crate::layout::{UNIT, UNIT_BYTES};
use osd_object::ObjectId;
use std::collections::BTreeMap;
use stdx::checksum::crc32c;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FsckReport {
    /// Objects.
    pub objects: u64,
    /// Units that objects refer to, shared ones once.
    pub units: u64,
    /// Units that more than one object refers to.
    pub shared_units: u64,
    /// Attribute and omap rows.
    pub rows: u64,
    /// Units neither free nor referred to.
    pub leaked_units: u64,
    /// What is wrong, a sentence each; at most `PROBLEMS_MAX`.
    pub problems: Vec<String>,
}

/// More problems than this are not listed.
const PROBLEMS_MAX: usize = 1000;

/// Units read at once.
const READ_UNITS: usize = 256;

impl FsckReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty() && self.leaked_units == 0
    }
    fn problem(&mut self, text: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(text);
        }
    }
}

/// Opens a store (which redoes its log) and checks all of it. The OSD must not run.
pub fn fsck(config: &StoreConfig) -> Result<FsckReport, StoreError> {
    let mut store = Store::open(config)?;
    let report = store.fsck()?;
    store.shutdown()?;
    Ok(report)
}

impl Store {
    /// Checks everything, blocking; first makes a checkpoint, so that all data is in place.
    pub fn fsck(&mut self) -> Result<FsckReport, StoreError> {
        self.flush_index()?;
        let mut report = FsckReport::default();
        let objects = self.check_objects(&mut report)?;
        let owners = self.check_extents(&mut report, &objects)?;
        self.check_rows(&mut report, &objects)?;
        self.check_space(&mut report, &owners);
        self.check_data(&mut report, &owners)?;
        Ok(report)
    }

    fn check_objects(&self, report: &mut FsckReport) -> Result<BTreeMap<u64, ObjectRow>, StoreError> {
        let mut objects = BTreeMap::new();
        self.index.scan(Family::Objects, &[], None, false, &mut |key, value| {
            match (ObjectId::from_sort_key(key), ObjectRow::decode(value)) {
                (Some(id), Some(row)) => {
                    report.objects += 1;
                    if objects.insert(row.number, row).is_some() {
                        report.problem(format!("{id}: its number {} has another object too", row.number));
                    }
                }
                _ => report.problem(format!("object row {key:02x?} cannot be read")),
            }
            true
        })?;
        Ok(objects)
    }

    /// Unit to (checksum, number of owners).
    fn check_extents(
        &self,
        report: &mut FsckReport,
        objects: &BTreeMap<u64, ObjectRow>,
    ) -> Result<BTreeMap<u64, (u32, u32)>, StoreError> {
        let mut owners: BTreeMap<u64, (u32, u32)> = BTreeMap::new();
        let units = self.geometry().data_units;
        self.index.scan(Family::Extents, &[], None, false, &mut |key, value| {
            let (Some((number, c)), Some(chunk)) = (chunk_of_key(key), Chunk::decode(value, units)) else {
                report.problem(format!("extent row {key:02x?} cannot be read"));
                return true;
            };
            let Some(row) = objects.get(&number) else {
                report.problem(format!("extent row of object number {number}, which does not exist"));
                return true;
            };
            for piece in chunk.pieces() {
                let end = u64::from(c) * CHUNK_BYTES + (piece.at as u64 + piece.run.len) * UNIT;
                if end > row.meta.size.next_multiple_of(UNIT) {
                    report
                        .problem(format!("object number {number} has data behind its end {}", row.meta.size));
                }
                for (unit, crc) in (piece.run.start..).zip(chunk.crcs(piece.at, piece.run.len as usize)) {
                    let owner = owners.entry(unit).or_insert((*crc, 0));
                    owner.1 += 1;
                    if owner.0 != *crc {
                        report.problem(format!("unit {unit}: its owners expect different data"));
                    }
                }
            }
            true
        })?;
        report.units = owners.len() as u64;
        report.shared_units = owners.values().filter(|(_, n)| *n > 1).count() as u64;
        Ok(owners)
    }

    fn check_rows(
        &self,
        report: &mut FsckReport,
        objects: &BTreeMap<u64, ObjectRow>,
    ) -> Result<(), StoreError> {
        self.index.scan(Family::Rows, &[], None, false, &mut |key, _| {
            report.rows += 1;
            let number = key.first_chunk::<8>().map(|n| u64::from_be_bytes(*n));
            if !number.and_then(|n| objects.get(&n)).is_some_and(|row| row.has_rows) {
                report.problem(format!("row {key:02x?} belongs to no object"));
            }
            true
        })?;
        Ok(())
    }

    fn check_space(&self, report: &mut FsckReport, owners: &BTreeMap<u64, (u32, u32)>) {
        let (free, waiting) = (self.space.free.units(), self.space.waiting_units());
        let total = self.geometry().data_units - 1;
        let known = owners.len() as u64 + free + waiting;
        if known > total {
            report.problem(format!("{} units are both free and in use", known - total));
        }
        report.leaked_units = total.saturating_sub(known);
        if self.space.shared.units() != report.shared_units {
            let counted = self.space.shared.units();
            report.problem(format!("{counted} units counted as shared, {} are", report.shared_units));
        }
        for (unit, (_, n)) in owners {
            if self.space.shared.is_shared(*unit) != (*n > 1) {
                report.problem(format!("unit {unit} has {n} owners, counted otherwise"));
            }
        }
    }

    fn check_data(
        &mut self,
        report: &mut FsckReport,
        owners: &BTreeMap<u64, (u32, u32)>,
    ) -> Result<(), StoreError> {
        let mut rest = owners.iter().peekable();
        while let Some((start, _)) = rest.peek().copied() {
            let mut crcs = Vec::new();
            while crcs.len() < READ_UNITS
                && let Some((_, (crc, _))) = rest.next_if(|(unit, _)| **unit == start + crcs.len() as u64)
            {
                crcs.push(*crc);
            }
            let mut buf = AlignedBuf::zeroed(crcs.len() * UNIT_BYTES);
            if let Err(e) = self.device.read_now(self.geometry().unit_offset(*start), &mut buf) {
                report.problem(format!("units {start} and {} behind it: {e}", crcs.len() - 1));
                continue;
            }
            for ((unit, crc), data) in (*start..).zip(&crcs).zip(buf.chunks_exact(UNIT_BYTES)) {
                if crc32c(data) != *crc {
                    report.problem(format!("unit {unit}: its data does not match its checksum"));
                }
            }
        }
        Ok(())
    }
}
