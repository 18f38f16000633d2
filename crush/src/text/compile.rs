//! Text to map.

use std::collections::{BTreeMap, BTreeSet};

use super::bucket_block::{self, BucketBlock};
use super::cursor::Cursor;
use super::token::{Token, tokens};
use super::{Fault, TextError};
use crate::{CrushMap, DEVICES_MAX, Tunables};

/// A compilation under way.
pub(super) struct Compiler {
    pub(super) map: CrushMap,
    /// Type numbers by name; the last definition of a name counts.
    pub(super) types: BTreeMap<String, i32>,
    /// Items by name.
    pub(super) items: BTreeMap<String, i32>,
    /// Ids that a bucket has, or will have further down.
    pub(super) used_ids: BTreeSet<i32>,
    /// Weights of the buckets so far, for items without a weight of their own.
    pub(super) weights: BTreeMap<i32, u32>,
    /// Shadow ids that the text gives: bucket -> class -> shadow.
    pub(super) shadows: BTreeMap<i32, BTreeMap<i32, i32>>,
}

impl CrushMap {
    /// Reads a map from its text form. Tunables that are not named have Ceph's legacy values.
    ///
    /// # Errors
    /// The first fault, with line and column.
    pub fn compile(text: &str) -> Result<Self, TextError> {
        let tokens = tokens(text)?;
        let mut cursor = Cursor::new(&tokens);
        let mut compiler = Compiler {
            map: CrushMap::empty(Tunables::LEGACY),
            types: BTreeMap::new(),
            items: BTreeMap::new(),
            used_ids: BTreeSet::new(),
            weights: BTreeMap::new(),
            shadows: BTreeMap::new(),
        };
        compiler.definitions(&mut cursor)?;
        compiler.buckets(&mut cursor)?;
        let populate_at = cursor.peek();
        let shadows = std::mem::take(&mut compiler.shadows);
        if cursor.peek().word == "rule" {
            // Ceph makes the shadow trees on meeting the first rule; a map without rules has none.
            let made = compiler.map.populate_shadows_as_compiler(shadows);
            made.map_err(|error| populate_at.fault(Fault::Map(error)))?;
        }
        while cursor.peek().word == "rule" {
            compiler.rule(&mut cursor)?;
        }
        while cursor.peek().word == "choose_args" {
            compiler.choose_args(&mut cursor)?;
        }
        if !cursor.at_end() {
            return Err(cursor.unexpected("a bucket, 'rule' or 'choose_args'"));
        }
        compiler.map.finalize();
        Ok(compiler.map)
    }
}

impl Compiler {
    /// Tunables, devices and types, in any order.
    fn definitions(&mut self, cursor: &mut Cursor<'_, '_>) -> Result<(), TextError> {
        loop {
            if cursor.accept("tunable").is_some() {
                self.tunable(cursor)?;
            } else if cursor.accept("device").is_some() {
                self.device(cursor)?;
            } else if cursor.accept("type").is_some() {
                let number = cursor.integer("a type number", 0, i64::from(u16::MAX))? as i32;
                let name = cursor.name("a type name")?;
                self.types.insert(name.word.to_owned(), number);
                self.map.types.set(number, name.word);
            } else {
                return Ok(());
            }
        }
    }

    fn tunable(&mut self, cursor: &mut Cursor<'_, '_>) -> Result<(), TextError> {
        let name = cursor.name("a tunable")?;
        let place = cursor.peek();
        let value = cursor.integer("a tunable", 0, i64::from(i32::MAX))? as u32;
        let byte = || {
            u8::try_from(value).map_err(|_| {
                place.fault(Fault::OutOfRange { number: place.word.to_owned(), what: "this tunable" })
            })
        };
        let tunables = &mut self.map.tunables;
        match name.word {
            "choose_local_tries" => tunables.choose_local_tries = value,
            "choose_local_fallback_tries" => tunables.choose_local_fallback_tries = value,
            "choose_total_tries" => tunables.choose_total_tries = value,
            "chooseleaf_descend_once" => tunables.chooseleaf_descend_once = value,
            "chooseleaf_vary_r" => tunables.chooseleaf_vary_r = byte()?,
            "chooseleaf_stable" => tunables.chooseleaf_stable = byte()?,
            "straw_calc_version" => tunables.straw_calc_version = byte()?,
            "allowed_bucket_algs" => tunables.allowed_bucket_algs = value,
            "msr_descents" => tunables.msr_descents = Some(value),
            "msr_collision_tries" => tunables.msr_collision_tries = Some(value),
            other => {
                return Err(name.fault(Fault::Unknown { what: "tunable", name: other.to_owned() }));
            }
        }
        Ok(())
    }

    fn device(&mut self, cursor: &mut Cursor<'_, '_>) -> Result<(), TextError> {
        let id = cursor.integer("a device number", 0, i64::from(DEVICES_MAX) - 1)? as i32;
        let name = cursor.name("a device name")?;
        self.define(&name, id)?;
        self.map.names.set(id, name.word);
        if cursor.accept("class").is_some() {
            let class = cursor.name("a class")?;
            let number = self.map.class_number(class.word);
            self.map.class_of.insert(id, number);
        }
        Ok(())
    }

    /// Gives a name to an item.
    pub(super) fn define(&mut self, name: &Token<'_>, id: i32) -> Result<(), TextError> {
        if self.items.contains_key(name.word) {
            return Err(name.fault(Fault::Duplicate { what: "item", name: name.word.to_owned() }));
        }
        self.items.insert(name.word.to_owned(), id);
        Ok(())
    }

    /// All bucket blocks, put in an order in which items come before the buckets that hold them.
    fn buckets(&mut self, cursor: &mut Cursor<'_, '_>) -> Result<(), TextError> {
        let mut blocks = Vec::new();
        while !cursor.at_end() && !matches!(cursor.peek().word, "rule" | "choose_args") {
            blocks.push(BucketBlock::read(cursor)?);
        }
        self.used_ids = blocks.iter().filter_map(|block| block.first_id).collect();
        for index in bucket_block::order(&blocks)? {
            self.bucket(&blocks[index])?;
        }
        Ok(())
    }
}
