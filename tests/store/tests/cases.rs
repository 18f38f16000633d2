//! As many cases as fit into a few seconds, from a seed that is new in every run; and each sabotage is caught.

use std::io::Write;
use std::time::{Duration, Instant};
use store_under_test::harness::Sabotage;
use store_under_test::harness::hunt::{Plan, hunt, stories};

/// Cases of `cargo xtask test --full`.
const CASES_FULL: u64 = 100_000;
/// How long a plain run tries to get there.
const TIME: Duration = Duration::from_secs(45);
/// Cases within which each sabotage must be caught.
const BUDGET: u64 = 20_000;

fn jobs() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

/// New in every run, unless NACRE_TEST_SEED says otherwise.
fn seed() -> u64 {
    match std::env::var("NACRE_TEST_SEED") {
        Ok(seed) => seed.parse().expect("NACRE_TEST_SEED is a number"),
        Err(_) => {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.expect("the clock is right").as_secs() % 1_000_000 * 1_000_000
        }
    }
}

#[test]
fn no_crash_and_no_fault_breaks_a_promise() {
    let plan = Plan { seed: seed(), cases: CASES_FULL, jobs: jobs(), sabotage: None, cut: None };
    let full = std::env::var_os("NACRE_TEST_FULL").is_some_and(|v| !v.is_empty() && v != "0");
    let started = Instant::now();
    let (tally, failure) = hunt(&plan, &|_| full || started.elapsed() < TIME);
    let seconds = started.elapsed().as_secs_f64();
    // Shown also when the test passes: the runner captures only the print macros.
    let line = format!("seed {}: {} of {CASES_FULL} cases in {seconds:.1} s", plan.seed, tally.cases);
    let _ = writeln!(std::io::stderr().lock(), "{line}");
    if let Some(failure) = failure {
        panic!("{failure}");
    }
    // What never happened was not tested.
    let r = tally.report;
    let happened = [tally.swept, r.refusals, r.recoveries_cut, r.failures, r.damaged, r.refused_opens, r.eio];
    assert!(tally.cases > 1000 && happened.iter().all(|n| *n > 0), "{tally:?}");
}

#[test]
fn every_sabotage_is_caught_within_its_budget() {
    let mut missed = Vec::new();
    for sabotage in Sabotage::ALL {
        let plan = Plan { seed: 1, cases: BUDGET, jobs: jobs(), sabotage: Some(*sabotage), cut: None };
        if let Err(failure) = stories(Some(*sabotage)) {
            println!("{}: {}", sabotage.name(), failure.why);
            continue;
        }
        match hunt(&plan, &|_| true) {
            (tally, Some(failure)) => {
                println!("{}: after {} cases, {failure}", sabotage.name(), tally.cases);
            }
            (_, None) => missed.push(sabotage.name()),
        }
    }
    assert!(missed.is_empty(), "not caught within {BUDGET} cases: {missed:?}");
}
