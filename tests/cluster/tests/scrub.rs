//! Blocks that rot on disks: every read is right, a scrub finds them all, repair mends them, and health says so.

use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tests_cluster::damage::{self, first_extent, flip, large, path};
use tests_cluster::s3::S3;
use tests_cluster::{Cluster, Options, content, say};

const BUCKET: &str = "kept";
const CLEAN: Duration = Duration::from_secs(180);
const OBJECTS: u64 = 40;
/// Rotten units of each of two OSDs: fewer than what makes health suspect the disk.
const ROT: usize = 8;

fn body(n: u64) -> Vec<u8> {
    content::bytes(n, [5_000, 50_000, 150_000, 300_000][n as usize % 4])
}

fn all_there(s3: &S3) {
    damage::all_there(s3, BUCKET, OBJECTS, body);
}

/// How many units fsck calls bad, with its exit code.
fn fsck(cluster: &Cluster, osd: &str) -> (i32, usize) {
    let done = cluster.nacre(&["fsck", "--osd-path", &path(cluster, osd), "--format", "json"]);
    let report: Value = serde_json::from_slice(&done.stdout).expect("a report");
    let kinds = report["problems"].as_array().into_iter().flatten();
    (done.code(), kinds.filter(|p| p["kind"] == "bad-unit").count())
}

/// Spoils a unit of each of these.
fn rot(cluster: &Cluster, osd: &str, objects: &[String]) {
    for (n, id) in objects.iter().enumerate() {
        flip(cluster, osd, first_extent(cluster, osd, id) + 1000 + n as u64);
    }
}

/// All PGs; right after a start nobody knows yet which hold anything.
fn pgs(cluster: &Cluster) -> Vec<String> {
    let all = cluster.json(&["pg", "ls"]);
    let all = all["pgs"].as_array().expect("pgs").iter();
    all.map(|pg| pg["pgid"].as_str().expect("an id").to_string()).collect()
}

fn seconds() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_secs()
}

/// Has every PG read through, and waits until they were.
fn deep_scrub(cluster: &Cluster, by: &str) -> Duration {
    let begin = Instant::now();
    // Stamps are whole seconds, of when it was asked for.
    let asked = seconds();
    let mut left = pgs(cluster);
    for pg in &left {
        cluster.nacre(&["pg", by, pg]).ok();
    }
    tests_cluster::wait::until("every PG read through", CLEAN, Duration::from_millis(500), || {
        left.retain(|pg| cluster.json(&["pg", "query", pg])["last_deep_scrub_stamp"].as_u64() < Some(asked));
        if left.is_empty() { Ok(()) } else { Err(format!("not yet {left:?}")) }
    });
    begin.elapsed()
}

fn checks(cluster: &Cluster) -> BTreeSet<String> {
    let health = cluster.json(&["health", "detail"]);
    let codes = health["checks"].as_array().into_iter().flatten();
    codes.filter_map(|c| c["code"].as_str().map(str::to_string)).collect()
}

#[test]
fn rotten_blocks_are_read_around_found_and_mended() {
    let mut cluster = Cluster::start("scrub", Options { osd_size: "1G", ..Options::default() });
    let s3 = cluster.s3();
    s3.make_bucket(BUCKET);
    for n in 0..OBJECTS {
        s3.put(BUCKET, &format!("o{n}"), &body(n));
    }
    let healthy = checks(&cluster);
    assert_eq!(cluster.stop(), 0);

    // Two OSDs, different objects of each; all have another good copy.
    let ids = large(&cluster, "osd.1");
    assert!(ids.len() >= 2 * ROT, "{ids:?}");
    rot(&cluster, "osd.1", &ids[..ROT]);
    rot(&cluster, "osd.2", &ids[ROT..2 * ROT]);
    assert_eq!(fsck(&cluster, "osd.1"), (1, ROT));
    assert_eq!(fsck(&cluster, "osd.2"), (1, ROT));
    cluster.up();
    cluster.wait_clean(3, CLEAN);
    let s3 = cluster.s3();
    all_there(&s3);
    say!("  every object read right with {ROT} rotten units on each of two of three OSDs");
    assert_eq!(cluster.stop(), 0);
    let left = [fsck(&cluster, "osd.1").1, fsck(&cluster, "osd.2").1];
    say!("  reads repaired {} of {} units: those of primaries", 2 * ROT - left[0] - left[1], 2 * ROT);
    assert!(left[0] < ROT || left[1] < ROT, "no read met a rotten unit: {left:?}");

    // What no read meets, a scrub does.
    cluster.up();
    cluster.wait_clean(3, CLEAN);
    say!("  all PGs read through in {:.1?}", deep_scrub(&cluster, "repair"));
    cluster.wait_clean(3, CLEAN);
    for pg in pgs(&cluster) {
        let told = cluster.json(&["pg", "list-inconsistent", &pg]);
        assert_eq!(told["inconsistents"], serde_json::json!([]), "{pg}");
        assert_eq!(told["num_scrub_errors"], 0, "{pg}");
    }
    assert_eq!(checks(&cluster), healthy, "{}", cluster.nacre(&["health", "detail"]).said());
    all_there(&cluster.s3());
    assert_eq!(cluster.stop(), 0);
    for osd in ["osd.0", "osd.1", "osd.2"] {
        assert_eq!(fsck(&cluster, osd), (0, 0), "{osd}");
    }

    // Rotten everywhere: nothing is made up, and it is said which object it is.
    let ids = large(&cluster, "osd.0");
    for osd in ["osd.0", "osd.1", "osd.2"] {
        rot(&cluster, osd, &ids[..1]);
    }
    cluster.up();
    cluster.wait_clean(3, CLEAN);
    let begin = Instant::now();
    for pg in pgs(&cluster) {
        cluster.nacre(&["pg", "deep-scrub", &pg]).ok();
    }
    tests_cluster::wait::until("health says what is damaged", CLEAN, Duration::from_millis(500), || {
        let said = cluster.nacre(&["health", "detail"]).said();
        if said.contains("PG_DAMAGED") { Ok(()) } else { Err(said) }
    });
    say!("  an object that is rotten everywhere is reported after {:.1?}", begin.elapsed());
    let listed: Vec<Value> = pgs(&cluster)
        .iter()
        .flat_map(|pg| cluster.json(&["pg", "list-inconsistent", pg])["inconsistents"].as_array().cloned())
        .flatten()
        .collect();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["union_shard_errors"], serde_json::json!(["read_error"]));
    assert_eq!(listed[0]["shards"].as_array().map(Vec::len), Some(3));
}
