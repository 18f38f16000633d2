//! A small deterministic world around the PG machine: several OSDs over model stores that lose what was not
//! durable when they crash, the monitors' real map machine, links that delay, lose and repeat, clients that
//! resend until they are answered. One seed is one history.
//!
//! A failure names its seed and plan; `SIM_SEED=n SIM_SEEDS=1 cargo test --release -p osd-pg --test sim -- PLAN`
//! replays it.

mod client;
mod faults;
mod oracle;
mod osd;
mod own_writes;
mod shards;
mod world;

use world::{Kind, Plan, World};

/// What a run came to, for the summary and for comparing runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Summary {
    ops: u64,
    crashes: u64,
    cuts: u64,
    messages: u64,
}

fn run(seed: u64, plan: Plan, kind: Kind) -> Summary {
    let seed_line = format!("seed {seed} of plan {plan:?}, {kind:?}");
    let guard = Named(&seed_line);
    let summary = World::new(seed, plan, kind).run();
    std::mem::forget(guard);
    summary
}

/// Names the seed when a run panics.
struct Named<'a>(&'a str);
impl Drop for Named<'_> {
    #[allow(clippy::disallowed_macros, reason = "the one line that replays a failure")]
    fn drop(&mut self) {
        eprintln!("FAILED: {}", self.0);
    }
}

#[allow(clippy::disallowed_macros, reason = "asked for by a developer")]
fn report(line: &str) {
    eprintln!("{line}");
}

#[allow(clippy::disallowed_methods, reason = "a developer's choice of seeds")]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn seeds(plan: Plan, count: u64) {
    seeds_of(plan, Kind::Copies, count);
}

fn seeds_of(plan: Plan, kind: Kind, count: u64) {
    let count = setting("SIM_SEEDS").unwrap_or(count);
    let first = setting("SIM_SEED").unwrap_or(0);
    let mut total = Summary::default();
    for seed in first..first + count {
        let s = run(seed, plan, kind);
        total.ops += s.ops;
        total.crashes += s.crashes;
        total.cuts += s.cuts;
        total.messages += s.messages;
    }
    if setting("SIM_SEEDS").is_some() {
        report(&format!("{plan:?} {kind:?}: {count} seeds, {total:?}"));
    }
    assert!(total.ops > count * 20, "the workload ran: {total:?}");
    assert!(plan == Plan::Calm || count < 20 || total.crashes > 0, "faults were injected: {total:?}");
}

#[test]
fn calm() {
    seeds(Plan::Calm, 20);
}

#[test]
fn crashes() {
    seeds(Plan::Crashes, 120);
}

#[test]
fn cuts_and_crashes() {
    seeds(Plan::Everything, 160);
}

#[test]
fn data_moves() {
    seeds(Plan::Moves, 80);
}

#[test]
fn a_seed_is_a_history() {
    for kind in [Kind::Copies, Kind::Shards(2, 1)] {
        assert_eq!(run(7, Plan::Everything, kind), run(7, Plan::Everything, kind));
    }
}

#[test]
fn shards_in_calm() {
    seeds_of(Plan::Calm, Kind::Shards(2, 1), 6);
    seeds_of(Plan::Calm, Kind::Shards(4, 2), 6);
    seeds_of(Plan::Calm, Kind::Shards(8, 3), 1);
}

#[test]
fn shards_and_crashes() {
    seeds_of(Plan::Crashes, Kind::Shards(2, 1), 25);
    seeds_of(Plan::Crashes, Kind::Shards(4, 2), 20);
    seeds_of(Plan::Crashes, Kind::Shards(8, 3), 2);
}

#[test]
fn shards_cuts_and_crashes() {
    seeds_of(Plan::Everything, Kind::Shards(2, 1), 30);
    seeds_of(Plan::Everything, Kind::Shards(4, 2), 20);
    seeds_of(Plan::Everything, Kind::Shards(8, 3), 3);
}

#[test]
fn shards_move() {
    seeds_of(Plan::Moves, Kind::Shards(2, 1), 20);
    seeds_of(Plan::Moves, Kind::Shards(4, 2), 20);
    seeds_of(Plan::Moves, Kind::Shards(8, 3), 3);
}
