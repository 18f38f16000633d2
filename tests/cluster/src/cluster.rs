//! One whole cluster, started through `nacre up` and gone with this value, whatever happens in between.

use crate::run::{Finished, run, tail};
use crate::scratch::Scratch;
use crate::wait::for_condition;
use crate::{S3, daemons, ports, settings};
use rustix::process::Signal;
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a cluster may take to come up on a machine that compiles beside it.
const UP_PATIENCE: Duration = Duration::from_secs(150);
/// How long a command of the operator may take.
const COMMAND_PATIENCE: Duration = Duration::from_secs(60);

/// What the cluster is made of.
#[derive(Clone)]
pub struct Options {
    /// OSDs.
    pub osds: u32,
    /// Monitors.
    pub mons: u32,
    /// Size of each store, as typed.
    pub osd_size: &'static str,
    /// Copies in the first pools.
    pub pool_size: u32,
    /// Further words for `nacre up`.
    pub extra: Vec<String>,
    /// A folder that outlives the test, for whoever keeps what failed; none: one that is gone with the cluster.
    pub dir: Option<PathBuf>,
    /// The program that makes the cluster and carries out commands; none: the one under test.
    pub program: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            osds: 3,
            mons: 1,
            osd_size: "1G",
            pool_size: 3,
            extra: Vec::new(),
            dir: None,
            program: None,
        }
    }
}

/// The cluster.
pub struct Cluster {
    scratch: Scratch,
    program: PathBuf,
    words: Vec<String>,
    up: Option<Child>,
    advert: Value,
}

impl Cluster {
    /// Starts a new cluster and waits until it is healthy.
    pub fn start(name: &str, options: Options) -> Cluster {
        let mut cluster = Cluster::prepare(name, options);
        let took = cluster.up();
        crate::say!("  cluster `{name}` up in {:.1} s: {}", took.as_secs_f64(), cluster.dir().display());
        cluster
    }

    /// Decides where and how, and starts nothing.
    pub fn prepare(name: &str, options: Options) -> Cluster {
        let scratch = options.dir.map_or_else(|| Scratch::new(name), Scratch::kept);
        let mut words =
            vec!["up".to_string(), "--data".into(), scratch.path().join("data").display().to_string()];
        let (osds, mons, size) =
            (options.osds.to_string(), options.mons.to_string(), options.pool_size.to_string());
        let (s3, admin, nbd) = (ports::free(), ports::free(), ports::free());
        let pairs: [(&str, &str); 7] = [
            ("--osds", &osds),
            ("--mons", &mons),
            ("--osd-size", options.osd_size),
            ("--pool-size", &size),
            ("--s3", &s3),
            ("--admin", &admin),
            ("--nbd", &nbd),
        ];
        words.extend(pairs.iter().flat_map(|(flag, value)| [flag.to_string(), value.to_string()]));
        words.extend(options.extra);
        let program = options.program.unwrap_or_else(settings::nacre);
        Cluster { scratch, program, words, up: None, advert: Value::Null }
    }

    /// Runs `nacre up` as the cluster was prepared, and waits for cluster.json. Returns how long that took.
    pub fn up(&mut self) -> Duration {
        let begin = Instant::now();
        self.spawn_up();
        let path = self.dir().join("cluster.json");
        let ended = |cluster: &mut Cluster| match &mut cluster.up {
            Some(child) => child.try_wait().ok().flatten(),
            None => None,
        };
        loop {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            if let Ok(advert) = serde_json::from_str::<Value>(&text) {
                self.advert = advert;
                return begin.elapsed();
            }
            if let Some(status) = ended(self) {
                panic!("`nacre up` ended with {status}\n{}", self.tails());
            }
            assert!(
                begin.elapsed() < UP_PATIENCE,
                "no cluster.json within {UP_PATIENCE:?}\n{}",
                self.tails()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Starts `nacre up` and does not wait for anything.
    pub fn spawn_up(&mut self) {
        // It only advertises: what an earlier run said must not be taken for this one's word.
        let _ = std::fs::remove_file(self.dir().join("cluster.json"));
        let log = self.log_of_up();
        let open = || -> std::io::Result<File> { OpenOptions::new().create(true).append(true).open(&log) };
        let (out, err) = match (open(), open()) {
            (Ok(out), Ok(err)) => (out, err),
            (Err(e), _) | (_, Err(e)) => panic!("{}: {e}", log.display()),
        };
        let mut command = Command::new(&self.program);
        command.args(&self.words).stdin(Stdio::null()).stdout(out).stderr(err);
        self.up = Some(command.spawn().unwrap_or_else(|e| panic!("nacre up: {e}")));
    }

    /// Runs the same `nacre up` to its end, for the cases in which it must refuse.
    pub fn up_refused(&self, words: &[String]) -> Finished {
        run(Command::new(&self.program).args(words), COMMAND_PATIENCE)
    }

    /// From here on commands are carried out, and daemons started, by this program.
    pub fn use_program(&mut self, program: PathBuf) {
        self.program = program;
    }

    /// The words after `nacre` that start this cluster.
    pub fn words(&self) -> Vec<String> {
        self.words.clone()
    }

    /// DIR.
    pub fn dir(&self) -> PathBuf {
        self.scratch.path().join("data")
    }

    /// A folder beside DIR for what a test needs.
    pub fn beside(&self) -> &Path {
        self.scratch.path()
    }

    /// cluster.json as it was when the cluster came up.
    pub fn advert(&self) -> &Value {
        &self.advert
    }

    fn text(&self, field: &str) -> String {
        match self.advert[field].as_str() {
            Some(text) => text.to_string(),
            None => panic!("cluster.json has no text `{field}`: {}", self.advert),
        }
    }

    /// `http://HOST:PORT` of the gateway.
    pub fn s3_url(&self) -> String {
        self.text("s3")
    }

    /// HOST:PORT where NBD is served.
    pub fn nbd(&self) -> String {
        self.text("nbd").trim_start_matches("nbd://").to_string()
    }

    /// The first user's access key and secret key.
    pub fn keys(&self) -> (String, String) {
        (self.text("access_key"), self.text("secret_key"))
    }

    /// Our own S3 client, with the first user's keys.
    pub fn s3(&self) -> S3 {
        let (access, secret) = self.keys();
        S3::new(self.s3_url().trim_start_matches("http://"), &access, &secret)
    }

    /// The live pid of a daemon, from the file that `up` and `daemon start` keep.
    pub fn pid(&self, daemon: &str) -> Option<i32> {
        let text = std::fs::read_to_string(self.dir().join("cluster.json")).ok()?;
        let advert: Value = serde_json::from_str(&text).ok()?;
        let row = advert["daemons"].as_array()?.iter().find(|d| d["name"] == daemon)?.clone();
        let pid = i32::try_from(row["pid"].as_i64()?).ok()?;
        daemons::runs(pid).then_some(pid)
    }

    /// The live pid of a daemon that must run.
    pub fn live(&self, daemon: &str) -> i32 {
        self.pid(daemon).unwrap_or_else(|| panic!("{daemon} does not run\n{}", self.tails()))
    }

    /// The names of all daemons.
    pub fn daemons(&self) -> Vec<String> {
        let rows = self.advert["daemons"].as_array().cloned().unwrap_or_default();
        rows.iter().filter_map(|d| d["name"].as_str().map(str::to_string)).collect()
    }

    /// kill -9 of one daemon; returns when it is gone.
    pub fn kill9(&self, daemon: &str) {
        let pid = self.live(daemon);
        daemons::kill9(pid);
        for_condition(&format!("{daemon} to end"), Duration::from_secs(20), || {
            if daemons::runs(pid) { Err(format!("pid {pid} still runs")) } else { Ok(()) }
        });
    }

    /// kill -9 of every process of the cluster, `up` included. Returns how many there were.
    pub fn kill_all(&mut self) -> usize {
        let count = daemons::kill_all_below(&self.dir());
        if let Some(mut up) = self.up.take() {
            // Killed above; this only takes its zombie away.
            let _ = up.wait();
        }
        count
    }

    /// kill -9 of `nacre up` alone; the daemons stay.
    pub fn kill_up(&mut self) {
        if let Some(mut up) = self.up.take() {
            up.kill().unwrap_or_else(|e| panic!("nacre up: {e}"));
            let _ = up.wait();
        }
    }

    /// Stops the cluster as Ctrl-C does; returns the exit code of `up`.
    pub fn stop(&mut self) -> i32 {
        let Some(mut up) = self.up.take() else { panic!("the cluster does not run") };
        daemons::signal(i32::try_from(up.id()).unwrap_or(0), Signal::INT);
        let status = for_condition("`nacre up` to stop", Duration::from_secs(90), || match up.try_wait() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err("it still runs".into()),
            Err(e) => Err(e.to_string()),
        });
        status.code().unwrap_or(-1)
    }

    /// Runs `nacre ARGS --data DIR`.
    pub fn nacre(&self, args: &[&str]) -> Finished {
        self.nacre_at(&self.dir(), args)
    }

    /// The same by way of another directory, such as a copy of the cluster's.
    pub fn nacre_at(&self, dir: &Path, args: &[&str]) -> Finished {
        run(Command::new(&self.program).args(args).arg("--data").arg(dir), COMMAND_PATIENCE)
    }

    /// Runs `nacre ARGS --format json`, which must succeed with JSON.
    pub fn json(&self, args: &[&str]) -> Value {
        self.try_json(args).unwrap_or_else(|e| panic!("{e}\n{}", self.tails()))
    }

    /// Runs `nacre ARGS --format json`; an error says why there is no answer.
    pub fn try_json(&self, args: &[&str]) -> Result<Value, String> {
        let done = self.nacre(&[args, &["--format", "json"]].concat());
        if !done.status.success() {
            return Err(format!("`{}` ended with {}: {}", done.what, done.status, done.said()));
        }
        serde_json::from_slice(&done.stdout)
            .map_err(|e| format!("`{}` printed no JSON ({e}): {}", done.what, done.said()))
    }

    /// `nacre daemon start NAME`.
    pub fn daemon_start(&self, daemon: &str) {
        self.nacre(&["daemon", "start", daemon]).ok();
    }

    /// `nacre daemon stop NAME`.
    pub fn daemon_stop(&self, daemon: &str) {
        self.nacre(&["daemon", "stop", daemon]).ok();
    }

    /// The ends of all logs.
    pub fn tails(&self) -> String {
        let mut files = vec![self.log_of_up()];
        if let Ok(entries) = std::fs::read_dir(self.dir().join("log")) {
            let mut logs: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
            logs.sort();
            files.extend(logs);
        }
        let mut text = String::new();
        for file in files {
            let bytes = std::fs::read(&file).unwrap_or_default();
            text += &format!("---- {}\n{}\n", file.display(), tail(&String::from_utf8_lossy(&bytes), 12));
        }
        text
    }

    /// The whole text of one daemon's log.
    pub fn log(&self, daemon: &str) -> String {
        let bytes = std::fs::read(self.dir().join("log").join(format!("{daemon}.log"))).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// What `nacre up` has printed.
    pub fn log_of_up(&self) -> PathBuf {
        self.scratch.path().join("up.log")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            crate::say!("{}", self.tails());
        }
        let dir = self.dir();
        // A second panic while unwinding would abort the whole run; the next run sweeps what is left.
        let ended = std::panic::catch_unwind(|| daemons::kill_all_below(&dir));
        if ended.is_err() {
            crate::say!("  daemons below {} could not be ended", dir.display());
        }
        if let Some(mut up) = self.up.take() {
            let _ = up.kill();
            let _ = up.wait();
        }
    }
}
