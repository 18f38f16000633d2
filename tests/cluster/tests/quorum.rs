//! Three monitors: losing the leader stops nothing that clients see, and the rest still decides.

use std::time::{Duration, Instant};
use tests_cluster::ledger::Ledger;
use tests_cluster::load::{Load, stalls};
use tests_cluster::settings::seed;
use tests_cluster::wait::for_condition;
use tests_cluster::{Cluster, Options, say};

const BUCKET: &str = "quorum";
const LONGEST_STALL_SECONDS: f64 = 15.0;

/// The leader, as `nacre status` names it.
fn leader(cluster: &Cluster) -> Result<String, String> {
    let value = cluster.try_json(&["status"])?;
    value["leader"].as_str().map(str::to_string).ok_or_else(|| format!("no leader: {}", value["monitors"]))
}

#[test]
fn quorum() {
    let cluster = Cluster::start("quorum", Options { mons: 3, ..Options::default() });
    let s3 = cluster.s3();
    s3.make_bucket(BUCKET);
    let mut ledger = Ledger { seed: seed(), ..Ledger::default() };
    let first = leader(&cluster).unwrap_or_else(|e| panic!("{e}"));
    let load = Load::start(&s3, BUCKET, 4, &ledger, 0);
    load.wait_for(50, Duration::from_secs(120));

    let killed = load.seconds();
    cluster.kill9(&first);
    let begin = Instant::now();
    let second = for_condition("another leader", Duration::from_secs(60), || match leader(&cluster)? {
        name if name == first => Err(format!("still {name}")),
        name => Ok(name),
    });
    let elected = begin.elapsed();
    load.wait_for(50, Duration::from_secs(60));
    // What only monitors can decide: a lost OSD leaves the in-sync sets.
    cluster.kill9("osd.0");
    let noticed = cluster.wait_noticed_down(0, Duration::from_secs(60));
    load.wait_for(50, Duration::from_secs(60));
    cluster.daemon_start("osd.0");
    cluster.daemon_start(&first);
    cluster.wait_clean(3, Duration::from_secs(180));
    let end = load.seconds();
    let told = load.finish(&mut ledger);
    let (gap, slowest) = stalls(&told, killed, end);
    say!(
        "  leader {first} killed: {second} leads after {:.1} s; osd.0 killed: noticed after {:.1} s; nothing acknowledged for \
         at most {gap:.2} s, slowest write {slowest:.2} s",
        elected.as_secs_f64(),
        noticed.as_secs_f64()
    );
    let failed: Vec<&String> = told.iter().flat_map(|t| &t.failed).collect();
    assert!(failed.is_empty(), "{} writes failed, as {:?}", failed.len(), failed[0]);
    assert!(slowest < LONGEST_STALL_SECONDS, "a write stalled for {slowest:.1} s");
    for_condition("all monitors back", Duration::from_secs(60), || {
        let value = cluster.try_json(&["status"])?;
        let there =
            value["monitors"].as_array().is_some_and(|all| all.iter().all(|m| m["in_quorum"] == true));
        if there { Ok(()) } else { Err(value["monitors"].to_string()) }
    });
    let verdict = ledger.verify(&s3, BUCKET);
    say!("  {} keys as acknowledged", verdict.keys);
}
