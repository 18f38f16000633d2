//! rustfmt and clippy: in rustup's default profile, but not in its minimal one.

use crate::failure::Failure;
use crate::places::Places;
use crate::process;
use std::process::Command;

/// Makes sure that `cargo fmt` and `cargo clippy` work.
pub(crate) fn ensure(places: &Places) -> Result<(), Failure> {
    let missing: Vec<&str> = [("fmt", "rustfmt"), ("clippy", "clippy")]
        .into_iter()
        .filter(|(command, _)| process::probe(process::cargo(places).args([command, "--version"])).is_none())
        .map(|(_, component)| component)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    if process::which("rustup").is_none() {
        return Err(Failure::Machine(format!(
            "missing from the Rust toolchain: {names}. Install them the way the toolchain was installed"
        )));
    }
    println!("adding {names} to the Rust toolchain (rustup)...");
    process::run(Command::new("rustup").current_dir(&places.root).args(["component", "add"]).args(&missing))
        .map_err(|e| Failure::Machine(e.to_string()))
}
