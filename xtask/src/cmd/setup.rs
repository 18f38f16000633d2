//! `cargo xtask setup`: install what is missing, and nothing else.

use crate::failure::Failure;
use crate::packages;
use crate::places::Places;

/// Makes sure that building (and, unless `--build-only`, testing) finds what it needs.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let build_only = match args {
        [] => false,
        [one] if one == "--build-only" => true,
        _ => return Err(Failure::Usage("usage: cargo xtask setup [--build-only]".into())),
    };
    let places = Places::find()?;
    if build_only { packages::ensure_for_building() } else { packages::ensure_for_testing(&places) }
}
