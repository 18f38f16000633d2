//! Hostile input for the decoders of CRUSH and cluster maps, of what lies on an OSD's device, of NBD and of S3 requests,
//! made from sound input by seeded mutation.
//!
//! A case is right when nothing panics, when decoding allocates no more than its target's bound for an input of that
//! length, and when whatever was accepted survives a round through its own encoder. The same target, seed and number
//! give the same case on every machine: `cargo xtask fuzz --target T --seed S --from N --cases 1` replays one.

pub mod allocated;
mod maps;
mod mutate;
mod nbd;
mod s3;
mod store;
mod targets;
mod text;

pub use targets::{TARGETS, Target};

use std::panic::{AssertUnwindSafe, catch_unwind};
use stdx::Rng;

/// How one target was fuzzed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Inputs tried.
    pub cases: u64,
    /// Inputs that were accepted.
    pub accepted: u64,
    /// The most that was allocated at once, in percent of the bound.
    pub allocated_percent_max: u64,
}

/// A case that went wrong.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The target's name.
    pub target: &'static str,
    /// With the number, replays the case.
    pub seed: u64,
    /// The case.
    pub number: u64,
    /// The input.
    pub input: Vec<u8>,
    /// What went wrong.
    pub why: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Failure { target, seed, number, why, .. } = self;
        write!(
            f,
            "{target}, case {number} of seed {seed}: {why}\nreplay: cargo xtask fuzz --target {target} --seed {seed} --from {number} --cases 1"
        )
    }
}

/// The input of one case.
#[must_use]
pub fn input(target: &Target, seed: u64, number: u64) -> Vec<u8> {
    let rng = &mut Rng::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number);
    let (sound, other) = ((target.sound)(rng), (target.sound)(rng));
    (target.mutate)(sound, &other, rng)
}

/// Tries one case; true when the input was accepted.
///
/// # Errors
/// What went wrong.
pub fn try_case(target: &Target, seed: u64, number: u64, tally: &mut Tally) -> Result<(), Box<Failure>> {
    let input = input(target, seed, number);
    let fail =
        |why: String| Box::new(Failure { target: target.name, seed, number, input: input.clone(), why });
    let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(&input)));
    let outcome = match outcome {
        Ok(outcome) => outcome.map_err(fail)?,
        Err(payload) => {
            let text = payload.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message");
            return Err(fail(format!("panicked: {text}")));
        }
    };
    let bound = target.bytes_fixed + target.bytes_per_byte * input.len();
    if outcome.allocated_bytes > bound {
        let why = format!(
            "decoding {} bytes allocated {} bytes at once, more than {bound}",
            input.len(),
            outcome.allocated_bytes
        );
        return Err(fail(why));
    }
    tally.cases += 1;
    tally.accepted += u64::from(outcome.accepted);
    let percent = outcome.allocated_bytes as u64 * 100 / bound as u64;
    tally.allocated_percent_max = tally.allocated_percent_max.max(percent);
    Ok(())
}
