//! Which bytes two objects have in common because a clone shares them: what Ceph keeps as a clone's overlap with the
//! next newer state of its object, told here from the extent maps, so that it can never be out of date.

use super::Store;
use crate::chunk::{CHUNK_UNITS, Chunk, Slot};
use crate::index::Family;
use crate::keys::{chunk_key, chunk_of_key};
use crate::layout::UNIT;
use osd_object::ObjectId;
use std::collections::BTreeMap;
use std::ops::Range;
use stdx::Errno;

impl Store {
    /// Ranges of bytes, ascending and apart from each other, that are the same in both objects for certain: both have
    /// them in the same place, or both have a hole there. Ends at the smaller size. From the index alone.
    ///
    /// Errors: ENOENT for an object that does not exist; EIO for a row that cannot be read.
    pub fn overlap(&self, a: &ObjectId, b: &ObjectId) -> Result<Vec<Range<u64>>, Errno> {
        let (a, b) = (self.object_row(a)?.ok_or(Errno::ENOENT)?, self.object_row(b)?.ok_or(Errno::ENOENT)?);
        let size = a.meta.size.min(b.meta.size);
        let (ours, theirs) = (self.chunks_of(a.number)?, self.chunks_of(b.number)?);
        let mut apart: Vec<Range<u64>> = Vec::new();
        let none = Chunk::empty();
        let mut numbers: Vec<u32> = ours.keys().chain(theirs.keys()).copied().collect();
        numbers.sort_unstable();
        numbers.dedup();
        for c in numbers {
            let (ours, theirs) = (ours.get(&c).unwrap_or(&none), theirs.get(&c).unwrap_or(&none));
            for at in 0..CHUNK_UNITS {
                let place = |chunk: &Chunk| match chunk.get(at)? {
                    Slot::Plain { unit, .. } => Some((unit, None)),
                    Slot::Packed { .. } => chunk.packed_of(at).map(|p| (p.run.start, Some(at - p.at))),
                };
                if place(ours) != place(theirs) {
                    let start = (u64::from(c) * CHUNK_UNITS as u64 + at as u64) * UNIT;
                    match apart.last_mut() {
                        Some(last) if last.end == start => last.end += UNIT,
                        _ => apart.push(start..start + UNIT),
                    }
                }
            }
        }
        // What lies between the differences.
        let mut same = Vec::new();
        let mut from = 0;
        for gap in apart.into_iter().chain(std::iter::once(size..u64::MAX)) {
            let to = gap.start.min(size);
            if from < to {
                same.push(from..to);
            }
            from = gap.end;
        }
        Ok(same)
    }

    /// Runs on the device that an object's data lies in.
    #[cfg(test)]
    pub(super) fn pieces_of(&self, object: &ObjectId) -> usize {
        let row = self.object_row(object).unwrap().unwrap();
        self.chunks_of(row.number).unwrap().values().map(|c| c.runs().count()).sum()
    }

    fn chunks_of(&self, number: u64) -> Result<BTreeMap<u32, Chunk>, Errno> {
        let (start, end) = (chunk_key(number, 0), chunk_key(number, u32::MAX));
        let (mut chunks, mut bad) = (BTreeMap::new(), false);
        let units = self.geometry().data_units;
        let visit = &mut |key: &[u8], value: &[u8]| {
            match (chunk_of_key(key), Chunk::decode(value, units)) {
                (Some((_, c)), Some(chunk)) => drop(chunks.insert(c, chunk)),
                _ => bad = true,
            }
            !bad
        };
        let scanned = self.index.scan(Family::Extents, &start, Some(&end), false, visit);
        if let Err(error) = &scanned {
            tracing::error!(%error, "the index cannot be read");
        }
        if bad || scanned.is_err() { Err(Errno::EIO) } else { Ok(chunks) }
    }
}
