//! `cargo xtask fuzz [--seconds N] [--cases N] [--seed S] [--from N] [--target T]...`: fuzzes the decoders.

use std::process::ExitCode;
use std::time::{Duration, Instant};
use tests_fuzz::allocated::Counting;
use tests_fuzz::{TARGETS, Tally, Target, try_case};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Tried without a word about how long.
const SECONDS: u64 = 30;

struct Options {
    limit: Limit,
    seed: u64,
    from: u64,
    targets: Vec<&'static Target>,
}

#[derive(Clone, Copy)]
enum Limit {
    /// For all targets together.
    Seconds(u64),
    /// For each target.
    Cases(u64),
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            eprintln!(
                "{why}; usage: [--seconds N | --cases N] [--seed S] [--from N] [--target {}]...",
                names.join("|")
            );
            return ExitCode::from(2);
        }
    };
    println!("seed {}", options.seed);
    for target in &options.targets {
        let mut tally = Tally::default();
        let started = Instant::now();
        let share = match options.limit {
            Limit::Seconds(seconds) => Duration::from_secs(seconds) / options.targets.len() as u32,
            Limit::Cases(_) => Duration::MAX,
        };
        let goes_on = |tally: &Tally| match options.limit {
            Limit::Cases(cases) => tally.cases < cases,
            Limit::Seconds(_) => started.elapsed() < share,
        };
        while goes_on(&tally) {
            let number = options.from.wrapping_add(tally.cases);
            if let Err(failure) = try_case(target, options.seed, number, &mut tally) {
                let path = std::env::temp_dir()
                    .join(format!("nacre-fuzz-{}-{}-{number}", target.name, options.seed));
                eprintln!("{failure}");
                match std::fs::write(&path, &failure.input) {
                    Ok(()) => eprintln!("the input is in {}", path.display()),
                    Err(error) => eprintln!("{}: {error}", path.display()),
                }
                return ExitCode::from(1);
            }
        }
        println!(
            "{}: {} cases, {} accepted, at most {} % of the memory allowed",
            target.name, tally.cases, tally.accepted, tally.allocated_percent_max
        );
    }
    ExitCode::SUCCESS
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { limit: Limit::Seconds(SECONDS), seed: 1, from: 0, targets: Vec::new() };
    while let Some(arg) = args.next() {
        let value = args.next().ok_or_else(|| format!("{arg:?} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{arg} takes a number, not {value:?}"));
        match arg.as_str() {
            "--seconds" => options.limit = Limit::Seconds(number()?),
            "--cases" => options.limit = Limit::Cases(number()?),
            "--seed" => options.seed = number()?,
            "--from" => options.from = number()?,
            "--target" => {
                let target = TARGETS.iter().find(|target| target.name == value);
                options.targets.push(target.ok_or_else(|| format!("there is no target {value:?}"))?);
            }
            _ => return Err(format!("{arg:?} is unknown")),
        }
    }
    if options.targets.is_empty() {
        options.targets.extend(TARGETS);
    }
    Ok(options)
}
