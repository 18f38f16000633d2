//! The rows that every overwrite of a block reads, object rows, extent rows and the attributes that guard it, kept
//! in front of an index: looking them up in a memtable costs more than all of the store's own work for them.
//!
//! Written through, so that the index's crash contract stands as it is: nothing is known here that is not there.

use super::batch::Ops;
use super::{Family, Index, IndexError, IndexOp, Visit};
use crate::keys::{ROW_PREFIX_BYTES, RowKind};
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::HashMap;

/// Memory that an entry takes beyond its key and value, roughly.
const ENTRY_BYTES: usize = 112;

/// An index with its hot rows in front of it.
pub(crate) struct CachedIndex {
    inner: Box<dyn Index>,
    rows: RefCell<[Hot; PLACES]>,
}

/// Two generations of rows of one family: what is used moves to the young one, and when that is full the old
/// one is dropped whole.
struct Hot {
    young: HashMap<Box<[u8]>, Bytes>,
    old: HashMap<Box<[u8]>, Bytes>,
    young_bytes: usize,
    /// Of one generation.
    most_bytes: usize,
}

const PLACES: usize = 3;
const ATTRIBUTES: usize = 2;

/// Where a row is kept, if at all: omap rows are read by ranges.
fn place(family: Family, key: &[u8]) -> Option<usize> {
    match family {
        Family::Objects => Some(0),
        Family::Extents => Some(1),
        Family::Rows => (kind(key) == Some(RowKind::Xattr as u8)).then_some(ATTRIBUTES),
        Family::Misc => None,
    }
}

fn kind(key: &[u8]) -> Option<u8> {
    key.get(ROW_PREFIX_BYTES - 1).copied()
}

/// Which place loses rows with a range; none if it lies within one object's omap, as the ends of a PG's log do.
fn place_of_range(family: Family, start: &[u8], end: &[u8]) -> Option<usize> {
    match family {
        Family::Rows => {
            let object = ROW_PREFIX_BYTES - 1;
            let within_omap = start.len() > object
                && end.len() > object
                && start[..object] == end[..object]
                && kind(start) >= Some(RowKind::Omap as u8);
            (!within_omap).then_some(ATTRIBUTES)
        }
        family => place(family, start),
    }
}

/// The part of a memory target that hot rows take, with what they cost beside their bytes.
const TARGET_PART: u64 = 24;

/// Of one generation of one place: two of each.
fn most_bytes(memory_target_bytes: u64) -> usize {
    usize::try_from(memory_target_bytes / TARGET_PART / (2 * PLACES as u64)).unwrap_or(usize::MAX)
}

impl CachedIndex {
    /// In front of `inner`, with its part of a memory target.
    pub(crate) fn new(inner: Box<dyn Index>, memory_target_bytes: u64) -> CachedIndex {
        let hot = || Hot {
            young: HashMap::new(),
            old: HashMap::new(),
            young_bytes: 0,
            most_bytes: most_bytes(memory_target_bytes),
        };
        CachedIndex { inner, rows: RefCell::new(std::array::from_fn(|_| hot())) }
    }
}

impl Hot {
    fn get(&mut self, key: &[u8]) -> Option<Bytes> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.insert(key, value.clone());
        Some(value)
    }

    /// A row that was just read or written.
    fn put(&mut self, key: &[u8], value: Bytes) {
        if let Some(held) = self.young.get_mut(key) {
            self.young_bytes = self.young_bytes + value.len() - held.len();
            *held = value;
            return self.turn();
        }
        self.old.remove(key);
        self.insert(key.into(), value);
    }

    /// A row that was written; it is worth keeping only if it was read before.
    fn put_if_held(&mut self, key: &[u8], value: &[u8]) {
        if self.young.contains_key(key) || self.old.contains_key(key) {
            self.put(key, Bytes::copy_from_slice(value));
        }
    }

    fn insert(&mut self, key: Box<[u8]>, value: Bytes) {
        self.turn();
        self.young_bytes += key.len() + value.len() + ENTRY_BYTES;
        self.young.insert(key, value);
    }

    /// A generation that is full becomes the old one.
    fn turn(&mut self) {
        if self.young_bytes > self.most_bytes {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }

    fn remove(&mut self, key: &[u8]) {
        if let Some(value) = self.young.remove(key) {
            self.young_bytes -= key.len() + value.len() + ENTRY_BYTES;
        }
        self.old.remove(key);
    }

    fn clear(&mut self) {
        (self.young, self.old, self.young_bytes) = Default::default();
    }
}

impl Index for CachedIndex {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, IndexError> {
        let Some(place) = place(family, key) else { return self.inner.get(family, key) };
        let hot = &mut self.rows.borrow_mut()[place];
        if let Some(value) = hot.get(key) {
            return Ok(Some(value));
        }
        let value = self.inner.get(family, key)?;
        if let Some(value) = &value {
            hot.put(key, value.clone());
        }
        Ok(value)
    }

    fn scan(
        &self,
        family: Family,
        start: &[u8],
        end: Option<&[u8]>,
        reverse: bool,
        visit: Visit<'_>,
    ) -> Result<(), IndexError> {
        self.inner.scan(family, start, end, reverse, visit)
    }

    fn write(&mut self, changes: &[u8]) -> Result<(), IndexError> {
        self.inner.write(changes)?;
        let rows = self.rows.get_mut();
        for op in Ops::new(changes) {
            match op? {
                IndexOp::Put(family, key, value) => match place(family, key) {
                    Some(ATTRIBUTES) => rows[ATTRIBUTES].put_if_held(key, value),
                    Some(place) => rows[place].put(key, Bytes::copy_from_slice(value)),
                    None => {}
                },
                IndexOp::Delete(family, key) => {
                    if let Some(place) = place(family, key) {
                        rows[place].remove(key);
                    }
                }
                // Rare: a large object that goes. Which of the rows held here lie in the range is not worth knowing.
                IndexOp::DeleteRange(family, start, end) => {
                    if let Some(place) = place_of_range(family, start, end) {
                        rows[place].clear();
                    }
                }
            }
        }
        Ok(())
    }

    fn flush_begin(&mut self, lsn: u64) -> Result<(), IndexError> {
        self.inner.flush_begin(lsn)
    }
    fn persisted_lsn(&self) -> Result<u64, IndexError> {
        self.inner.persisted_lsn()
    }
    fn flush_wait(&mut self, lsn: u64) -> Result<(), IndexError> {
        self.inner.flush_wait(lsn)
    }
    fn set_memory_target(&mut self, bytes: u64) {
        for hot in self.rows.get_mut() {
            hot.most_bytes = most_bytes(bytes);
            hot.turn();
        }
        self.inner.set_memory_target(bytes);
    }

    fn disk_bytes(&self) -> u64 {
        self.inner.disk_bytes()
    }
    fn failure(&self) -> Option<IndexError> {
        self.inner.failure()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::IndexBatch;
    use crate::index::map::{MapDisk, MapIndex};
    use crate::keys::row_key;
    use stdx::Rng;

    /// Whatever is read and written, in whatever order, the cache never shows; and it stays within its bound.
    #[test]
    fn a_cached_index_answers_as_the_index_does() {
        let mut rng = Rng::new(5);
        for most in [0u64, 2_000, 1 << 20] {
            let (bare_disk, disk) = (MapDisk::new(), MapDisk::new());
            let mut bare = MapIndex::open(&bare_disk);
            let mut cached = CachedIndex::new(Box::new(MapIndex::open(&disk)), most * TARGET_PART);
            for _ in 0..3_000 {
                let mut batch = IndexBatch::new();
                for _ in 0..rng.below(4) {
                    let family = Family::ALL[rng.below(3) as usize];
                    let (key, other) = (key(&mut rng), key(&mut rng));
                    match rng.below(20) {
                        0 => batch.delete_range(family, &key.clone().min(other.clone()), &key.max(other)),
                        1..5 => batch.delete(family, &key),
                        _ => batch.put(family, &key, &vec![rng.below(256) as u8; rng.below(90) as usize]),
                    }
                }
                bare.write(batch.as_bytes()).expect("a map takes everything");
                cached.write(batch.as_bytes()).expect("a map takes everything");
                for _ in 0..3 {
                    let (family, key) = (Family::ALL[rng.below(3) as usize], key(&mut rng));
                    assert_eq!(bare.get(family, &key).unwrap(), cached.get(family, &key).unwrap());
                }
                for hot in cached.rows.borrow().iter() {
                    let held: usize = hot.young.iter().map(|(k, v)| k.len() + v.len() + ENTRY_BYTES).sum();
                    assert_eq!(held, hot.young_bytes, "bytes are counted right");
                    assert!(held <= hot.most_bytes + 90 + 10 + ENTRY_BYTES, "{held} of {}", hot.most_bytes);
                }
            }
        }
    }

    /// A key as those of rows are: the object's number, the kind, the caller's own.
    fn key(rng: &mut Rng) -> Vec<u8> {
        row_key(rng.below(3), [RowKind::Xattr, RowKind::Omap][rng.below(2) as usize], &[rng.below(12) as u8])
    }
}
