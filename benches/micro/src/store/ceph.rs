//! BlueStore, as near to it as Debian's packages let one come: a running cluster of one OSD, a pool of size 1,
//! an image in it, fio's `rbd` engine. Only what the OSD's process uses is counted as its CPU time.

use super::{BLOCK_BYTES, Bench, Kind};
use crate::clock;
use benches_row::{Better, Row};
use serde_json::Value;
use std::process::{Command, Stdio};

const POOL: &str = "nacre-bench";
const IMAGE: &str = "blocks";
const DEPTH: usize = 64;

impl Bench {
    /// Operations per second of CPU time, 4 KiB random overwrites. Needs `CEPH_CONF`, the configuration file of a
    /// running Ceph cluster of one OSD on this machine.
    pub(super) fn beside_ceph(&mut self) -> Result<(), String> {
        if std::env::var_os("CEPH_CONF").is_none() {
            return Err("CEPH_CONF must name the ceph.conf of a running cluster of one OSD".to_owned());
        }
        let (m, _) = self.ours(Kind::WriteBlock, DEPTH)?;
        prepare(self.scale.data_bytes())?;
        let osd = the_osd()?;
        let before = clock::of_process(osd)?;
        let operations = fio(&["--rw=randwrite", "--norandommap"], Some(self.scale.seconds))?;
        let peer = operations / (clock::of_process(osd)? - before);
        let name = "store: 4 KiB random overwrite, depth 64, for a second of CPU, beside a Ceph OSD (size 1)";
        let ours = 1e6 / m.cpu_us();
        self.push(Row::new(name, "op", Better::More, ours).beside(Some(peer), 8.0));
        Ok(())
    }
}

/// Makes pool and image if they are not there, and writes all of the image.
fn prepare(bytes: u64) -> Result<(), String> {
    let megabytes = (bytes >> 20).to_string();
    call("ceph", &["osd", "pool", "create", POOL, "32"])?;
    call("ceph", &["osd", "pool", "set", POOL, "size", "1", "--yes-i-really-mean-it"])?;
    if call("rbd", &["info", &format!("{POOL}/{IMAGE}")]).is_err() {
        call("rbd", &["create", &format!("{POOL}/{IMAGE}"), "--size", &megabytes])?;
    }
    let whole = format!("--size={bytes}");
    fio(&["--rw=write", "--bs=4m", "--iodepth=4", &whole], None).map(drop)
}

/// Runs fio on the image; how many writes it did.
fn fio(more: &[&str], seconds: Option<u64>) -> Result<f64, String> {
    let mut fio = Command::new("fio");
    fio.args([
        "--name=ceph",
        "--ioengine=rbd",
        "--clientname=admin",
        "--randrepeat=0",
        "--output-format=json",
    ])
    .arg(format!("--pool={POOL}"))
    .arg(format!("--rbdname={IMAGE}"))
    .arg(format!("--bs={BLOCK_BYTES}"))
    .arg(format!("--iodepth={DEPTH}"))
    .args(more);
    if let Some(seconds) = seconds {
        fio.args(["--time_based".to_owned(), format!("--runtime={seconds}")]);
    }
    let output = fio.stdin(Stdio::null()).output().map_err(|error| format!("fio: {error}"))?;
    let start = output.stdout.iter().position(|byte| *byte == b'{').unwrap_or(0);
    let all: Option<Value> = serde_json::from_slice(&output.stdout[start..]).ok();
    let count = all.and_then(|all| all["jobs"][0]["write"]["total_ios"].as_f64()).filter(|n| *n > 0.0);
    count.ok_or_else(|| format!("{fio:?}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn call(program: &str, args: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}

/// The process of the one OSD that runs here.
fn the_osd() -> Result<u32, String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").map_err(|error| format!("/proc: {error}"))?.flatten() {
        let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        if name.trim() == "ceph-osd" {
            found.extend(entry.file_name().to_string_lossy().parse::<u32>());
        }
    }
    match found[..] {
        [one] => Ok(one),
        _ => Err(format!("{} processes named ceph-osd run here, not one", found.len())),
    }
}
