//! Storage classes over three OSDs: one in an erasure-coded pool (2+1), one in a replicated one, beside STANDARD. Chosen
//! by boto3, read with an OSD killed, checked, and emptied again.

use serde_json::json;
use std::path::Path;
use std::time::Duration;
use tests_cluster::clients::{client, must};
use tests_cluster::wait::until;
use tests_cluster::{Cluster, Options, say};

fn boto3(cluster: &Cluster, stage: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("py/boto3_classes.py");
    let done = must(client(cluster, "python3").arg(script).arg(stage));
    done.out().lines().for_each(|line| say!("        {line}"));
    assert!(done.out().lines().any(|line| line == "all done"), "{}", done.out());
}

fn objects_of(cluster: &Cluster, pool: &str) -> usize {
    let listed = cluster.json(&["object", "ls", pool]);
    listed["objects"].as_array().map_or(0, Vec::len)
}

#[test]
fn storage_classes() {
    let cluster = Cluster::start("storage_classes", Options::default());
    let ec = ["--ec", "2+1", "--min-size", "2", "--pg-num", "4", "--failure-domain", "osd"];
    cluster.nacre(&[&["pool", "create", "capacity"], &ec[..]].concat()).ok();
    cluster.nacre(&["pool", "create", "zone", "--size", "2", "--pg-num", "4"]).ok();
    let refused = cluster.nacre(&["s3", "storage-class", "set", "CAPACITY", "--pool", "nowhere"]);
    assert_eq!(refused.code(), 1);
    assert!(refused.err().contains("no pool nowhere"), "{}", refused.said());
    cluster.nacre(&["s3", "storage-class", "set", "CAPACITY", "--pool", "capacity"]).ok();
    cluster.nacre(&["s3", "storage-class", "set", "ONEZONE", "--pool", "zone"]).ok();
    let classes = cluster.json(&["s3", "storage-class", "ls"]);
    let row = |name: &str, pool: &str| json!({ "name": name, "pool": pool });
    let wanted = [row("CAPACITY", "capacity"), row("ONEZONE", "zone"), row("STANDARD", "s3.data")];
    assert_eq!(classes["storage_classes"], json!(wanted));
    for (key, value) in
        [("rgw_lc_debug_interval", "2"), ("rgw_gc_obj_min_wait", "0"), ("rgw_gc_processor_period", "1")]
    {
        cluster.nacre(&["config", "set", "gateway", key, value]).ok();
    }
    boto3(&cluster, "fill");
    assert!(objects_of(&cluster, "capacity") > 5 && objects_of(&cluster, "zone") > 3);
    let check = cluster.json(&["bucket", "check"]);
    assert_eq!(check["leaked"], json!([]), "{check}");
    boto3(&cluster, "read");

    cluster.kill9("osd.1");
    cluster.wait_noticed_down(1, Duration::from_secs(60));
    say!("  osd.1 killed");
    boto3(&cluster, "read");
    cluster.daemon_start("osd.1");

    // A class that is gone takes nothing in; what is in it is freed where it is.
    cluster.nacre(&["s3", "storage-class", "rm", "CAPACITY"]).ok();
    assert_eq!(cluster.nacre(&["s3", "storage-class", "rm", "CAPACITY"]).code(), 1);
    boto3(&cluster, "read");
    boto3(&cluster, "empty");
    cluster.nacre(&["bucket", "rm", "classes"]).ok();
    until("all pools to be empty", Duration::from_secs(60), Duration::from_millis(300), || {
        let left: Vec<usize> = ["capacity", "zone"].map(|pool| objects_of(&cluster, pool)).into();
        if left == [0, 0] { Ok(()) } else { Err(format!("{left:?} objects are left")) }
    });
}
