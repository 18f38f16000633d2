//! Decides what a transaction does to index, log and space, before anything is changed.
//!
//! Space is taken and sharing counted as the plan is made, with a list of steps to undo them; everything
//! else is only described. So a transaction that is refused leaves nothing behind.

mod clone;
mod data;
mod near;
mod packed;
mod rows;

use crate::chunk::{Chunk, Packing};
use crate::compress::Compressions;
use crate::device::Device;
use crate::error::StoreError;
use crate::index::{Family, Index, IndexBatch};
use crate::keys::{ObjectRow, RowHint, chunk_key};
use crate::overlay::Overlay;
use crate::sabotage::{self, Sabotage};
use crate::space::{Run, Space};
use bytes::Bytes;
use osd_object::{Mutation, ObjectId, ObjectMeta, Transaction};
use std::collections::BTreeMap;

/// What a transaction comes to.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) index: IndexBatch,
    /// Units whose contents travel in the log.
    pub(crate) inline: BTreeMap<u64, Bytes>,
    /// Runs written beside the record.
    pub(crate) fresh: Vec<FreshWrite>,
    /// Units that no object refers to any more.
    pub(crate) freed: Vec<Run>,
    /// Of the chunks that change: their packed extents afterwards, and before.
    pub(crate) packed_added: Packing,
    pub(crate) packed_gone: Packing,
    undo: Vec<Undo>,
}

/// Newly taken units and what is written to them.
pub(crate) struct FreshWrite {
    pub(crate) run: Run,
    pub(crate) data: Bytes,
    pub(crate) crcs: Vec<u32>,
}

enum Undo {
    Take(Run),
    Share(Run),
    Unshare(Run),
}

impl Plan {
    /// Changes to the index alone.
    pub(crate) fn of_index(index: IndexBatch) -> Plan {
        Plan { index, ..Plan::default() }
    }

    /// Gives back what the plan took.
    pub(crate) fn abandon(self, space: &mut Space) {
        if sabotage::is(Sabotage::LeakRefused) {
            return;
        }
        for step in self.undo.into_iter().rev() {
            match step {
                Undo::Take(run) => space.free.release(run),
                Undo::Share(run) => space.shared.drop(run, |_| panic!("undoing a share frees nothing")),
                Undo::Unshare(run) => space.shared.add(run),
            }
        }
    }
}

/// What a plan is made from.
pub(crate) struct Sources<'a> {
    pub(crate) space: &'a mut Space,
    pub(crate) index: &'a dyn Index,
    pub(crate) overlay: &'a Overlay,
    pub(crate) device: &'a mut dyn Device,
    pub(crate) geometry: crate::layout::Geometry,
    /// The LSN that the transaction will have.
    pub(crate) lsn: u64,
    /// Units that ordinary writes must leave free.
    pub(crate) spare_units: u64,
    pub(crate) compressions: &'a Compressions,
    /// Whether rows may have hints: an older build would not read them.
    pub(crate) hints: bool,
}

/// A plan in the making.
pub(crate) struct Planner<'a> {
    from: Sources<'a>,
    objects: BTreeMap<&'a ObjectId, ObjectState>,
    chunks: BTreeMap<(u64, u32), ChunkState>,
    /// Objects whose rows this transaction changed already.
    rows_touched: Vec<u64>,
    created: u64,
    plan: Plan,
}

struct ObjectState {
    key: Vec<u8>,
    row: Option<ObjectRow>,
    stored: bool,
    dirty: bool,
}

struct ChunkState {
    chunk: Box<Chunk>,
    /// As the index has it.
    packed_before: Packing,
    stored: bool,
    dirty: bool,
}

/// Object numbers are the LSN of the record that made the object, and a count within it.
const NUMBERS_PER_LSN: u64 = 1 << 16;

impl<'a> Planner<'a> {
    /// Plans a whole transaction; takes nothing if it fails.
    pub(crate) fn plan(from: Sources<'a>, transaction: &'a Transaction) -> Result<Plan, StoreError> {
        let mut planner = Planner {
            from,
            objects: BTreeMap::new(),
            chunks: BTreeMap::new(),
            rows_touched: Vec::new(),
            created: 0,
            plan: Plan::default(),
        };
        let outcome = transaction.mutations.iter().try_for_each(|m| planner.mutate(m));
        match outcome {
            Ok(()) => {
                planner.write_rows();
                Ok(planner.plan)
            }
            Err(e) => {
                planner.plan.abandon(planner.from.space);
                Err(e)
            }
        }
    }

    fn mutate(&mut self, m: &'a Mutation) -> Result<(), StoreError> {
        match m {
            Mutation::Touch { object } => self.touch(object).map(drop),
            Mutation::Write { object, offset, data } => self.write(object, *offset, data),
            Mutation::Zero { object, offset, len } => self.zero(object, *offset, *len),
            Mutation::Truncate { object, size } => self.truncate(object, *size),
            Mutation::Remove { object } => self.remove(object),
            Mutation::SetXattr { object, name, value } => self.set_xattr(object, name, value),
            Mutation::RmXattr { object, name } => self.rm_xattr(object, name),
            Mutation::OmapSet { object, rows } => self.omap_set(object, rows),
            Mutation::OmapRm { object, keys } => self.omap_rm(object, keys),
            Mutation::OmapRmRange { object, start, end } => self.omap_rm_range(object, start, end.as_ref()),
            Mutation::Clone { from, to } => self.clone_object(from, to),
            Mutation::Rename { from, to } => self.rename(from, to),
            Mutation::Stamp { object, version, mtime } => {
                let mut row = self.touch(object)?;
                row.meta = ObjectMeta { size: row.meta.size, version: *version, mtime: *mtime };
                self.set(object, Some(row));
                Ok(())
            }
        }
    }

    /// The object as it is at this point of the transaction.
    fn load(&mut self, object: &'a ObjectId) -> Result<Option<ObjectRow>, StoreError> {
        if let Some(state) = self.objects.get(object) {
            return Ok(state.row);
        }
        let key = object.sort_key();
        let row = match self.from.index.get(Family::Objects, &key)? {
            None => None,
            Some(bytes) => Some(ObjectRow::decode(&bytes).ok_or_else(|| damaged("an object row"))?),
        };
        self.objects.insert(object, ObjectState { key, row, stored: row.is_some(), dirty: false });
        Ok(row)
    }

    fn set(&mut self, object: &'a ObjectId, row: Option<ObjectRow>) {
        let state = self.objects.get_mut(object).expect("an object is loaded before it is changed");
        state.row = row;
        state.dirty = true;
    }

    /// The object, made if it is absent.
    fn touch(&mut self, object: &'a ObjectId) -> Result<ObjectRow, StoreError> {
        if let Some(row) = self.load(object)? {
            return Ok(row);
        }
        if self.created == NUMBERS_PER_LSN {
            return Err(StoreError::Invalid("more than 65,536 objects made in one transaction"));
        }
        let number = self.from.lsn * NUMBERS_PER_LSN + self.created;
        self.created += 1;
        let row = ObjectRow { number, meta: ObjectMeta::empty(), has_rows: false, hint: RowHint::default() };
        self.set(object, Some(row));
        Ok(row)
    }

    /// Whether an object was made by this very transaction, so that the index holds nothing of it.
    fn is_new(&self, number: u64) -> bool {
        number / NUMBERS_PER_LSN == self.from.lsn
    }

    fn chunk(&mut self, number: u64, chunk: u32) -> Result<&mut ChunkState, StoreError> {
        use std::collections::btree_map::Entry;
        let is_new = self.is_new(number);
        match self.chunks.entry((number, chunk)) {
            Entry::Occupied(e) => Ok(e.into_mut()),
            Entry::Vacant(e) => {
                let stored = match is_new {
                    true => None,
                    false => read_chunk(self.from.index, number, chunk, self.from.geometry.data_units)?,
                };
                Ok(e.insert(ChunkState {
                    stored: stored.is_some(),
                    packed_before: stored.as_ref().map(Chunk::packing).unwrap_or_default(),
                    chunk: Box::new(stored.unwrap_or_else(Chunk::empty)),
                    dirty: false,
                }))
            }
        }
    }

    /// Turns what became of objects and chunks into index changes.
    fn write_rows(&mut self) {
        for ((number, chunk), state) in &self.chunks {
            let key = chunk_key(*number, *chunk);
            if state.dirty {
                self.plan.packed_gone.add(state.packed_before);
                self.plan.packed_added.add(state.chunk.packing());
            }
            match (state.dirty, state.chunk.is_empty()) {
                (false, _) => {}
                (true, false) => self.plan.index.put(Family::Extents, &key, &state.chunk.encode()),
                (true, true) if state.stored => self.plan.index.delete(Family::Extents, &key),
                (true, true) => {}
            }
        }
        for state in self.objects.values().filter(|s| s.dirty) {
            match &state.row {
                Some(row) => self.plan.index.put(Family::Objects, &state.key, &row.encode()),
                None if state.stored => self.plan.index.delete(Family::Objects, &state.key),
                None => {}
            }
        }
    }

    /// Takes units, leaving `spare` free.
    fn take(&mut self, units: u64, spare: u64) -> Result<Vec<Run>, StoreError> {
        let free = self.from.space.free.units();
        let runs = if units + spare > free { None } else { self.from.space.allocate(units) };
        let runs = runs.ok_or(StoreError::NoSpace {
            wanted_bytes: units * crate::layout::UNIT,
            free_bytes: free.saturating_sub(spare) * crate::layout::UNIT,
        })?;
        self.plan.undo.extend(runs.iter().map(|r| Undo::Take(*r)));
        Ok(runs)
    }

    /// An object no longer refers to these units.
    fn release(&mut self, run: Run) {
        let (plan, mut at) = (&mut self.plan, run.start);
        self.from.space.shared.drop(run, |last| {
            if at < last.start {
                plan.undo.push(Undo::Unshare(Run { start: at, len: last.start - at }));
            }
            at = last.end();
            match plan.freed.last_mut() {
                Some(f) if f.end() == last.start => f.len += last.len,
                _ => plan.freed.push(last),
            }
        });
        if at < run.end() {
            self.plan.undo.push(Undo::Unshare(Run { start: at, len: run.end() - at }));
        }
    }
}

/// Reads one chunk from an index.
pub(crate) fn read_chunk(
    index: &dyn Index,
    number: u64,
    chunk: u32,
    units: u64,
) -> Result<Option<Chunk>, StoreError> {
    match index.get(Family::Extents, &chunk_key(number, chunk))? {
        None => Ok(None),
        Some(bytes) => Chunk::decode(&bytes, units).map(Some).ok_or_else(|| damaged("an extent row")),
    }
}

fn damaged(what: &str) -> StoreError {
    StoreError::DamagedIndex { detail: format!("{what} cannot be read") }
}
