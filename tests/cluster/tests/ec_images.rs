//! Block images whose data lies in an erasure-coded pool, and all else of them in its replicated companion: written,
//! overwritten with an OSD gone, kept in snapshots, cloned, gone back to, and nothing left at the end.

use std::path::{Path, PathBuf};
use std::time::Duration;
use tests_cluster::clients::{client, must};
use tests_cluster::settings::seed;
use tests_cluster::wait::{for_condition, until};
use tests_cluster::{Cluster, Options, content, say};

const MIB: usize = 1 << 20;
const SIZE: usize = 48 * MIB;
const PATIENCE: Duration = Duration::from_secs(180);

#[test]
fn ec_images() {
    let options = Options { osds: 4, pool_size: 2, osd_size: "1G", ..Options::default() };
    let mut cluster = Cluster::start("ec_images", options);
    bad_input(&cluster);
    pools(&cluster);

    let refused = cluster.nacre(&["image", "create", "cheap/vm", "--size", "48M"]);
    refused.fails(1, "nacre image create meta/vm --data-pool cheap");
    let nowhere = cluster.nacre(&["image", "create", "vm", "--size", "48M", "--data-pool", "nowhere"]);
    nowhere.fails(1, "there is no pool nowhere");
    let made = cluster.nacre(&["image", "create", "vm", "--size", "48M", "--data-pool", "cheap"]).ok();
    assert!(made.out().contains("meta/vm made"), "in the companion: {}", made.said());
    assert_eq!(cluster.json(&["image", "info", "meta/vm"])["data_pool"], "cheap");

    let first = disk(&cluster, "first", 1);
    put(&cluster, "meta/vm", &first);
    assert_eq!(objects(&cluster, "cheap").len(), SIZE / (4 * MIB));
    assert!(objects(&cluster, "meta").iter().all(|name| !name.starts_with("rbd_data")), "only its metadata");
    cluster.nacre(&["image", "snap", "create", "meta/vm@first"]).ok();

    cluster.kill9("osd.2");
    cluster.wait_noticed_down(2, Duration::from_secs(60));
    let second = disk(&cluster, "second", 2);
    put(&cluster, "meta/vm", &second);
    let second = overwritten(&cluster, &second);
    same(&cluster, "meta/vm", &second);
    same(&cluster, "meta/vm@first", &first);
    say!("  overwritten and read with an OSD gone");
    cluster.daemon_start("osd.2");
    whole(&cluster);
    // What was filled is needed from here on.
    cluster.kill9("osd.0");
    cluster.wait_noticed_down(0, Duration::from_secs(60));
    same(&cluster, "meta/vm", &second);
    same(&cluster, "meta/vm@first", &first);
    cluster.daemon_start("osd.0");
    whole(&cluster);

    clones(&cluster, &first);
    cluster.nacre(&["image", "snap", "rollback", "meta/vm@first"]).ok();
    same(&cluster, "meta/vm", &first);
    let_go(&cluster);
    assert_eq!(cluster.stop(), 0, "and it stops cleanly");
    for osd in 0..4 {
        let path = cluster.dir().join(format!("osd.{osd}")).display().to_string();
        cluster.nacre(&["fsck", "--osd-path", &path]).ok();
    }
}

/// What cannot be, each with a sentence.
fn bad_input(cluster: &Cluster) {
    let create = |words: &[&str]| cluster.nacre(&[&["pool", "create", "bad"], words].concat());
    create(&["--ec", "1+2"]).fails(1, "k goes from 2");
    create(&["--ec", "4+0"]).fails(1, "--yes-i-accept-data-loss");
    create(&["--ec", "4+17"]).fails(1, "m goes from 1");
    create(&["--ec", "40+2"]).fails(1, "k goes from 2");
    create(&["--ec", "4+2"]).fails(1, "need 6 osds");
    create(&["--ec", "2+1", "--failure-domain", "rack"]).fails(1, "racks");
    create(&["--ec", "2+x"]).fails(1, "should be one NAME=VALUE");
    create(&["--ec", "nothing"]).fails(1, "no erasure-code profile nothing");
    create(&["--ec", "2+1", "--plugin", "clay"]).fails(1, "plugin \"clay\" is not offered");
    create(&["--ec", "2+1", "--stripe-unit", "1000"]).fails(1, "stripe unit");
    create(&["--ec", "2+1", "--min-size", "1"]).fails(1, "min_size goes from 2");
    create(&["--ec", "2+1", "--companion", "nothing"]).fails(1, "there is no pool nothing");
    create(&["--companion", "nothing"]).fails(2, "--ec");
    let profile = |words: &[&str]| cluster.nacre(&[&["ec", "profile", "create", "bad"], words].concat());
    profile(&["k=4", "m=0"]).fails(1, "--yes-i-accept-data-loss");
    profile(&["k=1", "m=2"]).fails(1, "k goes from 2");
    profile(&["plugin=lrc", "k=4", "m=2", "l=5"]).fails(1, "l must be 2 or more and divide");
    let pools = cluster.json(&["pool", "ls"]);
    let left = pools["pools"].as_array().into_iter().flatten().any(|pool| pool["name"] == "bad");
    assert!(!left, "nothing of them is left: {pools}");
    // It is meant, and does what can be expected of it.
    let words = ["--ec", "2+0", "--yes-i-accept-data-loss", "--failure-domain", "osd", "--pg-num", "2"];
    cluster.nacre(&[&["pool", "create", "scratch"], &words[..]].concat()).ok();
    let (from, to) = (cluster.beside().join("from"), cluster.beside().join("to"));
    let bytes = content::bytes(seed(), 300_000);
    std::fs::write(&from, &bytes).expect("a scratch file");
    cluster.nacre(&["object", "put", "scratch", "o", &from.display().to_string()]).ok();
    cluster.nacre(&["object", "get", "scratch", "o", &to.display().to_string()]).ok();
    assert_eq!(content::difference(&std::fs::read(&to).expect("fetched"), &bytes), None);
    cluster.nacre(&["pool", "rm", "scratch", "--yes-i-really-really-mean-it"]).ok();
}

fn pools(cluster: &Cluster) {
    cluster.nacre(&["pool", "create", "meta", "--pg-num", "4"]).ok();
    let words =
        ["--ec", "2+1", "--min-size", "2", "--failure-domain", "osd", "--pg-num", "4", "--companion", "meta"];
    cluster.nacre(&[&["pool", "create", "cheap"], &words[..]].concat()).ok();
    let second =
        ["pool", "create", "other", "--ec", "2+1", "--failure-domain", "osd", "--companion", "cheap"];
    cluster.nacre(&second).fails(1, "erasure-coded itself");
    let rm = ["pool", "rm", "meta", "--yes-i-really-really-mean-it"];
    cluster.nacre(&rm).fails(1, "remove cheap first");
    whole(cluster);
}

fn uri(cluster: &Cluster, export: &str) -> String {
    format!("nbd://{}/{export}", cluster.nbd())
}

fn objects(cluster: &Cluster, pool: &str) -> Vec<String> {
    let listed = cluster.json(&["object", "ls", pool]);
    let all = listed["objects"].as_array().unwrap_or_else(|| panic!("{listed}"));
    let name = |o: &serde_json::Value| o["name"].as_str().or(o.as_str()).unwrap_or_default().to_string();
    all.iter().map(name).collect()
}

/// A disk's content in a file.
fn disk(cluster: &Cluster, name: &str, mix: u64) -> PathBuf {
    let path = cluster.beside().join(name);
    let data = content::bytes(content::mix(&[seed(), mix]), SIZE);
    std::fs::write(&path, &data).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    path
}

fn put(cluster: &Cluster, export: &str, from: &Path) {
    must(client(cluster, "nbdcopy").arg("--flush").arg(from).arg(uri(cluster, export)));
}

fn same(cluster: &Cluster, export: &str, wanted: &Path) {
    let compare = ["compare", "-f", "raw", "-F", "raw"];
    must(client(cluster, "qemu-img").args(compare).arg(wanted).arg(uri(cluster, export)));
}

/// Small writes into the middle of chunks, stripes and objects; gives what the image should be then.
fn overwritten(cluster: &Cluster, before: &Path) -> PathBuf {
    let mut data = std::fs::read(before).unwrap_or_else(|e| panic!("{}: {e}", before.display()));
    let mut io = client(cluster, "qemu-io");
    io.args(["-f", "raw"]);
    let places =
        [(0, 512), (16_384 - 512, 1024), (40_960, 4096), (4 * MIB - 4096, 8192), (9 * MIB + 512, 70_144)];
    for (n, (offset, len)) in places.into_iter().enumerate() {
        let fill = 0x31 + n as u8;
        data[offset..offset + len].fill(fill);
        io.args(["-c", &format!("write -P {fill:#x} {offset} {len}")]);
    }
    must(io.args(["-c", "flush", &uri(cluster, "meta/vm")]));
    let path = cluster.beside().join("overwritten");
    std::fs::write(&path, &data).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    path
}

/// Waits until all PGs are whole again, and nothing is left to trim.
fn whole(cluster: &Cluster) {
    until("every PG active+clean", PATIENCE, Duration::from_millis(300), || {
        let pgs = cluster.pgs()?;
        pgs.iter().find(|pg| pg.state != "active+clean").map_or(Ok(()), |pg| Err(format!("{pg:?}")))
    });
}

fn clones(cluster: &Cluster, first: &Path) {
    cluster.nacre(&["image", "snap", "protect", "meta/vm@first"]).ok();
    cluster.nacre(&["image", "clone", "meta/vm@first", "meta/copy", "--data-pool", "cheap"]).ok();
    same(cluster, "meta/copy", first);
    let line = format!("write -P 0xa5 {} 4096", 5 * MIB + 4096);
    must(client(cluster, "qemu-io").args([
        "-f",
        "raw",
        "-c",
        &line,
        "-c",
        "flush",
        &uri(cluster, "meta/copy"),
    ]));
    let written = cluster.beside().join("written");
    let mut data = std::fs::read(first).unwrap_or_else(|e| panic!("{}: {e}", first.display()));
    data[5 * MIB + 4096..5 * MIB + 8192].fill(0xa5);
    std::fs::write(&written, &data).unwrap_or_else(|e| panic!("{}: {e}", written.display()));
    same(cluster, "meta/copy", &written);
    cluster.nacre(&["image", "flatten", "meta/copy"]).ok();
    same(cluster, "meta/copy", &written);
    same(cluster, "meta/vm@first", first);
}

/// What only snapshots kept is freed in the background, and at the end nothing of the images is left.
fn let_go(cluster: &Cluster) {
    cluster.nacre(&["image", "rm", "meta/copy"]).ok();
    cluster.nacre(&["image", "snap", "unprotect", "meta/vm@first"]).ok();
    cluster.nacre(&["image", "snap", "rm", "meta/vm@first"]).ok();
    assert_eq!(cluster.json(&["image", "du", "meta/vm"])["kept_by_snapshots"].as_u64(), Some(0));
    cluster.nacre(&["image", "rm", "meta/vm"]).ok();
    assert_eq!(objects(cluster, "cheap"), Vec::<String>::new());
    whole(cluster);
    for_condition("the pool to hold nothing, clones included", PATIENCE, || {
        let pools = cluster.json(&["pool", "ls"]);
        let cheap = pools["pools"].as_array().into_iter().flatten().find(|pool| pool["name"] == "cheap");
        match cheap.map(|pool| pool["objects"].as_u64()) {
            Some(Some(0)) => Ok(()),
            _ => Err(pools.to_string()),
        }
    });
}
