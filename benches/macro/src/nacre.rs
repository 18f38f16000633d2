//! Our side: `nacre up` in a directory of its own, on ports that are free.

use crate::procs::Daemon;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the cluster may take to come up.
const UP_WITHIN: Duration = Duration::from_secs(180);
/// How long it may take to stop before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A running cluster; dropping it stops it.
pub(crate) struct Nacre {
    program: PathBuf,
    dir: PathBuf,
    up: Child,
    advert: Value,
}

impl Nacre {
    /// Starts one below `scratch`, with so many stores of `osd_bytes`, and waits until it is healthy.
    pub(crate) fn start(scratch: &Path, osds: u32, osd_bytes: u64, link: &str) -> Result<Nacre, String> {
        let program = program()?;
        let dir = scratch.join("nacre");
        let log = scratch.join("nacre-up.log");
        let open = || File::options().create(true).append(true).open(&log);
        let out = open().and_then(|a| Ok((a, open()?))).map_err(|e| format!("{}: {e}", log.display()))?;
        let mut command = Command::new(&program);
        command.arg("up").arg("--data").arg(&dir).args(["--osds", &osds.to_string(), "--link", link]);
        command.arg("--osd-size").arg(osd_bytes.to_string());
        for (flag, addr) in ["--s3", "--admin", "--nbd"].into_iter().zip(free_addresses()?) {
            command.arg(flag).arg(addr);
        }
        let up = command.stdin(Stdio::null()).stdout(out.0).stderr(out.1).spawn();
        let up = up.map_err(|e| format!("{}: {e}", program.display()))?;
        let mut cluster = Nacre { program, dir, up, advert: Value::Null };
        let begin = Instant::now();
        loop {
            let text = std::fs::read_to_string(cluster.dir.join("cluster.json")).unwrap_or_default();
            if let Ok(advert) = serde_json::from_str(&text) {
                cluster.advert = advert;
                return Ok(cluster);
            }
            let said = || std::fs::read_to_string(&log).unwrap_or_default();
            if let Ok(Some(status)) = cluster.up.try_wait() {
                return Err(format!("`nacre up` ended with {status}:\n{}", said()));
            }
            if begin.elapsed() > UP_WITHIN {
                return Err(format!("the cluster was not up within {UP_WITHIN:?}:\n{}", said()));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Its processes, `nacre up` too.
    pub(crate) fn daemons(&self) -> Vec<Daemon> {
        let rows = self.advert["daemons"].as_array().cloned().unwrap_or_default();
        let daemon = |row: &Value| {
            let pid = row["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok())?;
            Some(Daemon { name: row["name"].as_str()?.to_owned(), pid })
        };
        let up = Daemon { name: "up".to_owned(), pid: self.up.id() };
        rows.iter().filter_map(daemon).chain([up]).collect()
    }

    /// The URI of an image over NBD.
    pub(crate) fn image_uri(&self, image: &str) -> Result<String, String> {
        let door = self.advert["nbd"].as_str().ok_or("cluster.json has no `nbd`")?;
        Ok(format!("{door}/rbd/{image}"))
    }

    /// Runs `nacre WORDS --data DIR`, which must succeed.
    pub(crate) fn run(&self, words: &[&str]) -> Result<(), String> {
        let output = Command::new(&self.program).args(words).arg("--data").arg(&self.dir).output();
        let output = output.map_err(|e| e.to_string())?;
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("nacre {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr))),
        }
    }
}

impl Drop for Nacre {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.up.id().cast_signed()) {
            // It has gone already, or is asked to.
            let _ = kill_process(pid, Signal::TERM);
        }
        let begin = Instant::now();
        while matches!(self.up.try_wait(), Ok(None)) && begin.elapsed() < STOP_WITHIN {
            std::thread::sleep(LOOK_EVERY);
        }
        if matches!(self.up.try_wait(), Ok(None)) {
            eprintln!(
                "`nacre up` did not stop within {STOP_WITHIN:?} and is killed; its daemons may be left"
            );
            let _ = self.up.kill();
            let _ = self.up.wait();
        }
    }
}

/// `cargo xtask bench` says which.
fn program() -> Result<PathBuf, String> {
    std::env::var_os("NACRE_BIN").map(PathBuf::from).ok_or_else(|| {
        "NACRE_BIN must name the program nacre; `cargo xtask bench` builds it and sets that".to_owned()
    })
}

/// All held at once, so that they differ; somebody may take one before it is used, and then `up` says so.
pub(crate) fn free_addresses() -> Result<[String; 3], String> {
    let bind = || TcpListener::bind("127.0.0.1:0").map_err(|e| format!("no free port: {e}"));
    let held = [bind()?, bind()?, bind()?];
    let mut all = [const { String::new() }; 3];
    for (addr, listener) in all.iter_mut().zip(&held) {
        *addr = listener.local_addr().map_err(|e| e.to_string())?.to_string();
    }
    Ok(all)
}
