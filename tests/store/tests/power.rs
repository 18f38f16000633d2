//! The store as production has it, with RocksDB and a real file, on a file system that forgets what was not synced.
//! (kill -9 alone keeps the page cache, and so proves little.)

mod forgetful;

use forgetful::{Forgetful, Mounted};
use std::io::Write;
use std::time::{Duration, Instant};
use store_under_test::harness::Sabotage;
use store_under_test::harness::host::{HostReport, live_on};

/// Lives of one store.
const LIVES: u64 = 4;
/// Stores of a plain run at most, and how long it takes at most; stores of `--full`.
const STORES: u64 = 40;
const TIME: Duration = Duration::from_secs(10);
const STORES_FULL: u64 = 100;

/// Shown also when the test passes: the runner captures only the print macros.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Broken on purpose, these must be noticed here too: what they break is between the store and its files.
const SABOTAGES: [Sabotage; 4] = [
    Sabotage::AcknowledgeUnflushed,
    Sabotage::TrimBeforeIndex,
    Sabotage::IndexAheadOfLog,
    Sabotage::TrimUnflushed,
];
/// Stores within which each of them must be.
const BUDGET: u64 = 60;

fn is_full() -> bool {
    std::env::var_os("NACRE_TEST_FULL").is_some_and(|v| !v.is_empty() && v != "0")
}

/// Lives of one store on a file system of its own.
fn lives(seed: u64) -> Result<HostReport, String> {
    let files = Forgetful::new();
    let mounted = Mounted::new(&files).unwrap_or_else(|e| {
        panic!(
            "a FUSE file system cannot be mounted: {e}; `cargo xtask setup` installs fuse3, and /dev/fuse must be open \
             to you"
        )
    });
    live_on(mounted.path(), &files, seed, LIVES)
}

#[test]
fn what_was_acknowledged_outlives_the_power_on_a_real_file_system() {
    if !std::path::Path::new("/dev/fuse").exists() {
        // The one reason to do without: the kernel or the container has no FUSE at all.
        say(
            "NOT RUN: there is no /dev/fuse here, so nothing was proven of RocksDB and the file under power failures",
        );
        return;
    }
    let full = is_full();
    let first = match std::env::var("NACRE_TEST_SEED") {
        Ok(seed) => seed.parse().expect("NACRE_TEST_SEED is a number"),
        Err(_) => {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.expect("the clock is right").as_secs() % 1_000_000 * 1000
        }
    };
    let started = Instant::now();
    let (mut stores, mut sum) = (0, [0; 6]);
    for seed in first..first + if full { STORES_FULL } else { STORES } {
        match lives(seed) {
            Ok(r) => {
                stores += 1;
                let [mkfs, open, life] = r.failures;
                let counts = [r.recoveries, r.transactions, r.acknowledged, mkfs, open, life];
                sum.iter_mut().zip(counts).for_each(|(sum, n)| *sum += n);
            }
            Err(why) => panic!("seed {seed} (again with NACRE_TEST_SEED={seed}): {why}"),
        }
        if !full && started.elapsed() > TIME {
            break;
        }
    }
    let [recoveries, transactions, acknowledged, mkfs, open, life] = sum;
    say(&format!(
        "seed {first}: {stores} stores in {:.1} s: {recoveries} recoveries compared, {transactions} transactions, \
         {acknowledged} acknowledged; power failures: {mkfs} in mkfs, {open} in opens, {life} in lives",
        started.elapsed().as_secs_f64()
    ));
    assert!(recoveries > stores && acknowledged > 0 && mkfs + open + life > 0, "{sum:?}");
    // The first of them in a plain run, as each takes some stores.
    for sabotage in &SABOTAGES[..if full { SABOTAGES.len() } else { 1 }] {
        let caught = (0..BUDGET).find_map(|seed| {
            let attempt = || sabotage.during(|| lives(seed));
            match std::panic::catch_unwind(attempt) {
                Ok(Ok(_)) => None,
                Ok(Err(why)) => Some((seed, why)),
                Err(_) => Some((seed, "an assertion failed".to_string())),
            }
        });
        let (seed, why) = caught.unwrap_or_else(|| panic!("{} was not noticed", sabotage.name()));
        say(&format!("{} was noticed by store {}: {why}", sabotage.name(), seed + 1));
    }
}
