//! Compression of a pool: refused words, what is packed on the disk, what it reads as, and that a member which is filled
//! again packs for itself.

use serde_json::Value;
use std::time::Duration;
use tests_cluster::wait::until;
use tests_cluster::{Cluster, Options, content, say};

const CLEAN: Duration = Duration::from_secs(180);
const POOL: &str = "logs";

fn text(n: u64) -> Vec<u8> {
    (0..300_000u64).flat_map(|line| format!("{n} line {line:07}\n").into_bytes()).take(3 << 20).collect()
}

fn put(cluster: &Cluster, name: &str, bytes: &[u8]) {
    let file = cluster.beside().join("in");
    std::fs::write(&file, bytes).expect("a scratch file");
    cluster.nacre(&["object", "put", POOL, name, &file.display().to_string()]).ok();
}

#[track_caller]
fn check(cluster: &Cluster, name: &str, wanted: &[u8]) {
    let file = cluster.beside().join("out");
    cluster.nacre(&["object", "get", POOL, name, &file.display().to_string()]).ok();
    let got = std::fs::read(&file).expect("fetched");
    assert_eq!(content::difference(&got, wanted), None, "{name}");
}

/// What a stopped OSD has of an object: the algorithms of its packed extents, and its units on the device.
fn on_disk(cluster: &Cluster, osd: &str, object: &str) -> (Vec<String>, u64) {
    let path = cluster.dir().join(osd).display().to_string();
    let shown = cluster.json(&["osd", "inspect", "--osd-path", &path, "extents", object]);
    let extents = shown["objects"][0]["extents"].as_array().unwrap_or_else(|| panic!("{shown}"));
    let algorithm = |e: &Value| e["packed"]["algorithm"].as_str().map(str::to_string);
    let units = |e: &Value| e["units"].as_array().map_or(0, |units| units.len() as u64);
    (extents.iter().filter_map(algorithm).collect(), extents.iter().map(units).sum())
}

fn set(cluster: &Cluster, key: &str, value: &str) {
    cluster.nacre(&["pool", "set", POOL, key, value]).ok();
}

#[test]
fn compression() {
    let mut cluster = Cluster::start("compression", Options { osd_size: "1G", ..Options::default() });
    cluster.nacre(&["pool", "create", POOL, "--size", "3", "--pg-num", "4"]).ok();
    for (key, value, wanted) in [
        ("compression_mode", "always", "none, passive, aggressive or force"),
        ("compression_algorithm", "snappy", "lz4 or zstd"),
        ("compression_required_ratio", "1.5", "a number above 0, up to 1"),
    ] {
        let refused = cluster.nacre(&["pool", "set", POOL, key, value]);
        assert_eq!(refused.code(), 1, "{}", refused.said());
        assert!(refused.err().contains(wanted), "{}", refused.said());
    }
    cluster.wait_clean(3, CLEAN);
    put(&cluster, "before", &text(1));
    set(&cluster, "compression_algorithm", "zstd");
    set(&cluster, "compression_mode", "aggressive");
    put(&cluster, "packed", &text(2));
    let noise = content::bytes(3, 1 << 20);
    put(&cluster, "noise", &noise);
    // What nobody called compressible stays as it is.
    set(&cluster, "compression_mode", "passive");
    put(&cluster, "unasked", &text(4));

    until("status tells what is gained", CLEAN, Duration::from_millis(300), || {
        let c = &cluster.json(&["status"])["capacity"];
        let (took, was) = (c["compressed_bytes"].as_u64(), c["compressed_original_bytes"].as_u64());
        if was == Some(9 << 20) && took > Some(0) && took < was { Ok(()) } else { Err(c.to_string()) }
    });

    cluster.daemon_stop("osd.1");
    let plain_units = (3u64 << 20) / 4096;
    assert_eq!(on_disk(&cluster, "osd.1", "before"), (vec![], plain_units));
    assert_eq!(on_disk(&cluster, "osd.1", "unasked"), (vec![], plain_units));
    assert_eq!(on_disk(&cluster, "osd.1", "noise"), (vec![], (1 << 20) / 4096));
    let (algorithms, units) = on_disk(&cluster, "osd.1", "packed");
    assert!(!algorithms.is_empty() && algorithms.iter().all(|a| a == "zstd"), "{algorithms:?}");
    assert!(units * 2 < plain_units, "{units} of {plain_units} units");
    say!("  3 MiB of text take {units} units, {plain_units} before");

    set(&cluster, "compression_mode", "force");
    set(&cluster, "compression_algorithm", "lz4");
    let path = cluster.dir().join("osd.1");
    std::fs::remove_dir_all(&path).expect("the disk is gone");
    let conf = cluster.dir().join("conf/osd.1.toml").display().to_string();
    cluster.nacre(&["osd", "mkfs", "--config", &conf]).ok();
    cluster.daemon_start("osd.1");
    say!("  a new disk is filled in {:.1?}", cluster.wait_clean(3, CLEAN));
    for (name, bytes) in [("before", text(1)), ("packed", text(2)), ("noise", noise), ("unasked", text(4))] {
        check(&cluster, name, &bytes);
    }
    cluster.daemon_stop("osd.1");
    let (algorithms, _) = on_disk(&cluster, "osd.1", "before");
    assert!(!algorithms.is_empty() && algorithms.iter().all(|a| a == "lz4"), "{algorithms:?}");
    let path = path.display().to_string();
    cluster.nacre(&["fsck", "--osd-path", &path]).ok();
    cluster.daemon_start("osd.1");
    cluster.wait_clean(3, CLEAN);
    cluster.stop();
}
