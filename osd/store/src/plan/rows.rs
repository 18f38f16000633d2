//! Plans for attributes, omap rows, and the removal of whole objects.

use super::Planner;
use super::data::all_units;
use crate::error::StoreError;
use crate::index::{Family, IndexOp};
use crate::keys::{ObjectRow, RowHint, RowKind, row_end, row_key};
use bytes::Bytes;
use osd_object::hint::HINT_XATTR;
use osd_object::{AllocHint, ObjectId};
use std::collections::BTreeMap;

/// Up to this many rows are removed one by one; more, by one range tombstone, which every later read of
/// that part of the index must step over until compaction drops it.
const POINT_DELETES_MAX: usize = 64;

impl<'a> Planner<'a> {
    pub(super) fn set_xattr(
        &mut self,
        object: &'a ObjectId,
        name: &str,
        value: &Bytes,
    ) -> Result<(), StoreError> {
        let mut row = self.touch_rows(object)?;
        self.plan.index.put(Family::Rows, &row_key(row.number, RowKind::Xattr, name.as_bytes()), value);
        if name == HINT_XATTR && self.from.hints {
            row.hint = AllocHint::from_value(value).map(|h| RowHint::of(&h)).unwrap_or_default();
            self.set(object, Some(row));
        }
        Ok(())
    }

    pub(super) fn rm_xattr(&mut self, object: &'a ObjectId, name: &str) -> Result<(), StoreError> {
        let row = self.touch(object)?;
        if row.has_rows {
            self.changed_rows(row.number);
            self.plan.index.delete(Family::Rows, &row_key(row.number, RowKind::Xattr, name.as_bytes()));
        }
        Ok(())
    }

    pub(super) fn omap_set(
        &mut self,
        object: &'a ObjectId,
        rows: &[(Bytes, Bytes)],
    ) -> Result<(), StoreError> {
        let row = self.touch_rows(object)?;
        for (key, value) in rows {
            self.plan.index.put(Family::Rows, &row_key(row.number, RowKind::Omap, key), value);
        }
        Ok(())
    }

    pub(super) fn omap_rm(&mut self, object: &'a ObjectId, keys: &[Bytes]) -> Result<(), StoreError> {
        let row = self.touch(object)?;
        if row.has_rows {
            self.changed_rows(row.number);
            for key in keys {
                self.plan.index.delete(Family::Rows, &row_key(row.number, RowKind::Omap, key));
            }
        }
        Ok(())
    }

    pub(super) fn omap_rm_range(
        &mut self,
        object: &'a ObjectId,
        start: &Bytes,
        end: Option<&Bytes>,
    ) -> Result<(), StoreError> {
        let row = self.touch(object)?;
        let start = row_key(row.number, RowKind::Omap, start);
        let end = match end {
            Some(end) => row_key(row.number, RowKind::Omap, end),
            None => row_end(row.number, RowKind::Omap),
        };
        if row.has_rows && start < end { self.delete_rows(row.number, &start, &end) } else { Ok(()) }
    }

    /// The object with all it holds is gone. Harmless if it was not there.
    pub(super) fn remove(&mut self, object: &'a ObjectId) -> Result<(), StoreError> {
        let Some(row) = self.load(object)? else { return Ok(()) };
        self.drop_units(row.number, all_units())?;
        if row.has_rows {
            let start = row_key(row.number, RowKind::Xattr, &[]);
            self.delete_rows(row.number, &start, &row_end(row.number, RowKind::Omap))?;
        }
        self.set(object, None);
        Ok(())
    }

    fn touch_rows(&mut self, object: &'a ObjectId) -> Result<ObjectRow, StoreError> {
        let mut row = self.touch(object)?;
        if !row.has_rows {
            row.has_rows = true;
            self.set(object, Some(row));
        }
        self.changed_rows(row.number);
        Ok(row)
    }

    pub(super) fn changed_rows(&mut self, number: u64) {
        if !self.rows_touched.contains(&number) {
            self.rows_touched.push(number);
        }
    }

    fn delete_rows(&mut self, number: u64, start: &[u8], end: &[u8]) -> Result<(), StoreError> {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        if !self.is_new(number) {
            self.from.index.scan(Family::Rows, start, Some(end), false, &mut |key, _| {
                keys.push(key.to_vec());
                keys.len() <= POINT_DELETES_MAX
            })?;
        }
        if self.rows_touched.contains(&number) {
            for op in self.plan.index.ops() {
                if let IndexOp::Put(Family::Rows, key, _) = op?
                    && start <= key
                    && key < end
                {
                    keys.push(key.to_vec());
                }
            }
        }
        self.changed_rows(number);
        if keys.len() > POINT_DELETES_MAX {
            self.plan.index.delete_range(Family::Rows, start, end);
        } else {
            keys.iter().for_each(|key| self.plan.index.delete(Family::Rows, key));
        }
        Ok(())
    }

    /// All rows of an object at this point of the transaction, attributes included.
    pub(super) fn rows_of(&mut self, number: u64) -> Result<BTreeMap<Vec<u8>, Bytes>, StoreError> {
        let (start, end) = (row_key(number, RowKind::Xattr, &[]), row_end(number, RowKind::Omap));
        let mut rows = BTreeMap::new();
        if !self.is_new(number) {
            self.from.index.scan(Family::Rows, &start, Some(&end), false, &mut |key, value| {
                rows.insert(key.to_vec(), Bytes::copy_from_slice(value));
                true
            })?;
        }
        if !self.rows_touched.contains(&number) {
            return Ok(rows);
        }
        let within = |key: &[u8]| &start[..] <= key && key < &end[..];
        for op in self.plan.index.ops() {
            match op? {
                IndexOp::Put(Family::Rows, key, value) if within(key) => {
                    rows.insert(key.to_vec(), Bytes::copy_from_slice(value));
                }
                IndexOp::Delete(Family::Rows, key) => {
                    rows.remove(key);
                }
                IndexOp::DeleteRange(Family::Rows, start, end) => {
                    rows.retain(|key, _| &key[..] < start || &key[..] >= end);
                }
                _ => {}
            }
        }
        Ok(rows)
    }
}
