//! Space for an object whose size is known beforehand: each unit where it would lie if the whole object were one run, so
//! that what is written in any order can be read in one go.
//!
//! Nothing is set aside: others may come in between, and then the units go where there is space.

use super::data::place;
use super::{Planner, Run, Undo};
use crate::chunk::{CHUNK_UNITS, Chunk, Slot};
use crate::error::StoreError;
use crate::keys::ObjectRow;

impl Planner<'_> {
    /// Takes units for `first..first + units` of an object.
    pub(super) fn take_near(
        &mut self,
        row: &ObjectRow,
        first: u64,
        units: u64,
    ) -> Result<Vec<Run>, StoreError> {
        let spare = self.from.spare_units;
        let expected = row.hint.expected_units().filter(|expected| first + units <= *expected);
        let Some(expected) = expected.filter(|_| units + spare <= self.from.space.free.units()) else {
            return self.take(units, spare);
        };
        let wanted = match self.line(row.number, first)? {
            Some(at) => Some(at),
            None => self.from.space.free.aligned(expected).map(|start| start + first),
        };
        let Some(run) = wanted.and_then(|at| self.from.space.free.take_at(at, units)) else {
            return self.take(units, spare);
        };
        self.plan.undo.push(Undo::Take(run));
        let mut runs = vec![run];
        if run.len < units {
            runs.extend(self.take(units - run.len, spare)?);
        }
        Ok(runs)
    }

    /// Where a unit would lie, going by the nearest one before it, or behind it, in its chunk, or else by the end of the
    /// chunk before.
    fn line(&mut self, number: u64, unit: u64) -> Result<Option<u64>, StoreError> {
        let (c, at) = place(unit);
        let chunk = &self.chunk(number, c)?.chunk;
        let near = (0..at).rev().chain(at + 1..CHUNK_UNITS).find_map(|i| Some((i, plain(chunk, i)?)));
        if let Some((i, place)) = near {
            return Ok((place + at as u64).checked_sub(i as u64).filter(|wanted| *wanted > 0));
        }
        if c == 0 {
            return Ok(None);
        }
        let before = &self.chunk(number, c - 1)?.chunk;
        let last = (0..CHUNK_UNITS).rev().find_map(|i| Some((i, plain(before, i)?)));
        Ok(last.map(|(i, place)| place + (CHUNK_UNITS - i + at) as u64))
    }
}

fn plain(chunk: &Chunk, at: usize) -> Option<u64> {
    match chunk.get(at)? {
        Slot::Plain { unit, .. } => Some(unit),
        Slot::Packed { .. } => None,
    }
}
