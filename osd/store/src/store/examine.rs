//! Looking at a stopped OSD's store without changing a byte of it.

use super::check::Progress;
use super::mkfs::read_copies;
use super::open::Opening;
use super::{FsckReport, Problem, Store};
use crate::buf::AlignedBuf;
use crate::compress::Algorithm;
use crate::config::{Identity, StoreConfig, uuid_text};
use crate::error::StoreError;
use crate::index::Family;
use crate::layout::{UNIT, UNIT_BYTES, WAL_OFFSET};
use crate::plan::read_chunk;
use crate::space::Run;
use crate::superblock::Superblock;
use osd_object::{ObjectId, ObjectMeta, ObjectRead, OmapRange};
use std::collections::BTreeMap;
use stdx::checksum::crc32c;

/// A store opened for looking only. What its log holds beyond the index is taken into account, in memory.
pub struct Examiner {
    store: Store,
    /// What each superblock copy says.
    copies: Vec<Result<Superblock, String>>,
}

/// One superblock copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyView {
    /// Byte offset on the device.
    pub offset: u64,
    /// Its sequence, or what is wrong with it.
    pub state: Result<u64, String>,
}

/// The superblock in force, and where things lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuperblockView {
    /// Whose store it is.
    pub identity: Identity,
    /// The uuid as text.
    pub uuid: String,
    /// The cluster's id as text.
    pub fsid: String,
    /// Grows with each update.
    pub sequence: u64,
    /// Incompatible features.
    pub features: u64,
    /// Grows with each open.
    pub incarnation: u64,
    /// Bytes of the log ring, which begins at `log_offset`.
    pub log_bytes: u64,
    /// Byte offset of the log ring on the device.
    pub log_offset: u64,
    /// Units of 4,096 bytes in the data area, which begins at `data_offset`; unit 0 is never used.
    pub data_units: u64,
    /// Byte offset of the data area on the device.
    pub data_offset: u64,
    /// Log position where replay begins, bytes since mkfs.
    pub trim_at: u64,
    /// The last LSN before it.
    pub trim_lsn: u64,
    /// The LSN that the index on disk is as of.
    pub index_lsn: u64,
    /// The last LSN that is durable.
    pub durable_lsn: u64,
    /// Stopped with nothing left to replay.
    pub clean: bool,
    /// Acknowledged writes are missing.
    pub damaged: bool,
    /// The copies.
    pub copies: Vec<CopyView>,
}

/// One batch of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogBatchView {
    /// Position, bytes since mkfs.
    pub at: u64,
    /// Where that is on the device, byte offset.
    pub offset: u64,
    /// Bytes of header and records.
    pub bytes: u64,
    /// Consecutive number.
    pub sequence: u64,
    /// First LSN.
    pub first_lsn: u64,
    /// Records, one LSN each.
    pub records: u64,
    /// What was durable when it was written.
    pub durable_upto: u64,
    /// Units whose contents it carries.
    pub inline_units: u64,
    /// Units that were written beside it.
    pub fresh_units: u64,
    /// Bytes of index changes.
    pub index_bytes: u64,
}

/// What the log holds beyond the last checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogView {
    /// Bytes of the ring.
    pub ring_bytes: u64,
    /// Batches that count, in order.
    pub batches: Vec<LogBatchView>,
    /// More batches than are listed.
    pub more_batches: u64,
    /// Where the next batch would go, bytes since mkfs.
    pub head: u64,
    /// What is wrong, if acknowledged writes are missing.
    pub damage: Option<String>,
}

/// An object's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectView {
    /// The object.
    pub id: ObjectId,
    /// Names its extents and rows.
    pub number: u64,
    /// Size, version, time.
    pub meta: ObjectMeta,
    /// Whether it may have attributes or omap rows.
    pub has_rows: bool,
}

/// Neighbouring units of an object that are neighbours on the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtentView {
    /// Offset within the object, bytes.
    pub offset: u64,
    /// First unit of the data area.
    pub unit: u64,
    /// Where that is on the device, byte offset.
    pub device_offset: u64,
    /// The checksum of each unit, and whether the data there matches.
    pub units: Vec<(u32, bool)>,
    /// Whether another object refers to any of them too.
    pub shared: bool,
    /// How it is packed; `units` are those on the device then.
    pub packed: Option<PackedView>,
}

/// What a packed extent holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedView {
    /// How.
    pub algorithm: Algorithm,
    /// Packed bytes.
    pub bytes: u64,
    /// Bytes of the object that were packed.
    pub unpacked_bytes: u64,
    /// Of these, still read from here.
    pub live_bytes: u64,
}

fn unreadable(what: &str, object: &ObjectId) -> StoreError {
    StoreError::DamagedIndex { detail: format!("the {what} of {object} cannot be read") }
}

/// Batches listed at most.
const BATCHES_MAX: usize = 10_000;

impl Examiner {
    /// Opens for looking. Fails if the OSD runs, or nothing can be made of superblock or index.
    pub fn open(config: &StoreConfig) -> Result<Examiner, StoreError> {
        let mut store = Store::open_host(config, Opening::Frozen)?;
        let copies = read_copies(&mut *store.device)?;
        let copies = copies.iter().map(|c| Superblock::read_copy(c)).collect();
        Ok(Examiner { store, copies })
    }

    /// An object's attributes.
    pub fn xattrs(&self, object: &ObjectId) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        let all = self.store.xattrs(object).map_err(|_| unreadable("attributes", object))?;
        Ok(all.into_iter().map(|(name, value)| (name, value.to_vec())).collect())
    }

    /// Hands over an object's omap rows in order, at most `max`; tells whether there are more.
    pub fn omap(
        &self,
        object: &ObjectId,
        max: usize,
        each: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<bool, StoreError> {
        let (mut range, mut seen) = (OmapRange::all(), 0);
        loop {
            let page = self.store.omap_range(object, &range).map_err(|_| unreadable("omap", object))?;
            for (key, value) in &page.rows {
                if seen == max {
                    return Ok(true);
                }
                each(key, value);
                seen += 1;
            }
            match page.rows.last() {
                Some((last, _)) if page.more => range = range.after(last),
                _ => return Ok(false),
            }
        }
    }

    /// Checks everything; data against its checksums only with `data`.
    pub fn check(&mut self, data: bool, progress: Progress<'_>) -> Result<FsckReport, StoreError> {
        let mut report = self.store.check(data, progress)?;
        for (copy, found) in self.bad_copies() {
            report.problem(Problem::SuperblockCopy { copy, found });
        }
        Ok(report)
    }

    pub(super) fn bad_copies(&self) -> Vec<(u64, String)> {
        let bad =
            |(i, copy): (usize, &Result<Superblock, String>)| Some((i as u64, copy.as_ref().err()?.clone()));
        self.copies.iter().enumerate().filter_map(bad).collect()
    }

    /// The superblock.
    pub fn superblock(&self) -> Result<SuperblockView, StoreError> {
        let s = &self.store.superblock;
        let copy = |(i, copy): (usize, &Result<Superblock, String>)| CopyView {
            offset: Superblock::offset(i as u64),
            state: copy.as_ref().map(|s| s.sequence).map_err(String::clone),
        };
        Ok(SuperblockView {
            identity: s.identity,
            uuid: uuid_text(&s.identity.uuid),
            fsid: uuid_text(&s.identity.fsid),
            sequence: s.sequence,
            features: s.features,
            incarnation: s.incarnation,
            log_bytes: s.geometry.wal_bytes,
            log_offset: WAL_OFFSET,
            data_units: s.geometry.data_units,
            data_offset: WAL_OFFSET + s.geometry.wal_bytes,
            trim_at: s.trim.at,
            trim_lsn: s.trim_lsn,
            index_lsn: self.store.index.persisted_lsn()?,
            durable_lsn: self.store.durable_lsn,
            clean: s.clean,
            damaged: self.store.is_damaged(),
            copies: self.copies.iter().enumerate().map(copy).collect(),
        })
    }

    /// The log from the trim point on.
    pub fn log(&mut self) -> Result<LogView, StoreError> {
        let (mut batches, mut more_batches) = (Vec::new(), 0);
        let mut at = self.store.superblock.trim.at;
        let ring = self.store.ring;
        self.store.walk(&mut |_, header, records| {
            if batches.len() == BATCHES_MAX {
                more_batches += 1;
                return Ok(());
            }
            let fresh = records.iter().flat_map(|r| &r.fresh).map(|f| f.crcs.len() as u64).sum();
            batches.push(LogBatchView {
                at,
                offset: WAL_OFFSET + at % ring.bytes,
                bytes: u64::from(header.len),
                sequence: header.sequence,
                first_lsn: header.first_lsn,
                records: u64::from(header.records),
                durable_upto: header.durable_upto,
                inline_units: records.iter().map(|r| r.inline.len() as u64).sum(),
                fresh_units: fresh,
                index_bytes: records.iter().map(|r| r.index.len() as u64).sum(),
            });
            at = header.next(at).at;
            Ok(())
        })?;
        let damage = self.store.log_damage.clone();
        Ok(LogView { ring_bytes: ring.bytes, batches, more_batches, head: ring.head.at, damage })
    }

    /// Objects of that name, or all, in any pool and namespace, clones included; at most `max`, in order.
    pub fn find(&self, name: Option<&str>, max: usize) -> Result<Vec<ObjectView>, StoreError> {
        let mut found = Vec::new();
        self.store.index.scan(Family::Objects, &[], None, false, &mut |key, value| {
            if let Some(id) = ObjectId::from_sort_key(key)
                && name.is_none_or(|n| id.name.name == n || id.to_string() == n)
                && let Some(row) = crate::keys::ObjectRow::decode(value)
            {
                found.push(ObjectView { id, number: row.number, meta: row.meta, has_rows: row.has_rows });
            }
            found.len() < max
        })?;
        Ok(found)
    }

    /// Where an object's data lies. Reads it all, to tell what matches its checksum.
    pub fn extents(&mut self, object: &ObjectView) -> Result<Vec<ExtentView>, StoreError> {
        let geometry = self.store.geometry();
        let mut chunks = Vec::new();
        let (start, end) =
            (crate::keys::chunk_key(object.number, 0), crate::keys::chunk_key(object.number, u32::MAX));
        self.store.index.scan(Family::Extents, &start, Some(&end), false, &mut |key, _| {
            chunks.extend(crate::keys::chunk_of_key(key).map(|(_, c)| c));
            true
        })?;
        let mut extents = Vec::new();
        for c in chunks {
            let chunk = read_chunk(&*self.store.index, object.number, c, geometry.data_units)?;
            let Some(chunk) = chunk else { continue };
            for piece in chunk.pieces() {
                let mut units = Vec::new();
                for (unit, crc) in (piece.run.start..).zip(chunk.crcs(piece.at, piece.run.len as usize)) {
                    units.push((*crc, self.matches(unit, *crc)));
                }
                extents.push(ExtentView {
                    offset: u64::from(c) * crate::chunk::CHUNK_BYTES + piece.at as u64 * UNIT,
                    unit: piece.run.start,
                    device_offset: geometry.unit_offset(piece.run.start),
                    units,
                    shared: self.is_shared(piece.run),
                    packed: None,
                });
            }
            for p in chunk.packed() {
                let units = (p.run.start..).zip(&p.crcs).map(|(unit, crc)| (*crc, self.matches(unit, *crc)));
                extents.push(ExtentView {
                    offset: u64::from(c) * crate::chunk::CHUNK_BYTES + p.at as u64 * UNIT,
                    unit: p.run.start,
                    device_offset: geometry.unit_offset(p.run.start),
                    units: units.collect(),
                    shared: self.is_shared(p.run),
                    packed: Some(PackedView {
                        algorithm: p.algorithm,
                        bytes: p.bytes as u64,
                        unpacked_bytes: p.units as u64 * UNIT,
                        live_bytes: chunk.live(p).count() as u64 * UNIT,
                    }),
                });
            }
        }
        extents.sort_by_key(|e| e.offset);
        Ok(extents)
    }

    fn is_shared(&self, run: Run) -> bool {
        (run.start..run.end()).any(|unit| self.store.space.shared.is_shared(unit))
    }

    fn matches(&mut self, unit: u64, crc: u32) -> bool {
        if let Some(data) = self.store.overlay.get(unit) {
            return crc32c(&data) == crc;
        }
        let mut buf = AlignedBuf::zeroed(UNIT_BYTES);
        let read = self.store.device.read_now(self.store.superblock.geometry.unit_offset(unit), &mut buf);
        read.is_ok() && crc32c(&buf) == crc
    }
}
