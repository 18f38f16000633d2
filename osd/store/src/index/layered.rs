//! An index that takes changes in memory over one that nobody may change: what a log adds to a store that is
//! only looked at.

use super::batch::Ops;
use super::{Family, Index, IndexError, IndexOp, Visit};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Bound;

/// Changes over a base. They are never flushed: the base stays as durable as it was.
pub struct LayeredIndex {
    base: Box<dyn Index>,
    layers: [Layer; Family::ALL.len()],
}

#[derive(Default)]
struct Layer {
    /// Keys that were set or removed; they hide whatever lies below.
    own: BTreeMap<Vec<u8>, Option<Bytes>>,
    /// Ranges of the base that were removed, start to end; disjoint.
    removed: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl LayeredIndex {
    /// Nothing changed yet.
    pub fn new(base: Box<dyn Index>) -> LayeredIndex {
        LayeredIndex { base, layers: Default::default() }
    }
}

impl Layer {
    fn covers(&self, key: &[u8]) -> bool {
        let before = self.removed.range::<[u8], _>((Bound::Unbounded, Bound::Included(key))).next_back();
        before.is_some_and(|(_, end)| key < &end[..])
    }

    fn remove_range(&mut self, start: &[u8], end: &[u8]) {
        if start >= end {
            return;
        }
        let within = (Bound::Included(start), Bound::Excluded(end));
        let gone: Vec<Vec<u8>> = self.own.range::<[u8], _>(within).map(|(k, _)| k.clone()).collect();
        gone.iter().for_each(|k| drop(self.own.remove(k)));
        // Joined with every range that it touches, so that ranges stay disjoint.
        let (mut from, mut to) = (start.to_vec(), end.to_vec());
        while let Some((s, e)) = self
            .removed
            .range::<[u8], _>((Bound::Unbounded, Bound::Included(&to[..])))
            .next_back()
            .filter(|(_, e)| e[..] >= from[..])
            .map(|(s, e)| (s.clone(), e.clone()))
        {
            self.removed.remove(&s);
            from = from.min(s);
            to = to.max(e);
        }
        self.removed.insert(from, to);
    }
}

type Own<'a> = Peekable<Box<dyn Iterator<Item = (&'a Vec<u8>, &'a Option<Bytes>)> + 'a>>;

/// Shows own rows that come before `key` (all that are left without one); false once enough was seen.
fn show_before(own: &mut Own<'_>, key: Option<&[u8]>, reverse: bool, visit: Visit<'_>) -> bool {
    let comes = |k: &[u8]| key.is_none_or(|key| if reverse { k > key } else { k < key });
    while let Some((k, value)) = own.next_if(|(k, _)| comes(k)) {
        if let Some(value) = value
            && !visit(k, value)
        {
            return false;
        }
    }
    true
}

impl Index for LayeredIndex {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, IndexError> {
        let layer = &self.layers[family as usize];
        match layer.own.get(key) {
            Some(value) => Ok(value.clone()),
            None if layer.covers(key) => Ok(None),
            None => self.base.get(family, key),
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
        if end.is_some_and(|end| start >= end) {
            return Ok(());
        }
        let layer = &self.layers[family as usize];
        let bounds = (Bound::Included(start), end.map_or(Bound::Unbounded, Bound::Excluded));
        let rows = layer.own.range::<[u8], _>(bounds);
        let rows: Box<dyn Iterator<Item = _>> = if reverse { Box::new(rows.rev()) } else { Box::new(rows) };
        let mut own: Own<'_> = rows.peekable();
        let mut more = true;
        self.base.scan(family, start, end, reverse, &mut |key, value| {
            more = show_before(&mut own, Some(key), reverse, visit)
                && match own.next_if(|(k, _)| k[..] == *key) {
                    Some((_, Some(value))) => visit(key, value),
                    Some((_, None)) => true,
                    None => layer.covers(key) || visit(key, value),
                };
            more
        })?;
        if more {
            show_before(&mut own, None, reverse, visit);
        }
        Ok(())
    }

    fn write(&mut self, changes: &[u8]) -> Result<(), IndexError> {
        for op in Ops::new(changes) {
            match op? {
                IndexOp::Put(f, k, v) => {
                    self.layers[f as usize].own.insert(k.to_vec(), Some(Bytes::copy_from_slice(v)));
                }
                IndexOp::Delete(f, k) => drop(self.layers[f as usize].own.insert(k.to_vec(), None)),
                IndexOp::DeleteRange(f, start, end) => self.layers[f as usize].remove_range(start, end),
            }
        }
        Ok(())
    }

    fn flush_begin(&mut self, _: u64) -> Result<(), IndexError> {
        Ok(())
    }

    fn persisted_lsn(&self) -> Result<u64, IndexError> {
        self.base.persisted_lsn()
    }

    fn flush_wait(&mut self, _: u64) -> Result<(), IndexError> {
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        self.base.disk_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::IndexBatch;
    use crate::index::map::{MapDisk, MapIndex};
    use stdx::Rng;

    #[test]
    fn layered_changes_show_what_the_same_changes_in_one_index_show() {
        for seed in 0..40 {
            let mut rng = Rng::new(seed);
            let key = |rng: &mut Rng| vec![rng.below(4) as u8; 1 + rng.below(3) as usize];
            let change = |rng: &mut Rng| {
                let mut b = IndexBatch::new();
                match rng.below(4) {
                    0 => b.delete(Family::Rows, &key(rng)),
                    1 => b.delete_range(Family::Rows, &key(rng), &key(rng)),
                    _ => b.put(Family::Rows, &key(rng), &[rng.below(256) as u8]),
                }
                b
            };
            let mut plain = MapIndex::open(&MapDisk::new());
            let mut base = MapIndex::open(&MapDisk::new());
            for _ in 0..10 {
                let b = change(&mut rng);
                plain.write(b.as_bytes()).unwrap();
                base.write(b.as_bytes()).unwrap();
            }
            let mut layered = LayeredIndex::new(Box::new(base));
            for _ in 0..30 {
                let b = change(&mut rng);
                plain.write(b.as_bytes()).unwrap();
                layered.write(b.as_bytes()).unwrap();
                let k = key(&mut rng);
                assert_eq!(layered.get(Family::Rows, &k).unwrap(), plain.get(Family::Rows, &k).unwrap());
                let (start, end, most) = (key(&mut rng), key(&mut rng), 1 + rng.below(8) as usize);
                let (reverse, bounded) = (rng.chance(1, 2), rng.chance(1, 2));
                let rows = |index: &dyn Index| {
                    let mut rows: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
                    let end = bounded.then_some(&end[..]);
                    let visit = &mut |k: &[u8], v: &[u8]| {
                        rows.push((k.to_vec(), v.to_vec()));
                        rows.len() < most
                    };
                    index.scan(Family::Rows, &start, end, reverse, visit).unwrap();
                    rows
                };
                assert_eq!(rows(&layered), rows(&plain), "seed {seed}");
            }
        }
    }
}
