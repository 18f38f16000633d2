//! Plans for data that is packed on its way to the device, and for units that leave a packed extent again.
//!
//! A window never takes more space than its data would as it is: an extent is kept only while it takes less than the
//! units that still live in it.

use super::data::place;
use super::{FreshWrite, Planner};
use crate::buf::AlignedBuf;
use crate::chunk::{CHUNK_UNITS, Packed, WINDOW_UNITS};
use crate::compress::Compression;
use crate::error::StoreError;
use crate::keys::ObjectRow;
use crate::layout::{UNIT, UNIT_BYTES};
use crate::space::Run;
use bytes::Bytes;
use osd_object::ObjectId;
use std::ops::Range;
use stdx::checksum::crc32c;

/// A part of a write: units of one window.
struct Part {
    /// First unit of the object, and how many.
    first: u64,
    units: u64,
    /// What they were packed to, if that is worth it.
    packed: Option<Vec<u8>>,
}

impl Part {
    fn stored_units(&self) -> u64 {
        self.packed.as_ref().map_or(self.units, |bytes| bytes.len().div_ceil(UNIT_BYTES) as u64)
    }
}

impl Planner<'_> {
    /// Puts whole units into fresh ones, packed where that takes few enough.
    pub(super) fn write_packed(
        &mut self,
        row: &ObjectRow,
        first: u64,
        content: &Bytes,
        compression: Compression,
    ) -> Result<(), StoreError> {
        let number = row.number;
        let window = WINDOW_UNITS as u64;
        let end = first + content.len() as u64 / UNIT;
        let (mut parts, mut at) = (Vec::new(), first);
        while at < end {
            let units = (at / window * window + window).min(end) - at;
            let data = &content[((at - first) * UNIT) as usize..][..(units * UNIT) as usize];
            let packed = match self.may_pack(number, at, units)? {
                true => pack(data, compression),
                false => None,
            };
            parts.push(Part { first: at, units, packed });
            at += units;
        }
        if parts.iter().all(|p| p.packed.is_none()) {
            return self.write_plain(row, first, content);
        }
        let wanted: u64 = parts.iter().map(Part::stored_units).sum();
        if self.from.space.free.longest() >= wanted {
            return self.write_parts(number, first, content, &parts, compression);
        }
        // Free space lies scattered: part by part, and a part that finds no run long enough goes as it is.
        for part in parts {
            let data =
                content.slice(((part.first - first) * UNIT) as usize..).slice(..(part.units * UNIT) as usize);
            if part.packed.is_some() && self.from.space.free.longest() >= part.stored_units() {
                self.write_parts(number, part.first, &data, &[part], compression)?;
            } else {
                self.write_plain(row, part.first, &data)?;
            }
        }
        Ok(())
    }

    fn may_pack(&mut self, number: u64, first: u64, units: u64) -> Result<bool, StoreError> {
        let (chunk, at) = place(first);
        Ok(units > 1 && self.chunk(number, chunk)?.chunk.can_pack(at, units as usize))
    }

    /// Writes parts one behind the other into one run, which there is.
    fn write_parts(
        &mut self,
        number: u64,
        first: u64,
        content: &Bytes,
        parts: &[Part],
        compression: Compression,
    ) -> Result<(), StoreError> {
        let wanted: u64 = parts.iter().map(Part::stored_units).sum();
        let runs = self.take(wanted, self.from.spare_units)?;
        let [run] = runs[..] else { panic!("a run of {wanted} units was free") };
        let mut buf = AlignedBuf::with_capacity((wanted * UNIT) as usize);
        for part in parts {
            let data = &content[((part.first - first) * UNIT) as usize..][..(part.units * UNIT) as usize];
            buf.extend_from_slice(part.packed.as_deref().unwrap_or(data));
            buf.grow_zeroed(buf.len().next_multiple_of(UNIT_BYTES));
        }
        let stored = Bytes::from_owner(buf);
        let sums: Vec<u32> = stored.chunks_exact(UNIT_BYTES).map(crc32c).collect();
        let mut unit = run.start;
        for part in parts {
            let place_of_part = Run { start: unit, len: part.stored_units() };
            let stored_sums = &sums[(unit - run.start) as usize..][..place_of_part.len as usize];
            unit = place_of_part.end();
            let Some(bytes) = &part.packed else {
                for (i, crc) in (0..).zip(stored_sums) {
                    self.point(number, part.first + i, place_of_part.start + i, *crc)?;
                }
                continue;
            };
            let data = &content[((part.first - first) * UNIT) as usize..][..(part.units * UNIT) as usize];
            let crcs: Vec<u32> = data.chunks_exact(UNIT_BYTES).map(crc32c).collect();
            let (chunk, at) = place(part.first);
            let packed = Packed {
                at,
                units: part.units as usize,
                run: place_of_part,
                bytes: bytes.len(),
                algorithm: compression.algorithm,
                crcs: stored_sums.to_vec(),
            };
            let state = self.chunk(number, chunk)?;
            state.dirty = true;
            let gone = state.chunk.pack(packed, &crcs);
            gone.into_iter().for_each(|run| self.release(run));
        }
        self.plan.fresh.push(FreshWrite { run, data: stored, crcs: sums });
        Ok(())
    }

    /// A unit's bytes out of the packed extent that it is in.
    pub(super) fn packed_content(
        &mut self,
        object: &ObjectId,
        number: u64,
        unit: u64,
    ) -> Result<Bytes, StoreError> {
        let (chunk, at) = place(unit);
        let chunk = &self.chunk(number, chunk)?.chunk;
        let slot = chunk.get(at).expect("a packed unit");
        let packed = chunk.packed_of(at).expect("a packed unit has its extent").clone();
        let damaged = || StoreError::DamagedUnit { object: Box::new(object.clone()), unit };
        let stored = self.stored(object, unit, packed.run)?;
        if !packed.matches(&stored) {
            return Err(damaged());
        }
        let unpacked = packed.unpack(&stored).ok_or_else(damaged)?;
        let content = packed.unit(&unpacked, at);
        if crc32c(content) != slot.crc() {
            return Err(damaged());
        }
        Ok(Bytes::copy_from_slice(content))
    }

    /// Units that still live in a packed extent which takes as much as they would alone are written again as they are,
    /// and the extent is let go of. `units`: what was just written or cleared.
    pub(super) fn unpack_sparse(
        &mut self,
        object: &ObjectId,
        number: u64,
        units: Range<u64>,
    ) -> Result<(), StoreError> {
        let chunk_units = CHUNK_UNITS as u64;
        let last = units.end.saturating_sub(1) / chunk_units;
        let touched = (number, (units.start / chunk_units) as u32)..=(number, last as u32);
        let shared = &self.from.space.shared;
        let mut sparse: Vec<(u64, Vec<usize>)> = Vec::new();
        for ((_, c), state) in self.chunks.range(touched) {
            for p in state.chunk.packed() {
                let live: Vec<usize> = state.chunk.live(p).collect();
                // What a clone shares stays where it is in any case.
                if live.len() as u64 <= p.run.len && !shared.is_shared(p.run.start) {
                    sparse.push((u64::from(*c) * chunk_units, live));
                }
            }
        }
        sparse.into_iter().try_for_each(|(base, live)| self.unpack(object, number, base, &live))
    }

    /// Writes units anew that leave their packed extent. Left as they are where they cannot be read, or no space is left:
    /// they lose nothing by that.
    fn unpack(
        &mut self,
        object: &ObjectId,
        number: u64,
        base: u64,
        live: &[usize],
    ) -> Result<(), StoreError> {
        let mut contents = Vec::with_capacity(live.len());
        for at in live {
            match self.packed_content(object, number, base + *at as u64) {
                Ok(content) => contents.push(content),
                Err(StoreError::DamagedUnit { .. }) => return Ok(()),
                Err(e) => return Err(e),
            }
        }
        let runs = match self.take(live.len() as u64, self.from.spare_units) {
            Err(StoreError::NoSpace { .. }) => return Ok(()),
            runs => runs?,
        };
        let targets = runs.into_iter().flat_map(|r| r.start..r.end());
        for ((at, content), target) in live.iter().zip(contents).zip(targets) {
            self.put_inline(number, base + *at as u64, target, content)?;
        }
        Ok(())
    }
}

/// The packed bytes, if they take few enough units.
fn pack(data: &[u8], compression: Compression) -> Option<Vec<u8>> {
    let most = data.len() as u64 * u64::from(compression.required_ratio_permille) / 1000;
    let packed = compression.algorithm.pack(data, most as usize)?;
    let stored = packed.len().div_ceil(UNIT_BYTES) * UNIT_BYTES;
    (stored as u64 <= most && stored < data.len() && !packed.is_empty()).then_some(packed)
}
