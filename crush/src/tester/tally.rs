//! Counts over the mappings of one trial.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::number::General;

/// What the mappings of one rule and size add up to.
pub(super) struct Tally<'a> {
    weights: &'a [u32],
    stored: Vec<u32>,
    sizes: BTreeMap<usize, u32>,
    mappings: u32,
}

impl<'a> Tally<'a> {
    pub(super) fn new(weights: &'a [u32]) -> Tally<'a> {
        Tally { weights, stored: vec![0; weights.len()], sizes: BTreeMap::new(), mappings: 0 }
    }

    pub(super) fn add(&mut self, result: &[i32]) {
        // A rule may emit buckets, and holes are no devices either.
        for item in result {
            if let Some(stored) = usize::try_from(*item).ok().and_then(|place| self.stored.get_mut(place)) {
                *stored += 1;
            }
        }
        *self.sizes.entry(result.len()).or_default() += 1;
        self.mappings += 1;
    }

    /// Prints the counts; `devices` are the most members that the rule is reckoned to give, if devices are wanted.
    pub(super) fn print(
        &self,
        heading: &str,
        members: usize,
        devices: Option<usize>,
        out: &mut dyn Write,
    ) -> fmt::Result {
        for (size, count) in &self.sizes {
            let all = self.mappings;
            writeln!(out, "{heading} num_rep {members} result size == {size}:\t{count}/{all}")?;
        }
        let Some(most) = devices else { return Ok(()) };
        // In single precision and in this order, because the tool prints six digits of it.
        let total = self.weights.iter().map(|weight| u64::from(*weight)).sum::<u64>() as f32;
        let expected = (members.min(most) as u64 * u64::from(self.mappings)) as f32;
        for (device, stored) in self.stored.iter().enumerate() {
            let expected = (self.weights[device] as f32 / total) * expected;
            if *stored > 0 && expected > 0.0 {
                let expected = General(expected);
                writeln!(out, "  device {device}:\t\t stored : {stored}\t expected : {expected}")?;
            }
        }
        Ok(())
    }
}
