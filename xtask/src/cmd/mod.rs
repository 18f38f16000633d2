//! The table of commands. A new one is a file here and a line in [`COMMANDS`].

mod bench;
mod ci;
mod fix;
mod fuzz;
mod s3_tests;
mod setup;
mod sim;
mod test;
mod thrash;
mod tidy;
mod up;
mod upgrade;

use crate::failure::Failure;

/// One command of `cargo xtask`.
pub(crate) struct Command {
    /// What is typed after `cargo xtask`.
    pub(crate) name: &'static str,
    /// Its arguments, for the help.
    pub(crate) args: &'static str,
    /// One line on what it does.
    pub(crate) about: &'static str,
    /// Runs it with the arguments after the name.
    pub(crate) run: fn(&[String]) -> Result<(), Failure>,
}

/// All commands, in the order the help shows them.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        name: "up",
        args: "[ARGS OF nacre up]...",
        about: "build, then start a whole cluster in the foreground (data in ./nacre-data)",
        run: up::run,
    },
    Command {
        name: "test",
        args: "[--full] [--only STEP]... [--list]",
        about: "everything CI runs, in order, up to the first failure",
        run: test::run,
    },
    Command { name: "ci", args: "", about: "what CI runs: the same as `test`", run: ci::run },
    Command {
        name: "tidy",
        args: "[--only CHECK]... [--arrows]",
        about: "the checks of our own: waterline, arrows, paths, licences...",
        run: tidy::run,
    },
    Command {
        name: "fuzz",
        args: "[store] [--seed S] [--cases N]...",
        about: "hostile input for decoders; `store`: lives of a store on a faulty disk (a slice of it is in `test`)",
        run: fuzz::run,
    },
    Command {
        name: "sim",
        args: "[--seeds N] [--seed S] [--minutes M] [--sabotage NAME] [--trace FILE] [--list-sabotages]",
        about: "whole clusters under hostile simulation, from a seed (a slice of it is in `test`)",
        run: sim::run,
    },
    Command {
        name: "thrash",
        args: "--minutes M [--seed S] [--data DIR] [--ec] [--only FAULT,...]",
        about: "a real cluster mistreated under a load that checks it (2 minutes of it are in `test`)",
        run: thrash::run,
    },
    Command {
        name: "s3-tests",
        args: "--suite DIR [-m EXPR | --teuthology] [--] [PYTEST ARGS]...",
        about: "Ceph's S3 suite, from a checkout of it, against a cluster made for it",
        run: s3_tests::run,
    },
    Command {
        name: "bench",
        args: "micro [SUITE]... [--quick] [--json FILE] | block|s3 [--against ceph] [--short] [--json FILE]",
        about: "measurements beside other programs; `block`: a cluster's images through fio; `s3`: its gateway",
        run: bench::run,
    },
    Command {
        name: "fix",
        args: "",
        about: "format, and apply what clippy can fix by itself",
        run: fix::run,
    },
    Command {
        name: "setup",
        args: "[--build-only]",
        about: "install what building and testing need (`up` and `test` do it too)",
        run: setup::run,
    },
];

/// The text of `cargo xtask --help`.
pub(crate) fn help() -> String {
    let usage = |c: &Command| format!("cargo xtask {} {}", c.name, c.args).trim_end().to_owned();
    let width = COMMANDS.iter().map(|c| usage(c).len()).max().unwrap_or(0);
    let mut text = String::from("Commands for people who work on Nacre:\n\n");
    for command in COMMANDS {
        text.push_str(&format!("  {:<width$}  {}\n", usage(command), command.about));
    }
    text.push_str(
        "\nBuilds go to CARGO_TARGET_DIR, or ${XDG_CACHE_HOME:-$HOME/.cache}/nacre/target when it is not set.\n\
         Exit codes: 0 done, 1 a check failed, 2 usage, or something is missing on this machine.\n",
    );
    text
}

/// Refuses arguments for a command that takes none.
fn no_args(name: &str, args: &[String]) -> Result<(), Failure> {
    match args.first() {
        None => Ok(()),
        Some(arg) => Err(Failure::Usage(format!("`cargo xtask {name}` takes no arguments, got `{arg}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_the_help_once() {
        let help = help();
        for command in COMMANDS {
            assert!(help.contains(&format!("cargo xtask {} ", command.name)), "{}", command.name);
            assert_eq!(COMMANDS.iter().filter(|c| c.name == command.name).count(), 1);
        }
    }
}
