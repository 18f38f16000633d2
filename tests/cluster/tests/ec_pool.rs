//! An erasure-coded pool as operators use it: made, filled, read with a shard gone, written with a shard gone where that
//! was allowed, filled again, and read from other shards than those that were there all the time.

use std::time::Duration;
use tests_cluster::wait::until;
use tests_cluster::{Cluster, Options, content, say};

const CLEAN: Duration = Duration::from_secs(180);
/// Sizes around chunks (16 KiB), stripes (32 KiB) and pieces of a transfer (4 MiB).
const SIZES: [usize; 9] = [0, 1, 16_383, 16_384, 32_768, 32_769, 200_000, 4 << 20, (9 << 20) + 5];

struct Pool<'a> {
    cluster: &'a Cluster,
    name: &'static str,
}

impl Pool<'_> {
    fn file(&self, name: &str) -> String {
        self.cluster.beside().join(name).display().to_string()
    }
    fn put(&self, name: &str, bytes: &[u8]) {
        let file = self.file("in");
        std::fs::write(&file, bytes).expect("a scratch file");
        self.cluster.nacre(&["object", "put", self.name, name, &file]).ok();
    }
    fn check(&self, name: &str, wanted: &[u8]) {
        let file = self.file("out");
        self.cluster.nacre(&["object", "get", self.name, name, &file]).ok();
        let got = std::fs::read(&file).expect("fetched");
        assert_eq!(content::difference(&got, wanted), None, "{} of {}", name, self.name);
    }
    fn fill(&self, round: u64) {
        for (i, size) in SIZES.iter().enumerate() {
            self.put(&format!("o{i}"), &content::bytes(round * 100 + i as u64, *size));
        }
    }
    fn check_all(&self, round: u64) {
        for (i, size) in SIZES.iter().enumerate() {
            self.check(&format!("o{i}"), &content::bytes(round * 100 + i as u64, *size));
        }
    }
}

/// Waits until all PGs are whole again.
fn whole(cluster: &Cluster) {
    until("every PG active+clean", CLEAN, Duration::from_millis(300), || {
        let pgs = cluster.pgs()?;
        match pgs.iter().find(|pg| pg.state != "active+clean") {
            None => Ok(()),
            Some(pg) => Err(format!("{pg:?}")),
        }
    });
}

#[test]
fn ec_pool() {
    let options = Options { osds: 4, pool_size: 2, ..Options::default() };
    let cluster = Cluster::start("ec_pool", options);
    cluster.nacre(&["ec", "profile", "create", "small", "k=2", "m=1", "crush-failure-domain=osd"]).ok();
    let shown = cluster.nacre(&["ec", "profile", "show", "small"]).ok().out();
    assert!(shown.contains("usable capacity 67 %, any 1 osd may fail"), "{shown}");
    let refused = cluster.nacre(&["pool", "create", "wide", "--ec", "6+2"]);
    assert_eq!(refused.code(), 1);
    assert!(refused.err().contains("need 8 osds"), "{}", refused.said());
    cluster.nacre(&["pool", "create", "safe", "--ec", "small", "--pg-num", "4"]).ok();
    let words = ["--ec", "2+1", "--min-size", "2", "--pg-num", "4", "--failure-domain", "osd"];
    cluster.nacre(&[&["pool", "create", "bold"], &words[..]].concat()).ok();
    whole(&cluster);
    let (safe, bold) = (Pool { cluster: &cluster, name: "safe" }, Pool { cluster: &cluster, name: "bold" });
    safe.fill(1);
    bold.fill(1);
    safe.check_all(1);
    let listed = cluster.json(&["object", "ls", "safe"]);
    assert_eq!(listed["objects"].as_array().map(Vec::len), Some(SIZES.len()), "{listed}");
    let stat = cluster.nacre(&["object", "stat", "safe", "o6"]).ok().out();
    assert!(stat.contains("200000") || stat.contains("195"), "its own size, not a shard's: {stat}");

    for (round, osd) in [(2, 0), (3, 2)] {
        cluster.kill9(&format!("osd.{osd}"));
        cluster.wait_noticed_down(osd, Duration::from_secs(60));
        safe.check_all(1);
        bold.check_all(round - 1);
        say!("  osd.{osd} killed: all objects are read from what is left");
        bold.fill(round);
        bold.check_all(round);
        say!("  and written where min_size allows it");
        cluster.daemon_start(&format!("osd.{osd}"));
        whole(&cluster);
        bold.check_all(round);
    }
    // From here on the shards that were filled are needed.
    cluster.kill9("osd.1");
    cluster.wait_noticed_down(1, Duration::from_secs(60));
    safe.check_all(1);
    bold.check_all(3);
    cluster.daemon_start("osd.1");
    whole(&cluster);
    cluster.nacre(&["object", "rm", "safe", "o7"]).ok();
    assert_eq!(cluster.nacre(&["object", "get", "safe", "o7", &safe.file("out")]).code(), 1);
    safe.check("o8", &content::bytes(108, SIZES[8]));
}
