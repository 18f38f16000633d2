//! A cluster that an earlier program made is taken over by this one, daemon after daemon, while clients write and read.
//!
//! `cargo xtask test --full` builds the earlier program from a commit and names it with NACRE_OLD_BIN.

use std::path::PathBuf;
use std::time::Duration;
use tests_cluster::ledger::Ledger;
use tests_cluster::load::{Load, stalls};
use tests_cluster::settings::{nacre, seed};
use tests_cluster::wait::for_condition;
use tests_cluster::{Cluster, Options, say};

const BUCKET: &str = "upgrade";
const CLEAN: Duration = Duration::from_secs(180);
const LONGEST_STALL_SECONDS: f64 = 15.0;

/// The program that a daemon runs.
fn program_of(cluster: &Cluster, daemon: &str) -> PathBuf {
    let link = format!("/proc/{}/exe", cluster.live(daemon));
    std::fs::read_link(&link).unwrap_or_else(|e| panic!("{link}: {e}"))
}

/// What all daemons can do.
fn level(cluster: &Cluster) -> u64 {
    let versions = cluster.json(&["versions"]);
    versions["feature_level"].as_u64().unwrap_or_else(|| panic!("{versions}"))
}

#[test]
fn rolling_upgrade() {
    let Some(old) = std::env::var_os("NACRE_OLD_BIN").map(PathBuf::from) else {
        say!(
            "  only with NACRE_OLD_BIN, the program of an earlier commit: `cargo xtask test --full` builds it"
        );
        return;
    };
    let old = std::fs::canonicalize(&old).unwrap_or_else(|e| panic!("{}: {e}", old.display()));
    let new = std::fs::canonicalize(nacre()).unwrap_or_else(|e| panic!("{e}"));
    assert_ne!(old, new, "two programs are wanted");
    let options = Options { mons: 3, program: Some(old.clone()), ..Options::default() };
    let mut cluster = Cluster::start("rolling_upgrade", options);
    let s3 = cluster.s3();
    s3.make_bucket(BUCKET);
    let mut ledger = Ledger { seed: seed(), ..Ledger::default() };
    let load = Load::start(&s3, BUCKET, 4, &ledger, 0);
    load.wait_for(100, Duration::from_secs(120));
    assert_eq!(program_of(&cluster, "osd.0"), old);

    cluster.use_program(new.clone());
    for daemon in ["mon.0", "mon.1", "mon.2", "osd.0", "osd.1", "osd.2"] {
        for_condition(&format!("{daemon} to be ok to stop"), CLEAN, || {
            let ok = cluster.nacre(&["daemon", "ok-to-stop", daemon]);
            if ok.status.success() { Ok(()) } else { Err(ok.said()) }
        });
        let begun = load.seconds();
        cluster.daemon_stop(daemon);
        cluster.daemon_start(daemon);
        assert_eq!(program_of(&cluster, daemon), new);
        // Old and new ones decide and serve together, by what the old ones know.
        load.wait_for(50, Duration::from_secs(60));
        let clean = cluster.wait_clean(3, CLEAN);
        if daemon != "osd.2" {
            assert_eq!(level(&cluster), 1, "with an old daemon the cluster goes by what that knows");
        }
        say!(
            "  {daemon} runs the new program; clean after {:.1} s",
            load.seconds() - begun + clean.as_secs_f64()
        );
    }
    for_condition("the feature level to rise", CLEAN, || match level(&cluster) {
        1 => Err("it is 1".to_string()),
        _ => Ok(()),
    });
    let end = load.seconds();
    let told = load.finish(&mut ledger);
    let (gap, slowest) = stalls(&told, 0.0, end);
    say!("  nothing acknowledged for at most {gap:.2} s, slowest write {slowest:.2} s");
    let failed: Vec<&String> = told.iter().flat_map(|t| &t.failed).collect();
    assert!(failed.is_empty(), "{} writes failed, as {:?}", failed.len(), failed[0]);
    assert!(slowest < LONGEST_STALL_SECONDS, "a write stalled for {slowest:.1} s");

    // The one gateway is the clients' own door: they wait until it is open again.
    cluster.daemon_stop("gateway.0");
    cluster.daemon_start("gateway.0");
    cluster.wait_gateway();
    ledger.verify(&s3, BUCKET);
    let load = Load::start(&s3, BUCKET, 4, &ledger, 1);
    load.wait_for(100, Duration::from_secs(60));
    load.finish(&mut ledger);
    let verdict = ledger.verify(&s3, BUCKET);
    say!("  {} keys as acknowledged, by the new program alone", verdict.keys);
    assert_eq!(cluster.stop(), 0, "the old `nacre up` stops the new daemons");
    cluster.up();
    cluster.wait_clean(3, CLEAN);
    ledger.verify(&s3, BUCKET);
}
