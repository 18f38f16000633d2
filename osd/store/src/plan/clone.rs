//! Plans for clones (data is shared unit by unit, rows are copied) and renames (nothing is: data and rows hang
//! on the object's number).

use super::{Planner, Undo};
use crate::error::StoreError;
use crate::index::Family;
use crate::keys::{ROW_PREFIX_BYTES, RowKind, row_key};
use crate::plan::data::all_units;
use osd_object::ObjectId;

impl<'a> Planner<'a> {
    pub(super) fn clone_object(&mut self, from: &'a ObjectId, to: &'a ObjectId) -> Result<(), StoreError> {
        let source = self.load(from)?.ok_or(StoreError::Invalid("the source of a clone does not exist"))?;
        if from == to {
            return Ok(());
        }
        self.remove(to)?;
        let mut row = self.touch(to)?;
        row.meta = source.meta;
        row.has_rows = source.has_rows;
        row.hint = source.hint;
        self.set(to, Some(row));
        for c in self.chunks_with_data(source.number, &all_units())? {
            let shared = self.chunk(source.number, c)?.chunk.clone();
            for run in shared.runs() {
                self.from.space.shared.add(run);
                self.plan.undo.push(Undo::Share(run));
            }
            let state = self.chunk(row.number, c)?;
            state.chunk = shared;
            state.dirty = true;
        }
        if source.has_rows {
            for (key, value) in self.rows_of(source.number)? {
                let kind = if key[8] == RowKind::Xattr as u8 { RowKind::Xattr } else { RowKind::Omap };
                let key = row_key(row.number, kind, &key[ROW_PREFIX_BYTES..]);
                self.plan.index.put(Family::Rows, &key, &value);
            }
            self.changed_rows(row.number);
        }
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &'a ObjectId, to: &'a ObjectId) -> Result<(), StoreError> {
        let row = self.load(from)?.ok_or(StoreError::Invalid("the source of a rename does not exist"))?;
        if from == to {
            return Ok(());
        }
        self.remove(to)?;
        self.load(to)?;
        self.set(to, Some(row));
        self.set(from, None);
        Ok(())
    }
}
