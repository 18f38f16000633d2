//! The cluster that the suite runs against: real processes, ports of its own, gone with the run.

use super::conf::{KMS_KEYS, LIFECYCLE_DAY_S, STORAGE_CLASSES, TestUser, USERS};
use crate::failure::Failure;
use crate::process;
use serde_json::Value;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long the cluster may take to come up, on a machine that does other things too.
const UP_PATIENCE: Duration = Duration::from_secs(180);
/// How long it may take to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A running cluster with the suite's users. Dropping it stops it.
pub(super) struct Cluster {
    nacre: PathBuf,
    dir: PathBuf,
    up: Option<Child>,
    s3: SocketAddr,
}

impl Cluster {
    /// Starts a cluster below `scratch`, waits until it is healthy, and makes the suite's users.
    pub(super) fn start(nacre: &Path, scratch: &Path) -> Result<Cluster, Failure> {
        let dir = scratch.join("data");
        let [s3, admin, nbd] = free_ports()?;
        let log = scratch.join("up.log");
        let open = || File::options().create(true).append(true).open(&log);
        let out = open().and_then(|a| Ok((a, open()?))).map_err(|e| Failure::io("creating", &log, e))?;
        let mut command = Command::new(nacre);
        command.arg("up").arg("--data").arg(&dir).args(["--osds", "3", "--osd-size", "3G"]);
        for (flag, addr) in [("--s3", s3), ("--admin", admin), ("--nbd", nbd)] {
            command.arg(flag).arg(addr.to_string());
        }
        println!("starting a cluster in {}...", scratch.display());
        let up = command
            .stdin(Stdio::null())
            .stdout(out.0)
            .stderr(out.1)
            .spawn()
            .map_err(|e| Failure::Machine(format!("cannot start {}: {e}", nacre.display())))?;
        let mut cluster = Cluster { nacre: nacre.to_path_buf(), dir, up: Some(up), s3 };
        cluster.wait_until_up(&log)?;
        for user in USERS {
            cluster.make(user)?;
        }
        for class in STORAGE_CLASSES {
            let pool = format!("s3.{}", class.to_lowercase());
            process::output(&mut cluster.nacre(&["pool", "create", &pool, "--pg-num", "8"]))?;
            process::output(&mut cluster.nacre(&["s3", "storage-class", "set", class, "--pool", &pool]))?;
        }
        let day = LIFECYCLE_DAY_S.to_string();
        let settings = [
            ("rgw_lc_debug_interval", day.as_str()),
            ("rgw_crypt_kms_keys", &KMS_KEYS.join(",")),
            // What the suite expects of clients that cannot say it.
            ("rgw_bucket_logging_obj_roll_time", "5"),
            // The suite writes and deletes more than the stores hold.
            ("rgw_gc_obj_min_wait", "60"),
            ("rgw_gc_processor_period", "10"),
        ];
        for (key, value) in settings {
            process::output(&mut cluster.nacre(&["config", "set", "gateway", key, value]))?;
        }
        Ok(cluster)
    }

    /// Where S3 is served.
    pub(super) fn s3(&self) -> SocketAddr {
        self.s3
    }

    fn wait_until_up(&mut self, log: &Path) -> Result<(), Failure> {
        let begin = Instant::now();
        let advert = self.dir.join("cluster.json");
        let told = |what: String| {
            let text = fs::read_to_string(log).unwrap_or_default();
            let tail: Vec<&str> = text.lines().rev().take(10).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            Failure::Machine(format!("{what}\n{}", tail.join("\n")))
        };
        loop {
            let text = fs::read_to_string(&advert).unwrap_or_default();
            if serde_json::from_str::<Value>(&text).is_ok() {
                return Ok(());
            }
            if let Some(Ok(Some(status))) = self.up.as_mut().map(Child::try_wait) {
                return Err(told(format!("`nacre up` ended with {status}:")));
            }
            if begin.elapsed() > UP_PATIENCE {
                return Err(told(format!("the cluster was not up within {UP_PATIENCE:?}:")));
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    fn make(&self, user: &TestUser) -> Result<(), Failure> {
        let words = ["user", "create", user.uid, "--display-name", user.name, "--email", user.email];
        let mut command = self.nacre(&words);
        command.args(["--access-key", user.access_key]);
        // Not as an argument: those can be seen by everybody on the host.
        command.env("NACRE_SECRET_KEY", user.secret_key);
        process::output(&mut command).map(drop)
    }

    fn nacre(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.nacre);
        command.args(words).arg("--data").arg(&self.dir);
        command
    }

    /// Stops the cluster and removes its stores; the logs stay.
    pub(super) fn stop(&mut self) {
        let Some(mut up) = self.up.take() else { return };
        // An orderly stop: `up` stops every daemon. Where it cannot be asked, it is killed below.
        let _ = process::probe(Command::new("kill").args(["-TERM", &up.id().to_string()]));
        let begin = Instant::now();
        while matches!(up.try_wait(), Ok(None)) && begin.elapsed() < STOP_PATIENCE {
            thread::sleep(LOOK_EVERY);
        }
        if matches!(up.try_wait(), Ok(None)) {
            println!("`nacre up` (pid {}) did not stop within {STOP_PATIENCE:?} and is killed", up.id());
            let _ = up.kill();
            let _ = up.wait();
        }
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("osd.") || name.starts_with("mon.") {
                // What cannot be removed only costs space in the scratch folder.
                let _ = fs::remove_dir_all(path);
            }
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Three ports of this host that are free now, held at once so that they differ.
fn free_ports() -> Result<[SocketAddr; 3], Failure> {
    let bind = || TcpListener::bind(("127.0.0.1", 0));
    let held = bind().and_then(|a| Ok([a, bind()?, bind()?]));
    let held = held.map_err(|e| Failure::Machine(format!("no free port: {e}")))?;
    let mut ports = [SocketAddr::from(([127, 0, 0, 1], 0)); 3];
    for (port, listener) in ports.iter_mut().zip(&held) {
        *port = listener.local_addr().map_err(|e| Failure::Machine(format!("no free port: {e}")))?;
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ_and_are_free() {
        let [a, b, c] = free_ports().expect("three ports");
        assert!(a != b && b != c && a != c);
        assert!(TcpListener::bind(a).is_ok());
    }
}
