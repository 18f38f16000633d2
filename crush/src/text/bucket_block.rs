//! A bucket's block: `host h1 { id -2  alg straw2  hash 0  item osd.0 weight 1.000 ... }`.

use std::collections::{BTreeMap, BTreeSet};

use super::compile::Compiler;
use super::cursor::Cursor;
use super::token::Token;
use super::{Fault, TextError};
use crate::{Alg, BUCKETS_MAX, Bucket, WEIGHT_ONE};

/// Ceph's bound for one device, so that sums above stay in 32 bits.
const DEVICE_WEIGHT_MAX: u32 = 100;
/// The same for a bucket in a bucket.
const BUCKET_WEIGHT_MAX: u32 = 65_535;

/// One `item` line.
struct ItemLine<'a> {
    name: Token<'a>,
    weight: Option<(Token<'a>, u32)>,
    position: Option<usize>,
}

/// A block as it stands in the text.
pub(super) struct BucketBlock<'a> {
    kind: Token<'a>,
    name: Token<'a>,
    /// `id N` lines; with a class, the id of the shadow.
    ids: Vec<(Token<'a>, i32, Option<Token<'a>>)>,
    /// The id of the first `id` line, whatever its class: Ceph reserves that one beforehand.
    pub(super) first_id: Option<i32>,
    alg: Alg,
    hash: u8,
    items: Vec<ItemLine<'a>>,
}

impl<'a> BucketBlock<'a> {
    pub(super) fn read(cursor: &mut Cursor<'_, 'a>) -> Result<Self, TextError> {
        let kind = cursor.name("a bucket, 'rule' or 'choose_args'")?;
        let name = cursor.name("a bucket name")?;
        cursor.expect("{")?;
        let mut ids = Vec::new();
        while let Some(place) = cursor.accept("id") {
            let id = cursor.integer("a bucket id", -(BUCKETS_MAX as i64), -1)? as i32;
            let class = match cursor.accept("class") {
                Some(_) => Some(cursor.name("a class")?),
                None => None,
            };
            ids.push((place, id, class));
        }
        cursor.expect("alg")?;
        let word = cursor.name("a bucket algorithm")?;
        let alg = Alg::from_name(word.word).ok_or_else(|| {
            word.fault(Fault::Unknown { what: "bucket algorithm", name: word.word.to_owned() })
        })?;
        let mut hash = 0;
        while cursor.accept("hash").is_some() {
            hash = match cursor.accept("rjenkins1") {
                Some(_) => 0,
                None => cursor.integer("a hash", 0, 255)? as u8,
            };
        }
        let mut items = Vec::new();
        while cursor.accept("item").is_some() {
            items.push(ItemLine::read(cursor)?);
        }
        if cursor.accept("}").is_none() {
            return Err(cursor.unexpected("'item' or '}'"));
        }
        let first_id = ids.first().map(|(_, id, _)| *id);
        Ok(Self { kind, name, ids, first_id, alg, hash, items })
    }

    fn holds(&self, name: &str) -> bool {
        self.items.iter().any(|item| item.name.word == name)
    }
}

impl<'a> ItemLine<'a> {
    fn read(cursor: &mut Cursor<'_, 'a>) -> Result<Self, TextError> {
        let name = cursor.name("an item's name")?;
        let mut line = Self { name, weight: None, position: None };
        if cursor.accept("weight").is_some() {
            let place = cursor.peek();
            line.weight = Some((place, cursor.weight(BUCKET_WEIGHT_MAX)?));
        }
        if cursor.accept("pos").is_some() {
            line.position = Some(cursor.integer("a position", 0, i64::from(i32::MAX))? as usize);
        }
        Ok(line)
    }
}

/// The order in which Ceph's compiler takes the blocks: as written, but where a bucket stands before one of its
/// items, the two change places. Ids that the text leaves open depend on it.
pub(super) fn order(blocks: &[BucketBlock<'_>]) -> Result<Vec<usize>, TextError> {
    let mut order: Vec<usize> = (0..blocks.len()).collect();
    let place: BTreeMap<&str, usize> =
        blocks.iter().enumerate().map(|(index, block)| (block.name.word, index)).collect();
    for (index, block) in blocks.iter().enumerate() {
        let later: BTreeSet<usize> = block
            .items
            .iter()
            .filter_map(|item| place.get(item.name.word).copied())
            .filter(|other| *other > index)
            .collect();
        for other in later {
            if blocks[other].holds(block.name.word) {
                let (one, other) = (block.name.word.to_owned(), blocks[other].name.word.to_owned());
                return Err(block.name.fault(Fault::Mutual { one, other }));
            }
            order.swap(index, other);
        }
    }
    Ok(order)
}

impl Compiler {
    /// Puts a block into the map.
    pub(super) fn bucket(&mut self, block: &BucketBlock<'_>) -> Result<(), TextError> {
        let undefined =
            |what, token: &Token<'_>| token.fault(Fault::Undefined { what, name: token.word.to_owned() });
        let kind = *self.types.get(block.kind.word).ok_or_else(|| undefined("type", &block.kind))?;
        if self.items.contains_key(block.name.word) {
            let name = block.name.word.to_owned();
            return Err(block.name.fault(Fault::Duplicate { what: "item", name }));
        }
        let mut own_id = None;
        let mut shadows = BTreeMap::new();
        for (place, id, class) in &block.ids {
            match class {
                None => own_id = Some((*place, *id)),
                Some(class) => {
                    let number = self.map.class_number(class.word);
                    if shadows.insert(number, *id).is_some() {
                        let name = class.word.to_owned();
                        return Err(class.fault(Fault::Duplicate { what: "the id of class", name }));
                    }
                }
            }
        }
        let (items, weights) = self.items_of(block)?;
        let (place, id) = match own_id {
            Some(given) => given,
            None => {
                let free = (1..).map(|n: i32| -n).find(|id| !self.used_ids.contains(id)).unwrap_or(i32::MIN);
                (block.name, free)
            }
        };
        let version = self.map.tunables.straw_calc_version;
        let filled = Bucket::filled(id, kind as u16, block.alg, items, weights, version);
        let mut bucket = filled.map_err(|error| place.fault(Fault::Map(error)))?;
        bucket.hash = block.hash;
        let weight = bucket.weight;
        self.map.store_bucket(bucket).map_err(|error| place.fault(Fault::Map(error)))?;
        self.define(&block.name, id)?;
        self.map.names.set(id, block.name.word);
        self.used_ids.insert(id);
        self.weights.insert(id, weight);
        if !shadows.is_empty() {
            self.shadows.insert(id, shadows);
        }
        Ok(())
    }

    /// The items of a block in their places.
    fn items_of(&self, block: &BucketBlock<'_>) -> Result<(Vec<i32>, Vec<u32>), TextError> {
        let size = block.items.len();
        let mut places: Vec<Option<(i32, u32)>> = vec![None; size];
        let mut reserved = BTreeSet::new();
        for line in &block.items {
            let Some(position) = line.position else { continue };
            if position >= size || !reserved.insert(position) {
                let item = line.name.word.to_owned();
                return Err(line.name.fault(Fault::BadPosition { item, position }));
            }
        }
        let mut free = (0..size).filter(|place| !reserved.contains(place));
        let mut uniform = None;
        for line in &block.items {
            let name = line.name.word;
            let item = *self
                .items
                .get(name)
                .ok_or_else(|| line.name.fault(Fault::Undefined { what: "item", name: name.to_owned() }))?;
            let weight = match line.weight {
                Some((place, weight)) if item >= 0 && weight > DEVICE_WEIGHT_MAX * WEIGHT_ONE => {
                    let number = place.word.to_owned();
                    return Err(
                        place.fault(Fault::OutOfRange { number, what: "a device's weight (at most 100)" })
                    );
                }
                Some((_, weight)) => weight,
                None => self.weights.get(&item).copied().unwrap_or(WEIGHT_ONE),
            };
            if block.alg == Alg::Uniform && *uniform.get_or_insert(weight) != weight {
                return Err(line.name.fault(Fault::UnequalWeight { item: name.to_owned() }));
            }
            // As many places as lines, each taken once: there is always a free one.
            let place = line.position.or_else(|| free.next());
            if let Some(place) = place.and_then(|place| places.get_mut(place)) {
                *place = Some((item, weight));
            }
        }
        Ok(places.into_iter().flatten().unzip())
    }
}
