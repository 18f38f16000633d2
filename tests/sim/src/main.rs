//! `cargo xtask sim [--seeds N] [--seed S] [--minutes M] [--sabotage NAME] [--trace FILE] [--list-sabotages]`.

use std::process::ExitCode;
use std::time::{Duration, Instant};
use tests_sim::{Failure, Report, Sabotage, run};

/// Seeds tried without a word about how many.
const SEEDS: u64 = 1000;

#[derive(Debug, Default)]
struct Options {
    first: Option<u64>,
    seeds: Option<u64>,
    minutes: Option<u64>,
    sabotage: Option<Sabotage>,
    trace: Option<String>,
    list: bool,
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!(
                "{why}; usage: [--seeds N] [--seed S] [--minutes M] [--sabotage NAME] [--trace FILE] [--list-sabotages]"
            );
            return ExitCode::from(2);
        }
    };
    if options.list {
        let note = |s: Sabotage| if s.is_hard() { "  (seldom noticed: see docs/TESTING.md)" } else { "" };
        Sabotage::all().for_each(|s| println!("{}{}", s.name(), note(s)));
        return ExitCode::SUCCESS;
    }
    match simulate(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("FAILED {failure}");
            ExitCode::from(1)
        }
    }
}

/// One seed if it was named alone, else as many as were asked for, by number or by time.
fn simulate(options: &Options) -> Result<(), Failure> {
    let first = options.first.unwrap_or(0);
    let usual = match (options.first, options.minutes) {
        (_, Some(_)) => u64::MAX,
        (Some(_), None) => 1,
        (None, None) => SEEDS,
    };
    let count = options.seeds.unwrap_or(usual);
    let limit = options.minutes.map_or(Duration::MAX, |m| Duration::from_secs(60 * m));
    let (started, mut told) = (Instant::now(), Instant::now());
    let (mut total, mut done) = (Report::default(), 0);
    while done < count && started.elapsed() < limit {
        let seed = first.wrapping_add(done);
        let outcome = run(seed, options.sabotage, options.trace.is_some());
        if let Some(path) = &options.trace
            && let Err(error) = std::fs::write(path, outcome.trace.join("\n") + "\n")
        {
            eprintln!("{path}: {error}");
        }
        match outcome.result {
            Ok(report) => total.add(&report),
            Err(failure) => {
                println!("{done} seeds passed before");
                return Err(failure);
            }
        }
        done += 1;
        if told.elapsed() > Duration::from_secs(30) {
            told = Instant::now();
            println!("{done} seeds in {:.0} s", started.elapsed().as_secs_f64());
        }
    }
    println!("{}", summary(first, done, &total, started.elapsed()));
    Ok(())
}

fn summary(first: u64, done: u64, total: &Report, took: Duration) -> String {
    let mut text = format!(
        "{done} seeds from {first} passed in {:.1} s ({:.1} ms each), {:.0} s of virtual time, hash {:016x}\n\
         {} operations asked, {} answered; {} messages, {} commits, {} happenings\nfaults:",
        took.as_secs_f64(),
        took.as_secs_f64() * 1000.0 / done.max(1) as f64,
        total.virtual_time.as_secs_f64(),
        total.hash,
        total.asked,
        total.answered,
        total.messages,
        total.commits,
        total.happenings,
    );
    for (name, count) in &total.faults {
        text += &format!(" {name} {count}");
    }
    text
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    while let Some(arg) = args.next() {
        if arg == "--list-sabotages" {
            options.list = true;
            continue;
        }
        let value = args.next().ok_or_else(|| format!("{arg:?} is unknown or needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{arg} takes a number, not {value:?}"));
        match arg.as_str() {
            "--seed" => options.first = Some(number()?),
            "--seeds" => options.seeds = Some(number()?),
            "--minutes" => options.minutes = Some(number()?),
            "--trace" => options.trace = Some(value),
            "--sabotage" => {
                let found = Sabotage::named(&value);
                options.sabotage = Some(found.ok_or_else(|| format!("there is no sabotage {value:?}"))?);
            }
            _ => return Err(format!("{arg:?} is unknown")),
        }
    }
    Ok(options)
}
