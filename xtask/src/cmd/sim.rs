//! `cargo xtask sim`: the world simulator, from a seed.

use crate::failure::Failure;
use crate::places::Places;
use crate::process::{self, cargo};

/// Builds the simulator and hands it the arguments; it says itself what it does not understand.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let places = Places::find()?;
    process::run(cargo(&places).args(["run", "--quiet", "--release", "-p", "tests-sim", "--"]).args(args))
}
