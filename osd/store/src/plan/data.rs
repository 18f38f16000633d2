//! Plans for object data: where new bytes go, and which units they replace.

use super::{FreshWrite, Planner, Run};
use crate::buf::{AlignedBuf, is_direct};
use crate::chunk::{CHUNK_BYTES, CHUNK_UNITS, Slot};
use crate::error::StoreError;
use crate::index::Family;
use crate::keys::{ObjectRow, chunk_key, chunk_of_key};
use crate::layout::{UNIT, UNIT_BYTES, units_for};
use crate::sabotage::{self, Sabotage};
use bytes::{Bytes, BytesMut};
use osd_object::ObjectId;
use osd_object::draft::OBJECT_BYTES_MAX;
use std::ops::Range;
use stdx::checksum::crc32c;

/// From this many bytes on, a write goes to fresh units beside its record instead of into the log: below
/// it, the second write costs less than the extra device operation on the way to the acknowledgement.
pub(crate) const FRESH_BYTES_MIN: usize = 32 << 10;

pub(super) fn place(unit: u64) -> (u32, usize) {
    ((unit / CHUNK_UNITS as u64) as u32, (unit % CHUNK_UNITS as u64) as usize)
}

impl<'a> Planner<'a> {
    pub(super) fn write(
        &mut self,
        object: &'a ObjectId,
        offset: u64,
        data: &Bytes,
    ) -> Result<(), StoreError> {
        let mut row = self.touch(object)?;
        if data.is_empty() {
            return Ok(());
        }
        let end = offset.checked_add(data.len() as u64).filter(|end| *end <= OBJECT_BYTES_MAX);
        let end = end.ok_or(StoreError::Invalid("a write ends past the largest object"))?;
        if data.len() >= FRESH_BYTES_MIN {
            self.write_fresh(object, &row, offset..end, data)?;
        } else {
            self.write_inline(object, &row, offset..end, data)?;
        }
        row.meta.size = row.meta.size.max(end);
        self.set(object, Some(row));
        Ok(())
    }

    fn write_inline(
        &mut self,
        object: &ObjectId,
        row: &ObjectRow,
        range: Range<u64>,
        data: &Bytes,
    ) -> Result<(), StoreError> {
        let units = range.start / UNIT..units_for(range.end);
        // What is to be written of each: at its ends a part, and what was there else.
        let mut contents = Vec::with_capacity((units.end - units.start) as usize);
        for unit in units {
            let (lo, hi) = (range.start.max(unit * UNIT), range.end.min((unit + 1) * UNIT));
            let part = data.slice((lo - range.start) as usize..(hi - range.start) as usize);
            if part.len() == UNIT_BYTES {
                contents.push((unit, part));
            } else if let Some(old) = self.content_or_spoil(object, row.number, unit)? {
                let mut content = BytesMut::from(&old[..]);
                let at = (lo % UNIT) as usize;
                content[at..at + part.len()].copy_from_slice(&part);
                contents.push((unit, content.freeze()));
            }
        }
        // Units that cannot be overwritten in place are taken together, so that they lie together.
        let (mut wanted, mut first) = (0, range.start / UNIT);
        for (unit, _) in &contents {
            if self.plain_place(row.number, *unit)?.is_none() {
                first = if wanted == 0 { *unit } else { first };
                wanted += 1;
            }
        }
        let taken = if wanted > 0 { self.take_near(row, first, wanted)? } else { Vec::new() };
        let mut taken = taken.into_iter().flat_map(|r| r.start..r.end());
        for (unit, content) in contents {
            let target = self.plain_place(row.number, unit)?.or_else(|| taken.next());
            let target = target.expect("a unit was taken for each that is not overwritten in place");
            self.put_inline(row.number, unit, target, content)?;
        }
        self.unpack_sparse(object, row.number, range.start / UNIT..units_for(range.end))
    }

    fn write_fresh(
        &mut self,
        object: &ObjectId,
        row: &ObjectRow,
        range: Range<u64>,
        data: &Bytes,
    ) -> Result<(), StoreError> {
        let (mut range, mut data) = (range, data.clone());
        // Old bytes of the units that it begins and ends within. What cannot be read of those is left out.
        let (mut before, mut behind) = (Bytes::new(), Bytes::new());
        let head = (range.start % UNIT) as usize;
        if head != 0 {
            match self.content_or_spoil(object, row.number, range.start / UNIT)? {
                Some(old) => before = old.slice(..head),
                None => {
                    data = data.slice(UNIT_BYTES - head..);
                    range.start = range.start.next_multiple_of(UNIT);
                }
            }
        }
        let tail = (range.end % UNIT) as usize;
        if tail != 0 {
            match self.content_or_spoil(object, row.number, range.end / UNIT)? {
                Some(old) => behind = old.slice(tail..),
                None => {
                    data = data.slice(..data.len() - tail);
                    range.end -= tail as u64;
                }
            }
        }
        let (first, last) = (range.start / UNIT, units_for(range.end));
        let content = if before.is_empty() && behind.is_empty() && is_direct(&data) {
            data
        } else {
            let mut buf = AlignedBuf::with_capacity(((last - first) * UNIT) as usize);
            buf.extend_from_slice(&before);
            buf.extend_from_slice(&data);
            buf.extend_from_slice(&behind);
            Bytes::from_owner(buf)
        };
        match self.from.compressions.get(&object.pool) {
            Some(c) if c.wants(row.hint.compressible) => self.write_packed(row, first, &content, *c)?,
            _ => self.write_plain(row, first, &content)?,
        }
        self.unpack_sparse(object, row.number, first..last)
    }

    /// Puts whole units into fresh ones, as they are.
    pub(super) fn write_plain(
        &mut self,
        row: &ObjectRow,
        first: u64,
        content: &Bytes,
    ) -> Result<(), StoreError> {
        let mut unit = first;
        for run in self.take_near(row, first, content.len() as u64 / UNIT)? {
            let at = ((unit - first) * UNIT) as usize;
            let data = content.slice(at..at + (run.len * UNIT) as usize);
            let crcs: Vec<u32> = data.chunks_exact(UNIT_BYTES).map(crc32c).collect();
            for (i, crc) in crcs.iter().enumerate() {
                self.point(row.number, unit + i as u64, run.start + i as u64, *crc)?;
            }
            unit += run.len;
            self.plan.fresh.push(FreshWrite { run, data, crcs });
        }
        Ok(())
    }

    pub(super) fn zero(&mut self, object: &'a ObjectId, offset: u64, len: u64) -> Result<(), StoreError> {
        let row = self.touch(object)?;
        let size = row.meta.size;
        let end = offset.saturating_add(len).min(size);
        if offset < end {
            // Behind the size all is zero anyway, so a range up to the size may free the last unit.
            let end = if end == size { end.next_multiple_of(UNIT) } else { end };
            self.clear_range(object, &row, offset..end)?;
        }
        self.set(object, Some(row));
        Ok(())
    }

    pub(super) fn truncate(&mut self, object: &'a ObjectId, size: u64) -> Result<(), StoreError> {
        let mut row = self.touch(object)?;
        if size > OBJECT_BYTES_MAX {
            return Err(StoreError::Invalid("a truncate past the largest object"));
        }
        if size < row.meta.size {
            self.clear_range(object, &row, size..row.meta.size.next_multiple_of(UNIT))?;
        }
        row.meta.size = size;
        self.set(object, Some(row));
        Ok(())
    }

    /// A range becomes zeros: whole units are freed, partial ones rewritten.
    fn clear_range(
        &mut self,
        object: &ObjectId,
        row: &ObjectRow,
        range: Range<u64>,
    ) -> Result<(), StoreError> {
        let (first, last) = (range.start / UNIT, range.end / UNIT);
        if first == last {
            return self.clear_part(object, row.number, first, range.start % UNIT..range.end % UNIT);
        }
        let mut whole = first..last;
        if range.start % UNIT != 0 {
            self.clear_part(object, row.number, first, range.start % UNIT..UNIT)?;
            whole.start += 1;
        }
        if range.end % UNIT != 0 {
            self.clear_part(object, row.number, last, 0..range.end % UNIT)?;
        }
        self.drop_units(row.number, whole)?;
        self.unpack_sparse(object, row.number, first..last + 1)
    }

    fn clear_part(
        &mut self,
        object: &ObjectId,
        number: u64,
        unit: u64,
        part: Range<u64>,
    ) -> Result<(), StoreError> {
        let Some(slot) = self.slot(number, unit)? else { return Ok(()) };
        let Some(old) = self.content_or_spoil(object, number, unit)? else { return Ok(()) };
        let mut content = BytesMut::from(&old[..]);
        content[part.start as usize..part.end as usize].fill(0);
        // Clearing may use the spare units: it is how deletes go on when the store is full.
        let target = match slot {
            Slot::Plain { unit: place, .. } if !self.from.space.shared.is_shared(place) => place,
            _ => self.take(1, 0)?[0].start,
        };
        self.put_inline(number, unit, target, content.freeze())
    }

    /// Frees whole units of an object.
    pub(super) fn drop_units(&mut self, number: u64, units: Range<u64>) -> Result<(), StoreError> {
        for c in self.chunks_with_data(number, &units)? {
            let base = u64::from(c) * CHUNK_UNITS as u64;
            let (lo, hi) = (units.start.max(base) - base, (units.end - base).min(CHUNK_UNITS as u64));
            let state = self.chunk(number, c)?;
            let mut gone: Vec<Run> = Vec::new();
            for at in lo as usize..hi as usize {
                state.dirty |= state.chunk.get(at).is_some();
                let Some(run) = state.chunk.clear(at) else { continue };
                match gone.last_mut() {
                    Some(last) if last.end() == run.start => last.len += run.len,
                    _ => gone.push(run),
                }
            }
            gone.into_iter().for_each(|run| self.release(run));
        }
        Ok(())
    }

    /// Chunks that may hold data within a range of units, in order.
    pub(super) fn chunks_with_data(
        &mut self,
        number: u64,
        units: &Range<u64>,
    ) -> Result<Vec<u32>, StoreError> {
        if units.is_empty() {
            return Ok(Vec::new());
        }
        let (first, last) = (place(units.start).0, place(units.end - 1).0);
        let mut found: Vec<u32> =
            self.chunks.range((number, first)..=(number, last)).map(|((_, c), _)| *c).collect();
        if !self.is_new(number) {
            let (start, end) = (chunk_key(number, first), chunk_key(number, last + 1));
            self.from.index.scan(Family::Extents, &start, Some(&end), false, &mut |key, _| {
                found.extend(chunk_of_key(key).map(|(_, c)| c));
                true
            })?;
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Where a unit lies that may be overwritten in place; `None` if it must go elsewhere.
    fn plain_place(&mut self, number: u64, unit: u64) -> Result<Option<u64>, StoreError> {
        Ok(match self.slot(number, unit)? {
            Some(Slot::Plain { unit: place, .. }) if !self.from.space.shared.is_shared(place) => Some(place),
            _ => None,
        })
    }

    fn slot(&mut self, number: u64, unit: u64) -> Result<Option<Slot>, StoreError> {
        let (chunk, at) = place(unit);
        Ok(self.chunk(number, chunk)?.chunk.get(at))
    }

    pub(super) fn point(&mut self, number: u64, unit: u64, target: u64, crc: u32) -> Result<(), StoreError> {
        let (chunk, at) = place(unit);
        let state = self.chunk(number, chunk)?;
        state.dirty = true;
        if let Some(gone) = state.chunk.set(at, target, crc) {
            self.release(gone);
        }
        Ok(())
    }

    pub(super) fn put_inline(
        &mut self,
        number: u64,
        unit: u64,
        target: u64,
        content: Bytes,
    ) -> Result<(), StoreError> {
        self.point(number, unit, target, crc32c(&content))?;
        self.plan.inline.insert(target, content);
        Ok(())
    }

    /// A unit's bytes, if a part of them is to be written anew. What cannot be read is no reason to refuse that, which would
    /// stop the OSD for one bad place: the unit becomes one that reads as damaged whatever the device gives (it lacks
    /// the part), until it is written as a whole or repaired from a peer that has it. A packed unit has no place of its own to
    /// be marked, so there the refusal stands.
    fn content_or_spoil(
        &mut self,
        object: &ObjectId,
        number: u64,
        unit: u64,
    ) -> Result<Option<Bytes>, StoreError> {
        match (self.content(object, number, unit), self.slot(number, unit)?) {
            (Err(StoreError::DamagedUnit { .. }), Some(Slot::Plain { unit: place, crc })) => {
                tracing::warn!(%object, unit, "a unit that cannot be read is overwritten in part: it stays unreadable");
                // Another one each time: none of them is what is there.
                self.point(number, unit, place, crc.wrapping_add(1))?;
                Ok(None)
            }
            (content, _) => content.map(Some),
        }
    }

    /// A unit's bytes at this point of the transaction; zeros for a hole.
    fn content(&mut self, object: &ObjectId, number: u64, unit: u64) -> Result<Bytes, StoreError> {
        static ZEROS: [u8; UNIT_BYTES] = [0; UNIT_BYTES];
        match self.slot(number, unit)? {
            None => Ok(Bytes::from_static(&ZEROS)),
            Some(Slot::Packed { .. }) => self.packed_content(object, number, unit),
            Some(Slot::Plain { unit: place, crc }) => {
                let content = self.stored(object, unit, Run { start: place, len: 1 })?;
                if crc32c(&content) != crc && !sabotage::is(Sabotage::TrustPartialOverwrite) {
                    return Err(StoreError::DamagedUnit { object: Box::new(object.clone()), unit });
                }
                Ok(content)
            }
        }
    }

    /// What a run of the device holds at this point of the transaction; never compared with any checksum. `unit` is the
    /// object's unit that it is wanted for.
    pub(super) fn stored(&mut self, object: &ObjectId, unit: u64, run: Run) -> Result<Bytes, StoreError> {
        if let Some(content) = self.plan.inline.get(&run.start) {
            return Ok(content.clone());
        }
        let covers = |f: &&FreshWrite| f.run.start <= run.start && run.end() <= f.run.end();
        if let Some(f) = self.plan.fresh.iter().find(covers) {
            let at = ((run.start - f.run.start) * UNIT) as usize;
            return Ok(f.data.slice(at..at + (run.len * UNIT) as usize));
        }
        if let Some(content) = self.from.overlay.get_run(run) {
            return Ok(content);
        }
        let mut buf = AlignedBuf::zeroed((run.len * UNIT) as usize);
        if let Err(e) = self.from.device.read_now(self.from.geometry.unit_offset(run.start), &mut buf) {
            // One bad place is no reason to stop: the other replicas have this unit.
            tracing::error!(%object, unit, error = %e, "a unit to be overwritten in part cannot be read");
            return Err(StoreError::DamagedUnit { object: Box::new(object.clone()), unit });
        }
        Ok(Bytes::from_owner(buf))
    }
}

/// All units that an object of the largest size can have.
pub(super) fn all_units() -> Range<u64> {
    0..OBJECT_BYTES_MAX.div_ceil(CHUNK_BYTES) * CHUNK_UNITS as u64
}
