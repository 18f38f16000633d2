//! `cargo xtask tidy`: the checks in `crate::tidy`, all or some of them.

use crate::failure::Failure;
use crate::metadata::Graph;
use crate::places::Places;
use crate::tidy;

/// Runs the checks; `--arrows` prints the block for docs/ARCHITECTURE.md instead.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let mut only: Vec<&str> = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match (arg.as_str(), rest.as_slice()) {
            ("--arrows", _) => {
                print!("{}", tidy::arrows::block(&Graph::load(&Places::find()?)?));
                return Ok(());
            }
            ("--only", [name, ..]) => {
                only.push(name);
                rest.next();
            }
            _ => {
                let names: Vec<&str> = tidy::CHECKS.iter().map(|c| c.name).collect();
                return Err(Failure::Usage(format!(
                    "usage: cargo xtask tidy [--only CHECK]... [--arrows]; the checks are: {}",
                    names.join(" ")
                )));
            }
        }
    }
    tidy::run(&Places::find()?, &only)
}
