//! How long clients wait when something ends: an OSD killed, stopped in order, declared dead; the leading monitor killed.
//!
//! Three OSDs, three copies, three monitors: every PG is on every OSD, so every write waits for whoever is gone. What is
//! measured is the slowest write through S3 that was under way at the event or sent after it; as baseline, the slowest
//! in as many writes before.

use crate::options::Options;
use benches_row::{Better, Row};
use rustix::process::Signal;
use std::time::{Duration, Instant};
use tests_cluster::ledger::Ledger;
use tests_cluster::load::{Load, stalls};
use tests_cluster::wait::for_condition;
use tests_cluster::{Cluster, daemons};

const BUCKET: &str = "failover";
const WRITERS: u64 = 4;
/// Writes before and after the event. One after the other by each writer, so some of them began after it.
const WRITES: u64 = 120;
const PATIENCE: Duration = Duration::from_secs(120);
/// What is promised, seconds.
const KILLED_MAX: f64 = 3.0;
const ORDERLY_MAX: f64 = 0.3;
const MAP_MAX: f64 = 2.0;

/// Runs the cases; `--rounds` says how often each, and the worst counts.
pub(crate) fn run(options: &Options) -> Result<Vec<Row>, String> {
    let dir = options.scratch.join(format!("failover-{}", std::process::id()));
    std::fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let layout =
        tests_cluster::Options { mons: 3, dir: Some(dir.clone()), ..tests_cluster::Options::default() };
    let mut bench = Bench {
        cluster: Cluster::start("failover", layout),
        ledger: Ledger::default(),
        round: 0,
        rows: Vec::new(),
    };
    bench.cluster.s3().make_bucket(BUCKET);
    for _ in 0..options.rounds {
        bench.killed(options);
        bench.stopped(options);
        bench.declared(options);
        bench.leader(options);
    }
    let verdict = bench.ledger.verify(&bench.cluster.s3(), BUCKET);
    println!("  {} keys are as acknowledged", verdict.keys);
    let rows = std::mem::take(&mut bench.rows);
    drop(bench);
    std::fs::remove_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    Ok(rows)
}

struct Bench {
    cluster: Cluster,
    ledger: Ledger,
    round: u64,
    rows: Vec<Row>,
}

impl Bench {
    /// Runs `event` under load; the slowest write before it and from it on.
    fn during(&mut self, event: impl FnOnce(&Cluster)) -> (f64, f64) {
        self.round += 1;
        let load = Load::start(&self.cluster.s3(), BUCKET, WRITERS, &self.ledger, self.round);
        load.wait_for(WRITES, PATIENCE);
        let at = load.seconds();
        event(&self.cluster);
        load.wait_for(WRITES, PATIENCE);
        let end = load.seconds();
        let told = load.finish(&mut self.ledger);
        // Those under way at the event belong to it, so the time before ends a little earlier.
        let before = told.iter().flat_map(|t| &t.acked).filter(|a| a.end < at).map(|a| a.end - a.begin);
        (before.fold(0.0, f64::max), stalls(&told, at, end).1)
    }

    fn note(&mut self, case: &str, limit: f64, (before, after): (f64, f64)) {
        println!("  {case}: slowest write before {before:.2} s, from then on {after:.2} s");
        match self.rows.iter_mut().find(|row| row.case == case) {
            Some(row) => row.ours = row.ours.max(after),
            None => self.rows.push(Row::new(case, "s", Better::Less, after).within(limit)),
        }
    }

    fn whole_again(&self) {
        self.cluster.wait_clean(3, PATIENCE);
    }

    fn killed(&mut self, options: &Options) {
        let case = "osd killed: slowest write";
        if options.wants(case) {
            let slowest = self.during(|cluster| cluster.kill9("osd.0"));
            self.note(case, KILLED_MAX, slowest);
            self.cluster.daemon_start("osd.0");
            self.whole_again();
        }
    }

    fn stopped(&mut self, options: &Options) {
        let case = "osd stopped in order: slowest write";
        if options.wants(case) {
            let slowest = self.during(|cluster| cluster.daemon_stop("osd.1"));
            self.note(case, ORDERLY_MAX, slowest);
            self.cluster.daemon_start("osd.1");
            self.whole_again();
        }
    }

    /// A host hangs, and a person says so: from the command's end on nobody waits for it.
    fn declared(&mut self, options: &Options) {
        let case = "osd hangs, `nacre osd fail`: slowest write";
        if options.wants(case) {
            let pid = self.cluster.live("osd.2");
            let slowest = self.during(|cluster| {
                daemons::signal(pid, Signal::STOP);
                cluster.nacre(&["osd", "fail", "2"]).ok();
            });
            daemons::signal(pid, Signal::CONT);
            self.note(case, ORDERLY_MAX, slowest);
            self.whole_again();
        }
    }

    fn leader(&mut self, options: &Options) {
        let case = "leading monitor killed: slowest write";
        if !options.wants(case) {
            return;
        }
        let leader = for_condition("a leader", PATIENCE, || {
            let status = self.cluster.try_json(&["status"])?;
            status["leader"].as_str().map(str::to_string).ok_or_else(|| "there is none".to_string())
        });
        let mut changed = 0.0;
        let slowest = self.during(|cluster| {
            cluster.kill9(&leader);
            let begun = Instant::now();
            for_condition("a change of the map", PATIENCE, || {
                let done = cluster.nacre(&["osd", "set", "noout"]);
                if done.status.success() { Ok(()) } else { Err(done.said()) }
            });
            changed = begun.elapsed().as_secs_f64();
        });
        // Clients are not to notice: as slow as before is allowed, and the noise of a busy machine.
        self.note(case, (2.0 * slowest.0).max(ORDERLY_MAX), slowest);
        self.note("leading monitor killed: the map changes again after", MAP_MAX, (0.0, changed));
        self.cluster.nacre(&["osd", "unset", "noout"]).ok();
        self.cluster.daemon_start(&leader);
        self.whole_again();
    }
}
