//! The firstn search: distinct items one after another; a position that cannot be filled is dropped.

use super::{Search, Tries};
use crate::Bucket;

/// What one call looks for.
#[derive(Clone, Copy)]
pub(super) struct Goal {
    /// How many items.
    pub(super) numrep: usize,
    /// Of which type.
    pub(super) kind: i32,
    /// Whether a device is wanted below each.
    pub(super) leaf: bool,
    /// Tries below each chosen bucket.
    pub(super) leaf_tries: u32,
}

/// How one attempt ended.
enum Attempt {
    Found {
        item: i32,
        leaf: i32,
    },
    /// Collision, device out, or no leaf below.
    Again {
        collided: bool,
        size: usize,
    },
    /// The map leads nowhere from here; no retry helps.
    DeadEnd,
}

impl<'a> Search<'a> {
    /// Adds to `chosen` up to `room` items under `top`, and to `leaves` the device of each if `goal.leaf`.
    /// Only what this call adds counts as a collision.
    pub(super) fn choose_firstn(
        &mut self,
        top: &'a Bucket,
        goal: Goal,
        tries: Tries,
        room: usize,
        chosen: &mut Vec<i32>,
        leaves: &mut Vec<i32>,
    ) {
        let start = chosen.len();
        for rep in 0..goal.numrep {
            if chosen.len() - start >= room {
                break;
            }
            let (taken, taken_leaves) = (&chosen[start..], &leaves[start.min(leaves.len())..]);
            let found = self.place(top, rep as u32, goal, tries, tries.total, taken, taken_leaves);
            if let Some((item, leaf)) = found {
                chosen.push(item);
                if goal.leaf {
                    leaves.push(leaf);
                }
            }
            if self.looks_left == 0 {
                break;
            }
        }
    }

    /// One position: descends from `top` until an item fits or the tries are used up.
    /// `base` is the position's attempt number before any failure.
    #[expect(clippy::too_many_arguments, reason = "the state of one search; every part varies by caller")]
    fn place(
        &mut self,
        top: &'a Bucket,
        base: u32,
        goal: Goal,
        tries: Tries,
        total: u32,
        taken: &[i32],
        taken_leaves: &[i32],
    ) -> Option<(i32, i32)> {
        let mut failed = 0u32;
        loop {
            let mut failed_here = 0u32;
            let mut at = top;
            loop {
                let r = base.wrapping_add(failed);
                match self.attempt(&mut at, r, failed_here, goal, tries, taken, taken_leaves) {
                    Attempt::Found { item, leaf } => return Some((item, leaf)),
                    Attempt::DeadEnd => return None,
                    Attempt::Again { collided, size } => {
                        failed += 1;
                        failed_here += 1;
                        let retry_here = collided && failed_here <= tries.local
                            || tries.local_fallback > 0
                                && u64::from(failed_here) <= size as u64 + u64::from(tries.local_fallback);
                        if retry_here {
                            continue;
                        }
                        if failed < total {
                            break;
                        }
                        return None;
                    }
                }
            }
        }
    }

    /// Descends from `at` with attempt number `r` to an item of the wanted type and judges it.
    /// `at` is left at the bucket that held it, where a local retry starts.
    #[expect(clippy::too_many_arguments, reason = "the state of one search; every part varies by caller")]
    fn attempt(
        &mut self,
        at: &mut &'a Bucket,
        r: u32,
        failed_here: u32,
        goal: Goal,
        tries: Tries,
        taken: &[i32],
        taken_leaves: &[i32],
    ) -> Attempt {
        let position = taken.len();
        let mut levels_left = self.map.buckets.len();
        let item = loop {
            if !self.spend(at) {
                return Attempt::DeadEnd;
            }
            let size = at.items.len();
            if size == 0 {
                return Attempt::Again { collided: false, size };
            }
            let exhaust = tries.local_fallback > 0
                && failed_here as usize >= size / 2
                && failed_here > tries.local_fallback;
            let item = if exhaust { self.permuted(at, r) } else { self.draw(at, r, position) };
            if item >= self.map.max_devices {
                return Attempt::DeadEnd;
            }
            let Some(kind) = self.map.kind_of(item) else { return Attempt::DeadEnd };
            if kind == goal.kind {
                break item;
            }
            // A device where a bucket was wanted, or a cycle: nothing of that type this way.
            if levels_left == 0 {
                return Attempt::DeadEnd;
            }
            levels_left -= 1;
            let Some(next) = self.bucket(item) else { return Attempt::DeadEnd };
            *at = next;
        };
        let again = |collided| Attempt::Again { collided, size: at.items.len() };
        if taken.contains(&item) {
            return again(true);
        }
        let mut leaf = item;
        if goal.leaf && item < 0 {
            let Some(below) = self.bucket(item) else { return Attempt::DeadEnd };
            match self.leaf_below(below, r, goal, tries, taken_leaves) {
                Some(found) => leaf = found,
                None => return again(false),
            }
        }
        if goal.kind == 0 && self.is_out(item) {
            return again(false);
        }
        Attempt::Found { item, leaf }
    }

    /// One device below a chosen bucket that no earlier position has.
    fn leaf_below(
        &mut self,
        below: &'a Bucket,
        r: u32,
        goal: Goal,
        tries: Tries,
        taken_leaves: &[i32],
    ) -> Option<i32> {
        let parent_r = match tries.vary_r {
            0 => 0,
            vary => r.checked_shr(vary - 1).unwrap_or(0),
        };
        let rep = if tries.stable { 0 } else { taken_leaves.len() as u32 };
        let device = Goal { numrep: 1, kind: 0, leaf: false, leaf_tries: 0 };
        let base = rep.wrapping_add(parent_r);
        self.place(below, base, device, tries, goal.leaf_tries, taken_leaves, &[]).map(|(item, _)| item)
    }
}
