//! Disks that lost or changed what they had: the tools name it, and the cluster makes it good without losing a byte.

use serde_json::Value;
use std::time::Duration;
use tests_cluster::damage::{self, first_extent, flip, inspect, large, path};
use tests_cluster::s3::S3;
use tests_cluster::{Cluster, Options, content, say};

const BUCKET: &str = "kept";
const CLEAN: Duration = Duration::from_secs(180);
const OBJECTS: u64 = 60;

fn body(n: u64) -> Vec<u8> {
    content::bytes(n, [700, 5_000, 50_000, 300_000][n as usize % 4])
}

fn all_there(s3: &S3) {
    damage::all_there(s3, BUCKET, OBJECTS, body);
}

/// The kinds of problems that fsck finds, with its exit code.
fn fsck(cluster: &Cluster, osd: &str, flags: &[&str]) -> (i32, Vec<String>) {
    let path = path(cluster, osd);
    let words = [&["fsck", "--osd-path", &path, "--format", "json"], flags].concat();
    let done = cluster.nacre(&words);
    let report: Value = serde_json::from_slice(&done.stdout).unwrap_or(Value::Null);
    let kinds = report["problems"].as_array().into_iter().flatten();
    let kinds = kinds.filter_map(|p| p["kind"].as_str().map(str::to_string)).collect();
    (done.code(), kinds)
}

/// Only this OSD's copy is left to read from.
fn alone(cluster: &Cluster, osd: &str) {
    for other in ["osd.0", "osd.1", "osd.2"].into_iter().filter(|o| *o != osd) {
        cluster.daemon_stop(other);
    }
    all_there(&cluster.s3());
    for other in ["osd.0", "osd.1", "osd.2"].into_iter().filter(|o| *o != osd) {
        cluster.daemon_start(other);
    }
    say!("  everything was read from {osd} alone; clean after {:.1?}", cluster.wait_clean(3, CLEAN));
}

#[test]
fn damaged_stores_are_named_and_made_good() {
    let mut cluster = Cluster::start("damaged_store", Options { osd_size: "1G", ..Options::default() });
    let s3 = cluster.s3();
    s3.make_bucket(BUCKET);
    for n in 0..OBJECTS {
        s3.put(BUCKET, &format!("o{n}"), &body(n));
    }
    let running = cluster.nacre(&["fsck", "--osd-path", &path(&cluster, "osd.1")]);
    assert_eq!(running.code(), 2, "{}", running.said());
    assert!(running.err().contains("in use"), "{}", running.said());

    // Acknowledged writes go missing in the middle of the log.
    cluster.kill9("osd.0");
    let log = inspect(&cluster, "osd.0", &["log"]);
    let batches = log["batches"].as_array().expect("batches");
    assert!(batches.len() > 10 && log["damage"].is_null(), "{log}");
    let hit = &batches[batches.len() / 2];
    flip(&cluster, "osd.0", hit["offset"].as_u64().expect("an offset") + 200);
    let log = inspect(&cluster, "osd.0", &["log"]);
    assert!(log["damage"].is_string(), "{log}");
    let (code, kinds) = fsck(&cluster, "osd.0", &[]);
    assert!(code == 1 && kinds.contains(&"log".to_string()), "{code} {kinds:?}");
    cluster.daemon_start("osd.0");
    say!("  osd.0 lost half its log: clean after {:.1?}", cluster.wait_clean(3, CLEAN));
    assert!(cluster.log("osd.0").contains("lost acknowledged writes"), "{}", cluster.tails());
    all_there(&s3);
    alone(&cluster, "osd.0");

    // A unit rots.
    // First, and seen to be gone: whoever goes last is alone in sync, and what it gives up nobody else is sure to have.
    cluster.daemon_stop("osd.1");
    cluster.wait_noticed_down(1, CLEAN);
    assert_eq!(cluster.stop(), 0);
    assert_eq!(fsck(&cluster, "osd.0", &[]), (0, vec![]));
    let object = large(&cluster, "osd.1").swap_remove(0);
    flip(&cluster, "osd.1", first_extent(&cluster, "osd.1", &object) + 4000);
    assert_eq!(fsck(&cluster, "osd.1", &[]), (1, vec!["bad-unit".into()]));
    assert_eq!(fsck(&cluster, "osd.1", &["--repair"]).0, 1, "nothing is given up without a word");
    assert_eq!(fsck(&cluster, "osd.1", &[]), (1, vec!["bad-unit".into()]));
    assert_eq!(fsck(&cluster, "osd.1", &["--repair", "--refill"]).0, 1);
    cluster.up();
    say!("  osd.1 gave up an object: clean after {:.1?}", cluster.wait_clean(3, CLEAN));
    alone(&cluster, "osd.1");
    assert_eq!(cluster.stop(), 0);
    for osd in ["osd.0", "osd.1", "osd.2"] {
        assert_eq!(fsck(&cluster, osd, &[]), (0, vec![]), "{osd}");
    }
}
