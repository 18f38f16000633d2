//! Trials of random maps, by us and by the `crushtool` on PATH: the same lines must come out.
//!
//! `CRUSH_LIVE_SEED=N` replays one map, `CRUSH_LIVE_MAPS=N` tries more of them.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::disallowed_types,
    reason = "a test that runs a program and reads files"
)]

mod support;
mod tool;

use crush::{CrushMap, Show, Trial, trial_weight};
use support::{Random, random_map};
use tool::{Scratch, TOOL, run, tool_exists};

/// One map with one random trial. Returns how many lines were compared.
fn compare(seed: u64) -> usize {
    let random = &mut Random(seed ^ 0x7e57);
    let made = random_map(random);
    let Ok(map) = CrushMap::compile(&made.text) else { return 0 };
    let scratch = Scratch::new(seed);
    let binary = scratch.file("map");
    std::fs::write(&binary, map.encode()).expect("scratch");
    let mut trial = Trial::default();
    let mut arguments: Vec<String> = vec!["-i".into(), binary, "--test".into()];
    if random.one_in(2) {
        let (from, count) = (random.below(50) as u32, random.below(120) as u32);
        trial.seeds = from..=from + count;
        arguments.extend(["--min-x".into(), from.to_string()]);
        arguments.extend(["--max-x".into(), (from + count).to_string()]);
    }
    if random.one_in(2) {
        let rule = random.below(made.rules.max(1)) as u32;
        trial.rule = Some(rule);
        arguments.extend(["--rule".into(), rule.to_string()]);
    }
    if !random.one_in(3) {
        let members = if random.one_in(8) { 100 } else { 1 + random.below(6) };
        trial.members = Some(members..=members);
        arguments.extend(["--num-rep".into(), members.to_string()]);
    }
    if random.one_in(4) {
        trial.pool = Some(random.below(9) as u32);
        arguments.extend(["--pool-id".into(), trial.pool.expect("set").to_string()]);
    }
    for _ in 0..random.below(4) {
        let device = random.below(made.devices.max(1));
        let weight = *random.pick(&["0", "0.3", "0.75", "7", "-1"]);
        trial.weights.insert(device as i32, trial_weight(weight.parse().expect("a number")));
        arguments.extend(["--weight".into(), device.to_string(), weight.to_owned()]);
    }
    trial.show = Show {
        mappings: random.one_in(2),
        utilization: random.one_in(2),
        statistics: random.one_in(2),
        bad_mappings: random.one_in(2),
    };
    for (on, word) in [
        (trial.show.mappings, "--show-mappings"),
        (trial.show.utilization, "--show-utilization"),
        (trial.show.statistics, "--show-statistics"),
        (trial.show.bad_mappings, "--show-bad-mappings"),
    ] {
        arguments.extend(on.then(|| word.to_owned()));
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (_, theirs, _) = run(&arguments);
    let mut ours = String::new();
    map.try_out(&trial, &mut ours).expect("a string takes all");
    let theirs = String::from_utf8_lossy(&theirs);
    let replay = format!("replay: CRUSH_LIVE_SEED={seed} cargo test --release -p crush --test live_trial");
    for (line, (ours, theirs)) in ours.lines().zip(theirs.lines()).enumerate() {
        assert_eq!(ours, theirs, "line {line} of {arguments:?}\n{}\n{replay}", made.text);
    }
    assert_eq!(ours.lines().count(), theirs.lines().count(), "{arguments:?}\n{}\n{replay}", made.text);
    ours.lines().count()
}

#[test]
fn trials_print_what_ceph_prints() {
    if !tool_exists() {
        return;
    }
    if let Ok(seed) = std::env::var("CRUSH_LIVE_SEED") {
        compare(seed.parse().expect("a number"));
        return;
    }
    let maps = std::env::var("CRUSH_LIVE_MAPS").ok().and_then(|maps| maps.parse().ok()).unwrap_or(10);
    let compared: usize = (0..maps).map(compare).sum();
    println!("{compared} lines of {maps} trials are {TOOL}'s");
    assert!(compared >= maps as usize * 50, "only {compared} lines were compared");
}
