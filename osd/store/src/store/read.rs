//! Reading object data: from memory where it is newer there, else from the device, each unit against its
//! checksum.

use super::{Completion, Operation, Store};
use crate::buf::AlignedBuf;
use crate::chunk::{CHUNK_UNITS, Chunk, Packed, Slot};
use crate::device::DeviceError;
use crate::error::StoreError;
use crate::layout::{UNIT, UNIT_BYTES, units_for};
use crate::plan::read_chunk;
use crate::sabotage::{self, Sabotage};
use crate::space::Run;
use bytes::Bytes;
use osd_object::ObjectId;
use std::ops::Range;
use stdx::Errno;
use stdx::checksum::crc32c;

/// So many reads go to the device together without waiting for the next `poll`: it works while more are laid
/// out. All in one go, their completions come in one go too, and the device idles in between.
const EARLY_READS: usize = 8;

/// A read under way.
pub(super) struct ReadOp {
    ticket: u64,
    object: ObjectId,
    offset: u64,
    len: u64,
    layout: Layout,
    waiting: usize,
    damaged: bool,
}

/// What a read must put together.
#[derive(Default)]
struct Layout {
    /// Bytes to cut off the front, and to keep.
    skip: usize,
    keep: usize,
    /// Units that the segments lie in; units between them are holes.
    units: usize,
    segments: Vec<Segment>,
}

struct Segment {
    /// First unit within the read.
    at: usize,
    source: Source,
}

enum Source {
    Memory(Bytes),
    Device { run: Run, crcs: Vec<u32>, buf: Option<AlignedBuf> },
    Packed(Box<PackedRead>),
}

/// Units that are in a packed extent.
struct PackedRead {
    packed: Packed,
    /// Which units of the chunk, ascending neighbours, and what they must read as.
    first: usize,
    crcs: Vec<u32>,
    /// The extent's own bytes, if memory has them; then the units.
    stored: Option<Bytes>,
    units: Option<AlignedBuf>,
}

impl PackedRead {
    /// Unpacks what the device or memory gave; false if that is damaged.
    fn take(&mut self, stored: &[u8]) -> bool {
        let trust = sabotage::is(Sabotage::SkipReadChecksum);
        if !trust && !self.packed.matches(stored) {
            return false;
        }
        let Some(unpacked) = self.packed.unpack(stored) else { return false };
        let mut units = AlignedBuf::with_capacity(self.crcs.len() * UNIT_BYTES);
        for (at, crc) in (self.first..).zip(&self.crcs) {
            let unit = self.packed.unit(&unpacked, at);
            if !trust && crc32c(unit) != *crc {
                return false;
            }
            units.extend_from_slice(unit);
        }
        self.units = Some(units);
        true
    }
}

impl Layout {
    /// Whether two plans read the very same units with the same checksums from the device.
    fn expects_same(&self, other: &Layout) -> bool {
        let device = |l: &'_ Layout| -> Vec<(Run, Vec<u32>)> {
            let of = |s: &Segment| match &s.source {
                Source::Device { run, crcs, .. } => Some((*run, crcs.clone())),
                Source::Packed(p) => Some((p.packed.run, p.crcs.clone())),
                Source::Memory(_) => None,
            };
            l.segments.iter().filter_map(of).collect()
        };
        device(self) == device(other)
    }

    /// Adds units to be read from the device, to the segment before them if they continue it.
    fn add_device(&mut self, at: usize, more: Run, more_crcs: &[u32]) {
        if let Some(Segment { at: first, source: Source::Device { run, crcs, .. } }) =
            self.segments.last_mut()
            && run.end() == more.start
            && *first + crcs.len() == at
        {
            run.len += more.len;
            crcs.extend_from_slice(more_crcs);
            return;
        }
        let source = Source::Device { run: more, crcs: more_crcs.to_vec(), buf: None };
        self.segments.push(Segment { at, source });
    }

    fn assemble(mut self) -> Bytes {
        let window = self.skip..self.skip + self.keep;
        if let [Segment { at: 0, source }] = &mut self.segments[..] {
            match source {
                Source::Device { run, buf, .. } if run.len as usize == self.units => {
                    return Bytes::from_owner(buf.take().expect("read")).slice(window);
                }
                Source::Memory(unit) if self.units == 1 => return unit.slice(window),
                Source::Packed(p) if p.crcs.len() == self.units => {
                    return Bytes::from_owner(p.units.take().expect("unpacked")).slice(window);
                }
                _ => {}
            }
        }
        let mut out = AlignedBuf::zeroed(self.units * UNIT_BYTES);
        for s in &self.segments {
            let data: &[u8] = match &s.source {
                Source::Memory(unit) => unit,
                Source::Device { buf, .. } => buf.as_ref().expect("read"),
                Source::Packed(p) => p.units.as_ref().expect("unpacked"),
            };
            let at = s.at * UNIT_BYTES;
            out[at..at + data.len()].copy_from_slice(data);
        }
        Bytes::from_owner(out).slice(window)
    }
}

impl Store {
    /// Reads `len` bytes at `offset` (0: to the end), cut at the object's end; holes read as zeros.
    /// Sees every transaction submitted before, durable or not.
    pub fn read(&mut self, ticket: u64, object: &ObjectId, offset: u64, len: u64) {
        match self.alive().map_err(|_| Errno::EIO).and_then(|()| self.lay_out(object, offset, len)) {
            Err(e) => self.completions.push_back(Completion::Read { ticket, result: Err(e) }),
            Ok(layout) => {
                let op = ReadOp {
                    ticket,
                    object: object.clone(),
                    offset,
                    len,
                    layout,
                    waiting: 0,
                    damaged: false,
                };
                let read = self.reads.insert(op);
                self.start_read(read);
            }
        }
    }

    fn lay_out(&self, object: &ObjectId, offset: u64, len: u64) -> Result<Layout, Errno> {
        let row = self.object_row(object)?.ok_or(Errno::ENOENT)?;
        let size = row.meta.size;
        let end = if len == 0 { size } else { offset.saturating_add(len).min(size) };
        if offset >= end {
            return Ok(Layout::default());
        }
        let (first, last) = (offset / UNIT, units_for(end));
        let mut layout = Layout {
            skip: (offset % UNIT) as usize,
            keep: (end - offset) as usize,
            units: (last - first) as usize,
            segments: Vec::new(),
        };
        let chunk_units = CHUNK_UNITS as u64;
        for c in first / chunk_units..=(last - 1) / chunk_units {
            let chunk = read_chunk(&*self.index, row.number, c as u32, self.geometry().data_units);
            let Some(chunk) = chunk.map_err(|e: StoreError| self.read_failed(object, &e))? else { continue };
            let base = c * chunk_units;
            let (lo, hi) = (first.max(base) - base, (last - base).min(chunk_units));
            for piece in chunk.pieces_in(lo as usize, hi as usize) {
                let at = (base + piece.at as u64 - first) as usize;
                let crcs = chunk.crcs(piece.at, piece.run.len as usize);
                if !self.overlay.touches(piece.run) {
                    layout.add_device(at, piece.run, crcs);
                    continue;
                }
                for i in 0..piece.run.len {
                    let (at, unit) = (at + i as usize, piece.run.start + i);
                    match self.overlay.get(unit) {
                        Some(data) => layout.segments.push(Segment { at, source: Source::Memory(data) }),
                        None => layout.add_device(at, Run { start: unit, len: 1 }, &crcs[i as usize..][..1]),
                    }
                }
            }
            if !chunk.packed().is_empty() {
                self.lay_out_packed(
                    &mut layout,
                    &chunk,
                    lo as usize..hi as usize,
                    base as i64 - first as i64,
                );
            }
        }
        Ok(layout)
    }

    /// Adds the units of a chunk's range that are packed, each run of neighbours by itself. `shift`: from the chunk's
    /// units to the read's.
    fn lay_out_packed(&self, layout: &mut Layout, chunk: &Chunk, range: Range<usize>, shift: i64) {
        let mut at = range.start;
        while at < range.end {
            let Some((Slot::Packed { .. }, packed)) = chunk.get(at).zip(chunk.packed_of(at)) else {
                at += 1;
                continue;
            };
            let end = range.end.min(packed.at + packed.units);
            let live = |at: &usize| matches!(chunk.get(*at), Some(Slot::Packed { .. }));
            let units = (at..end).take_while(live).count();
            let read = PackedRead {
                stored: self.overlay.get_run(packed.run),
                packed: packed.clone(),
                first: at,
                crcs: chunk.crcs(at, units).to_vec(),
                units: None,
            };
            let place = (at as i64 + shift) as usize;
            layout.segments.push(Segment { at: place, source: Source::Packed(Box::new(read)) });
            at += units;
        }
    }

    fn read_failed(&self, object: &ObjectId, e: &StoreError) -> Errno {
        tracing::error!(%object, error = %e, "a read failed");
        Errno::EIO
    }

    fn start_read(&mut self, read: u64) {
        let geometry = self.superblock.geometry;
        let op = self.reads.get_mut(read);
        self.reads_waiting += op.layout.segments.len();
        for (segment, s) in op.layout.segments.iter_mut().enumerate() {
            let run = match &mut s.source {
                Source::Memory(_) => continue,
                Source::Device { run, .. } => *run,
                Source::Packed(p) => match p.stored.take() {
                    Some(stored) => {
                        op.damaged |= !p.take(&stored);
                        continue;
                    }
                    None => p.packed.run,
                },
            };
            let tag = self.operations.insert(Operation::Read { read, segment });
            self.device.read(tag, geometry.unit_offset(run.start), (run.len * UNIT) as usize);
            op.waiting += 1;
        }
        if self.reads_waiting >= EARLY_READS {
            self.reads_waiting = 0;
            // If the device fails at this, the next `poll` meets the same failure and reports it.
            let _ = self.device.submit();
        }
        self.finish_read(read);
    }

    pub(super) fn read_segment_done(
        &mut self,
        read: u64,
        segment: usize,
        result: Result<(), DeviceError>,
        data: Option<AlignedBuf>,
    ) {
        let op = self.reads.get_mut(read);
        op.waiting -= 1;
        let source = &mut op.layout.segments[segment].source;
        match (result, data) {
            (Ok(()), Some(data)) => match source {
                Source::Device { crcs, buf, .. } => {
                    let good =
                        data.chunks_exact(UNIT_BYTES).zip(&*crcs).all(|(unit, crc)| crc32c(unit) == *crc);
                    op.damaged |= !good && !sabotage::is(Sabotage::SkipReadChecksum);
                    *buf = Some(data);
                }
                Source::Packed(p) => op.damaged |= !p.take(&data),
                Source::Memory(_) => panic!("what memory has is not read"),
            },
            (Err(e), _) => {
                let unit = match source {
                    Source::Device { run, .. } => run.start,
                    Source::Packed(p) => p.packed.run.start,
                    Source::Memory(_) => panic!("what memory has is not read"),
                };
                tracing::error!(object = %op.object, unit, error = %e, "a device read failed");
                op.damaged = true;
            }
            (Ok(()), None) => panic!("a read returns its buffer"),
        }
        self.finish_read(read);
    }

    fn finish_read(&mut self, read: u64) {
        if self.reads.get_mut(read).waiting > 0 {
            return;
        }
        let mut op = self.reads.remove(read);
        let result = if !op.damaged {
            Ok(op.layout.assemble())
        } else {
            // Not what was expected: either the object changed while it was read, or this is damage.
            match self.lay_out(&op.object, op.offset, op.len) {
                Ok(layout) if !layout.expects_same(&op.layout) => {
                    (op.layout, op.damaged) = (layout, false);
                    let read = self.reads.insert(op);
                    return self.start_read(read);
                }
                Ok(_) => {
                    let (object, offset, len) = (&op.object, op.offset, op.len);
                    tracing::error!(%object, offset, len, "stored data does not match its checksum");
                    Err(Errno::EIO)
                }
                Err(e) => Err(e),
            }
        };
        self.completions.push_back(Completion::Read { ticket: op.ticket, result });
    }
}
