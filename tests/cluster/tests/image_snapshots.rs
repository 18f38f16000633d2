//! Snapshots and clones of images, as other people's tools see them over NBD: made while the image is written, read by
//! name while OSDs die, gone back to, cloned, flattened and let go.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tests_cluster::clients::{client, must};
use tests_cluster::run::Background;
use tests_cluster::settings::seed;
use tests_cluster::wait::for_condition;
use tests_cluster::{Cluster, Options, content, say};

const MIB: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn image_snapshots() {
    let mut cluster = Cluster::start("image_snapshots", Options { osd_size: "1G", ..Options::default() });
    cluster.nacre(&["image", "create", "vm", "--size", "64M"]).ok();
    let first = disk(&cluster, "first", 1);
    put(&cluster, "rbd/vm", &first);
    cluster.nacre(&["image", "snap", "create", "vm@first"]).ok();
    let second = made_while_it_is_written(&cluster);

    same(&cluster, "rbd/vm@first", &first);
    same(&cluster, "rbd/vm", &second);
    let write = client(&cluster, "qemu-io")
        .args(["-f", "raw", &uri(&cluster, "rbd/vm@first")])
        .args(["-c", "write 0 512"])
        .output();
    let write = write.unwrap_or_else(|e| panic!("qemu-io: {e}"));
    assert!(!write.status.success(), "nobody writes the past: {write:?}");

    clones(&cluster, &first);
    cluster.kill9("osd.1");
    same(&cluster, "rbd/vm@first", &first);
    same(&cluster, "rbd/clone", &first);
    cluster.nacre(&["daemon", "start", "osd.1"]).ok();

    cluster.nacre(&["image", "snap", "rollback", "vm@first"]).ok();
    same(&cluster, "rbd/vm", &first);
    let_go(&cluster);
    same(&cluster, "rbd/vm", &first);
    assert_eq!(cluster.stop(), 0, "and it stops cleanly");
}

fn uri(cluster: &Cluster, export: &str) -> String {
    format!("nbd://{}/{export}", cluster.nbd())
}

/// A disk's content in a file: data with holes between.
fn disk(cluster: &Cluster, name: &str, mix: u64) -> PathBuf {
    let mut data = vec![0; 64 * MIB];
    for part in (0..64).step_by(3) {
        let bytes = content::bytes(content::mix(&[seed(), mix, part as u64]), MIB);
        data[part * MIB..(part + 1) * MIB].copy_from_slice(&bytes);
    }
    let path = cluster.beside().join(name);
    std::fs::write(&path, &data).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    path
}

fn put(cluster: &Cluster, export: &str, from: &Path) {
    must(client(cluster, "nbdcopy").arg("--flush").arg(from).arg(uri(cluster, export)));
}

fn same(cluster: &Cluster, export: &str, wanted: &Path) {
    must(
        client(cluster, "qemu-img")
            .args(["compare", "-f", "raw", "-F", "raw"])
            .arg(wanted)
            .arg(uri(cluster, export)),
    );
}

/// Snapshots made while a tool writes do not change afterwards, and take no longer for it.
fn made_while_it_is_written(cluster: &Cluster) -> PathBuf {
    let second = disk(cluster, "second", 2);
    let errors = cluster.beside().join("nbdcopy.err");
    let mut copy = Background::start(
        client(cluster, "nbdcopy").arg("--flush").arg(&second).arg(uri(cluster, "rbd/vm")),
        &errors,
    );
    let mut made = Vec::new();
    let mut took = Vec::new();
    while copy.ended().is_none() && made.len() < 5 {
        let name = format!("vm@busy{}", made.len());
        let begin = Instant::now();
        cluster.nacre(&["image", "snap", "create", &name]).ok();
        took.push(begin.elapsed());
        let kept = cluster.beside().join(format!("busy{}", made.len()));
        must(client(cluster, "nbdcopy").arg(uri(cluster, &format!("rbd/{name}"))).arg(&kept));
        made.push((name, kept));
    }
    let status =
        for_condition("nbdcopy to end", PATIENCE, || copy.ended().ok_or("it still runs".to_string()));
    let told = std::fs::read_to_string(&errors).unwrap_or_default();
    assert!(status.success(), "nbdcopy ended with {status}: {told}\n{}", cluster.tails());
    for (name, kept) in &made {
        same(cluster, &format!("rbd/{name}"), kept);
    }
    say!("  {} snapshots made under a copy, commands of {took:?}", made.len());
    let listed = cluster.json(&["image", "snap", "ls", "vm"]);
    assert_eq!(listed["snapshots"].as_array().map(Vec::len), Some(made.len() + 1), "{listed}");
    second
}

fn clones(cluster: &Cluster, first: &Path) {
    let refused = cluster.nacre(&["image", "clone", "vm@first", "clone"]);
    assert!(refused.code() == 1 && refused.err().contains("protect"), "{}", refused.said());
    cluster.nacre(&["image", "snap", "protect", "vm@first"]).ok();
    let begin = Instant::now();
    cluster.nacre(&["image", "clone", "vm@first", "clone"]).ok();
    say!("  a clone of 64 MiB made in {:?}", begin.elapsed());
    cluster.nacre(&["image", "clone", "vm@first", "written"]).ok();
    same(cluster, "rbd/clone", first);
    let used = |image: &str| cluster.json(&["image", "du", image])["used"].as_u64().unwrap_or(u64::MAX);
    assert_eq!(used("clone"), 0, "a clone takes no space until it is written");

    // A write in the middle of an object of its parent's.
    let written = cluster.beside().join("written");
    let mut data = std::fs::read(first).unwrap_or_else(|e| panic!("{}: {e}", first.display()));
    data[3 * MIB + 4096..3 * MIB + 8192].fill(0xa5);
    std::fs::write(&written, &data).unwrap_or_else(|e| panic!("{}: {e}", written.display()));
    let line = format!("write -P 0xa5 {} 4096", 3 * MIB + 4096);
    must(client(cluster, "qemu-io").args([
        "-f",
        "raw",
        "-c",
        &line,
        "-c",
        "flush",
        &uri(cluster, "rbd/written"),
    ]));
    same(cluster, "rbd/written", &written);

    let kept = cluster.nacre(&["image", "snap", "unprotect", "vm@first"]);
    assert!(kept.code() == 1 && kept.err().contains("clones"), "{}", kept.said());
    let children = cluster.json(&["image", "children", "vm@first"]);
    assert_eq!(children["children"].as_array().map(Vec::len), Some(2), "{children}");
    cluster.nacre(&["image", "flatten", "written"]).ok();
    same(cluster, "rbd/written", &written);
    let children = cluster.json(&["image", "children", "vm@first"]);
    assert_eq!(children["children"][0]["name"], "clone", "{children}");
}

/// What only snapshots kept is freed in the background.
fn let_go(cluster: &Cluster) {
    let kept = cluster.nacre(&["image", "rm", "vm"]);
    assert!(kept.code() == 1 && kept.err().contains("snapshots"), "{}", kept.said());
    cluster.nacre(&["image", "rm", "clone"]).ok();
    cluster.nacre(&["image", "snap", "unprotect", "vm@first"]).ok();
    let listed = cluster.json(&["image", "snap", "ls", "vm"]);
    for snapshot in listed["snapshots"].as_array().into_iter().flatten() {
        let name = format!("vm@{}", snapshot["name"].as_str().unwrap_or_default());
        cluster.nacre(&["image", "snap", "rm", &name]).ok();
    }
    assert_eq!(cluster.json(&["image", "du", "vm"])["kept_by_snapshots"].as_u64(), Some(0));
    for_condition("every PG to be clean, and nothing to trim", PATIENCE, || {
        let pgs = cluster.json(&["pg", "ls"]);
        let odd = pgs["pgs"].as_array().into_iter().flatten().find(|pg| pg["state"] != "active+clean");
        odd.map_or(Ok(()), |pg| Err(pg.to_string()))
    });
}
