//! A cluster of one monitor grows to three under load, loses its founder for good, and goes on.

use std::time::Duration;
use tests_cluster::ledger::Ledger;
use tests_cluster::load::Load;
use tests_cluster::settings::seed;
use tests_cluster::wait::for_condition;
use tests_cluster::{Cluster, Options, say};

const BUCKET: &str = "monitors";

fn in_quorum(cluster: &Cluster, wanted: &[&str]) {
    for_condition("the monitors in quorum", Duration::from_secs(60), || {
        let value = cluster.try_json(&["mon", "ls"])?;
        let rows = value["mons"].as_array().cloned().unwrap_or_default();
        let there: Vec<&str> =
            rows.iter().filter(|m| m["in_quorum"] == true).filter_map(|m| m["name"].as_str()).collect();
        if there == wanted && rows.len() == wanted.len() { Ok(()) } else { Err(value.to_string()) }
    });
}

#[test]
fn monitors() {
    let mut cluster = Cluster::start("monitors", Options::default());
    let s3 = cluster.s3();
    s3.make_bucket(BUCKET);
    let mut ledger = Ledger { seed: seed(), ..Ledger::default() };
    let load = Load::start(&s3, BUCKET, 2, &ledger, 0);
    load.wait_for(20, Duration::from_secs(60));
    cluster.nacre(&["mon", "rm", "mon.0"]).fails(1, "last monitor");
    assert!(cluster.nacre(&["mon", "add"]).ok().out().contains("mon.1 votes"));
    cluster.nacre(&["mon", "add"]).ok();
    in_quorum(&cluster, &["mon.0", "mon.1", "mon.2"]);
    assert!(cluster.pid("mon.2").is_some(), "the advertisement names it");
    cluster.nacre(&["daemon", "ok-to-stop", "mon.0"]).ok();

    say!("  the founder is killed; the two others decide, and the OSDs follow them");
    cluster.kill9("mon.0");
    in_quorum_but(&cluster, "mon.0");
    cluster.nacre(&["daemon", "ok-to-stop", "mon.1"]).fails(1, "majority");
    cluster.kill9("osd.0");
    cluster.wait_noticed_down(0, Duration::from_secs(90));
    cluster.daemon_start("osd.0");
    cluster.wait_clean(3, Duration::from_secs(180));
    load.wait_for(20, Duration::from_secs(60));
    cluster.nacre(&["mon", "rm", "mon.0"]).ok();
    in_quorum(&cluster, &["mon.1", "mon.2"]);
    assert!(!cluster.dir().join("mon.0").exists(), "nothing is left of it");

    let told = load.finish(&mut ledger);
    let failed: Vec<&String> = told.iter().flat_map(|t| &t.failed).collect();
    assert!(failed.is_empty(), "{} writes failed, as {:?}", failed.len(), failed[0]);
    say!("  stopped and started again without its founder");
    assert_eq!(cluster.stop(), 0);
    cluster.up();
    in_quorum(&cluster, &["mon.1", "mon.2"]);
    ledger.verify(&s3, BUCKET);
}

/// Waits until one monitor is seen to be gone.
fn in_quorum_but(cluster: &Cluster, gone: &str) {
    for_condition("the quorum without it", Duration::from_secs(60), || {
        let value = cluster.try_json(&["mon", "ls"])?;
        let rows = value["mons"].as_array().cloned().unwrap_or_default();
        let as_wanted = rows.iter().all(|m| (m["name"] != gone) == (m["in_quorum"] == true));
        if as_wanted && rows.iter().any(|m| m["leader"] == true) { Ok(()) } else { Err(value.to_string()) }
    });
}
