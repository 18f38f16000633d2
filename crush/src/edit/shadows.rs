//! Device classes: for each class and root, a shadow tree that holds only the devices of that class.
//!
//! A rule that takes `root class ssd` takes the shadow. Ids of shadows are kept over a rebuild, because they
//! enter the hash and a new id would move data; new ones are given depth first in Ceph's order.

use std::collections::{BTreeMap, BTreeSet};

use crate::map::slot;
use crate::{Alg, Bucket, ChooseArg, CrushMap, Error, Op};

/// Bucket -> class -> shadow.
type Shadows = BTreeMap<i32, BTreeMap<i32, i32>>;

/// What one rebuild remembers.
struct Rebuild {
    before: Shadows,
    /// Ids that any shadow had before: not for new ones.
    reserved: BTreeSet<i32>,
    /// Whether a uniform bucket with weight ends it with an error.
    uniform_fails: bool,
    /// Per set: the sums, by position, of each shadow made so far.
    sums: BTreeMap<i64, BTreeMap<i32, Vec<u32>>>,
}

impl CrushMap {
    /// The number of a class, a new one if needed.
    pub(crate) fn class_number(&mut self, class: &str) -> i32 {
        if let Some(number) = self.classes.id(class) {
            return number;
        }
        let number = self.classes.iter().last().map_or(0, |(highest, _)| highest.saturating_add(1));
        self.classes.set(number, class);
        number
    }

    /// Makes all shadow trees anew from the tree and the classes, with the ids they had.
    pub(crate) fn rebuild_shadows(&mut self) -> Result<(), Error> {
        let before = std::mem::take(&mut self.shadows);
        self.drop_dead_classes(&before);
        let old: Vec<i32> = self.buckets().map(Bucket::id).filter(|id| self.is_shadow(*id)).collect();
        for id in old {
            self.forget_bucket(id);
        }
        self.populate_shadows(before, false)
    }

    /// Adds the shadow trees that Ceph's compiler adds. It adds to an empty uniform bucket an item of another
    /// weight than its zero, fails, takes no notice and goes on with the trees made so far; byte for byte, so do we.
    pub(crate) fn populate_shadows_as_compiler(&mut self, before: Shadows) -> Result<(), Error> {
        match self.populate_shadows(before, true) {
            Err(Error::UnequalWeight { .. }) => Ok(()),
            other => other,
        }
    }

    /// Adds the shadow trees that are missing; `before` says which ids to use again.
    fn populate_shadows(&mut self, before: Shadows, uniform_fails: bool) -> Result<(), Error> {
        let reserved = before.values().flat_map(|of| of.values().copied()).collect();
        let mut rebuild = Rebuild { before, reserved, uniform_fails, sums: BTreeMap::new() };
        let classes: Vec<i32> = self.classes.iter().map(|(number, _)| number).collect();
        for root in self.roots() {
            for class in &classes {
                self.shadow_of(root, *class, &mut rebuild, 0)?;
            }
        }
        Ok(())
    }

    fn forget_bucket(&mut self, id: i32) {
        if let Some(place) = slot(id).and_then(|place| self.buckets.get_mut(place)) {
            *place = None;
        }
        self.names.remove(id);
        self.class_of.remove(&id);
        self.choose_args.values_mut().for_each(|set| drop(set.remove(&id)));
    }

    /// Forgets classes that no device has and no rule takes.
    fn drop_dead_classes(&mut self, shadows: &Shadows) {
        let taken: BTreeSet<i32> = self
            .rules()
            .flat_map(|(_, rule)| rule.steps.iter().filter(|step| step.op == Op::Take).map(|step| step.arg1))
            .collect();
        let in_rules =
            |class: i32| shadows.values().any(|of| of.get(&class).is_some_and(|id| taken.contains(id)));
        let used: BTreeSet<i32> =
            self.class_of.iter().filter(|(item, _)| **item >= 0).map(|(_, class)| *class).collect();
        let dead: Vec<i32> = self
            .classes
            .iter()
            .map(|(number, _)| number)
            .filter(|class| !used.contains(class) && !in_rules(*class))
            .collect();
        for class in dead {
            self.classes.remove(class);
        }
    }

    /// The shadow of one bucket, made depth first; `depth` ends a cycle.
    fn shadow_of(&mut self, id: i32, class: i32, rebuild: &mut Rebuild, depth: usize) -> Result<i32, Error> {
        let original = self.bucket(id).ok_or(Error::NoSuchItem(id))?.clone();
        if depth > self.buckets.len() {
            return Err(Error::Cycle { bucket: id });
        }
        let base = self.names.name(id).unwrap_or_default();
        let name = format!("{base}~{}", self.classes.name(class).unwrap_or_default());
        if let Some(made) = self.names.id(&name) {
            return Ok(made);
        }
        let (mut items, mut weights, mut origins) = (Vec::new(), Vec::new(), Vec::new());
        for (position, item) in original.items.iter().enumerate() {
            if *item >= 0 {
                if self.class_of.get(item) != Some(&class) {
                    continue;
                }
                items.push(*item);
                weights.push(original.item_weight(position));
            } else {
                let child = self.shadow_of(*item, class, rebuild, depth + 1)?;
                items.push(child);
                weights.push(self.bucket(child).map_or(0, Bucket::weight));
            }
            if rebuild.uniform_fails && original.alg() == Alg::Uniform && weights.last() != Some(&0) {
                return Err(Error::UnequalWeight { bucket: id, item: *item });
            }
            origins.push(position);
        }
        let version = self.tunables.straw_calc_version;
        let shadow = match rebuild.before.get(&id).and_then(|of| of.get(&class)) {
            Some(before) => *before,
            None => self.free_shadow_id(rebuild),
        };
        let mut bucket = Bucket::filled(shadow, original.kind, original.alg(), items, weights, version)?;
        bucket.hash = original.hash;
        self.shadow_choose_args(id, &bucket, &origins, rebuild);
        self.store_bucket(bucket)?;
        self.class_of.insert(shadow, class);
        self.names.set(shadow, &name);
        self.shadows.entry(id).or_default().insert(class, shadow);
        Ok(shadow)
    }

    /// An id that no bucket has, nor any shadow had.
    fn free_shadow_id(&self, rebuild: &Rebuild) -> i32 {
        let mut id = -1;
        while self.bucket(id).is_some() || rebuild.reserved.contains(&id) {
            id -= 1;
        }
        id
    }

    /// Carries the weight sets of a bucket over to its shadow. Id lists are not carried, as in Ceph.
    fn shadow_choose_args(&mut self, id: i32, shadow: &Bucket, origins: &[usize], rebuild: &mut Rebuild) {
        for (number, set) in &mut self.choose_args {
            let sums = rebuild.sums.entry(*number).or_default();
            let positions = set.get(&id).map_or(0, |arg| arg.weight_set.len());
            let mut rows = Vec::with_capacity(positions);
            for position in 0..positions {
                let own = &set[&id].weight_set[position];
                let row: Vec<u32> = shadow
                    .items
                    .iter()
                    .zip(origins)
                    .map(|(item, origin)| {
                        let below = || sums.get(item).and_then(|sums| sums.get(position)).copied();
                        if *item >= 0 { own.get(*origin).copied() } else { below() }.unwrap_or(0)
                    })
                    .collect();
                rows.push(row);
            }
            let totals = rows.iter().map(|row| row.iter().fold(0u32, |a, b| a.saturating_add(*b))).collect();
            sums.insert(shadow.id, totals);
            if !rows.is_empty() {
                set.insert(shadow.id, ChooseArg { ids: Vec::new(), weight_set: rows });
            }
        }
    }
}
