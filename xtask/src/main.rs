//! `cargo xtask COMMAND`: the commands people type while they work on Nacre.
//!
//! Builds with rustup's stable toolchain and gcc alone: it has to run before g++ and libclang are there, because it
//! is what installs them. So: no dependency that compiles C++, and as few others as can be.

mod cmd;
mod failure;
mod files;
mod metadata;
mod packages;
mod places;
mod process;
#[cfg(test)]
mod scratch;
mod spdx;
mod tidy;

use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Finds the command that `args` names and runs it with the rest of them.
fn dispatch(args: &[String]) -> Result<(), Failure> {
    let Some(name) = args.first() else {
        return Err(Failure::Usage(format!("no command given\n\n{}", cmd::help())));
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        print!("{}", cmd::help());
        return Ok(());
    }
    let Some(command) = cmd::COMMANDS.iter().find(|c| c.name == name) else {
        return Err(Failure::Usage(format!("there is no command `{name}`\n\n{}", cmd::help())));
    };
    (command.run)(&args[1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_or_missing_command_is_a_usage_error_that_lists_the_commands() {
        for args in [vec![], vec!["frobnicate".to_owned()]] {
            let failure = dispatch(&args).expect_err("must be refused");
            assert_eq!(failure.exit_code(), 2);
            assert!(failure.to_string().contains("cargo xtask up"), "{failure}");
        }
    }
}
