//! `cargo xtask ci`: what `.ci/run` does, which is `cargo xtask test` and nothing else.

use crate::failure::Failure;

/// Runs the whole of `test`, without options.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    super::no_args("ci", args)?;
    super::test::run(&[])
}
