//! `cargo xtask test`: everything CI runs, step by step, up to the first failure.

use super::{thrash, upgrade};
use crate::failure::Failure;
use crate::packages;
use crate::places::Places;
use crate::process::{self, cargo};
use crate::tidy;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// One step of the run.
struct Step {
    name: &'static str,
    about: &'static str,
    run: fn(&Places, &Options) -> Result<(), Failure>,
}

/// The steps, cheapest answer first. Everything is built with `--release`: one profile, one build of RocksDB.
const STEPS: &[Step] = &[
    Step {
        name: "packages",
        about: "programs and libraries this machine needs",
        run: |p, _| packages::ensure_for_testing(p),
    },
    Step {
        name: "fmt",
        about: "the code is formatted",
        run: |p, _| {
            let apart = ["fmt", "--manifest-path", "tests/sdk-clients/Cargo.toml", "--check"];
            let all = [&["fmt", "--all", "--check"][..], &apart];
            all.into_iter().try_for_each(|words| {
                hint(process::run(cargo(p).args(words)), "`cargo xtask fix` formats it")
            })
        },
    },
    Step { name: "tidy", about: "our own checks of the tree", run: |p, _| tidy::run(p, &[]) },
    Step {
        name: "clippy",
        about: "no warnings, and the waterline holds",
        run: |p, _| {
            process::run(cargo(p).args([
                "clippy",
                "--release",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ]))
        },
    },
    Step {
        name: "unit",
        about: "the tests inside the packages",
        run: |p, options| {
            let mut command = cargo(p);
            command.args(["test", "--release", "--workspace", "--exclude", CLUSTER_TESTS]);
            process::run(sized(&mut command, options))
        },
    },
    Step {
        name: "build",
        about: "the nacre binary",
        run: |p, _| process::run(cargo(p).args(["build", "--release", "-p", "nacre"])),
    },
    Step { name: "cluster", about: "real clients against real daemons", run: cluster },
    Step {
        name: "upgrade",
        about: "from an earlier commit's program, daemon by daemon (--full only: it is built first)",
        run: |p, options| if options.full { upgrade::run(p) } else { Ok(()) },
    },
    Step {
        name: "thrash",
        about: "a cluster mistreated for two minutes (--full: ten)",
        run: |p, options| {
            process::run(cargo(p).args(["build", "--release", "-p", "tests-thrash"]))?;
            let minutes = if options.full { "10" } else { "2" };
            thrash::thrash(p, &["--minutes".to_string(), minutes.to_string()])
        },
    },
];

/// The package of tests that start whole clusters.
const CLUSTER_TESTS: &str = "tests-cluster";

#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    /// The long variants of tests that have one.
    full: bool,
    /// Only these steps; all when empty.
    only: Vec<String>,
    /// Print the steps and do nothing.
    list: bool,
}

/// Runs the steps that the arguments ask for.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let options = parse(args)?;
    if options.list {
        STEPS.iter().for_each(|s| println!("{:<10} {}", s.name, s.about));
        return Ok(());
    }
    let places = Places::find()?;
    let chosen: Vec<&Step> = STEPS
        .iter()
        .filter(|s| options.only.is_empty() || options.only.iter().any(|o| o == s.name))
        .collect();
    println!("target folder: {}", places.target.display());
    let begin = Instant::now();
    let mut times: Vec<(&str, Duration)> = Vec::new();
    for (i, step) in chosen.iter().enumerate() {
        println!("\n==> [{}/{}] {}: {}", i + 1, chosen.len(), step.name, step.about);
        let start = Instant::now();
        let result = (step.run)(&places, &options);
        let took = start.elapsed();
        times.push((step.name, took));
        if let Err(failure) = result {
            return Err(named(failure, step.name, took));
        }
        println!("<== {} passed in {:.1} s", step.name, took.as_secs_f64());
    }
    println!("\nAll {} steps passed in {:.1} s:", times.len(), begin.elapsed().as_secs_f64());
    for (name, took) in times {
        println!("  {name:<10} {:>8.1} s", took.as_secs_f64());
    }
    Ok(())
}

fn parse(args: &[String]) -> Result<Options, Failure> {
    let mut options = Options::default();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--full" => options.full = true,
            "--list" => options.list = true,
            "--only" => match rest.next() {
                Some(name) if STEPS.iter().any(|s| s.name == name) => options.only.push(name.clone()),
                other => {
                    let names: Vec<&str> = STEPS.iter().map(|s| s.name).collect();
                    let got = other.map(|o| format!(", not `{o}`")).unwrap_or_default();
                    return Err(Failure::Usage(format!("--only takes one of: {}{got}", names.join(" "))));
                }
            },
            _ => {
                return Err(Failure::Usage(format!(
                    "usage: cargo xtask test [--full] [--only STEP]... [--list] (got `{arg}`)"
                )));
            }
        }
    }
    Ok(options)
}

/// The closing line of a failed run: which step, after how long, and how to run just it again.
fn named(failure: Failure, step: &str, took: Duration) -> Failure {
    let line = format!(
        "FAILED in step `{step}` after {:.1} s: {failure}; run it alone with `cargo xtask test --only {step}`",
        took.as_secs_f64()
    );
    match failure {
        Failure::Check(_) => Failure::Check(line),
        Failure::Usage(_) => Failure::Usage(line),
        Failure::Machine(_) => Failure::Machine(line),
    }
}

/// Adds what to do next to a failed check.
fn hint(result: Result<(), Failure>, next: &str) -> Result<(), Failure> {
    result.map_err(|failure| match failure {
        Failure::Check(text) => Failure::Check(format!("{text}; {next}")),
        other => other,
    })
}

/// Cluster tests start daemons on fixed resources (ports, cores), so one runs at a time.
fn cluster(places: &Places, options: &Options) -> Result<(), Failure> {
    let binary = places.nacre();
    if !binary.is_file() {
        return Err(Failure::Machine(format!(
            "{} is not there: run `cargo xtask test --only build --only cluster`",
            binary.display()
        )));
    }
    let mut command = cargo(places);
    command
        .args(["test", "--release", "-p", CLUSTER_TESTS, "--", "--test-threads=1"])
        .env("NACRE_BIN", &binary)
        .env("PATH", path_with(&places.venv().join("bin"))?);
    process::run(sized(&mut command, options))
}

/// Says whether the long variants are wanted. Set or removed, never inherited: `--full` alone decides.
fn sized<'a>(command: &'a mut Command, options: &Options) -> &'a mut Command {
    match options.full {
        true => command.env("NACRE_TEST_FULL", "1"),
        false => command.env_remove("NACRE_TEST_FULL"),
    }
}

/// PATH with `first` in front.
fn path_with(first: &Path) -> Result<OsString, Failure> {
    let old = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(first.to_path_buf()).chain(std::env::split_paths(&old)))
        .map_err(|e| Failure::Machine(format!("cannot put {} into PATH: {e}", first.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Options, Failure> {
        parse(&args.iter().map(|s| s.to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_understood_and_strangers_refused() {
        assert_eq!(parsed(&[]).expect("none"), Options::default());
        let both = parsed(&["--full", "--only", "tidy", "--only", "unit"]).expect("valid");
        assert!(both.full);
        assert_eq!(both.only, ["tidy", "unit"]);
        for bad in [&["--only"][..], &["--only", "nonsense"], &["--ful"], &["tidy"]] {
            assert_eq!(parsed(bad).expect_err("refused").exit_code(), 2, "{bad:?}");
        }
    }

    #[test]
    fn a_failure_keeps_its_exit_code_and_names_its_step() {
        let check = named(Failure::Check("x".into()), "unit", Duration::from_secs(2));
        assert_eq!(check.exit_code(), 1);
        assert!(check.to_string().contains("--only unit"), "{check}");
        assert_eq!(named(Failure::Machine("x".into()), "unit", Duration::ZERO).exit_code(), 2);
    }

    #[test]
    fn the_environment_of_the_clients_comes_first_in_path() {
        let path = path_with(Path::new("/cache/venv/bin")).expect("no colon in it");
        assert_eq!(std::env::split_paths(&path).next().expect("one"), Path::new("/cache/venv/bin"));
    }
}
