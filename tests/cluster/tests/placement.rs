//! Where data lies, as operators ask for it: CRUSH maps in files against crushtool, and a cluster whose tree is built,
//! whose pools spread over datacenters, and which refuses what the tree cannot give.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tests_cluster::content::bytes;
use tests_cluster::run::{Finished, run};
use tests_cluster::scratch::Scratch;
use tests_cluster::sections::Sections;
use tests_cluster::wait::for_condition;
use tests_cluster::{Cluster, Options, say, settings};

const PATIENCE: Duration = Duration::from_secs(60);
const CLEAN: Duration = Duration::from_secs(180);

fn nacre(args: &[&str]) -> Finished {
    run(Command::new(settings::nacre()).args(args), PATIENCE)
}

fn vector(name: &str) -> String {
    settings::checkout().join("crush/tests/vectors").join(name).display().to_string()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_else(|| panic!("{} is not UTF-8", path.display()))
}

fn files(scratch: &Scratch) {
    let (out, again) = (scratch.path().join("out"), scratch.path().join("again"));
    for name in ["dc48", "random202", "random215", "random259", "random300"] {
        let (binary, decompiled) =
            (vector(&format!("{name}.bin")), vector(&format!("{name}.decompiled.txt")));
        let printed = nacre(&["crush", "decompile", &binary]).ok();
        let golden = std::fs::read(&decompiled).expect("a vector");
        assert!(printed.stdout == golden, "{name}: the text is crushtool's");
        nacre(&["crush", "decompile", &binary, "-o", text(&out)]).ok();
        assert!(std::fs::read(&out).expect("written") == golden);
        nacre(&["crush", "compile", &vector(&format!("{name}.txt")), "-o", text(&again)]).ok();
        assert!(
            std::fs::read(&again).expect("written") == std::fs::read(&binary).expect("a vector"),
            "{name}"
        );
    }
    let mappings = nacre(&[
        "crush",
        "test",
        &vector("dc48.bin"),
        "--rule",
        "rep_host",
        "--num-rep",
        "3",
        "--min-x",
        "0",
        "--max-x",
        "1023",
        "--show-mappings",
    ]);
    let golden = std::fs::read_to_string(vector("dc48.r0.n3.txt")).expect("a vector");
    assert_eq!(mappings.ok().out(), golden);
    let dump = nacre(&["crush", "dump", &vector("dc48.txt"), "--format", "json"]).ok().out();
    let dump: Value = serde_json::from_str(&dump).unwrap_or_else(|e| panic!("{e}: {dump}"));
    assert_eq!(dump["rules"][0]["rule_name"], "rep_host");
    assert!(nacre(&["crush", "dump", &vector("dc48.bin")]).ok().out().contains("root default"));
}

/// The same command lines for both tools.
fn against_crushtool() {
    if Command::new("crushtool").arg("--help").output().is_err() {
        say!("  crushtool is not on PATH (Debian: apt-get install ceph-base); not compared with it");
        return;
    }
    let cases: [(&str, &[&str]); 6] = [
        ("dc48", &["--rule", "2", "--num-rep", "4", "--show-mappings", "--show-bad-mappings"]),
        ("dc48", &["--show-statistics"]),
        (
            "dc48",
            &["--rule", "8", "--num-rep", "100", "--show-bad-mappings", "--min-x", "3", "--max-x", "40"],
        ),
        (
            "dc48",
            &[
                "--rule",
                "5",
                "--num-rep",
                "6",
                "--show-utilization",
                "--weight",
                "3",
                "0.5",
                "--weight",
                "7",
                "0",
            ],
        ),
        ("random202", &["--num-rep", "2", "--show-utilization", "--show-statistics", "--pool-id", "7"]),
        ("random259", &["--show-mappings", "--min-x", "5", "--max-x", "5"]),
    ];
    for (map, words) in cases {
        let map = vector(&format!("{map}.bin"));
        let theirs = run(Command::new("crushtool").args(["-i", &map, "--test"]).args(words), PATIENCE).ok();
        let ours = nacre(&[&["crush", "test", &map], words].concat()).ok();
        assert!(!ours.stdout.is_empty() && ours.out() == theirs.out(), "{map} {words:?}");
    }
}

fn bad_files(scratch: &Scratch) {
    let map = scratch.path().join("bad");
    let out = scratch.path().join("unwritten");
    let head = "device 0 osd.0\ntype 0 osd\ntype 1 host\ntype 2 root\n";
    let host = "host h { id -1 alg straw2 item osd.0 weight 1 }\n";
    let cases = [
        (
            format!("{head}host h {{ id -1 alg straw2 item gone weight 1 }}\n"),
            "line 5, column 32: item 'gone'",
        ),
        (format!("{head}host h {{ id -1 alg straw2 item osd.0 weight -1 }}\n"), "line 5, column 45: -1"),
        (
            format!("{head}host h {{ id -1 alg straw2 item osd.0 weight 70000 }}\n"),
            "line 5, column 45: 70000",
        ),
        (
            format!("{head}{host}rule r {{ id 0 type replicated step take h }}\n"),
            "line 6, column 6: rule 'r'",
        ),
        (format!("{head}host h {{ id -1 alg straw2"), "the text ends here"),
        (format!("{head}host a {{ alg straw2 item b }}\nhost b {{ alg straw2 item a }}\n"), "'b'"),
    ];
    for (content, words) in cases {
        std::fs::write(&map, &content).expect("writable");
        for args in [
            &["crush", "compile", text(&map), "-o", text(&out)][..],
            &["crush", "test", text(&map), "--show-mappings"],
            &["crush", "dump", text(&map)],
        ] {
            let done = nacre(args);
            assert_eq!(done.code(), 1, "{content}\n{}", done.said());
            assert!(done.err().contains(words), "{words}: {}", done.said());
        }
    }
    assert!(!out.exists(), "a map that is refused leaves no file");
    let whole = std::fs::read(vector("random243.bin")).expect("a vector");
    // Further on are the parts that older versions of the format did without: a file may end before each.
    for cut in (0..900).step_by(60) {
        std::fs::write(&map, &whole[..cut]).expect("writable");
        let done = nacre(&["crush", "decompile", text(&map)]);
        assert_eq!(done.code(), 1, "cut at {cut}: {}", done.said());
    }
    let dc48 = vector("dc48.bin");
    for (words, code) in [
        (&["--rule", "0", "--num-rep", "0", "--show-mappings"][..], 2),
        (&["--rule", "77", "--show-mappings"], 1),
        (&["--weight", "0", "-1", "--show-mappings"], 2),
        (&["--weight", "0", "99999", "--show-mappings"], 2),
        (&["--weight", "48", "1", "--show-mappings"], 2),
        (&["--min-x", "9", "--max-x", "3", "--show-mappings"], 2),
        (&["--rule", "0", "--num-rep", "100", "--min-x", "0", "--max-x", "9", "--show-mappings"], 0),
    ] {
        let done = nacre(&[&["crush", "test", &dc48], words].concat());
        assert_eq!(done.code(), code, "{words:?} {}", done.said());
    }
    assert_eq!(nacre(&["crush", "decompile", "/no/such/file"]).code(), 2);
    assert_eq!(nacre(&["crush", "dump", "--data", "/no/such/cluster"]).code(), 2);
}

fn refused(cluster: &Cluster, args: &[&str], words: &str) {
    let done = cluster.nacre(args);
    assert_eq!(done.code(), 1, "{}", done.said());
    assert!(done.err().contains(words), "`{words}` is not said: {}", done.said());
}

/// Three datacenters of two hosts with one OSD each.
fn tree(cluster: &Cluster) {
    refused(
        cluster,
        &["pool", "create", "nine", "--size", "9"],
        "need 9 osds below root default, and there are 6",
    );
    refused(cluster, &["pool", "create", "dcs", "--failure-domain", "datacenter"], "there are 0");
    for dc in 0..3 {
        let dc = format!("dc{dc}");
        cluster.nacre(&["crush", "add-bucket", &dc, "datacenter"]).ok();
        cluster.nacre(&["crush", "move", &dc, "root=default"]).ok();
    }
    for n in 0..6 {
        let (host, dc) = (format!("h{n}"), format!("datacenter=dc{}", n / 2));
        cluster.nacre(&["crush", "add-bucket", &host, "host"]).ok();
        cluster.nacre(&["crush", "move", &host, "root=default", &dc]).ok();
        cluster.nacre(&["crush", "move", &format!("osd.{n}"), &format!("host={host}")]).ok();
    }
    refused(cluster, &["crush", "move", "default", "datacenter=dc0"], "cycle");
    refused(cluster, &["crush", "move", "h0", "rack=r7"], "add-bucket r7 rack");
    refused(cluster, &["crush", "rm", "h0"], "still holds osd.0");
    refused(cluster, &["crush", "rm", "default"], "still holds");
    refused(cluster, &["crush", "rule", "rm", "replicated_osd"], "places the pools");
    for weight in ["99999", "-1"] {
        let done = cluster.nacre(&["crush", "reweight", "osd.0", weight]);
        assert!(done.code() == 2 && done.err().contains("0 to 32767"), "{}", done.said());
    }
    assert_eq!(cluster.nacre(&["crush", "move", "h0", "rack"]).code(), 2);
    let shown = cluster.nacre(&["osd", "df", "tree"]).ok().out();
    for part in ["datacenter dc2", "host h5", "osd.5", "%"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let dump = cluster.json(&["crush", "dump"]);
    assert!(dump["buckets"].to_string().contains("dc1") && dump["tunables"]["profile"] == "jewel", "{dump}");
    cluster.nacre(&["crush", "set-device-class", "ssd", "osd.2", "3"]).ok();
    cluster.nacre(&["crush", "rule", "create-replicated", "by_host", "default", "host"]).ok();
    cluster.nacre(&["crush", "rule", "create-erasure", "shards", "default", "host", "ssd"]).ok();
    let zones = ["crush", "rule", "create-erasure", "az_shards", "default", "host", "--per-datacenter", "2"];
    cluster.nacre(&zones).ok();
    let rules = cluster.nacre(&["crush", "rule", "ls"]).ok().out();
    assert!(rules.contains("by_host") && rules.contains("from default~ssd"), "{rules}");
    assert!(rules.contains("az_shards"), "{rules}");
    cluster.nacre(&["crush", "rule", "rm", "shards"]).ok();
}

/// Each PG of a pool as the numbers of its up set.
fn sets(cluster: &Cluster, pool: &str) -> Vec<Vec<u64>> {
    let pools = cluster.json(&["pool", "ls"]);
    let id = pools["pools"]
        .as_array()
        .and_then(|all| all.iter().find(|p| p["name"] == pool))
        .expect("a pool")["id"]
        .clone();
    let pgs = cluster.json(&["pg", "ls"]);
    let of_pool = |pg: &&Value| pg["pgid"].as_str().is_some_and(|text| text.starts_with(&format!("{id}.")));
    let up = |pg: &Value| pg["up"].as_array().map(|up| up.iter().filter_map(Value::as_u64).collect());
    pgs["pgs"].as_array().expect("PGs").iter().filter(of_pool).filter_map(up).collect()
}

fn wait_clean(cluster: &Cluster) {
    for_condition("all PGs to be clean", CLEAN, || {
        let dirty: Vec<_> = cluster.pgs()?.into_iter().filter(|pg| pg.state != "active+clean").collect();
        if dirty.is_empty() { Ok(()) } else { Err(format!("{dirty:?}")) }
    });
}

fn pools(cluster: &Cluster) {
    refused(cluster, &["pool", "create", "odd", "--size", "4", "--multi-az"], "3, 6 or 9, not 4");
    refused(cluster, &["pool", "create", "zone", "--one-zone", "dc9"], "there are dc0, dc1, dc2");
    refused(
        cluster,
        &["pool", "create", "zone", "--one-zone", "dc1"],
        "below datacenter dc1, and there are 2",
    );
    cluster.nacre(&["pool", "create", "az3", "--size", "3", "--pg-num", "8", "--multi-az"]).ok();
    cluster.nacre(&["pool", "create", "az6", "--size", "6", "--pg-num", "8", "--multi-az"]).ok();
    let zone =
        ["--one-zone", "dc1", "--size", "2", "--pg-num", "8", "--failure-domain", "host", "--class", "ssd"];
    cluster.nacre(&[&["pool", "create", "fast"][..], &zone].concat()).ok();
    wait_clean(cluster);
    for (pool, each) in [("az3", 1), ("az6", 2)] {
        let sets = sets(cluster, pool);
        assert_eq!(sets.len(), 8);
        for set in sets {
            let mut by_zone: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
            for osd in &set {
                by_zone.entry(osd / 2).or_default().insert(*osd);
            }
            assert!(by_zone.len() == 3 && by_zone.values().all(|zone| zone.len() == each), "{pool}: {set:?}");
        }
    }
    assert!(sets(cluster, "fast").iter().all(|set| set.len() == 2 && set.iter().all(|osd| osd / 2 == 1)));
}

fn osd_map(cluster: &Cluster) {
    let at = cluster.json(&["osd", "map", "az3", "foo"]);
    assert_eq!(
        at["raw_pgid"].as_str().and_then(|raw| raw.split_once('.')).map(|raw| raw.1),
        Some("7fc1f406")
    );
    let pg = cluster.json(&["pg", "query", at["pgid"].as_str().expect("a PG")]);
    for field in ["up", "acting"] {
        assert_eq!(at[field], pg[field], "{field}");
    }
    assert_eq!(at["acting_primary"], pg["primary"]);
    let line = cluster.nacre(&["osd", "map", "az3", "foo"]).ok().out();
    assert!(
        line.starts_with("osdmap e") && line.contains("pool 'az3'") && line.contains(" -> up (["),
        "{line}"
    );
    assert_ne!(cluster.json(&["osd", "map", "az3", "foo", "ns"])["raw_pgid"], at["raw_pgid"]);
    assert_eq!(cluster.nacre(&["osd", "map", "gone", "foo"]).code(), 1);
}

/// What was written is read with one datacenter gone, and the OSDs come back where they were.
fn a_datacenter_gone(cluster: &Cluster) {
    let (from, back): (PathBuf, PathBuf) = (cluster.beside().join("from"), cluster.beside().join("back"));
    std::fs::write(&from, bytes(3, 100_000)).expect("writable");
    for pool in ["az3", "az6"] {
        for n in 0..4 {
            cluster.nacre(&["object", "put", pool, &format!("o{n}"), text(&from)]).ok();
        }
    }
    cluster.daemon_stop("osd.0");
    cluster.daemon_stop("osd.1");
    for pool in ["az3", "az6"] {
        for n in 0..4 {
            cluster.nacre(&["object", "get", pool, &format!("o{n}"), text(&back)]).ok();
            assert!(std::fs::read(&back).expect("written") == bytes(3, 100_000), "{pool} o{n}");
        }
    }
    cluster.daemon_start("osd.0");
    cluster.daemon_start("osd.1");
    wait_clean(cluster);
    let tree = cluster.json(&["osd", "tree"]);
    let nodes = tree["nodes"].as_array().expect("nodes");
    let above = |name: &str| {
        let at = nodes.iter().position(|node| node["name"] == name).expect("in the tree");
        nodes[at - 1]["name"].clone()
    };
    assert_eq!((above("osd.0"), above("osd.1")), ("h0".into(), "h1".into()));
}

fn removal(cluster: &Cluster) {
    let guarded = cluster.nacre(&["pool", "rm", "az3"]);
    assert_eq!(guarded.code(), 2, "{}", guarded.said());
    assert!(guarded.err().contains("--yes-i-really-really-mean-it"));
    cluster.nacre(&["pool", "rm", "az3", "--yes-i-really-really-mean-it"]).ok();
    assert!(!cluster.json(&["pool", "ls"]).to_string().contains("\"az3\""));
    assert_eq!(cluster.nacre(&["object", "get", "az3", "o0", "-"]).code(), 1);
    refused(cluster, &["pool", "rm", "az3", "--yes-i-really-really-mean-it"], "there is no pool az3");
    wait_clean(cluster);
}

#[test]
fn placement() {
    let mut sections = Sections::new();
    let scratch = Scratch::new("crush-files");
    sections.run("crush decompile, compile, test, dump of files", || files(&scratch));
    sections.run("crush test against crushtool", against_crushtool);
    sections.run("files and words that are bad", || bad_files(&scratch));
    let cluster = Cluster::start("placement", Options { osds: 6, ..Options::default() });
    sections.run("crush add-bucket, move, rm, rule, classes", || tree(&cluster));
    sections.run("pools over three datacenters and in one", || pools(&cluster));
    sections.run("osd map", || osd_map(&cluster));
    sections.run("a datacenter is gone", || a_datacenter_gone(&cluster));
    sections.run("pool rm", || removal(&cluster));
    sections.finish();
}
