//! How many members a rule can give at most, as the tool reckons before it says what a device is expected to get.
//!
//! The reckoning is coarse (it counts shadow buckets too, and knows nothing of trees), and what is printed as
//! `expected` hangs on it, so it is kept as it is.

use std::collections::BTreeMap;

use crate::{CrushMap, Op, Rule};

impl CrushMap {
    /// The smallest of: the named buckets of each type that a step names, the counts of these steps.
    pub(super) fn reckoned_members(&self, rule: &Rule) -> usize {
        let steps = rule.steps.iter().filter(|step| !matches!(step.op, Op::Noop | Op::Take | Op::Emit));
        // Per type: in how many steps it stands, and the count of the last of them.
        let mut named: BTreeMap<i32, (usize, i32)> = BTreeMap::new();
        for step in steps {
            let entry = named.entry(step.arg2).or_default();
            *entry = (entry.0 + 1, step.arg1);
        }
        let all = self.buckets.len().max(usize::try_from(self.max_devices).unwrap_or(0));
        let of_kind = |kind: i32| {
            let named = |bucket: &&crate::Bucket| self.item_name(bucket.id()).is_some();
            self.buckets().filter(named).filter(|bucket| bucket.kind() == kind).count()
        };
        let counts = named.into_iter().map(|(kind, (steps, count))| {
            let there = of_kind(kind) * steps;
            usize::try_from(count).ok().filter(|count| (1..there).contains(count)).unwrap_or(there)
        });
        counts.filter(|count| *count > 0).fold(all, usize::min)
    }
}
