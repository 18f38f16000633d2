//! The mapper: a rule, a seed and the devices' weights in; an ordered list of devices out.
//!
//! Source: Weil et al., "CRUSH: Controlled, Scalable, Decentralized Placement of Replicated Data" (SC 2006),
//! and the behaviour of Ceph 16.2, whose mappings are the tests' reference. Where the paper and Ceph differ,
//! Ceph is right.

mod draw;
mod firstn;
mod indep;
mod straw2;

use crate::map::slot;
use crate::{Bucket, CHOOSE_ARGS_DEFAULT, ChooseArg, ChooseArgs, CrushMap, Op, hash};

/// What one call may spend before it gives up, an item looked at costing one, so that a hostile map (a million tries
/// over a million items) costs a fraction of a second, not a year. Ceph has no such bound; a hundred tries for each
/// of twenty positions in a flat bucket of ten thousand devices take a third of it.
const LOOKS_MAX: u64 = 1 << 26;
/// What a draw costs beside its items.
const DRAW_COST: u64 = 16;

/// Memory that calls can share, so that mapping many seeds allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    permutation: Vec<u32>,
    taken: Vec<i32>,
    chosen: Vec<i32>,
    leaves: Vec<i32>,
}

/// Everything that stays the same while one seed is mapped.
struct Search<'a> {
    map: &'a CrushMap,
    weights: &'a [u32],
    choose_args: Option<&'a ChooseArgs>,
    x: u32,
    permutation: &'a mut Vec<u32>,
    looks_left: u64,
}

/// What the steps of a rule may change.
#[derive(Clone, Copy)]
struct Tries {
    total: u32,
    /// 0: not set by the rule.
    leaf: u32,
    local: u32,
    local_fallback: u32,
    vary_r: u32,
    stable: bool,
}

impl<'a> Search<'a> {
    /// The bucket of `id` that a search may descend into.
    fn bucket(&self, id: i32) -> Option<&'a Bucket> {
        self.map.bucket(id)
    }

    fn choose_arg(&self, bucket: &Bucket) -> Option<&'a ChooseArg> {
        self.choose_args?.get(&bucket.id)
    }

    /// Whether a device refuses this seed: out (weight 0), partly out by hash, or unknown to the weights.
    fn is_out(&self, device: i32) -> bool {
        match self.weights.get(device as usize).copied() {
            None | Some(0) => true,
            Some(weight) if weight >= 0x1_0000 => false,
            Some(weight) => hash::hash32_2(self.x, device as u32) & 0xffff >= weight,
        }
    }

    /// Takes the cost of one draw from the allowance; false when there is none left.
    #[inline]
    fn spend(&mut self, bucket: &Bucket) -> bool {
        self.looks_left = self.looks_left.saturating_sub(DRAW_COST + bucket.items.len() as u64);
        self.looks_left > 0
    }
}

impl CrushMap {
    /// Maps the seed `x` with a rule to at most `result_max` devices.
    ///
    /// `weights` are the devices' in/out weights (16.16, 0 is out, [`crate::WEIGHT_ONE`] in), by device number.
    /// `choose_args` is a pool's id: its own set is used, else the default set, else none. `None` uses none.
    /// A firstn rule returns fewer devices where it finds fewer; an indep rule leaves [`crate::ITEM_NONE`].
    /// An unknown rule gives an empty list.
    #[must_use]
    pub fn do_rule(
        &self,
        rule: u32,
        x: u32,
        result_max: usize,
        weights: &[u32],
        choose_args: Option<i64>,
    ) -> Vec<i32> {
        let mut result = Vec::new();
        self.do_rule_into(rule, x, result_max, weights, choose_args, &mut Workspace::default(), &mut result);
        result
    }

    /// [`CrushMap::do_rule`] into `result` (cleared first), with memory kept between calls.
    #[expect(
        clippy::too_many_arguments,
        reason = "the hot path of bulk mapping; do_rule is the friendly face"
    )]
    pub fn do_rule_into(
        &self,
        rule: u32,
        x: u32,
        result_max: usize,
        weights: &[u32],
        choose_args: Option<i64>,
        work: &mut Workspace,
        result: &mut Vec<i32>,
    ) {
        result.clear();
        let Some(rule) = self.rule(rule) else { return };
        let set = choose_args
            .and_then(|id| self.choose_args.get(&id).or_else(|| self.choose_args.get(&CHOOSE_ARGS_DEFAULT)));
        let Workspace { permutation, taken, chosen, leaves } = work;
        taken.clear();
        let mut search =
            Search { map: self, weights, choose_args: set, x, permutation, looks_left: LOOKS_MAX };
        let tunables = &self.tunables;
        let mut tries = Tries {
            // The tunable counts retries; tries are one more.
            total: tunables.choose_total_tries.saturating_add(1),
            leaf: 0,
            local: tunables.choose_local_tries,
            local_fallback: tunables.choose_local_fallback_tries,
            vary_r: u32::from(tunables.chooseleaf_vary_r),
            stable: tunables.chooseleaf_stable != 0,
        };
        for step in &rule.steps {
            let value = step.arg1;
            match step.op {
                Op::Take => {
                    let device = value >= 0 && value < self.max_devices;
                    if device || self.bucket(value).is_some() {
                        taken.clear();
                        taken.push(value);
                    }
                }
                Op::SetChooseTries if value > 0 => tries.total = value as u32,
                Op::SetChooseleafTries if value > 0 => tries.leaf = value as u32,
                Op::SetChooseLocalTries if value >= 0 => tries.local = value as u32,
                Op::SetChooseLocalFallbackTries if value >= 0 => tries.local_fallback = value as u32,
                Op::SetChooseleafVaryR if value >= 0 => tries.vary_r = value as u32,
                Op::SetChooseleafStable if value >= 0 => tries.stable = value != 0,
                Op::ChooseFirstn | Op::ChooseIndep | Op::ChooseleafFirstn | Op::ChooseleafIndep => {
                    if taken.is_empty() {
                        continue;
                    }
                    let leaf = matches!(step.op, Op::ChooseleafFirstn | Op::ChooseleafIndep);
                    let firstn = matches!(step.op, Op::ChooseFirstn | Op::ChooseleafFirstn);
                    chosen.clear();
                    leaves.clear();
                    for item in &*taken {
                        let numrep = if value > 0 {
                            value as usize
                        } else {
                            match result_max.checked_sub(value.unsigned_abs() as usize) {
                                None | Some(0) => continue,
                                Some(numrep) => numrep,
                            }
                        };
                        // A device or a hole of an earlier step has nothing below it.
                        let Some(bucket) = slot(*item).and_then(|_| self.bucket(*item)) else { continue };
                        let room = result_max - chosen.len();
                        if firstn {
                            let descend_once = tunables.chooseleaf_descend_once != 0;
                            let leaf_tries = match tries.leaf {
                                0 if descend_once => 1,
                                0 => tries.total,
                                set => set,
                            };
                            let goal = firstn::Goal { numrep, kind: step.arg2, leaf, leaf_tries };
                            search.choose_firstn(bucket, goal, tries, room, chosen, leaves);
                        } else {
                            let leaf_tries = tries.leaf.max(1);
                            let goal = indep::Goal { numrep, kind: step.arg2, leaf, leaf_tries };
                            search.choose_indep(bucket, goal, tries.total, room.min(numrep), chosen, leaves);
                        }
                    }
                    std::mem::swap(taken, if leaf { leaves } else { chosen });
                }
                Op::Emit => {
                    let room = result_max - result.len();
                    result.extend(taken.iter().take(room));
                    taken.clear();
                }
                _ => {}
            }
        }
    }
}
