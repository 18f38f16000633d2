//! `cargo xtask thrash`: a real cluster mistreated under a load that checks it.

use crate::failure::Failure;
use crate::places::Places;
use crate::process::{self, cargo};
use std::process::Command;

/// Builds the program and the thrasher and hands that its arguments; it says itself what it does not understand.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let places = Places::find()?;
    process::run(cargo(&places).args([
        "build",
        "--quiet",
        "--release",
        "-p",
        "nacre",
        "-p",
        "tests-thrash",
    ]))?;
    thrash(&places, args)
}

/// Runs the thrasher that was built.
pub(crate) fn thrash(places: &Places, args: &[String]) -> Result<(), Failure> {
    let mut command = Command::new(places.target.join("release").join("tests-thrash"));
    command.args(args).env("NACRE_BIN", places.nacre());
    match process::exit_code(&mut command)? {
        0 => Ok(()),
        2 => Err(Failure::Usage("the thrasher did not understand its arguments".into())),
        _ => Err(Failure::Check("the thrasher found something, or was stopped".into())),
    }
}
