//! A `choose_args` block: weights and ids that replace those of some buckets, for one pool or for all.

use super::compile::Compiler;
use super::cursor::Cursor;
use super::{Fault, TextError};
use crate::{BUCKETS_MAX, ChooseArg, ChooseArgs};

/// Ceph checks no bound here; a weight that does not fit 16.16 has no meaning.
const WEIGHT_MAX: u32 = 65_535;

impl Compiler {
    pub(super) fn choose_args(&mut self, cursor: &mut Cursor<'_, '_>) -> Result<(), TextError> {
        cursor.expect("choose_args")?;
        let place = cursor.peek();
        let number = cursor.integer("a pool id", i64::MIN, i64::MAX)?;
        if self.map.choose_args.contains_key(&number) {
            return Err(place.fault(Fault::Duplicate { what: "choose_args", name: number.to_string() }));
        }
        cursor.expect("{")?;
        let mut set = ChooseArgs::new();
        while cursor.accept("{").is_some() {
            self.choose_arg(cursor, &mut set)?;
        }
        if cursor.accept("}").is_none() {
            return Err(cursor.unexpected("'{' or '}'"));
        }
        self.map.choose_args.insert(number, set);
        Ok(())
    }

    fn choose_arg(&self, cursor: &mut Cursor<'_, '_>, set: &mut ChooseArgs) -> Result<(), TextError> {
        cursor.expect("bucket_id")?;
        let place = cursor.peek();
        let id = cursor.integer("a bucket id", -(BUCKETS_MAX as i64), -1)? as i32;
        let bucket = self
            .map
            .bucket(id)
            .ok_or_else(|| place.fault(Fault::Undefined { what: "bucket", name: id.to_string() }))?;
        let wanted = bucket.items.len();
        let fits = |found: usize| {
            if found == wanted { Ok(()) } else { Err(place.fault(Fault::WrongCount { wanted, found })) }
        };
        let mut arg = ChooseArg::default();
        if cursor.accept("weight_set").is_some() {
            cursor.expect("[")?;
            while cursor.accept("[").is_some() {
                let mut row = Vec::new();
                while cursor.accept("]").is_none() {
                    row.push(cursor.weight(WEIGHT_MAX)?);
                }
                fits(row.len())?;
                arg.weight_set.push(row);
            }
            cursor.expect("]")?;
        }
        if cursor.accept("ids").is_some() {
            cursor.expect("[")?;
            while cursor.accept("]").is_none() {
                arg.ids.push(cursor.integer("an id", i64::from(i32::MIN), i64::from(i32::MAX))? as i32);
            }
            fits(arg.ids.len())?;
        }
        cursor.expect("}")?;
        if !arg.is_empty() {
            set.insert(id, arg);
        }
        Ok(())
    }
}
