//! Changes held back for a while and then handed on in key order, many transactions at once: an ordered memtable
//! finds the place of a key next to the one before it far sooner than that of any key, and a row that is written
//! again and again costs it one entry instead of many.
//!
//! The crash contract stands: what is written here is visible at once, a flush hands on everything first, and
//! nothing below becomes durable by itself. Transactions are handed on whole, never a part of one.

use super::batch::Ops;
use super::{Family, Index, IndexBatch, IndexError, IndexOp, Visit};
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// Changes that are held back at most, beside those of one transaction.
const MOST_CHANGES: usize = 1024;
/// Bytes of keys and values that are held back at most, beside those of one transaction. Small beside the smallest
/// memory target.
const MOST_BYTES: usize = 512 << 10;

/// Keys that were set, or removed.
type Changes = BTreeMap<Box<[u8]>, Option<Bytes>>;

/// An index with the newest changes in front of it.
pub(crate) struct BehindIndex {
    inner: RefCell<Box<dyn Index>>,
    held: RefCell<[Changes; Family::ALL.len()]>,
    held_bytes: Cell<usize>,
    /// Filled anew each time: half a MiB that is new each time costs more than what is written into it.
    batch: RefCell<IndexBatch>,
    /// Why something that was held back could not be handed on: it is lost to this index, which must neither be read nor
    /// become durable as if it were there. What the log holds comes back with the next start.
    failure: RefCell<Option<String>>,
}

impl BehindIndex {
    /// In front of `inner`, with nothing held back.
    pub(crate) fn new(inner: Box<dyn Index>) -> BehindIndex {
        BehindIndex {
            inner: RefCell::new(inner),
            held: RefCell::default(),
            held_bytes: Cell::new(0),
            batch: RefCell::default(),
            failure: RefCell::default(),
        }
    }

    fn sound(&self) -> Result<(), IndexError> {
        self.failure().map_or(Ok(()), Err)
    }

    /// Hands on all that is held back.
    fn hand_on(&self) -> Result<(), IndexError> {
        self.sound()?;
        let mut held = self.held.borrow_mut();
        if held.iter().all(BTreeMap::is_empty) {
            return Ok(());
        }
        let mut batch = self.batch.borrow_mut();
        batch.clear();
        for (family, changes) in Family::ALL.into_iter().zip(held.iter_mut()) {
            for (key, value) in std::mem::take(changes) {
                match value {
                    Some(value) => batch.put(family, &key, &value),
                    None => batch.delete(family, &key),
                }
            }
        }
        self.held_bytes.set(0);
        let written = self.inner.borrow_mut().write(batch.as_bytes());
        if let Err(error) = &written {
            *self.failure.borrow_mut() = Some(error.to_string());
        }
        written
    }

    /// Adds the changes of one transaction; `false`, with nothing added, if a range goes with it.
    fn hold(&mut self, changes: &[u8]) -> Result<bool, IndexError> {
        for op in Ops::new(changes) {
            if let IndexOp::DeleteRange(..) = op? {
                return Ok(false);
            }
        }
        let held = self.held.get_mut();
        for op in Ops::new(changes) {
            let (family, key, value) = match op? {
                IndexOp::Put(family, key, value) => (family, key, Some(Bytes::copy_from_slice(value))),
                IndexOp::Delete(family, key) => (family, key, None),
                IndexOp::DeleteRange(..) => unreachable!("looked for above"),
            };
            match held[family as usize].get_mut(key) {
                Some(before) => *before = value,
                None => drop(held[family as usize].insert(key.into(), value)),
            }
        }
        // What a change takes the place of is counted too: this bounds memory and work, it is not a measure.
        *self.held_bytes.get_mut() += changes.len();
        Ok(true)
    }
}

impl Index for BehindIndex {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, IndexError> {
        self.sound()?;
        match self.held.borrow()[family as usize].get(key) {
            Some(value) => Ok(value.clone()),
            None => self.inner.borrow().get(family, key),
        }
    }

    fn scan(
        &self,
        family: Family,
        start: &[u8],
        end: Option<&[u8]>,
        reverse: bool,
        visit: Visit<'_>,
    ) -> Result<(), IndexError> {
        // Those of all families: while rows are visited, another scan may begin, and nothing can be handed on then.
        self.hand_on()?;
        self.inner.borrow().scan(family, start, end, reverse, visit)
    }

    fn write(&mut self, changes: &[u8]) -> Result<(), IndexError> {
        self.sound()?;
        if !self.hold(changes)? {
            self.hand_on()?;
            return self.inner.get_mut().write(changes);
        }
        let count: usize = self.held.get_mut().iter().map(BTreeMap::len).sum();
        if count >= MOST_CHANGES || self.held_bytes.get() >= MOST_BYTES {
            self.hand_on()?;
        }
        Ok(())
    }

    fn flush_begin(&mut self, lsn: u64) -> Result<(), IndexError> {
        self.hand_on()?;
        self.inner.get_mut().flush_begin(lsn)
    }
    fn persisted_lsn(&self) -> Result<u64, IndexError> {
        self.inner.borrow().persisted_lsn()
    }
    fn flush_wait(&mut self, lsn: u64) -> Result<(), IndexError> {
        self.hand_on()?;
        self.inner.get_mut().flush_wait(lsn)
    }
    fn set_memory_target(&mut self, bytes: u64) {
        self.inner.get_mut().set_memory_target(bytes);
    }
    fn disk_bytes(&self) -> u64 {
        self.inner.borrow().disk_bytes()
    }
    fn failure(&self) -> Option<IndexError> {
        let detail = self.failure.borrow();
        detail.as_ref().map(|detail| IndexError::new("go on after a write to the index failed", detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::map::{MapDisk, MapIndex};
    use stdx::Rng;

    /// Whatever is written, read, scanned and flushed, in whatever order, nothing shows that changes are held back;
    /// and after a crash there is what the flush took.
    #[test]
    fn an_index_with_changes_held_back_answers_as_the_index_does() {
        let mut rng = Rng::new(11);
        let (bare_disk, disk) = (MapDisk::new(), MapDisk::new());
        let mut bare = MapIndex::open(&bare_disk);
        let mut behind = BehindIndex::new(Box::new(MapIndex::open(&disk)));
        let mut most_held = 0;
        for lsn in 1..8_000 {
            let mut batch = IndexBatch::new();
            for _ in 0..rng.below(4) {
                let family = Family::ALL[rng.below(3) as usize];
                let (one, other) = (key(&mut rng), key(&mut rng));
                match rng.below(1_500) {
                    0 => batch.delete_range(family, &one.clone().min(other.clone()), &one.max(other)),
                    1..300 => batch.delete(family, &one),
                    _ => batch.put(family, &one, &vec![rng.below(256) as u8; rng.below(1_200) as usize]),
                }
            }
            bare.write(batch.as_bytes()).unwrap();
            behind.write(batch.as_bytes()).unwrap();
            let held: usize = behind.held.borrow().iter().map(BTreeMap::len).sum();
            most_held = most_held.max(held);
            assert!(held < MOST_CHANGES + 4 && behind.held_bytes.get() < MOST_BYTES, "{held} changes held");
            let (family, key) = (Family::ALL[rng.below(3) as usize], key(&mut rng));
            assert_eq!(bare.get(family, &key).unwrap(), behind.get(family, &key).unwrap());
            match rng.below(600) {
                0 => assert_eq!(rows(&bare, family, &key), rows(&behind, family, &key)),
                1 => {
                    bare.flush_wait(lsn).unwrap();
                    behind.flush_wait(lsn).unwrap();
                    let (bare, after) = (MapIndex::open(&bare_disk), MapIndex::open(&disk));
                    for family in Family::ALL {
                        assert_eq!(rows(&bare, family, &[]), rows(&after, family, &[]), "after a crash");
                    }
                }
                _ => {}
            }
        }
        assert!(most_held > 300, "changes are held back: {most_held}");
    }

    /// An index whose writes fail while it is told so.
    struct Failing(MapIndex, std::rc::Rc<Cell<bool>>);
    impl Index for Failing {
        fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, IndexError> {
            self.0.get(family, key)
        }
        fn scan(
            &self,
            family: Family,
            start: &[u8],
            end: Option<&[u8]>,
            reverse: bool,
            visit: Visit<'_>,
        ) -> Result<(), IndexError> {
            self.0.scan(family, start, end, reverse, visit)
        }
        fn write(&mut self, changes: &[u8]) -> Result<(), IndexError> {
            if self.1.get() { Err(IndexError::new("write", "no space")) } else { self.0.write(changes) }
        }
        fn flush_begin(&mut self, lsn: u64) -> Result<(), IndexError> {
            self.0.flush_begin(lsn)
        }
        fn persisted_lsn(&self) -> Result<u64, IndexError> {
            self.0.persisted_lsn()
        }
        fn flush_wait(&mut self, lsn: u64) -> Result<(), IndexError> {
            self.0.flush_wait(lsn)
        }
        fn disk_bytes(&self) -> u64 {
            self.0.disk_bytes()
        }
    }

    #[test]
    fn a_read_that_met_a_failed_write_ends_the_index_also_when_there_is_space_again() {
        let (disk, fails) = (MapDisk::new(), std::rc::Rc::new(Cell::new(false)));
        let mut behind = BehindIndex::new(Box::new(Failing(MapIndex::open(&disk), fails.clone())));
        let mut batch = IndexBatch::new();
        batch.put(Family::Objects, b"object", b"1");
        behind.write(batch.as_bytes()).unwrap();
        fails.set(true);
        assert!(behind.failure().is_none());
        assert!(behind.scan(Family::Objects, &[], None, false, &mut |_, _| true).is_err());
        fails.set(false);
        // What was held back is gone: nothing may be read, written or made durable as if it never was.
        assert!(behind.failure().is_some_and(|e| e.to_string().contains("no space")));
        assert!(behind.get(Family::Objects, b"object").is_err());
        assert!(behind.write(batch.as_bytes()).is_err());
        assert!(behind.flush_begin(9).is_err() && behind.flush_wait(9).is_err());
        assert_eq!(behind.persisted_lsn().unwrap(), 0);
    }

    #[test]
    fn a_scan_may_begin_within_a_scan() {
        let mut behind = BehindIndex::new(Box::new(MapIndex::open(&MapDisk::new())));
        let mut batch = IndexBatch::new();
        batch.put(Family::Objects, b"object", b"1");
        batch.put(Family::Rows, b"row", b"2");
        behind.write(batch.as_bytes()).unwrap();
        behind.scan(Family::Objects, &[], None, false, &mut |_, _| true).unwrap();
        let mut more = IndexBatch::new();
        more.put(Family::Rows, b"row", b"3");
        behind.write(more.as_bytes()).unwrap();
        let mut seen = Vec::new();
        let visit = &mut |_: &[u8], _: &[u8]| {
            seen = rows(&behind, Family::Rows, &[]);
            behind.get(Family::Rows, b"row").unwrap() == Some(Bytes::from_static(b"3"))
        };
        behind.scan(Family::Objects, &[], None, false, visit).unwrap();
        assert_eq!(seen, [(b"row".to_vec(), b"3".to_vec())]);
    }

    fn rows(index: &dyn Index, family: Family, start: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut rows = Vec::new();
        let mut visit = |key: &[u8], value: &[u8]| {
            rows.push((key.to_vec(), value.to_vec()));
            true
        };
        index.scan(family, start, None, false, &mut visit).unwrap();
        rows
    }

    fn key(rng: &mut Rng) -> Vec<u8> {
        let n = rng.below(2_000) as u16;
        [b"k", &n.to_be_bytes()[..]].concat()
    }
}
