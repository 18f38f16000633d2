//! The peer: a real Ceph cluster of Debian's packages (ceph-mon, ceph-mgr, ceph-osd, ceph-common), made for the
//! run: one monitor, one manager, three BlueStore OSDs on files beside our stores.

use crate::ceph_conf;
use crate::procs::Daemon;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const OSDS: u32 = 3;
/// How long each step of coming up may take.
const WITHIN: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// What upstream's packages are linked with, and Debian's are not: without it Ceph would be measured slower than
/// where people run it. Debian's package libgoogle-perftools4t64 or libgoogle-perftools4.
const MALLOC: &str = "libtcmalloc.so.4";

/// A running cluster; dropping it ends its daemons.
pub(crate) struct Ceph {
    dir: PathBuf,
    malloc: Option<String>,
    daemons: Vec<(String, Child)>,
}

impl Ceph {
    /// Makes one below `scratch` with OSDs of `osd_bytes`, and waits until all its PGs are active and clean.
    pub(crate) fn start(scratch: &Path, osd_bytes: u64) -> Result<Ceph, String> {
        let dir = scratch.join("ceph");
        let mut ceph = Ceph { dir, malloc: malloc(), daemons: Vec::new() };
        if ceph.malloc.is_none() {
            eprintln!("{MALLOC} is not installed: Ceph runs with the C library's allocator, which is slower");
        }
        for sub in ["mon", "mgr"] {
            let dir = ceph.dir.join(sub);
            std::fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        }
        ceph.monitor(osd_bytes)?;
        let key = ceph.tool(
            "ceph",
            &[
                "auth",
                "get-or-create",
                "mgr.a",
                "mon",
                "allow profile mgr",
                "osd",
                "allow *",
                "mds",
                "allow *",
            ],
            None,
        )?;
        ceph.write("mgr/keyring", key.as_bytes())?;
        ceph.spawn("mgr.a", "ceph-mgr", "a")?;
        for id in 0..OSDS {
            ceph.osd(id, osd_bytes)?;
        }
        ceph.wait("OSDs", |ceph| {
            let stat = ceph.json(&["osd", "stat"])?;
            Ok(stat["num_up_osds"] == OSDS)
        })?;
        ceph.tool("ceph", &["osd", "pool", "create", "rbd", "32", "32"], None)?;
        ceph.tool("ceph", &["osd", "pool", "application", "enable", "rbd", "rbd"], None)?;
        ceph.wait("clean PGs", |ceph| {
            let stat = ceph.json(&["pg", "stat"])?;
            let states = stat["pg_summary"]["num_pg_by_state"].as_array().cloned().unwrap_or_default();
            Ok(states.len() == 1 && states[0]["name"] == "active+clean")
        })?;
        Ok(ceph)
    }

    /// Its ceph.conf, for clients.
    pub(crate) fn conf(&self) -> PathBuf {
        self.dir.join("ceph.conf")
    }

    /// Its processes.
    pub(crate) fn daemons(&self) -> Vec<Daemon> {
        self.daemons.iter().map(|(name, child)| Daemon { name: name.clone(), pid: child.id() }).collect()
    }

    /// Makes an image of `bytes` in the pool `rbd`. Without the exclusive lock, which two jobs of fio on one image
    /// would pass to and fro.
    pub(crate) fn create_image(&self, image: &str, bytes: u64) -> Result<(), String> {
        let size = format!("{}B", bytes);
        self.tool("rbd", &["create", image, "--size", &size, "--image-feature", "layering"], None).map(drop)
    }

    fn monitor(&mut self, osd_bytes: u64) -> Result<(), String> {
        let [addr, ..] = crate::nacre::free_addresses()?;
        let fsid = uuid()?;
        self.write("ceph.conf", ceph_conf::text(&self.dir, &fsid, &addr, osd_bytes).as_bytes())?;
        let at = |file: &str| self.dir.join(file).display().to_string();
        let (admin, mon, map) = (at("admin.keyring"), at("mon.keyring"), at("monmap"));
        let all = ["--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mds", "allow *"];
        let caps = [&all[..], &["--cap", "mgr", "allow *"]].concat();
        let make = ["--create-keyring", &admin, "--gen-key", "-n", "client.admin"];
        self.tool("ceph-authtool", &[&make[..], &caps].concat(), None)?;
        let make = ["--create-keyring", &mon, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *"];
        self.tool("ceph-authtool", &make, None)?;
        self.tool("ceph-authtool", &[&mon, "--import-keyring", &admin], None)?;
        let addr = format!("[v2:{addr}]");
        self.tool("monmaptool", &["--create", "--fsid", &fsid, "--addv", "a", &addr, &map], None)?;
        self.tool("ceph-mon", &["-i", "a", "--mkfs", "--monmap", &map, "--keyring", &mon], None)?;
        self.spawn("mon.a", "ceph-mon", "a")?;
        self.wait("monitor", |ceph| ceph.json(&["mon", "stat"]).map(|_| true))
    }

    fn osd(&mut self, id: u32, bytes: u64) -> Result<(), String> {
        let folder = format!("osd.{id}");
        let dir = self.dir.join(&folder);
        std::fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        // Written once, so that the file system need not allocate under the OSD, as on a raw disk.
        zeros(&dir.join("block"), bytes)?;
        let uuid = uuid()?;
        let key = self.tool("ceph-authtool", &["--gen-print-key"], None)?;
        let secret = format!("{{\"cephx_secret\":\"{}\"}}", key.trim());
        let given = self.tool("ceph", &["osd", "new", &uuid, "-i", "-"], Some(secret.as_bytes()))?;
        let id = id.to_string();
        if given.trim() != id {
            return Err(format!("Ceph made osd.{} where osd.{id} was wanted", given.trim()));
        }
        let ring = dir.join("keyring").display().to_string();
        let words = ["--create-keyring", &ring, "--name", &folder, "--add-key", key.trim()];
        self.tool("ceph-authtool", &words, None)?;
        self.tool("ceph-osd", &["-i", &id, "--mkfs", "--osd-uuid", &uuid], None)?;
        self.spawn(&folder, "ceph-osd", &id)
    }

    fn write(&self, file: &str, data: &[u8]) -> Result<(), String> {
        let path = self.dir.join(file);
        std::fs::write(&path, data).map_err(|e| format!("{}: {e}", path.display()))
    }

    fn spawn(&mut self, name: &str, program: &str, id: &str) -> Result<(), String> {
        let log = self.dir.join("start.log");
        let out = File::options().create(true).append(true).open(&log);
        let out = out.map_err(|e| format!("{}: {e}", log.display()))?;
        let mut command = Command::new(program);
        command.args(["-f", "-i", id]).env("CEPH_CONF", self.conf());
        if let Some(library) = &self.malloc {
            command.env("LD_PRELOAD", library).env("TCMALLOC_MAX_TOTAL_THREAD_CACHE_BYTES", "134217728");
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(out).spawn();
        let child =
            child.map_err(|e| format!("{program}: {e} (Debian's packages ceph-mon ceph-mgr ceph-osd)"))?;
        self.daemons.push((name.to_owned(), child));
        Ok(())
    }

    /// Runs one of Ceph's programs; what it printed.
    fn tool(&self, program: &str, words: &[&str], input: Option<&[u8]>) -> Result<String, String> {
        let mut command = Command::new(program);
        command.args(words).env("CEPH_CONF", self.conf());
        if program == "ceph" {
            command.args(["--connect-timeout", "20"]);
        }
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child =
            child.map_err(|e| format!("{program}: {e} (Debian's package ceph-common or ceph-base)"))?;
        if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
            pipe.write_all(input).map_err(|e| format!("{program}: {e}"))?;
        }
        let output = child.wait_with_output().map_err(|e| format!("{program}: {e}"))?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                Err(format!("{program} {}: {said}", words.first().unwrap_or(&"")))
            }
        }
    }

    fn json(&self, words: &[&str]) -> Result<serde_json::Value, String> {
        let text = self.tool("ceph", &[words, &["-f", "json"]].concat(), None)?;
        serde_json::from_str(&text).map_err(|e| format!("ceph {}: {e}", words.join(" ")))
    }

    fn wait(&self, what: &str, done: impl Fn(&Ceph) -> Result<bool, String>) -> Result<(), String> {
        let begin = Instant::now();
        loop {
            let seen = done(self);
            if matches!(seen, Ok(true)) {
                return Ok(());
            }
            if begin.elapsed() > WITHIN {
                return Err(format!("Ceph has no {what} after {WITHIN:?}: {seen:?}"));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Ceph {
    fn drop(&mut self) {
        // The monitor last: the others say goodbye to it.
        for (_, child) in self.daemons.iter_mut().rev() {
            if let Some(pid) = Pid::from_raw(child.id().cast_signed()) {
                // It has gone already, or is asked to.
                let _ = kill_process(pid, Signal::TERM);
            }
            let begin = Instant::now();
            while matches!(child.try_wait(), Ok(None)) && begin.elapsed() < Duration::from_secs(20) {
                std::thread::sleep(LOOK_EVERY);
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn uuid() -> Result<String, String> {
    let file = "/proc/sys/kernel/random/uuid";
    let text = std::fs::read_to_string(file).map_err(|e| format!("{file}: {e}"))?;
    Ok(text.trim().to_owned())
}

fn malloc() -> Option<String> {
    let output = Command::new("ldconfig").arg("-p").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.trim_start().starts_with(MALLOC))?;
    Some(line.rsplit_once(' ')?.1.to_owned())
}

fn zeros(file: &Path, bytes: u64) -> Result<(), String> {
    let fail = |error: std::io::Error| format!("{}: {error}", file.display());
    let mut out = File::create(file).map_err(fail)?;
    let piece = vec![0; 4 << 20];
    for _ in 0..bytes.div_ceil(4 << 20) {
        out.write_all(&piece).map_err(fail)?;
    }
    out.sync_all().map_err(fail)
}
