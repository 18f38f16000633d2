//! Scrub: what a member holds of a range of objects, in a form that its peers' answers can be compared with, step
//! by step.
//!
//! Shallow: everything from the index, data by the checksums that lie there. Deep: the same, and all data is read and
//! held against those checksums. Digests do not depend on how a replica came by its bytes: a hole is the same as zeros.
//!
//! ```text
//! fold(d, item) = CRC32C(d as u32 LE | item), from d = 0
//! data:  for each 4 KiB unit that is not all zeros, ascending: {unit index u64 LE, CRC32C of the unit u32 LE}
//! rows:  for each, in key order: {length of key u32 LE, key, value}
//! ```
//!
//! A step blocks for what it reads, so its budget is what decides how long the caller waits.

use super::Store;
use super::check::read_run;
use crate::buf::AlignedBuf;
use crate::chunk::{CHUNK_UNITS, Chunk, Packed, Slot};
use crate::device::Device;
use crate::error::StoreError;
use crate::index::{Family, Index};
use crate::keys::{ObjectRow, ROW_PREFIX_BYTES, RowKind, chunk_key, chunk_of_key, row_end, row_key};
use crate::layout::{Geometry, UNIT, UNIT_BYTES};
use crate::overlay::Overlay;
use osd_object::{ObjectId, ObjectMeta};
use placement_map::PoolId;
use std::sync::LazyLock;
use stdx::checksum::{crc32c, crc32c_of};

/// What one step may do.
#[derive(Clone, Copy, Debug)]
pub struct ScrubBudget {
    /// Whether data is read.
    pub deep: bool,
    /// Bytes of data and rows read, about; one chunk (256 KiB) or row more may be read.
    pub bytes_max: u64,
    /// Objects answered for.
    pub objects_max: usize,
}

/// What is known of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrubObject {
    /// The object.
    pub id: ObjectId,
    /// Size, version, time.
    pub meta: ObjectMeta,
    /// Of its data, by the checksums of the index.
    pub data_digest: u32,
    /// Of its attributes.
    pub xattr_digest: u32,
    /// Of its omap.
    pub omap_digest: u32,
    /// Omap rows.
    pub omap_rows: u64,
    /// Their bytes, keys and values.
    pub omap_bytes: u64,
    /// Offsets of 4 KiB units that cannot be read or do not match their checksum (deep), or whose extent row cannot
    /// be read.
    pub bad: Vec<u64>,
}

/// Where the next step goes on: between objects, or within one.
#[derive(Clone, Debug)]
pub struct ScrubCursor(At);

#[derive(Clone, Debug)]
enum At {
    /// At the first object whose sort key is not less.
    Key(Vec<u8>),
    Within(Box<Part>),
}

/// An object that is not finished.
#[derive(Clone, Debug)]
struct Part {
    row: ObjectRow,
    found: ScrubObject,
    /// The first chunk that was not seen; none: data is done.
    chunk: Option<u32>,
    /// The last row that was seen.
    row_key: Option<Vec<u8>>,
}

/// The answer of one step.
#[derive(Clone, Debug, Default)]
pub struct ScrubPage {
    /// Objects that are finished, in order.
    pub objects: Vec<ScrubObject>,
    /// Where to go on; none: the range is done.
    pub next: Option<ScrubCursor>,
}

static ZERO_UNIT_CRC: LazyLock<u32> = LazyLock::new(|| crc32c(&[0; UNIT_BYTES]));

fn fold(digest: u32, parts: &[&[u8]]) -> u32 {
    crc32c_of([&digest.to_le_bytes()[..]].into_iter().chain(parts.iter().copied()))
}

/// The first key behind `key`.
fn behind(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

impl ScrubCursor {
    /// The start of a range: at `from`, or at the pool's first object.
    pub fn start(pool: PoolId, from: Option<&ObjectId>) -> ScrubCursor {
        ScrubCursor(At::Key(from.map_or(pool.0.to_be_bytes().to_vec(), ObjectId::sort_key)))
    }
}

impl Store {
    /// Scrubs objects of `pool` from the cursor on, up to `end` (not included; none: to the pool's end), as far as the
    /// budget goes. Sees every transaction submitted before; an object that changed between two steps is begun again.
    ///
    /// Errors: the index cannot be read; the store has stopped then.
    pub fn scrub(
        &mut self,
        pool: PoolId,
        end: Option<&ObjectId>,
        cursor: ScrubCursor,
        budget: ScrubBudget,
    ) -> Result<ScrubPage, StoreError> {
        self.alive()?;
        let outcome = self.scrub_step(pool, end, cursor, budget);
        self.stop_on_error(outcome)
    }

    fn scrub_step(
        &mut self,
        pool: PoolId,
        end: Option<&ObjectId>,
        cursor: ScrubCursor,
        budget: ScrubBudget,
    ) -> Result<ScrubPage, StoreError> {
        let pool_end = pool.0.checked_add(1).map(|next| next.to_be_bytes().to_vec());
        let end = end.map(ObjectId::sort_key).or(pool_end);
        let mut page = ScrubPage::default();
        let mut left = budget.bytes_max.max(1);
        let mut at = cursor.0;
        loop {
            if left == 0 || page.objects.len() >= budget.objects_max.max(1) {
                page.next = Some(ScrubCursor(at));
                return Ok(page);
            }
            let part = match at {
                At::Within(part) => self.still_there(part)?,
                At::Key(ref key) => self.first_object(key, end.as_deref())?,
            };
            let Some(mut part) = part else { return Ok(page) };
            let mut reader = Reader {
                index: &*self.index,
                device: &mut *self.device,
                overlay: &self.overlay,
                geometry: self.superblock.geometry,
                deep: budget.deep,
                left: &mut left,
            };
            if reader.data(&mut part)? && reader.rows(&mut part)? {
                at = At::Key(behind(&part.found.id.sort_key()));
                page.objects.push(part.found);
            } else {
                at = At::Within(part);
            }
        }
    }

    /// The object of an earlier step, from its start if it changed, or the one behind it if it is gone.
    fn still_there(&self, part: Box<Part>) -> Result<Option<Box<Part>>, StoreError> {
        let key = part.found.id.sort_key();
        let row = self.index.get(Family::Objects, &key)?.and_then(|row| ObjectRow::decode(&row));
        if row == Some(part.row) { Ok(Some(part)) } else { self.first_object(&key, None) }
    }

    fn first_object(&self, key: &[u8], end: Option<&[u8]>) -> Result<Option<Box<Part>>, StoreError> {
        let mut found = None;
        self.index.scan(Family::Objects, key, end, false, &mut |key, value| {
            found = Some((key.to_vec(), ObjectRow::decode(value)));
            false
        })?;
        let Some((key, row)) = found else { return Ok(None) };
        let (Some(id), Some(row)) = (ObjectId::from_sort_key(&key), row) else {
            return Err(StoreError::DamagedIndex { detail: "an object row cannot be read".to_string() });
        };
        let found = ScrubObject {
            id,
            meta: row.meta,
            data_digest: 0,
            xattr_digest: 0,
            omap_digest: 0,
            omap_rows: 0,
            omap_bytes: 0,
            bad: Vec::new(),
        };
        Ok(Some(Box::new(Part { row, found, chunk: Some(0), row_key: None })))
    }
}

/// Reads one object, as far as the budget goes. Each pass says whether it came to its end.
struct Reader<'a> {
    index: &'a dyn Index,
    device: &'a mut dyn Device,
    overlay: &'a Overlay,
    geometry: Geometry,
    deep: bool,
    left: &'a mut u64,
}

impl Reader<'_> {
    fn data(&mut self, part: &mut Part) -> Result<bool, StoreError> {
        let Some(first) = part.chunk else { return Ok(true) };
        let number = part.row.number;
        let (start, end) = (chunk_key(number, first), chunk_key(number, u32::MAX));
        let (index, mut stopped) = (self.index, false);
        index.scan(Family::Extents, &start, Some(&end), false, &mut |key, value| {
            let Some((_, c)) = chunk_of_key(key) else { return true };
            if *self.left == 0 {
                (part.chunk, stopped) = (Some(c), true);
                return false;
            }
            self.chunk(part, c, value);
            true
        })?;
        if !stopped {
            part.chunk = None;
        }
        Ok(!stopped)
    }

    fn chunk(&mut self, part: &mut Part, c: u32, value: &[u8]) {
        let base = u64::from(c) * CHUNK_UNITS as u64;
        let mut cost = value.len() as u64;
        match Chunk::decode(value, self.geometry.data_units) {
            None => part.found.bad.push(base * UNIT),
            Some(chunk) => {
                for (unit, slot) in (0..CHUNK_UNITS).filter_map(|at| Some((base + at as u64, chunk.get(at)?)))
                {
                    if slot.crc() != *ZERO_UNIT_CRC {
                        let item = [&unit.to_le_bytes()[..], &slot.crc().to_le_bytes()[..]];
                        part.found.data_digest = fold(part.found.data_digest, &item);
                    }
                }
                if self.deep {
                    cost += chunk.runs().map(|run| run.len * UNIT).sum::<u64>();
                    for piece in chunk.pieces() {
                        let crcs = chunk.crcs(piece.at, piece.run.len as usize);
                        self.compare(part, base + piece.at as u64, piece.run.start, crcs);
                    }
                    for packed in chunk.packed() {
                        self.compare_packed(part, base, &chunk, packed);
                    }
                }
            }
        }
        *self.left = self.left.saturating_sub(cost);
    }

    fn compare(&mut self, part: &mut Part, first: u64, place: u64, crcs: &[u32]) {
        let mut buf = AlignedBuf::zeroed(crcs.len() * UNIT_BYTES);
        let whole = self.device.read_now(self.geometry.unit_offset(place), &mut buf).is_ok();
        for (i, crc) in crcs.iter().enumerate() {
            let at = i as u64;
            let good = match self.overlay.get(place + at) {
                Some(newer) => crc32c(&newer) == *crc,
                None if whole => crc32c(&buf[i * UNIT_BYTES..][..UNIT_BYTES]) == *crc,
                None => {
                    // One bad sector fails the whole read.
                    let mut unit = AlignedBuf::zeroed(UNIT_BYTES);
                    let read = self.device.read_now(self.geometry.unit_offset(place + at), &mut unit);
                    read.is_ok() && crc32c(&unit) == *crc
                }
            };
            if !good {
                part.found.bad.push((first + at) * UNIT);
            }
        }
    }

    /// A packed extent that cannot be read or unpacked is bad as a whole.
    fn compare_packed(&mut self, part: &mut Part, base: u64, chunk: &Chunk, packed: &Packed) {
        let stored = read_run(&mut *self.device, self.overlay, self.geometry, packed.run);
        let unpacked = stored.filter(|s| packed.matches(s)).and_then(|s| packed.unpack(&s));
        for at in chunk.live(packed) {
            let crc = chunk.get(at).map(Slot::crc);
            if unpacked.as_ref().map(|u| crc32c(packed.unit(u, at))) != crc {
                part.found.bad.push((base + at as u64) * UNIT);
            }
        }
    }

    fn rows(&mut self, part: &mut Part) -> Result<bool, StoreError> {
        let number = part.row.number;
        let first = row_key(number, RowKind::Xattr, &[]);
        let start = part.row_key.as_deref().map_or(first, behind);
        let end = row_end(number, RowKind::Omap);
        let mut stopped = false;
        self.index.scan(Family::Rows, &start, Some(&end), false, &mut |key, value| {
            if *self.left == 0 {
                stopped = true;
                return false;
            }
            let own = &key[ROW_PREFIX_BYTES..];
            let item = [&(own.len() as u32).to_le_bytes()[..], own, value];
            let found = &mut part.found;
            let bytes = (own.len() + value.len()) as u64;
            if key[ROW_PREFIX_BYTES - 1] == RowKind::Xattr as u8 {
                found.xattr_digest = fold(found.xattr_digest, &item);
            } else {
                found.omap_digest = fold(found.omap_digest, &item);
                found.omap_rows += 1;
                found.omap_bytes += bytes;
            }
            part.row_key = Some(key.to_vec());
            *self.left = self.left.saturating_sub(bytes);
            true
        })?;
        Ok(!stopped)
    }
}
