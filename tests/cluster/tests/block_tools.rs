//! Other people's tools at an image: fio's verification with trims and flushes, nbdkit as a proxy that is slow and fails,
//! QEMU's and libnbd's views of what is there.

use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tests_cluster::clients::{client, must};
use tests_cluster::run::Background;
use tests_cluster::settings::{seed, sized};
use tests_cluster::wait::for_condition;
use tests_cluster::{Cluster, Options, content, say};

const MIB: u64 = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn block_tools() {
    let mut cluster = Cluster::start("block_tools", Options { osd_size: "1G", ..Options::default() });
    for name in ["verified", "proxied"] {
        cluster.nacre(&["image", "create", name, "--size", "64M"]).ok();
    }
    fio_verifies(&cluster);
    what_is_listed(&cluster);
    through_a_proxy(&cluster);
    assert_eq!(cluster.stop(), 0);
}

fn uri(cluster: &Cluster, image: &str) -> String {
    format!("nbd://{}/rbd/{image}", cluster.nbd())
}

/// Random overwrites of random sizes with trims and flushes among them; then every block is read and its checksum held
/// against its content.
fn fio_verifies(cluster: &Cluster) {
    let run = |words: &[&str]| {
        let mut fio = client(cluster, "fio");
        fio.current_dir(cluster.beside()).arg("--name=verify").arg("--ioengine=nbd");
        fio.arg(format!("--uri={}", uri(cluster, "verified"))).arg("--thread").args(words);
        must(&mut fio)
    };
    let seed = format!("--randseed={}", seed() % 1_000_000);
    let loops = format!("--loops={}", sized(1, 8));
    let common = ["--size=32m", "--verify=crc32c", "--verify_fatal=1", "--iodepth=16", &seed];
    let writes = ["--rw=randwrite", "--bsrange=512-64k", "--bs_unaligned", "--fsync=32", &loops];
    run(&[&common[..], &writes].concat());
    // Overwrites and trims of whole blocks in turn, checked as they go and at the end.
    let trims = ["--rw=randwrite", "--bs=16k", "--trim_percentage=20", "--trim_verify_zero=1", "--fsync=16"];
    run(&[&common[..], &trims].concat());
    say!("  fio found every checksum right after unaligned overwrites, trims and flushes");
}

fn what_is_listed(cluster: &Cluster) {
    let addr = cluster.nbd();
    let (host, port) = addr.split_once(':').unwrap_or_else(|| panic!("{addr}"));
    let listed = must(client(cluster, "qemu-nbd").args(["--list", "--bind", host, "--port", port])).out();
    assert!(listed.contains("rbd/verified") && listed.contains("size:  67108864"), "{listed}");
    let can = |what: &str| must(client(cluster, "nbdinfo").args(["--can", what, &uri(cluster, "verified")]));
    for what in ["fua", "flush", "trim", "zero", "fast-zero", "multi-conn", "df", "cache", "structured-reply"]
    {
        can(what);
    }
    let map =
        must(client(cluster, "nbdinfo").args(["--map=base:allocation", "--json", &uri(cluster, "verified")]));
    let map: serde_json::Value = serde_json::from_slice(&map.stdout).unwrap_or_else(|e| panic!("{e}"));
    let rows = map.as_array().cloned().unwrap_or_default();
    let last = rows.last().cloned().unwrap_or_default();
    assert_eq!(last["type"], 3, "the second half was never written: {rows:?}");
    let covered: u64 = rows.iter().filter_map(|row| row["length"].as_u64()).sum();
    assert_eq!(covered, 64 * MIB);
}

/// nbdkit in between: every request late, some failing and tried again.
fn through_a_proxy(cluster: &Cluster) {
    let socket = cluster.beside().join("proxy.sock");
    let log = cluster.beside().join("proxy.log");
    let mut proxy = client(cluster, "nbdkit");
    proxy.args(["--foreground", "--exit-with-parent", "--unix"]).arg(&socket);
    proxy.args(["--filter=retry-request", "--filter=error", "--filter=delay", "--filter=log", "nbd"]);
    proxy.arg(format!("uri={}", uri(cluster, "proxied"))).arg(format!("logfile={}", log.display()));
    proxy.args(["delay-read=2ms", "delay-write=2ms", "error-rate=3%", "error=EIO"]);
    proxy.args(["retry-request-delay=1", "retry-request-retries=30"]);
    let _proxy = Background::start(&mut proxy, &cluster.beside().join("proxy.err"));
    for_condition("the proxy", PATIENCE, || if socket.exists() { Ok(()) } else { Err("no socket".into()) });
    let data = content::bytes(content::mix(&[seed(), 5]), 24 * MIB as usize);
    let (from, to) = (cluster.beside().join("from"), cluster.beside().join("to"));
    std::fs::write(&from, &data).unwrap_or_else(|e| panic!("{}: {e}", from.display()));
    let through = format!("nbd+unix:///?socket={}", socket.display());
    must(client(cluster, "nbdcopy").arg("--flush").arg(&from).arg(&through));
    // Read past the proxy: what it was told had happened has.
    let direct = uri(cluster, "proxied");
    let mut compare: Command = client(cluster, "qemu-img");
    must(compare.args(["compare", "-f", "raw", "-F", "raw"]).arg(&from).arg(&direct));
    must(client(cluster, "nbdcopy").arg(&through).arg(&to));
    same(&to, &data);
    let log = std::fs::read_to_string(&log).unwrap_or_default();
    assert!(log.contains("Write") || log.contains("write"), "the proxy saw no write: {log}");
    say!("  24 MiB in and out through a proxy that delays every request and fails some");
}

fn same(file: &Path, data: &[u8]) {
    let back = std::fs::read(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    assert_eq!(content::difference(&back[..data.len()], data), None);
}
