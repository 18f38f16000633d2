//! The world simulator: OSDs, monitors, clients, network and disks of a whole cluster in one thread of virtual time.
//!
//! One seed is one history: it draws the size of the cluster, its settings, its faults and their times, and every
//! delay. What runs is the product's own: PG machines, the map machine, objecters, the daemon's view of the cluster.
//! What is simulated keeps to what the real thing promises and to no more: connections that keep order or break, a store's
//! crash contract, monitors that agree. docs/TESTING.md says how to run it and what it found.

mod agenda;
mod client;
mod clock;
mod disk;
mod end;
mod faults;
mod history;
mod invariants;
mod monitors;
mod network;
mod osd;
mod packet;
pub mod sabotage;
mod settings;
#[path = "../../../osd/pg/tests/sim/shards.rs"]
mod shards;
mod snapshots;
mod splits;
mod trace;
mod workload;
mod world;

pub use sabotage::{Sabotage, WorldBug};

use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::time::Duration;

/// What a run that went well came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Operations that clients asked.
    pub asked: u64,
    /// Those that were answered.
    pub answered: u64,
    /// Messages that arrived.
    pub messages: u64,
    /// Things that happened, of all kinds.
    pub happenings: u64,
    /// Commits of the monitors.
    pub commits: u64,
    /// Faults by name.
    pub faults: BTreeMap<&'static str, u64>,
    /// How long the world lasted.
    pub virtual_time: Duration,
    /// Equal runs have equal hashes of everything that arrived, and when.
    pub hash: u64,
}

impl Report {
    /// Adds another run's numbers; the hash is mixed.
    pub fn add(&mut self, other: &Report) {
        self.asked += other.asked;
        self.answered += other.answered;
        self.messages += other.messages;
        self.happenings += other.happenings;
        self.commits += other.commits;
        for (name, count) in &other.faults {
            *self.faults.entry(name).or_default() += count;
        }
        self.virtual_time += other.virtual_time;
        self.hash = self.hash.rotate_left(1) ^ other.hash;
    }
}

/// A run that went wrong.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Replays it.
    pub seed: u64,
    /// What was broken on purpose.
    pub sabotage: Option<Sabotage>,
    /// What went wrong.
    pub why: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sabotage = self.sabotage.map(|s| format!(" --sabotage {}", s.name())).unwrap_or_default();
        write!(f, "seed {}: {}\nreplay: cargo xtask sim --seed {}{sabotage}", self.seed, self.why, self.seed)
    }
}

/// A run's result, and what happened in it if that was asked for.
pub struct Outcome {
    /// How it ended.
    pub result: Result<Report, Failure>,
    /// One line for everything that happened; empty unless it was wanted.
    pub trace: Vec<String>,
}

/// Runs the world of a seed to its end.
///
/// Errors, in the outcome: an invariant did not hold, or a machine's own assertion failed.
pub fn run(seed: u64, sabotage: Option<Sabotage>, wants_trace: bool) -> Outcome {
    tell_failures_once();
    let trace = trace::Trace::new(wants_trace);
    let lines = trace.clone();
    SIMULATING.set(true);
    let result = catch_unwind(AssertUnwindSafe(|| {
        let mut world = world::World::new(seed, sabotage, trace);
        world.run();
        world.summary
    }));
    SIMULATING.set(false);
    let result = result.map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let why = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Failure { seed, sabotage, why: why.to_owned() }
    });
    Outcome { result, trace: lines.take() }
}

thread_local! {
    /// This thread is inside a world.
    static SIMULATING: Cell<bool> = const { Cell::new(false) };
}

/// Keeps panics inside a world from being printed where they happen: each is told with its seed, and a backtrace for
/// each of a thousand sabotaged worlds would take longer than the worlds.
fn tell_failures_once() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !SIMULATING.get() {
                others(info);
            }
        }));
    });
}
