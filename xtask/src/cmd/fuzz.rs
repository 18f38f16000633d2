//! `cargo xtask fuzz`: hostile input for decoders, and lives of a store on a faulty disk, from a seed.

use crate::failure::Failure;
use crate::places::Places;
use crate::process::{self, cargo};
use std::process::Command;

/// Builds the fuzzer and hands it the arguments; it says itself what it does not understand.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let (package, args) = chosen(args);
    let places = Places::find()?;
    process::run(cargo(&places).args(["build", "--quiet", "--release", "-p", package]))?;
    let mut command = Command::new(places.target.join("release").join(package));
    match process::exit_code(command.args(args).current_dir(&places.root))? {
        0 => Ok(()),
        2 => Err(Failure::Usage(format!("{package} did not understand its arguments"))),
        _ => Err(Failure::Check(format!("{package} found something, or was stopped"))),
    }
}

/// The package that the first argument names, and what it is given.
fn chosen(args: &[String]) -> (&'static str, &[String]) {
    match args.split_first() {
        Some((first, rest)) if first == "store" => ("tests-store", rest),
        _ => ("tests-fuzz", args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_chooses_the_fuzzer() {
        let args: Vec<String> = ["store", "--cases", "1"].map(String::from).to_vec();
        assert_eq!(chosen(&args), ("tests-store", &args[1..]));
        assert_eq!(chosen(&args[1..]), ("tests-fuzz", &args[1..]));
    }
}
