//! The passes of a check: rows against each other, extents against free space, data against checksums.
//!
//! Memory: 24 bytes per object, two bits per unit of the data area, one read buffer.

use super::problem::Owner;
use super::{FsckReport, Problem, Store};
use crate::buf::AlignedBuf;
use crate::chunk::{CHUNK_BYTES, CHUNK_UNITS, Chunk, Packed, Slot};
use crate::device::Device;
use crate::error::StoreError;
use crate::index::{Family, Index};
use crate::keys::{ObjectRow, chunk_of_key};
use crate::layout::{Geometry, UNIT, UNIT_BYTES};
use crate::overlay::Overlay;
use crate::space::Run;
use bytes::Bytes;
use osd_object::ObjectId;
use std::collections::BTreeMap;
use stdx::checksum::crc32c;

/// Units read at once.
const READ_UNITS: usize = 1024;

/// Told how many bytes of data were compared so far, and how many there are.
pub(super) type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// What the other passes need of an object.
#[derive(Clone, Copy)]
struct Known {
    number: u64,
    size: u64,
    has_rows: bool,
}

fn find(objects: &[Known], number: u64) -> Option<Known> {
    objects.binary_search_by_key(&number, |o| o.number).ok().map(|i| objects[i])
}

fn unnamed(number: u64) -> Owner {
    Owner { number, id: None }
}

/// A bit per unit.
struct Bits(Vec<u64>);

impl Bits {
    fn new(units: u64) -> Bits {
        Bits(vec![0; units.div_ceil(64) as usize])
    }
    /// Whether it was set already.
    fn set(&mut self, unit: u64) -> bool {
        let (word, bit) = (&mut self.0[unit as usize / 64], 1 << (unit % 64));
        let was = *word & bit != 0;
        *word |= bit;
        was
    }
    fn get(&self, unit: u64) -> bool {
        self.0[unit as usize / 64] >> (unit % 64) & 1 == 1
    }
    fn count(&self) -> u64 {
        self.0.iter().map(|w| u64::from(w.count_ones())).sum()
    }
}

impl Store {
    /// Checks everything, blocking; data against its checksums only with `data`. What is newer in memory than on the
    /// device is taken from there.
    pub(super) fn check(&mut self, data: bool, progress: Progress<'_>) -> Result<FsckReport, StoreError> {
        self.alive()?;
        let mut report = FsckReport::default();
        if let Some(detail) = &self.log_damage {
            report.problem(Problem::Log { detail: detail.clone() });
        } else if self.is_damaged() {
            report.problem(Problem::LostWrites);
        }
        let objects = self.check_objects(&mut report);
        let (used, shared) = self.check_extents(&mut report, &objects, data, progress);
        self.check_rows(&mut report, &objects);
        self.check_space(&mut report, &used, &shared);
        self.name_owners(&mut report);
        Ok(report)
    }

    fn check_objects(&self, report: &mut FsckReport) -> Vec<Known> {
        let mut objects = Vec::new();
        scan(&*self.index, Family::Objects, report, |report, key, value| {
            match (ObjectId::from_sort_key(key), ObjectRow::decode(value)) {
                (Some(_), Some(row)) => {
                    report.objects += 1;
                    objects.push(Known { number: row.number, size: row.meta.size, has_rows: row.has_rows });
                }
                (id, _) => report.problem(Problem::ObjectRow { key: key.to_vec(), id }),
            }
        });
        objects.sort_unstable_by_key(|o| o.number);
        objects.dedup_by(|b, a| {
            let same = a.number == b.number;
            if same {
                report.problem(Problem::SharedNumber { owner: unnamed(a.number) });
            }
            same
        });
        objects
    }

    /// Which units are referred to, and which more than once.
    fn check_extents(
        &mut self,
        report: &mut FsckReport,
        objects: &[Known],
        data: bool,
        progress: Progress<'_>,
    ) -> (Bits, Bits) {
        let geometry = self.superblock.geometry;
        let (mut used, mut shared) = (Bits::new(geometry.data_units), Bits::new(geometry.data_units));
        let usage = self.usage().data_bytes + self.space.shared.extra_owners() * UNIT;
        let mut reader = Reader {
            device: &mut *self.device,
            overlay: &self.overlay,
            geometry,
            start: 0,
            expected: Vec::new(),
            total_bytes: usage,
            progress,
        };
        scan(&*self.index, Family::Extents, report, |report, key, value| {
            let place = chunk_of_key(key);
            let owner = place.and_then(|(number, _)| find(objects, number));
            let Some(((number, c), chunk)) = place.zip(Chunk::decode(value, geometry.data_units)) else {
                let owner = owner.map(|o| unnamed(o.number));
                return report.problem(Problem::ExtentRow { key: key.to_vec(), owner });
            };
            let mut units = 0;
            for run in chunk.runs() {
                for unit in run.start..run.end() {
                    units += 1;
                    if used.set(unit) {
                        shared.set(unit);
                    }
                }
            }
            let Some(Known { size, .. }) = owner else {
                report.leaked_units += units;
                return report.problem(Problem::OrphanExtents { key: key.to_vec(), units });
            };
            let base = u64::from(c) * CHUNK_BYTES;
            let last = (0..CHUNK_UNITS).rev().find(|at| chunk.get(*at).is_some());
            let end = last.map_or(0, |at| base + (at as u64 + 1) * UNIT);
            if end > size.next_multiple_of(UNIT) {
                let owner = unnamed(number);
                report.problem(Problem::BehindEnd { owner, key: key.to_vec(), size });
            }
            if data {
                for at in 0..CHUNK_UNITS {
                    if let Some(Slot::Plain { unit, crc }) = chunk.get(at) {
                        let offset = base + at as u64 * UNIT;
                        reader.expect(report, unit, Expected { crc, number, offset, size });
                    }
                }
                for packed in chunk.packed() {
                    reader.unpack(report, &chunk, packed, Expected { crc: 0, number, offset: base, size });
                }
            }
        });
        reader.read(report);
        report.units = used.count();
        report.shared_units = shared.count();
        (used, shared)
    }

    fn check_rows(&self, report: &mut FsckReport, objects: &[Known]) {
        scan(&*self.index, Family::Rows, report, |report, key, _| {
            report.rows += 1;
            let number = key.first_chunk::<8>().map(|n| u64::from_be_bytes(*n));
            if !number.and_then(|n| find(objects, n)).is_some_and(|o| o.has_rows) {
                report.problem(Problem::OrphanRow { key: key.to_vec() });
            }
        });
    }

    fn check_space(&self, report: &mut FsckReport, used: &Bits, shared: &Bits) {
        let mut differs = |detail: String| report.problem(Problem::Accounting { detail });
        let (free, waiting) = (self.space.free.units(), self.space.freed_units());
        let total = self.geometry().data_units - 1;
        let known = used.count() + free + waiting;
        if known > total {
            differs(format!("{} units are both free and in use", known - total));
        }
        for unit in 1..=total {
            if used.get(unit) && self.space.shared.is_shared(unit) != shared.get(unit) {
                differs(format!("unit {unit}: how many objects share it is counted wrongly"));
            }
        }
        let (counted, found) = (self.space.shared.units(), shared.count());
        if counted != found {
            differs(format!("{counted} units counted as shared, {found} are"));
        }
        report.leaked_units += total.saturating_sub(known);
    }

    /// Finds out the names of objects that only their numbers told of.
    fn name_owners(&self, report: &mut FsckReport) {
        let mut names: BTreeMap<u64, Option<ObjectId>> = BTreeMap::new();
        names.extend(report.problems.iter_mut().filter_map(|p| p.owner_mut().map(|o| (o.number, None))));
        if names.is_empty() {
            return;
        }
        // A failure was reported by the first pass over this family.
        let _ = self.index.scan(Family::Objects, &[], None, false, &mut |key, value| {
            if let Some(row) = ObjectRow::decode(value)
                && let Some(name) = names.get_mut(&row.number)
            {
                *name = ObjectId::from_sort_key(key);
            }
            true
        });
        for owner in report.problems.iter_mut().filter_map(Problem::owner_mut) {
            owner.id = names.get(&owner.number).cloned().flatten();
        }
    }
}

/// Goes over a family; an index that fails is reported, not the end of the check.
fn scan(
    index: &dyn Index,
    family: Family,
    report: &mut FsckReport,
    mut each: impl FnMut(&mut FsckReport, &[u8], &[u8]),
) {
    let outcome = index.scan(family, &[], None, false, &mut |key, value| {
        each(report, key, value);
        true
    });
    if let Err(e) = outcome {
        report.problem(Problem::Index { family, detail: e.to_string() });
    }
}

/// What one owner expects of a unit.
struct Expected {
    crc: u32,
    number: u64,
    offset: u64,
    /// Of the whole object.
    size: u64,
}

/// Reads units in the order in which they are asked for, neighbours together.
struct Reader<'a> {
    device: &'a mut dyn Device,
    overlay: &'a Overlay,
    geometry: Geometry,
    start: u64,
    expected: Vec<Expected>,
    total_bytes: u64,
    progress: Progress<'a>,
}

impl Reader<'_> {
    fn expect(&mut self, report: &mut FsckReport, place: u64, expected: Expected) {
        if let Some(data) = self.overlay.get(place) {
            report.bytes_read += UNIT;
            return compare(report, place, &expected, Ok(&data));
        }
        if place != self.start + self.expected.len() as u64 || self.expected.len() == READ_UNITS {
            self.read(report);
            self.start = place;
        }
        self.expected.push(expected);
    }

    /// A packed extent, and each unit that lives in it. `whole` tells of the chunk.
    fn unpack(&mut self, report: &mut FsckReport, chunk: &Chunk, packed: &Packed, whole: Expected) {
        let stored = read_run(&mut *self.device, self.overlay, self.geometry, packed.run);
        let unpacked = stored.filter(|s| packed.matches(s)).and_then(|s| packed.unpack(&s));
        for at in chunk.live(packed) {
            let (offset, crc) = (whole.offset + at as u64 * UNIT, chunk.get(at).map_or(0, Slot::crc));
            let data = match &unpacked {
                Some(unpacked) => Ok(packed.unit(unpacked, at)),
                None => Err("the packed extent that it is in cannot be read or unpacked".to_string()),
            };
            compare(report, packed.run.start, &Expected { crc, offset, ..whole }, data);
        }
        report.bytes_read += packed.run.len * UNIT;
        (self.progress)(report.bytes_read, self.total_bytes.max(report.bytes_read));
    }

    fn read(&mut self, report: &mut FsckReport) {
        let expected = std::mem::take(&mut self.expected);
        if expected.is_empty() {
            return;
        }
        let mut buf = AlignedBuf::zeroed(expected.len() * UNIT_BYTES);
        match self.device.read_now(self.geometry.unit_offset(self.start), &mut buf) {
            Ok(()) => {
                for ((place, e), data) in (self.start..).zip(&expected).zip(buf.chunks_exact(UNIT_BYTES)) {
                    compare(report, place, e, Ok(data));
                }
            }
            // One bad sector fails the whole read.
            Err(_) => {
                for (place, e) in (self.start..).zip(&expected) {
                    let mut unit = AlignedBuf::zeroed(UNIT_BYTES);
                    let read = self.device.read_now(self.geometry.unit_offset(place), &mut unit);
                    compare(report, place, e, read.map(|()| &unit[..]).map_err(|e| e.to_string()));
                }
            }
        }
        report.bytes_read += expected.len() as u64 * UNIT;
        (self.progress)(report.bytes_read, self.total_bytes.max(report.bytes_read));
    }
}

/// A run that is written as a whole only, from memory if that has it; `None` if it cannot be read.
pub(super) fn read_run(
    device: &mut dyn Device,
    overlay: &Overlay,
    geometry: Geometry,
    run: Run,
) -> Option<Bytes> {
    if let Some(stored) = overlay.get_run(run) {
        return Some(stored);
    }
    let mut buf = AlignedBuf::zeroed((run.len * UNIT) as usize);
    let read = device.read_now(geometry.unit_offset(run.start), &mut buf);
    read.is_ok().then(|| Bytes::from_owner(buf))
}

fn compare(report: &mut FsckReport, place: u64, expected: &Expected, data: Result<&[u8], String>) {
    let detail = match data {
        Ok(data) if crc32c(data) == expected.crc => {
            let used = expected.size.saturating_sub(expected.offset).min(UNIT) as usize;
            // A unit that lies behind the end as a whole was reported with its row.
            if used > 0 && data[used..].iter().any(|b| *b != 0) {
                let (owner, size) = (unnamed(expected.number), expected.size);
                report.problem(Problem::DirtyTail { owner, size });
            }
            return;
        }
        Ok(_) => "they do not match their checksum".to_string(),
        Err(e) => e,
    };
    let owner = unnamed(expected.number);
    report.problem(Problem::BadUnit { owner, offset: expected.offset, place, detail });
}
