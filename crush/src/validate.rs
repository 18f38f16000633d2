//! What is wrong with a map, before anyone places data with it.

use std::collections::BTreeSet;

use crate::bucket::Draw;
use crate::map::slot;
use crate::{Alg, Bucket, CrushMap, DEVICES_MAX, Error, Op, Rule, tree};

/// The largest count or number of tries in a rule: beyond any use, and small enough to end.
const STEP_ARGUMENT_MAX: i32 = 1 << 16;

impl CrushMap {
    /// Checks everything that a mapping relies on.
    ///
    /// # Errors
    /// The first fault found, naming the bucket, item or rule.
    pub fn validate(&self) -> Result<(), Error> {
        for (place, bucket) in self.buckets.iter().enumerate() {
            if let Some(bucket) = bucket {
                self.check_bucket(place, bucket)?;
            }
        }
        self.check_trees()?;
        for (id, rule) in self.rules() {
            self.check_rule(id, rule)?;
        }
        for (number, set) in &self.choose_args {
            for (bucket, arg) in set {
                let fault = Error::BadChooseArgs { set: *number, bucket: *bucket };
                let size = self.bucket(*bucket).ok_or(fault.clone())?.items.len();
                if !arg.ids.is_empty() && arg.ids.len() != size
                    || arg.weight_set.iter().any(|row| row.len() != size)
                {
                    return Err(fault);
                }
            }
        }
        Ok(())
    }

    fn check_bucket(&self, place: usize, bucket: &Bucket) -> Result<(), Error> {
        let id = bucket.id;
        if slot(id) != Some(place) {
            return Err(Error::WrongSlot { bucket: id, slot: -1 - place as i32 });
        }
        if bucket.kind == 0 || self.types.name(bucket.kind()).is_none() {
            return Err(Error::BadType { bucket: id, kind: bucket.kind() });
        }
        let size = bucket.items.len();
        let fits = match &bucket.draw {
            Draw::Uniform { .. } => true,
            Draw::List { weights, sums } => weights.len() == size && sums.len() == size,
            Draw::Tree { nodes } => nodes.len() == if size == 0 { 0 } else { 1 << tree::depth(size) },
            Draw::Straw { weights, straws } => weights.len() == size && straws.len() == size,
            Draw::Straw2 { weights } => weights.len() == size,
        };
        if !fits {
            return Err(Error::BadShape { bucket: id });
        }
        if bucket.alg() == Alg::Tree && size > tree::ITEMS_MAX {
            return Err(Error::TreeTooLarge { bucket: id, items: size });
        }
        let mut seen = BTreeSet::new();
        let mut sum = 0u32;
        for (position, item) in bucket.items.iter().enumerate() {
            if *item < 0 && self.bucket(*item).is_none() {
                return Err(Error::DanglingItem { bucket: id, item: *item });
            }
            if *item >= DEVICES_MAX {
                return Err(Error::BadDevice(*item));
            }
            if !seen.insert(*item) {
                return Err(Error::DuplicateItem { bucket: id, item: *item });
            }
            let weight = bucket.item_weight(position);
            let over = Error::WeightOverflow { bucket: id, item: *item };
            if weight > i32::MAX as u32 {
                return Err(over); // a negative number to Ceph
            }
            sum = sum.checked_add(weight).ok_or(over)?;
        }
        Ok(())
    }

    /// No bucket reaches itself, and no item stands twice in one tree.
    fn check_trees(&self) -> Result<(), Error> {
        let held: BTreeSet<i32> = self.buckets().flat_map(|bucket| bucket.items.iter().copied()).collect();
        let mut reached = BTreeSet::new();
        for root in self.buckets().filter(|bucket| !held.contains(&bucket.id)) {
            let mut seen = BTreeSet::from([root.id]);
            let mut todo = vec![root];
            while let Some(bucket) = todo.pop() {
                for item in &bucket.items {
                    if !seen.insert(*item) {
                        return Err(self
                            .cycle_from(*item)
                            .unwrap_or(Error::DuplicateItem { bucket: bucket.id, item: *item }));
                    }
                    todo.extend(self.bucket(*item));
                }
            }
            reached.extend(seen);
        }
        // What no root reaches hangs in a ring.
        match self.buckets().find(|bucket| !reached.contains(&bucket.id)) {
            Some(bucket) => Err(self.cycle_from(bucket.id).unwrap_or(Error::Cycle { bucket: bucket.id })),
            None => Ok(()),
        }
    }

    fn cycle_from(&self, item: i32) -> Option<Error> {
        let bucket = self.bucket(item)?;
        let below = bucket.items.iter().any(|child| self.under(*child).contains(&item));
        below.then_some(Error::Cycle { bucket: item })
    }

    fn check_rule(&self, id: u32, rule: &Rule) -> Result<(), Error> {
        let mut taken = false;
        let mut emits = false;
        for (index, step) in rule.steps.iter().enumerate() {
            let in_bounds = |from: i32| {
                if (from..=STEP_ARGUMENT_MAX).contains(&step.arg1) {
                    Ok(())
                } else {
                    Err(Error::BadStepArgument { rule: id, step: index, value: step.arg1 })
                }
            };
            match step.op {
                Op::Noop => {}
                Op::Take => {
                    let device = (0..self.max_devices).contains(&step.arg1);
                    if !device && self.bucket(step.arg1).is_none() {
                        return Err(Error::BadTake { rule: id, item: step.arg1 });
                    }
                    taken = true;
                }
                Op::ChooseFirstn | Op::ChooseIndep | Op::ChooseleafFirstn | Op::ChooseleafIndep => {
                    if !taken {
                        return Err(Error::ChooseBeforeTake { rule: id, step: index });
                    }
                    if self.types.name(step.arg2).is_none() {
                        return Err(Error::BadChooseType { rule: id, kind: step.arg2 });
                    }
                    in_bounds(-STEP_ARGUMENT_MAX)?;
                }
                Op::Emit => emits |= taken,
                Op::Unknown(_) | Op::ChooseMsr | Op::SetMsrDescents | Op::SetMsrCollisionTries => {
                    return Err(Error::UnknownStep { rule: id, op: step.op.number() });
                }
                _ => in_bounds(0)?,
            }
        }
        if emits { Ok(()) } else { Err(Error::NoEmit { rule: id }) }
    }
}
