//! Bytes to map. Older maps end earlier; what they lack has Ceph's legacy value.

use super::reader::Reader;
use super::{DecodeError, DecodeFault, MAGIC};
use crate::bucket::Draw;
use crate::names::Names;
use crate::{Alg, BUCKETS_MAX, Bucket, ChooseArg, ChooseArgs, CrushMap, Op, RULES_MAX, Rule, Step, Tunables};

impl CrushMap {
    /// Reads the binary form. What it allocates is bounded by a small multiple of the bytes given. A decoded map may
    /// still be senseless: see [`CrushMap::validate`]; mapping with it ends in any case.
    ///
    /// # Errors
    /// The first part that is cut, too large or contradicts itself, with its offset.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let reader = &mut Reader::new(bytes);
        let mut map = Self::empty(Tunables::LEGACY);
        let start = reader.fault(DecodeFault::Magic(0));
        let magic = reader.u32("the magic number")?;
        if magic != MAGIC {
            return Err(DecodeError { fault: DecodeFault::Magic(magic), ..start });
        }
        let buckets = table(reader, "buckets", BUCKETS_MAX)?;
        let rules = table(reader, "rules", RULES_MAX)?;
        reader.i32("the number of devices")?; // computed below, as Ceph does
        for place in 0..buckets {
            map.buckets.push(bucket(reader, -1 - place as i32)?.map(Box::new));
        }
        for _ in 0..rules {
            map.rules.push(rule(reader)?);
        }
        map.types = names(reader.old_names("a type name")?);
        map.names = names(reader.old_names("an item name")?);
        map.rule_names = names(reader.old_names("a rule name")?);
        tunables(reader, &mut map.tunables)?;
        if !reader.is_empty() {
            map.class_of = reader.pairs("the classes of items")?;
            map.classes = names(reader.names("a class name")?);
            for _ in 0..reader.count(8, "shadow trees")? {
                let id = reader.i32("a shadow tree")?;
                map.shadows.insert(id, reader.pairs("a shadow tree")?);
            }
        }
        if !reader.is_empty() {
            let mut padding_left = bytes.len();
            for _ in 0..reader.count(12, "choose_args")? {
                let (number, set) = choose_args(reader, &map, &mut padding_left)?;
                map.choose_args.insert(number, set);
            }
            map.tidy_choose_args();
        }
        if reader.left() >= 8 {
            map.tunables.msr_descents = Some(reader.u32("tunables")?);
            map.tunables.msr_collision_tries = Some(reader.u32("tunables")?);
        }
        map.unknown_tail = reader.bytes(reader.left(), "the end")?.to_vec();
        map.finalize();
        Ok(map)
    }

    /// Drops what only straw2 buckets can have, as Ceph does when it reads a map.
    fn tidy_choose_args(&mut self) {
        let mut sets = std::mem::take(&mut self.choose_args);
        for set in sets.values_mut() {
            set.retain(|bucket, _| self.bucket(*bucket).is_some_and(|bucket| bucket.alg() == Alg::Straw2));
        }
        self.choose_args = sets;
    }
}

/// The length of the table of buckets or rules, each entry four bytes at least (they stand further down).
fn table(reader: &mut Reader<'_>, what: &'static str, max: usize) -> Result<usize, DecodeError> {
    let before = reader.fault(DecodeFault::Cut(what));
    let count = reader.u32(what)? as usize;
    if count > max || count * 4 > reader.left() {
        return Err(DecodeError { fault: DecodeFault::Count { what, count: count as u64 }, ..before });
    }
    Ok(count)
}

fn names(pairs: Vec<(i32, &str)>) -> Names {
    let mut names = Names::default();
    for (id, name) in pairs {
        names.set(id, name);
    }
    names
}

fn bucket(reader: &mut Reader<'_>, place: i32) -> Result<Option<Bucket>, DecodeError> {
    let start = reader.fault(DecodeFault::Cut("a bucket"));
    let wrong = |why| DecodeError { fault: DecodeFault::Bucket { place, why }, ..start.clone() };
    let number = reader.u32("a bucket")?;
    if number == 0 {
        return Ok(None);
    }
    let alg = Alg::from_number(number).ok_or_else(|| wrong("its algorithm does not exist"))?;
    if reader.i32("a bucket")? != place {
        return Err(wrong("its id is another's"));
    }
    let kind = reader.u16("a bucket")?;
    if u32::from(reader.u8("a bucket")?) != number {
        return Err(wrong("it has two algorithms"));
    }
    let hash = reader.u8("a bucket")?;
    let weight = reader.u32("a bucket")?;
    let size = reader.count(4, "items")?;
    let items = reader.i32s(size, "items")?;
    let draw = match alg {
        Alg::Uniform => Draw::Uniform { item_weight: reader.u32("weights")? },
        Alg::List | Alg::Straw => {
            let both = reader.u32s(size * 2, "weights")?;
            let (weights, second) = both.chunks_exact(2).map(|pair| (pair[0], pair[1])).unzip();
            if alg == Alg::List {
                Draw::List { weights, sums: second }
            } else {
                Draw::Straw { weights, straws: second }
            }
        }
        Alg::Tree => {
            let nodes = usize::from(reader.u8("weights")?);
            // Leaf `2i + 1` must exist for each item, and the root is the middle of a power of two.
            if nodes < size * 2 || nodes != 0 && !nodes.is_power_of_two() || nodes != 0 && size == 0 {
                return Err(wrong("its tree does not fit its items"));
            }
            Draw::Tree { nodes: reader.u32s(nodes, "weights")? }
        }
        Alg::Straw2 => Draw::Straw2 { weights: reader.u32s(size, "weights")? },
    };
    Ok(Some(Bucket { id: place, kind, hash, weight, items, draw }))
}

fn rule(reader: &mut Reader<'_>) -> Result<Option<Rule>, DecodeError> {
    if reader.u32("a rule")? == 0 {
        return Ok(None);
    }
    let before = reader.fault(DecodeFault::Cut("a rule"));
    let steps = reader.u32("a rule")? as usize;
    if steps.saturating_mul(12) > reader.left() {
        let count = steps as u64;
        return Err(DecodeError { fault: DecodeFault::Count { what: "steps", count }, ..before });
    }
    let mut rule = Rule {
        ruleset: reader.u8("a rule")?,
        kind: reader.u8("a rule")?,
        min_size: reader.u8("a rule")?,
        max_size: reader.u8("a rule")?,
        steps: Vec::with_capacity(steps),
    };
    for _ in 0..steps {
        let op = Op::from_number(reader.u32("a step")?);
        rule.steps.push(Step::new(op, reader.i32("a step")?, reader.i32("a step")?));
    }
    Ok(Some(rule))
}

/// Tunables came one group after another; a map may end before any of them.
fn tunables(reader: &mut Reader<'_>, tunables: &mut Tunables) -> Result<(), DecodeError> {
    let what = "tunables";
    if !reader.is_empty() {
        tunables.choose_local_tries = reader.u32(what)?;
        tunables.choose_local_fallback_tries = reader.u32(what)?;
        tunables.choose_total_tries = reader.u32(what)?;
    }
    if !reader.is_empty() {
        tunables.chooseleaf_descend_once = reader.u32(what)?;
    }
    if !reader.is_empty() {
        tunables.chooseleaf_vary_r = reader.u8(what)?;
    }
    if !reader.is_empty() {
        tunables.straw_calc_version = reader.u8(what)?;
    }
    if !reader.is_empty() {
        tunables.allowed_bucket_algs = reader.u32(what)?;
    }
    if !reader.is_empty() {
        tunables.chooseleaf_stable = reader.u8(what)?;
    }
    Ok(())
}

/// One set. `padding_left` bounds by how many bytes all rows together may be lengthened, lest many empty rows for one
/// large bucket ask for the square of what was given.
fn choose_args(
    reader: &mut Reader<'_>,
    map: &CrushMap,
    padding_left: &mut usize,
) -> Result<(i64, ChooseArgs), DecodeError> {
    let what = "choose_args";
    let number = reader.i64(what)?;
    let mut set = ChooseArgs::new();
    for _ in 0..reader.count(12, what)? {
        let start = reader.fault(DecodeFault::Cut(what));
        let place = reader.u32(what)?;
        let id = -1i32 - i32::try_from(place).unwrap_or(i32::MAX - 1);
        let wrong =
            || DecodeError { fault: DecodeFault::ChooseArgs { set: number, bucket: id }, ..start.clone() };
        if place as usize >= map.buckets.len() {
            return Err(wrong());
        }
        let mut arg = ChooseArg::default();
        for _ in 0..reader.count(4, "weight sets")? {
            let size = reader.count(4, "weights")?;
            arg.weight_set.push(reader.u32s(size, "weights")?);
        }
        let size = reader.count(4, "ids")?;
        arg.ids = reader.i32s(size, "ids")?;
        let wanted = map.bucket(id).map_or(0, |bucket| bucket.items.len());
        if size != 0 && size != wanted {
            return Err(wrong());
        }
        // Ceph pads or cuts rows that once got the wrong length.
        let padding: usize = arg.weight_set.iter().map(|row| wanted.saturating_sub(row.len()) * 4).sum();
        *padding_left = padding_left.checked_sub(padding).ok_or_else(wrong)?;
        arg.weight_set.iter_mut().for_each(|row| row.resize(wanted, 0));
        if !arg.is_empty() {
            set.insert(id, arg);
        }
    }
    Ok((number, set))
}
