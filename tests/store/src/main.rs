//! `cargo xtask fuzz store`: random lives of a store on a disk that forgets, tears, misdirects and rots, held against
//! the model. Exit code 0: all cases held; 1: one did not, or a sabotage was caught; 2: usage.

mod options;

use options::{Options, USAGE, parse};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use store_under_test::harness::hunt::{self, Failure, Plan, Tally};
use store_under_test::harness::{Sabotage, shrink};

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Err(why) => {
            eprintln!("{why}\n{USAGE}");
            ExitCode::from(2)
        }
        Ok(Options::List) => {
            for sabotage in Sabotage::ALL {
                println!("{:<31} {}", sabotage.name(), sabotage.about());
            }
            ExitCode::SUCCESS
        }
        Ok(Options::Stories(sabotage)) => match hunt::stories(sabotage) {
            Ok(held) => {
                println!("{held} stories held");
                ExitCode::SUCCESS
            }
            Err(failure) => tell(&failure),
        },
        Ok(Options::Hunt(plan, limit)) => hunt_and_tell(&plan, limit),
    }
}

fn hunt_and_tell(plan: &Plan, limit: Option<Duration>) -> ExitCode {
    // A failed assertion is a finding like any other, and told as one.
    std::panic::set_hook(Box::new(|_| {}));
    println!("seed {}", plan.seed);
    if let Some(sabotage) = plan.sabotage {
        println!("sabotage: {}", sabotage.about());
    }
    let started = Instant::now();
    // The stories are part of every hunt, but not of a replay.
    if plan.cases > 1 {
        match hunt::stories(plan.sabotage) {
            Ok(held) => println!("{held} stories held"),
            Err(failure) => return tell(&failure),
        }
    }
    let (tally, failure) = hunt::hunt(plan, &progress(started, limit));
    print_tally(&tally, started.elapsed());
    match failure {
        Some(failure) => tell(&failure),
        None => {
            if plan.sabotage.is_some() {
                println!("NOT caught: the harness is too weak, or these were too few cases");
            }
            ExitCode::SUCCESS
        }
    }
}

/// Says once a second how far it is, on a terminal; and when to stop.
fn progress(started: Instant, limit: Option<Duration>) -> impl Fn(&Tally) -> bool + Sync {
    let terminal = std::io::stderr().is_terminal();
    let said = Mutex::new(started);
    move |tally| {
        let mut said = said.lock().expect("nothing panics while it prints");
        if terminal && said.elapsed() > Duration::from_secs(1) {
            *said = Instant::now();
            let seconds = started.elapsed().as_secs_f64();
            eprint!("\r{} cases, {:.0} a second ", tally.cases, tally.cases as f64 / seconds);
            let _ = std::io::stderr().flush();
        }
        limit.is_none_or(|limit| started.elapsed() < limit)
    }
}

fn print_tally(tally: &Tally, took: Duration) {
    let r = &tally.report;
    eprint!("\r");
    println!(
        "{} cases in {:.1} s, {} of them cut at each effect in turn: {} transactions ({} refused), {} crashes, {} of \
         recoveries; {} failed operations, {} damaged disks, {} refused to open as damaged, {} read EIO",
        tally.cases,
        took.as_secs_f64(),
        tally.swept,
        r.transactions,
        r.refusals,
        r.crashes,
        r.recoveries_cut,
        r.failures,
        r.damaged,
        r.refused_opens,
        r.eio
    );
}

/// Prints the failure with the line that replays it, then the smallest case that fails too.
fn tell(failure: &Failure) -> ExitCode {
    match failure.sabotage {
        Some(sabotage) => println!("caught {}: {failure}", sabotage.name()),
        None => println!("FAILED: {failure}"),
    }
    if let Some(case) = &failure.case {
        let smallest = shrink(case, |c| hunt::attempt(c, failure.sabotage).is_err());
        println!("\nthe smallest case found that fails too ({} transactions):", smallest.transactions());
        print!("{smallest}");
        if let Err(why) = hunt::attempt(&smallest, failure.sabotage) {
            println!("  => {why}");
        }
    }
    ExitCode::from(1)
}
