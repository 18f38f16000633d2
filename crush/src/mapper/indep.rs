//! The indep search: each position draws for itself, breadth first, so that a loss moves one position only.

use super::Search;
use crate::map::{ITEM_NONE, ITEM_UNDEF};
use crate::{Alg, Bucket};

/// What one call looks for.
#[derive(Clone, Copy)]
pub(super) struct Goal {
    /// How many items the rule asks for; the stride between attempts, even where there is room for fewer.
    pub(super) numrep: usize,
    /// Of which type.
    pub(super) kind: i32,
    /// Whether a device is wanted below each.
    pub(super) leaf: bool,
    /// Tries below each chosen bucket.
    pub(super) leaf_tries: u32,
}

/// Where one attempt ended.
enum Landing {
    /// An item of the wanted type, drawn with this attempt number.
    Item(i32, u32),
    /// An empty bucket; another attempt may do better.
    Empty,
    /// The map leads nowhere from here; the position stays empty.
    DeadEnd,
}

impl<'a> Search<'a> {
    /// Appends exactly `count` places to `chosen` and `leaves`, with [`ITEM_NONE`] where nothing was found.
    pub(super) fn choose_indep(
        &mut self,
        top: &'a Bucket,
        goal: Goal,
        tries: u32,
        count: usize,
        chosen: &mut Vec<i32>,
        leaves: &mut Vec<i32>,
    ) {
        let start = chosen.len();
        chosen.resize(start + count, ITEM_UNDEF);
        leaves.resize(start + count, ITEM_UNDEF);
        let (chosen, leaves) = (&mut chosen[start..], &mut leaves[start..]);
        let mut left = count;
        let mut failed = 0u32;
        while left > 0 && failed < tries && self.looks_left > 0 {
            for rep in 0..count {
                if chosen[rep] != ITEM_UNDEF {
                    continue;
                }
                let (item, r) = match self.land(top, rep as u32, goal.numrep, goal.kind, failed, 0) {
                    Landing::Item(item, r) => (item, r),
                    Landing::Empty => continue,
                    Landing::DeadEnd => {
                        (chosen[rep], leaves[rep]) = (ITEM_NONE, ITEM_NONE);
                        left -= 1;
                        continue;
                    }
                };
                if chosen.contains(&item) {
                    continue;
                }
                if goal.leaf {
                    // Ceph keeps this leaf even if the device turns out to be out below, and so do we.
                    leaves[rep] = if item < 0 { self.leaf_under(item, rep, r, goal) } else { item };
                    if leaves[rep] == ITEM_NONE {
                        continue;
                    }
                }
                if goal.kind == 0 && self.is_out(item) {
                    continue;
                }
                chosen[rep] = item;
                left -= 1;
            }
            failed += 1;
        }
        for place in chosen.iter_mut().chain(leaves) {
            if *place == ITEM_UNDEF {
                *place = ITEM_NONE;
            }
        }
    }

    /// One device below a chosen bucket, or [`ITEM_NONE`].
    fn leaf_under(&mut self, item: i32, rep: usize, parent_r: u32, goal: Goal) -> i32 {
        let Some(below) = self.bucket(item) else { return ITEM_NONE };
        let base = (rep as u32).wrapping_add(parent_r);
        for failed in 0..goal.leaf_tries {
            match self.land(below, base, goal.numrep, 0, failed, rep) {
                Landing::Item(device, _) if !self.is_out(device) => return device,
                Landing::DeadEnd => break,
                Landing::Item(..) | Landing::Empty => {}
            }
        }
        ITEM_NONE
    }

    /// Descends from `top` to an item of type `kind`. `base` is the place's number plus its parent's attempt.
    fn land(
        &mut self,
        top: &'a Bucket,
        base: u32,
        numrep: usize,
        kind: i32,
        failed: u32,
        position: usize,
    ) -> Landing {
        let mut at = top;
        let numrep = numrep as u32;
        for _ in 0..=self.map.buckets.len() {
            if !self.spend(at) {
                return Landing::DeadEnd;
            }
            let size = at.items.len() as u32;
            if size == 0 {
                return Landing::Empty;
            }
            // A stride that divides a uniform bucket's size would meet the same items again and again.
            let stride = if at.alg() == Alg::Uniform && size.is_multiple_of(numrep) {
                numrep.wrapping_add(1)
            } else {
                numrep
            };
            let r = base.wrapping_add(stride.wrapping_mul(failed));
            let item = self.draw(at, r, position);
            if item >= self.map.max_devices {
                return Landing::DeadEnd;
            }
            match self.map.kind_of(item) {
                None => return Landing::DeadEnd,
                Some(found) if found == kind => return Landing::Item(item, r),
                Some(_) => {}
            }
            let Some(next) = self.bucket(item) else { return Landing::DeadEnd };
            at = next;
        }
        Landing::DeadEnd // a cycle
    }
}
