//! The operator's commands against a living cluster: what they print for people, for programs, and their exit codes.

use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use tests_cluster::content::bytes;
use tests_cluster::s3::Request;
use tests_cluster::sections::Sections;
use tests_cluster::wait::for_condition;
use tests_cluster::{Cluster, Options, S3, daemons, say};

const CLEAN: Duration = Duration::from_secs(180);

fn rows<'a>(value: &'a Value, field: &str) -> &'a Vec<Value> {
    value[field].as_array().unwrap_or_else(|| panic!("no list `{field}` in {value}"))
}

fn plain(cluster: &Cluster, args: &[&str], parts: &[&str]) {
    let out = cluster.nacre(args).ok().out();
    assert!(!out.trim_start().starts_with(['{', '[']), "this is for people: {out}");
    for part in parts {
        assert!(out.contains(part), "`nacre {}` does not say `{part}`:\n{out}", args.join(" "));
    }
}

fn status(cluster: &Cluster) {
    let value = cluster.json(&["status"]);
    assert_eq!(value["health"]["status"], "HEALTH_OK", "{value}");
    assert_eq!(value["fsid"], cluster.advert()["fsid"]);
    assert_eq!(
        (&value["osds"]["total"], &value["osds"]["up"], &value["osds"]["in"]),
        (&3.into(), &3.into(), &3.into())
    );
    assert_eq!(rows(&value, "monitors").len(), 1);
    plain(cluster, &["status"], &["HEALTH_OK", "active+clean"]);
    plain(cluster, &["health", "detail"], &["HEALTH_OK"]);
    assert!(cluster.json(&["health", "detail"]).to_string().contains("HEALTH_OK"));
    assert!(!rows(&cluster.json(&["mon", "ls"]), "mons").is_empty());
}

fn osds(cluster: &Cluster) {
    plain(cluster, &["osd", "tree"], &["host", "osd.0", "osd.1", "osd.2", "up"]);
    assert!(cluster.json(&["osd", "tree"]).to_string().contains("host"));
    plain(cluster, &["osd", "df"], &[]);
    for_condition("every OSD to report its size", Duration::from_secs(30), || {
        let df = cluster.try_json(&["osd", "df"])?;
        let sizes: Vec<u64> = rows(&df, "osds").iter().filter_map(|o| o["total_bytes"].as_u64()).collect();
        if sizes.len() == 3 && sizes.iter().all(|s| *s >= 900 << 20) { Ok(()) } else { Err(df.to_string()) }
    });
    plain(cluster, &["osd", "ls"], &["0", "1", "2"]);
    cluster.json(&["osd", "ls"]);
    // With three OSDs and size 3 nothing can move; the fourth copy's place does not exist.
    cluster.nacre(&["osd", "out", "1"]).ok();
    let is_in = |wanted: bool| {
        for_condition("the map to say so", Duration::from_secs(30), || {
            let df = cluster.try_json(&["osd", "df"])?;
            let row = rows(&df, "osds").iter().find(|o| o["id"] == 1).cloned().unwrap_or_default();
            if row["in"] == wanted { Ok(()) } else { Err(row.to_string()) }
        });
    };
    is_in(false);
    cluster.nacre(&["osd", "in", "1"]).ok();
    is_in(true);
    cluster.wait_clean(3, CLEAN);
    assert_ne!(cluster.nacre(&["osd", "out", "77"]).code(), 0, "there is no osd.77");
}

fn daemon(cluster: &Cluster) {
    let before = cluster.live("osd.2");
    assert_eq!(cluster.nacre(&["daemon", "start", "osd.2"]).code(), 1, "it runs already");
    cluster.daemon_stop("osd.2");
    assert!(!daemons::runs(before));
    assert_eq!(cluster.nacre(&["daemon", "stop", "osd.2"]).code(), 1, "it is stopped already");
    let health = for_condition("the cluster to notice", Duration::from_secs(60), || {
        let value = cluster.try_json(&["health", "detail"])?;
        if value.to_string().contains("OSD_DOWN") { Ok(value) } else { Err(value.to_string()) }
    });
    assert!(!health.to_string().contains("HEALTH_OK"), "{health}");
    plain(cluster, &["status"], &["HEALTH_WARN"]);
    cluster.daemon_start("osd.2");
    assert_ne!(cluster.live("osd.2"), before);
    cluster.wait_clean(3, CLEAN);
    for_condition("health without the lost OSD", Duration::from_secs(60), || {
        let value = cluster.try_json(&["status"])?;
        if value["health"]["status"] == "HEALTH_OK" { Ok(()) } else { Err(value["health"].to_string()) }
    });
    assert_eq!(cluster.nacre(&["daemon", "stop", "osd.9"]).code(), 2);
    cluster.daemon_stop("gateway.0");
    assert!(cluster.s3().connect().is_err(), "nobody listens");
    cluster.daemon_start("gateway.0");
    cluster.wait_gateway();
}

fn pools_and_pgs(cluster: &Cluster) {
    let names = || -> BTreeSet<String> {
        rows(&cluster.json(&["pool", "ls"]), "pools")
            .iter()
            .filter_map(|p| p["name"].as_str().map(str::to_string))
            .collect()
    };
    let first = names();
    assert!(first.contains("s3.data"), "{first:?}");
    cluster.nacre(&["pool", "create", "mine", "--size", "2", "--pg-num", "8"]).ok();
    assert!(names().contains("mine"));
    let again = cluster.nacre(&["pool", "create", "mine"]);
    assert_eq!(again.code(), 1, "it exists: {}", again.said());
    plain(cluster, &["pool", "ls"], &["mine", "s3.data"]);
    cluster.nacre(&["pool", "set", "mine", "min_size", "1"]).ok();
    let pool = |field: &str| {
        let value = cluster.json(&["pool", "ls"]);
        rows(&value, "pools").iter().find(|p| p["name"] == "mine").map(|p| p[field].clone())
    };
    assert_eq!(pool("min_size"), Some(1.into()));
    plain(cluster, &["pool", "get", "mine"], &["min_size", "pg_num"]);
    assert_eq!(cluster.json(&["pool", "get", "mine", "min_size"])["min_size"], "1");
    assert_eq!(cluster.json(&["pool", "get", "mine"])["pg_num"], 8);
    assert_eq!(cluster.nacre(&["pool", "get", "mine", "colour"]).code(), 1);
    assert_eq!(cluster.nacre(&["pool", "get", "nopool"]).code(), 1);
    assert_ne!(cluster.nacre(&["pool", "set", "mine", "colour", "blue"]).code(), 0);
    for_condition("the new pool's PGs", CLEAN, || {
        let pgs = cluster.pgs()?;
        let dirty: Vec<_> = pgs.iter().filter(|pg| pg.state != "active+clean").collect();
        if dirty.is_empty() { Ok(()) } else { Err(format!("{dirty:?}")) }
    });
    let pgs = cluster.pgs().expect("an answer");
    assert_eq!(pgs.iter().filter(|pg| pg.up.len() == 2).count(), 8);
    plain(cluster, &["pg", "ls"], &[&pgs[0].pgid, "active+clean"]);
    let scrub = |target: &[&str]| cluster.json(&[&["scrub"], target].concat())["done"].to_string();
    assert!(scrub(&["mine"]).starts_with("\"8 PGs will be compared"), "{}", scrub(&["mine"]));
    assert!(scrub(&["--deep", "osd.1"]).contains("will be read through"));
    assert_eq!(cluster.nacre(&["scrub", "nopool"]).code(), 2);
    let one = cluster.json(&["pg", "query", &pgs[0].pgid]);
    assert_eq!(one["pgid"], pgs[0].pgid.as_str(), "{one}");
    assert_eq!(cluster.nacre(&["pg", "query", "99.0"]).code(), 1);
    assert_eq!(cluster.nacre(&["pg", "query", "nonsense"]).code(), 2);
}

fn objects(cluster: &Cluster) {
    let (from, back) = (cluster.beside().join("object"), cluster.beside().join("object-back"));
    let (from_text, back_text) = (from.display().to_string(), back.display().to_string());
    for (name, size) in [("empty", 0), ("one", 1), ("large", (9 << 20) + 17)] {
        std::fs::write(&from, bytes(8, size)).expect("writable");
        cluster.nacre(&["object", "put", "mine", name, &from_text]).ok();
        cluster.nacre(&["object", "get", "mine", name, &back_text]).ok();
        assert!(std::fs::read(&back).expect("written") == bytes(8, size), "{name}");
        let stat = cluster.json(&["object", "stat", "mine", name]);
        assert_eq!(stat["size"], size, "{stat}");
        cluster.nacre(&["object", "stat", "mine", name]).ok();
    }
    let list = cluster.json(&["object", "ls", "mine"]);
    assert_eq!(rows(&list, "objects").len(), 3, "{list}");
    plain(cluster, &["object", "ls", "mine"], &["empty", "one", "large"]);
    cluster.nacre(&["object", "rm", "mine", "one"]).ok();
    for args in [
        ["object", "stat", "mine", "one"],
        ["object", "rm", "mine", "one"],
        ["object", "stat", "nopool", "one"],
    ] {
        assert_eq!(cluster.nacre(&args).code(), 1, "{args:?}");
    }
    let _ = std::fs::remove_file(&back);
    assert_eq!(cluster.nacre(&["object", "get", "mine", "one", &back_text]).code(), 1);
    assert!(!back.exists(), "a failed get leaves no file");
    assert_eq!(cluster.nacre(&["object", "put", "mine", "x", "/no/such/file"]).code(), 2);
}

fn users(cluster: &Cluster) {
    let made = cluster.json(&["user", "create", "alice", "--display-name", "Alice A."]);
    let text = |value: &Value, field: &str| {
        value[field].as_str().unwrap_or_else(|| panic!("{field}: {value}")).to_string()
    };
    let keys = (text(&made, "access_key"), text(&made, "secret_key"));
    let alice = S3::new(&cluster.s3().host, &keys.0, &keys.1);
    alice.make_bucket("alices");
    alice.put("alices", "hers", b"hers");
    assert_eq!(
        cluster.s3().send(Request::object("GET", "alices", "hers")).code(),
        "AccessDenied",
        "another's bucket"
    );
    assert_eq!(cluster.nacre(&["user", "create", "alice"]).code(), 1, "she exists");
    plain(cluster, &["user", "ls"], &["alice", "Alice A."]);
    let users = cluster.json(&["user", "ls"]);
    assert!(rows(&users, "users").iter().any(|u| u["uid"] == "alice"), "{users}");
    assert!(!users.to_string().contains(&keys.1), "secrets are not listed");
    let second = cluster.json(&["user", "key", "create", "alice"]);
    let again = S3::new(&cluster.s3().host, &text(&second, "access_key"), &text(&second, "secret_key"));
    assert_eq!(again.get("alices", "hers").as_deref(), Some(&b"hers"[..]));
    assert_eq!(rows(&cluster.json(&["user", "key", "ls", "alice"]), "access_keys").len(), 2);
    cluster.nacre(&["user", "key", "rm", "alice", &keys.0]).ok();
    for_condition("the removed key to be refused", Duration::from_secs(30), || {
        let code = alice.send(Request::object("GET", "alices", "hers")).code();
        if code == "InvalidAccessKeyId" { Ok(()) } else { Err(code) }
    });
    assert_eq!(cluster.nacre(&["user", "rm", "alice"]).code(), 1, "she owns a bucket");
    again.must(Request::object("DELETE", "alices", "hers"));
    again.must(Request::bucket("DELETE", "alices"));
    cluster.nacre(&["user", "rm", "alice"]).ok();
    assert_eq!(cluster.nacre(&["user", "rm", "alice"]).code(), 1, "she is gone");
}

fn config(cluster: &Cluster) {
    plain(cluster, &["config", "ls"], &["mon_osd_down_out_interval", "600"]);
    assert!(rows(&cluster.json(&["config", "ls"]), "config").len() > 5);
    let get = |daemon: &str| cluster.json(&["config", "get", daemon, "osd_max_backfills"])["value"].clone();
    assert_eq!(get("osd.1"), "2");
    cluster.nacre(&["config", "set", "osd.1", "osd_max_backfills", "5"]).ok();
    assert_eq!((get("osd.1"), get("osd.2")), ("5".into(), "2".into()));
    cluster.nacre(&["config", "rm", "osd.1", "osd_max_backfills"]).ok();
    assert_eq!(get("osd.1"), "2");
    for args in [
        ["osd", "no_such_key", "1"],
        ["osd", "osd_max_backfills", "many"],
        ["disk", "osd_max_backfills", "1"],
    ] {
        assert_eq!(cluster.nacre(&[&["config", "set"][..], &args].concat()).code(), 1, "{args:?}");
    }
}

/// Nothing polls busily: under 3 % of a core for all daemons together.
fn idle(cluster: &Cluster) {
    let pids: Vec<i32> = cluster.daemons().iter().map(|name| cluster.live(name)).collect();
    let ticks = || -> u64 { pids.iter().filter_map(|pid| daemons::cpu_ticks(*pid)).sum() };
    let (from, begin) = (ticks(), std::time::Instant::now());
    for_condition("ten quiet seconds", Duration::from_secs(12), || {
        if begin.elapsed() >= Duration::from_secs(10) { Ok(()) } else { Err("not yet".into()) }
    });
    let percent = (ticks() - from) as f64 / begin.elapsed().as_secs_f64();
    say!("        idle: {percent:.2} % of a core");
    assert!(percent < 3.0, "an idle cluster takes {percent:.1} % of a core");
}

#[test]
fn cli() {
    let cluster = Cluster::start("cli", Options::default());
    let mut sections = Sections::new();
    sections.run("status, health, mon ls", || status(&cluster));
    sections.run("osd tree, df, ls, out, in", || osds(&cluster));
    sections.run("daemon start, stop", || daemon(&cluster));
    sections.run("pool ls, create, set; pg ls, query", || pools_and_pgs(&cluster));
    sections.run("object put, get, ls, stat, rm", || objects(&cluster));
    sections.run("user create, ls, rm; key create, ls, rm", || users(&cluster));
    sections.run("config ls, get, set, rm", || config(&cluster));
    sections.run("an idle cluster is quiet", || idle(&cluster));
    sections.finish();
}
