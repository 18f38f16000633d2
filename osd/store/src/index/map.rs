//! The index as ordered maps: the twin of the real one, with the same crash contract and no threads.

use super::batch::Ops;
use super::{APPLIED_KEY, Family, Index, IndexBatch, IndexError, IndexOp, Visit, applied_of};
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

type Families = [BTreeMap<Bytes, Bytes>; Family::ALL.len()];

/// What of a map index survives a crash. Shared between the index and the test that crashes it.
#[derive(Clone, Default)]
pub struct MapDisk {
    state: Rc<RefCell<DiskState>>,
}

#[derive(Default)]
struct DiskState {
    flushed: Families,
    /// A flush under way, and how many times `persisted_lsn` will be asked before it is done.
    flushing: Option<(Families, u32)>,
    /// How many questions each background flush takes.
    slowness: u32,
}

impl MapDisk {
    /// Empty; background flushes complete at once.
    pub fn new() -> MapDisk {
        MapDisk::default()
    }
    /// Another disk that holds what was flushed here.
    pub fn copy(&self) -> MapDisk {
        let flushed = self.state.borrow().flushed.clone();
        MapDisk { state: Rc::new(RefCell::new(DiskState { flushed, ..DiskState::default() })) }
    }
    /// Each background flush takes `questions` calls of `persisted_lsn`.
    pub fn set_slowness(&self, questions: u32) {
        self.state.borrow_mut().slowness = questions;
    }
    /// The power fails: a flush under way is wholly there or not at all, as `finish` says.
    pub fn crash(&self, finish: bool) {
        let mut state = self.state.borrow_mut();
        if let Some((families, _)) = state.flushing.take()
            && finish
        {
            state.flushed = families;
        }
    }
}

/// The index over a `MapDisk`.
pub struct MapIndex {
    families: Families,
    disk: MapDisk,
}

impl MapIndex {
    /// Opens what the disk holds.
    pub fn open(disk: &MapDisk) -> MapIndex {
        disk.crash(false);
        let families = disk.state.borrow().flushed.clone();
        MapIndex { families, disk: disk.clone() }
    }

    fn mark(&mut self, lsn: u64) -> Result<(), IndexError> {
        let mut batch = IndexBatch::new();
        batch.put(Family::Misc, APPLIED_KEY, &lsn.to_le_bytes());
        self.write(batch.as_bytes())
    }
}

impl Index for MapIndex {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, IndexError> {
        Ok(self.families[family as usize].get(key).cloned())
    }

    fn scan(
        &self,
        family: Family,
        start: &[u8],
        end: Option<&[u8]>,
        reverse: bool,
        visit: Visit<'_>,
    ) -> Result<(), IndexError> {
        if end.is_some_and(|end| start >= end) {
            return Ok(());
        }
        let end = end.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rows = self.families[family as usize].range::<[u8], _>((Bound::Included(start), end));
        loop {
            let row = if reverse { rows.next_back() } else { rows.next() };
            match row {
                Some((k, v)) if visit(k, v) => {}
                _ => return Ok(()),
            }
        }
    }

    fn write(&mut self, changes: &[u8]) -> Result<(), IndexError> {
        for op in Ops::new(changes) {
            match op? {
                IndexOp::Put(f, k, v) => {
                    self.families[f as usize].insert(Bytes::copy_from_slice(k), Bytes::copy_from_slice(v));
                }
                IndexOp::Delete(f, k) => {
                    self.families[f as usize].remove(k);
                }
                IndexOp::DeleteRange(f, start, end) => {
                    let family = &mut self.families[f as usize];
                    if start < end {
                        let range = (Bound::Included(start), Bound::Excluded(end));
                        let gone: Vec<Bytes> =
                            family.range::<[u8], _>(range).map(|(k, _)| k.clone()).collect();
                        for k in gone {
                            family.remove(&k);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn flush_begin(&mut self, lsn: u64) -> Result<(), IndexError> {
        self.mark(lsn)?;
        let mut state = self.disk.state.borrow_mut();
        if state.slowness == 0 {
            state.flushing = None;
            state.flushed = self.families.clone();
        } else {
            state.flushing = Some((self.families.clone(), state.slowness));
        }
        Ok(())
    }

    fn persisted_lsn(&self) -> Result<u64, IndexError> {
        let mut state = self.disk.state.borrow_mut();
        match &mut state.flushing {
            Some((_, questions)) if *questions > 1 => *questions -= 1,
            Some(_) => {
                if let Some((families, _)) = state.flushing.take() {
                    state.flushed = families;
                }
            }
            None => {}
        }
        applied_of(state.flushed[Family::Misc as usize].get(APPLIED_KEY).cloned())
    }

    fn flush_wait(&mut self, lsn: u64) -> Result<(), IndexError> {
        self.mark(lsn)?;
        let mut state = self.disk.state.borrow_mut();
        state.flushing = None;
        state.flushed = self.families.clone();
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        let state = self.disk.state.borrow();
        state.flushed.iter().flatten().map(|(k, v)| (k.len() + v.len() + 16) as u64).sum()
    }
}
