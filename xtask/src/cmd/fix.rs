//! `cargo xtask fix`: let the tools correct what they can.

use crate::failure::Failure;
use crate::packages;
use crate::places::Places;
use crate::process;

/// Applies clippy's machine-applicable suggestions, then formats (clippy's edits need not be formatted).
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    super::no_args("fix", args)?;
    let places = Places::find()?;
    packages::ensure_for_fixing(&places)?;
    process::run(process::cargo(&places).args([
        "clippy",
        "--fix",
        "--allow-dirty",
        "--allow-staged",
        "--release",
        "--workspace",
        "--all-targets",
    ]))?;
    process::run(process::cargo(&places).args(["fmt", "--all"]))
}
