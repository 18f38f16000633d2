//! The slice of the simulation that every test run makes. `NACRE_TEST_FULL=1` (what `cargo xtask test --full` sets)
//! makes it long.

use std::time::{Duration, Instant};
use tests_sim::{Report, Sabotage, run};

/// Seeds of a short run, if it gets through them in its time.
const SEEDS: u64 = 1000;
const SECONDS: u64 = 30;
/// Seeds of a long run, however long it takes.
const SEEDS_FULL: u64 = 20_000;
/// Within so many seeds each sabotage is to be noticed.
const SABOTAGE_SEEDS: u64 = 1000;
/// However slow the machine is, a short run looks at so many.
const SABOTAGE_SEEDS_LEAST: u64 = 20;
/// How long a short run looks for them, all together.
const SABOTAGE_SECONDS: u64 = 30;

fn is_full() -> bool {
    std::env::var_os("NACRE_TEST_FULL").is_some()
}

#[test]
fn worlds_keep_their_promises() {
    let (seeds, limit) = match is_full() {
        true => (SEEDS_FULL, Duration::MAX),
        false => (SEEDS, Duration::from_secs(SECONDS)),
    };
    let (started, mut total, mut done) = (Instant::now(), Report::default(), 0);
    while done < seeds && (done < 30 || started.elapsed() < limit) {
        match run(done, None, false).result {
            Ok(report) => total.add(&report),
            Err(failure) => panic!("{failure}"),
        }
        done += 1;
    }
    println!("{done} seeds in {:.1} s: {total:?}", started.elapsed().as_secs_f64());
    assert!(total.answered > done * 20, "clients did something: {total:?}");
    assert!(total.faults.len() > 15, "things went wrong: {total:?}");
}

#[test]
fn a_seed_is_a_history() {
    for seed in [3, 7, 11, 54] {
        let (one, other) = (run(seed, None, true), run(seed, None, true));
        assert_eq!(one.trace, other.trace, "seed {seed}");
        assert_eq!(one.result.expect("it holds"), other.result.expect("it holds"));
    }
    let hash = |seed| run(seed, None, false).result.expect("it holds").hash;
    assert_ne!(hash(3), hash(4));
}

#[test]
fn sabotages_are_noticed() {
    let started = Instant::now();
    let mut unnoticed: Vec<Sabotage> = Sabotage::all().filter(|s| !s.is_hard()).collect();
    let all = unnoticed.len();
    // Seed by seed, so that a short run gets to all of them.
    for seed in 0..SABOTAGE_SEEDS {
        unnoticed.retain(|sabotage| {
            let over = !is_full()
                && seed >= SABOTAGE_SEEDS_LEAST
                && started.elapsed() > Duration::from_secs(SABOTAGE_SECONDS);
            let Some(failure) = (!over).then(|| run(seed, Some(*sabotage), false).result.err()).flatten()
            else {
                return true;
            };
            let line: String = failure.why.lines().next().unwrap_or_default().chars().take(100).collect();
            println!("{}: seed {seed}: {line}", sabotage.name());
            false
        });
    }
    let left: Vec<String> = unnoticed.iter().map(|s| s.name()).collect();
    println!("{} of {all} noticed; not yet: {left:?}", all - left.len());
    assert!(left.is_empty() || !is_full(), "not noticed within {SABOTAGE_SEEDS} seeds: {left:?}");
    assert!(all - left.len() >= 15, "most are noticed at once; not these: {left:?}");
}
