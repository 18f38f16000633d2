//! An erasure-coded pool that loses shards: with exactly k left it serves reads only, with fewer nothing; which are missing
//! is told, nothing is made up, and what was given up begins empty.

use std::process::Command;
use std::time::Duration;
use tests_cluster::run::Background;
use tests_cluster::settings::{self, seed};
use tests_cluster::wait::until;
use tests_cluster::{Cluster, Options, content, say};

const PATIENCE: Duration = Duration::from_secs(120);
const NOTICED: Duration = Duration::from_secs(60);

#[test]
fn ec_lost() {
    let mut cluster = Cluster::start("ec_lost", Options { osd_size: "1G", ..Options::default() });
    let words = ["--ec", "2+1", "--failure-domain", "osd", "--pg-num", "2"];
    cluster.nacre(&[&["pool", "create", "frail"], &words[..]].concat()).ok();
    all_are(&cluster, "active+clean");
    let bytes = content::bytes(seed(), 100_000);
    put(&cluster, "o", &bytes);
    let pgs: Vec<String> = frail(&cluster).into_iter().map(|(pgid, _)| pgid).collect();
    assert_eq!(pgs.len(), 2);

    // Two of three: exactly k.
    cluster.kill9("osd.2");
    cluster.wait_noticed_down(2, NOTICED);
    check(&cluster, &bytes);
    let told = cluster.nacre(&["pg", "query", &pgs[0]]).ok().out();
    assert!(told.contains("serves reads; writes wait"), "{told}");
    let mut put = background(&cluster, &["object", "put", "frail", "late", &file(&cluster, "in")]);
    check(&cluster, &bytes);
    assert!(put.ended().is_none(), "no write is taken that one more loss would undo");

    // One of three: nobody can tell what the objects are.
    cluster.kill9("osd.1");
    cluster.wait_noticed_down(1, NOTICED);
    until("the health to name what is missing", PATIENCE, Duration::from_millis(300), || {
        let health = cluster.nacre(&["health", "detail"]).out();
        let named = health.contains("are missing, and any 2 of 3 are needed");
        if named { Ok(()) } else { Err(health) }
    });
    let told = cluster.nacre(&["pg", "query", &pgs[0]]).ok().out();
    assert!(told.contains("reads and writes wait until OSDs with some of shards"), "{told}");
    cluster.daemon_start("osd.1");
    cluster.daemon_start("osd.2");
    all_are(&cluster, "active+clean");
    until("the write that waited", PATIENCE, Duration::from_millis(100), || match put.ended() {
        Some(status) if status.success() => Ok(()),
        other => Err(format!("{other:?}")),
    });
    check(&cluster, &bytes);
    say!("  with k shards reads are served, with fewer nothing, and all of it comes back");

    lost_for_good(&cluster, &pgs, &bytes);
    assert_eq!(cluster.stop(), 0, "and it stops cleanly");
    for osd in 0..3 {
        let path = cluster.dir().join(format!("osd.{osd}")).display().to_string();
        cluster.nacre(&["fsck", "--osd-path", &path]).ok();
    }
}

fn lost_for_good(cluster: &Cluster, pgs: &[String], bytes: &[u8]) {
    for osd in [2, 1] {
        cluster.kill9(&format!("osd.{osd}"));
        cluster.wait_noticed_down(osd, NOTICED);
        std::fs::remove_dir_all(cluster.dir().join(format!("osd.{osd}"))).expect("the disk is gone");
    }
    for osd in [1, 2] {
        let conf = cluster.dir().join(format!("conf/osd.{osd}.toml")).display().to_string();
        cluster.nacre(&["osd", "mkfs", "--config", &conf]).ok();
        cluster.daemon_start(&format!("osd.{osd}"));
    }
    until("the pool's PGs to be incomplete", PATIENCE, Duration::from_millis(300), || {
        let pgs = frail(cluster);
        if pgs.iter().all(|(_, state)| state == "incomplete") { Ok(()) } else { Err(format!("{pgs:?}")) }
    });
    let health = cluster.nacre(&["health", "detail"]).out();
    assert!(health.contains("PG_INCOMPLETE") && health.contains("are missing, and any 2 of 3"), "{health}");
    let told = cluster.nacre(&["pg", "query", &pgs[0]]).ok().out();
    assert!(told.contains("fewer than 2 of 3 shards were left; missing are"), "{told}");
    let mut get = background(cluster, &["object", "get", "frail", "o", &file(cluster, "made-up")]);
    cluster.nacre(&["pg", "recreate", &pgs[0]]).fails(2, "--yes-i-really-really-mean-it");
    assert!(get.ended().is_none(), "nothing is made up, not even that it is not there");
    for pg in pgs {
        cluster.nacre(&["pg", "recreate", pg, "--yes-i-really-really-mean-it"]).ok();
    }
    all_are(cluster, "active+clean");
    until("the read that waited", PATIENCE, Duration::from_millis(100), || match get.ended() {
        Some(status) if status.code() == Some(1) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let listed = cluster.json(&["object", "ls", "frail"]);
    assert_eq!(listed["objects"].as_array().map(Vec::len), Some(0), "{listed}");
    cluster
        .nacre(&["pg", "recreate", &pgs[0], "--yes-i-really-really-mean-it"])
        .fails(1, "is not incomplete");
    put(cluster, "o", bytes);
    check(cluster, bytes);
    say!("  what was given up begins empty");
}

fn file(cluster: &Cluster, name: &str) -> String {
    cluster.beside().join(name).display().to_string()
}

fn put(cluster: &Cluster, name: &str, bytes: &[u8]) {
    std::fs::write(file(cluster, "in"), bytes).expect("a scratch file");
    cluster.nacre(&["object", "put", "frail", name, &file(cluster, "in")]).ok();
}

fn check(cluster: &Cluster, wanted: &[u8]) {
    cluster.nacre(&["object", "get", "frail", "o", &file(cluster, "out")]).ok();
    let got = std::fs::read(file(cluster, "out")).expect("fetched");
    assert_eq!(content::difference(&got, wanted), None);
}

fn background(cluster: &Cluster, args: &[&str]) -> Background {
    let mut command = Command::new(settings::nacre());
    command.args(args).arg("--data").arg(cluster.dir());
    Background::start(&mut command, &cluster.beside().join("background.err"))
}

/// The pool's PGs and their states.
fn frail(cluster: &Cluster) -> Vec<(String, String)> {
    let pools = cluster.json(&["pool", "ls"]);
    let pool = pools["pools"].as_array().into_iter().flatten().find(|pool| pool["name"] == "frail");
    let id = pool.map(|pool| pool["id"].to_string()).unwrap_or_else(|| panic!("{pools}"));
    let pgs = cluster.json(&["pg", "ls"]);
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_string();
    let all = pgs["pgs"].as_array().into_iter().flatten().map(|pg| (text(&pg["pgid"]), text(&pg["state"])));
    all.filter(|(pgid, _)| pgid.starts_with(&format!("{id}."))).collect()
}

fn all_are(cluster: &Cluster, state: &str) {
    until(&format!("every PG {state}"), PATIENCE, Duration::from_millis(300), || {
        let pgs = cluster.pgs()?;
        pgs.iter().find(|pg| pg.state != state).map_or(Ok(()), |pg| Err(format!("{pg:?}")))
    });
}
