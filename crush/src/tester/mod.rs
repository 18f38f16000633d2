//! Trying a map out: many mappings with a rule, as `crushtool --test` of Ceph 16.2 prints them.

mod expected;
mod number;
mod tally;

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::ops::RangeInclusive;

use crate::{CrushMap, ITEM_NONE, WEIGHT_ONE, Workspace, hash};
use tally::Tally;

/// The set of `choose_args` that the tool tries maps with.
const CHOOSE_ARGS: i64 = 0;

/// What to try and what to print.
#[derive(Clone, Debug)]
pub struct Trial {
    /// One rule; none: all.
    pub rule: Option<u32>,
    /// Members asked for; none: what each rule's mask says.
    pub members: Option<RangeInclusive<usize>>,
    /// The seeds.
    pub seeds: RangeInclusive<u32>,
    /// Mixes the seeds as this pool's number would.
    pub pool: Option<u32>,
    /// In/out weights (16.16) of devices; others are in if a bucket holds them.
    pub weights: BTreeMap<i32, u32>,
    /// What to print.
    pub show: Show,
}

/// Kinds of lines. The numbers of results by size come with `statistics` and with `utilization`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Show {
    /// Each mapping.
    pub mappings: bool,
    /// How many mappings each device got, and how many it should have.
    pub utilization: bool,
    /// How many results have which size.
    pub statistics: bool,
    /// Each mapping with fewer members than asked for, or with a hole.
    pub bad_mappings: bool,
}

impl Default for Trial {
    /// All rules, the sizes of their masks, 1024 seeds, every device in, nothing printed.
    fn default() -> Trial {
        Trial {
            rule: None,
            members: None,
            seeds: 0..=1023,
            pool: None,
            weights: BTreeMap::new(),
            show: Show::default(),
        }
    }
}

/// A weight as the tool's command line takes it: 16.16, cut to what in/out weights may be.
#[must_use]
pub fn trial_weight(weight: f32) -> u32 {
    (weight * WEIGHT_ONE as f32).clamp(0.0, WEIGHT_ONE as f32) as u32
}

impl CrushMap {
    /// Carries a trial out, printing line by line as it goes. Of numbers below the highest rule's that
    /// no rule has, the counts say so.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn try_out(&self, trial: &Trial, out: &mut dyn Write) -> fmt::Result {
        let weights = self.trial_weights(trial);
        let rules: Vec<u32> = match trial.rule {
            Some(rule) => vec![rule],
            None => (0..self.rules.len() as u32).collect(),
        };
        let counted = trial.show.statistics || trial.show.utilization;
        for id in rules {
            let Some(rule) = self.rule(id) else {
                if counted {
                    writeln!(out, "rule {id} dne")?;
                }
                continue;
            };
            let mask = usize::from(rule.min_size)..=usize::from(rule.max_size);
            let members = trial.members.clone().unwrap_or(mask);
            let heading = format!("rule {id} ({})", self.rule_name(id).unwrap_or_default());
            if counted {
                let (x, n) = (&trial.seeds, &members);
                let (from, to) = (x.start(), x.end());
                writeln!(out, "{heading}, x = {from}..{to}, numrep = {}..{}", n.start(), n.end())?;
            }
            let most = trial.show.utilization.then(|| self.reckoned_members(rule));
            for members in members {
                let mut tally = Tally::new(&weights);
                self.try_size(id, members, trial, &weights, &mut tally, out)?;
                if counted {
                    tally.print(&heading, members, most, out)?;
                }
            }
        }
        Ok(())
    }

    fn try_size(
        &self,
        rule: u32,
        members: usize,
        trial: &Trial,
        weights: &[u32],
        tally: &mut Tally<'_>,
        out: &mut dyn Write,
    ) -> fmt::Result {
        if weights.iter().all(|weight| *weight == 0) {
            return Ok(());
        }
        let (mut work, mut result) = (Workspace::default(), Vec::new());
        for x in trial.seeds.clone() {
            let seed = trial.pool.map_or(x, |pool| hash::hash32_2(x, pool));
            self.do_rule_into(rule, seed, members, weights, Some(CHOOSE_ARGS), &mut work, &mut result);
            if trial.show.mappings {
                writeln!(out, "CRUSH rule {rule} x {x} {}", List(&result))?;
            }
            if trial.show.bad_mappings && (result.len() != members || result.contains(&ITEM_NONE)) {
                let list = List(&result);
                writeln!(out, "bad mapping rule {rule} x {x} num_rep {members} result {list}")?;
            }
            tally.add(&result);
        }
        Ok(())
    }

    fn trial_weights(&self, trial: &Trial) -> Vec<u32> {
        let mut weights = vec![0; usize::try_from(self.max_devices()).unwrap_or(0)];
        let held = self.buckets().flat_map(|bucket| bucket.items().iter()).map(|item| (*item, WEIGHT_ONE));
        let given = trial.weights.iter().map(|(device, weight)| (*device, *weight));
        for (device, weight) in held.chain(given) {
            if let Some(place) = usize::try_from(device).ok().and_then(|place| weights.get_mut(place)) {
                *place = weight;
            }
        }
        weights
    }
}

/// `[1,2,3]`, as the tool prints results.
struct List<'a>(&'a [i32]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('[')?;
        for (place, item) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_char(',')?;
            }
            write!(f, "{item}")?;
        }
        f.write_char(']')
    }
}
