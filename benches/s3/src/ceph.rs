//! A real Ceph on this machine, of Debian's packages: a monitor, a manager, three BlueStore OSDs and an RGW, set as a
//! tuned cluster is: no debug logs, TCP_NODELAY, tcmalloc where it is installed, flash settings, and stores that were
//! written once, as a disk is. BlueStore flushes before it acknowledges; nothing here changes that.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tests_cluster::{daemons, ports, wait};

/// The keys of its one user.
pub(crate) const ACCESS_KEY: &str = "benchaccess";
pub(crate) const SECRET_KEY: &str = "benchsecret";

const OSDS: usize = 3;
const PROGRAMS: [&str; 7] =
    ["ceph-mon", "ceph-mgr", "ceph-osd", "radosgw", "radosgw-admin", "ceph-authtool", "monmaptool"];
const PACKAGES: &str = "ceph-mon ceph-mgr ceph-osd radosgw ceph-common libgoogle-perftools4";
const PATIENCE: Duration = Duration::from_secs(90);
const SUBSYSTEMS: &str = "osd ms bluestore bluefs bdev rocksdb mon paxos auth filestore journal objecter rados rbd \
                          rgw client monc mgr mgrc throttle timer tp optracker heartbeatmap perfcounter asok \
                          finisher crush context buffer objclass memdb";
const POOLS: [(&str, &str); 7] = [
    (".rgw.root", "8"),
    ("default.rgw.log", "8"),
    ("default.rgw.control", "8"),
    ("default.rgw.meta", "8"),
    ("default.rgw.buckets.non-ec", "8"),
    ("default.rgw.buckets.index", "16"),
    ("default.rgw.buckets.data", "32"),
];

/// A cluster in a directory.
pub(crate) struct Ceph {
    dir: PathBuf,
    /// Whether it ran before, so that it runs on afterwards.
    ran: bool,
}

impl Ceph {
    /// Starts what the directory holds, or makes it first.
    pub(crate) fn start(dir: &Path, osd_gib: u64) -> Result<Ceph, String> {
        for program in PROGRAMS {
            if !which(program) {
                return Err(format!("{program} is not installed; the peer needs Debian's {PACKAGES}"));
            }
        }
        let mut ceph = Ceph { dir: dir.to_path_buf(), ran: true };
        ceph.ran = ceph.processes().len() == OSDS + 3;
        if ceph.ran {
            return Ok(ceph);
        }
        let new = !ceph.conf().exists();
        if new {
            ceph.make(osd_gib)?;
        }
        ceph.daemon("mon.a", "ceph-mon", &["-i", "a"])?;
        ceph.until("a monitor", &["mon", "stat"], |_| true)?;
        if new {
            ceph.make_keys()?;
        }
        ceph.daemon("mgr.a", "ceph-mgr", &["-i", "a"])?;
        for osd in 0..OSDS {
            if new {
                ceph.make_osd(osd)?;
            }
            ceph.daemon(&format!("osd.{osd}"), "ceph-osd", &["-i", &osd.to_string()])?;
        }
        let up = format!("{OSDS} up");
        ceph.until("the OSDs", &["osd", "stat"], |said| said.contains(&up))?;
        if new {
            ceph.make_pools()?;
        }
        ceph.daemon("rgw.bench", "radosgw", &["-n", "client.rgw.bench"])?;
        let addr = ceph.s3()?;
        wait::until("RGW to listen", PATIENCE, Duration::from_millis(250), || {
            std::net::TcpStream::connect(&addr).map(drop).map_err(|e| e.to_string())
        });
        ceph.until("clean PGs", &["pg", "stat"], |said| {
            let states = said.split_once(':').map_or(said, |(_, rest)| rest);
            states.split(';').next().is_some_and(|s| s.contains("active+clean") && !s.contains(','))
        })?;
        Ok(ceph)
    }

    fn conf(&self) -> PathBuf {
        self.dir.join("ceph.conf")
    }

    /// HOST:PORT of RGW.
    pub(crate) fn s3(&self) -> Result<String, String> {
        let text = fs::read_to_string(self.conf()).map_err(|e| format!("{}: {e}", self.conf().display()))?;
        let address = text.split("endpoint=").nth(1).and_then(|rest| rest.split_whitespace().next());
        address.map(str::to_string).ok_or_else(|| format!("{} names no endpoint", self.conf().display()))
    }

    /// Its daemons that run: name and pid.
    pub(crate) fn processes(&self) -> BTreeMap<String, i32> {
        let Ok(entries) = fs::read_dir(self.dir.join("run")) else { return BTreeMap::new() };
        let alive = entries.flatten().filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?.strip_suffix(".pid")?.to_string();
            let pid = fs::read_to_string(entry.path()).ok()?.trim().parse::<i32>().ok()?;
            let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
            // A pid that another program has by now is not ours.
            let ours = PROGRAMS.iter().any(|p| line.split('\0').next().is_some_and(|w| w.ends_with(p)));
            (ours && daemons::runs(pid)).then_some((name, pid))
        });
        alive.collect()
    }

    fn make(&self, osd_gib: u64) -> Result<(), String> {
        for sub in ["run", "log", "mon.a", "mgr.a", "rgw"] {
            let dir = self.dir.join(sub);
            fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        }
        let (mon, rgw) = (ports::free(), ports::free());
        let fsid = fs::read_to_string("/proc/sys/kernel/random/uuid").map_err(|e| e.to_string())?;
        let quiet: String =
            SUBSYSTEMS.split_whitespace().map(|s| format!("debug_{s} = 0/0\n")).collect::<String>();
        let d = self.dir.display();
        let text = format!(
            "[global]\nfsid = {}\nmon_initial_members = a\nmon_host = [v2:{mon}]\n\
             public_addr = 127.0.0.1\ncluster_addr = 127.0.0.1\nms_bind_msgr1 = false\n\
             auth_allow_insecure_global_id_reclaim = false\nkeyring = {d}/admin.keyring\nrun_dir = {d}/run\n\
             osd_pool_default_size = {OSDS}\nosd_pool_default_min_size = 2\nosd_pool_default_pg_autoscale_mode = off\n\
             osd_crush_chooseleaf_type = 0\nmon_max_pg_per_osd = 500\nmon_data_avail_warn = 2\n\
             mon_data_avail_crit = 1\n{quiet}\
             [mon]\nmon_data = {d}/mon.$id\npid_file = {d}/run/mon.$id.pid\nadmin_socket = {d}/run/mon.$id.asok\n\
             log_file = {d}/log/mon.$id.log\nmon_cluster_log_file = {d}/log/cluster.log\n\
             [mgr]\nmgr_data = {d}/mgr.$id\nkeyring = {d}/mgr.$id/keyring\npid_file = {d}/run/mgr.$id.pid\n\
             admin_socket = {d}/run/mgr.$id.asok\nlog_file = {d}/log/mgr.$id.log\n\
             [osd]\nosd_data = {d}/osd.$id\nkeyring = {d}/osd.$id/keyring\npid_file = {d}/run/osd.$id.pid\n\
             admin_socket = {d}/run/osd.$id.asok\nlog_file = {d}/log/osd.$id.log\nosd_objectstore = bluestore\n\
             bluestore_block_create = true\nbluestore_block_size = {}\nosd_memory_target = 2147483648\n\
             bluestore_debug_enforce_settings = ssd\nosd_op_num_shards = 8\nosd_op_num_threads_per_shard = 2\n\
             [client]\nlog_file = {d}/log/client.log\nadmin_socket =\n\
             [client.rgw.bench]\nkeyring = {d}/rgw/keyring\npid_file = {d}/run/rgw.bench.pid\n\
             admin_socket = {d}/run/rgw.bench.asok\nlog_file = {d}/log/rgw.bench.log\n\
             rgw_frontends = beast endpoint={rgw} tcp_nodelay=1\nrgw_enable_usage_log = false\n\
             rgw_enable_ops_log = false\n",
            fsid.trim(),
            osd_gib << 30,
        );
        fs::write(self.conf(), text).map_err(|e| format!("{}: {e}", self.conf().display()))?;
        let admin = self.path("admin.keyring");
        let mons = self.path("mon.keyring");
        let map = self.path("monmap");
        self.call("ceph-authtool", &["--create-keyring", &admin, "--gen-key", "-n", "client.admin"])?;
        let all = ["mon", "osd", "mds", "mgr"].iter().flat_map(|who| ["--cap", who, "allow *"]);
        let words: Vec<&str> = [admin.as_str(), "-n", "client.admin"].into_iter().chain(all).collect();
        self.call("ceph-authtool", &words)?;
        let words = ["--create-keyring", &mons, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *"];
        self.call("ceph-authtool", &words)?;
        self.call("ceph-authtool", &[&mons, "--import-keyring", &admin])?;
        let at = format!("[v2:{mon}]");
        self.call("monmaptool", &["--create", "--fsid", fsid.trim(), "--addv", "a", &at, &map])?;
        self.call("ceph-mon", &["-i", "a", "--mkfs", "--monmap", &map, "--keyring", &mons]).map(drop)
    }

    fn make_keys(&self) -> Result<(), String> {
        let caps = ["mon", "allow profile mgr", "osd", "allow *", "mds", "allow *"];
        self.key("mgr.a", &caps, "mgr.a/keyring")?;
        let caps = ["mon", "allow rw", "mgr", "allow rw", "osd", "allow rwx"];
        self.key("client.rgw.bench", &caps, "rgw/keyring")
    }

    fn key(&self, who: &str, caps: &[&str], file: &str) -> Result<(), String> {
        let key = self.call("ceph", &[&["auth", "get-or-create", who], caps].concat())?;
        fs::write(self.dir.join(file), key).map_err(|e| format!("{file}: {e}"))
    }

    fn make_osd(&self, osd: usize) -> Result<(), String> {
        let dir = self.dir.join(format!("osd.{osd}"));
        fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        let uuid = fs::read_to_string("/proc/sys/kernel/random/uuid").map_err(|e| e.to_string())?;
        let id = self.call("ceph", &["osd", "new", uuid.trim()])?;
        if id.trim() != osd.to_string() {
            return Err(format!("Ceph called OSD {osd} {:?}", id.trim()));
        }
        self.write_block(&dir.join("block"))?;
        let name = format!("osd.{osd}");
        let caps = ["mon", "allow profile osd", "mgr", "allow profile osd", "osd", "allow *"];
        self.key(&name, &caps, &format!("{name}/keyring"))?;
        self.call("ceph-osd", &["-i", &osd.to_string(), "--mkfs", "--osd-uuid", uuid.trim()]).map(drop)
    }

    /// Writes the store's file once: a disk needs no allocation of blocks by a file system either.
    fn write_block(&self, file: &Path) -> Result<(), String> {
        use std::io::Write;
        let text = fs::read_to_string(self.conf()).map_err(|e| e.to_string())?;
        let size = text.split("bluestore_block_size = ").nth(1).and_then(|r| r.lines().next());
        let size: u64 = size.and_then(|s| s.parse().ok()).ok_or("the configuration has no block size")?;
        let piece = vec![0u8; 4 << 20];
        let fail = |e: std::io::Error| format!("{}: {e}", file.display());
        let mut out = fs::File::create(file).map_err(fail)?;
        for _ in 0..size / piece.len() as u64 {
            out.write_all(&piece).map_err(fail)?;
        }
        out.sync_all().map_err(fail)
    }

    fn make_pools(&self) -> Result<(), String> {
        self.call("ceph", &["device", "monitoring", "off"])?;
        for (pool, pgs) in POOLS {
            self.call("ceph", &["osd", "pool", "create", pool, pgs, pgs])?;
            self.call("ceph", &["osd", "pool", "application", "enable", pool, "rgw"])?;
        }
        let words = ["user", "create", "--uid=bench", "--display-name=bench", "--max-buckets=1000"];
        let keys = [format!("--access-key={ACCESS_KEY}"), format!("--secret-key={SECRET_KEY}")];
        self.call("radosgw-admin", &[&words[..], &[&keys[0], &keys[1]]].concat()).map(drop)
    }

    fn path(&self, file: &str) -> String {
        self.dir.join(file).display().to_string()
    }

    /// Starts a daemon, which goes to the background by itself.
    fn daemon(&self, name: &str, program: &str, args: &[&str]) -> Result<(), String> {
        if self.processes().contains_key(name) {
            return Ok(());
        }
        let log = self.dir.join("log/start.log");
        let out = fs::OpenOptions::new().create(true).append(true).open(&log).map_err(|e| e.to_string())?;
        let errors = out.try_clone().map_err(|e| e.to_string())?;
        let mut command = Command::new(program);
        command.args(args).env("CEPH_CONF", self.conf()).stdin(Stdio::null()).stdout(out).stderr(errors);
        if let Some(library) = tcmalloc() {
            command.env("LD_PRELOAD", library).env("TCMALLOC_MAX_TOTAL_THREAD_CACHE_BYTES", "134217728");
        }
        let status = command.status().map_err(|e| format!("{program}: {e}"))?;
        if !status.success() {
            return Err(format!("{name} did not start ({status}); {} says why", log.display()));
        }
        Ok(())
    }

    fn call(&self, program: &str, args: &[&str]) -> Result<String, String> {
        let mut command = Command::new(program);
        command.args(args).env("CEPH_CONF", self.conf()).stdin(Stdio::null());
        let done = command.output().map_err(|e| format!("{program}: {e}"))?;
        if done.status.success() {
            return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
        }
        Err(format!("{command:?}: {}: {}", done.status, String::from_utf8_lossy(&done.stderr)))
    }

    fn until(&self, what: &str, args: &[&str], good: impl Fn(&str) -> bool) -> Result<(), String> {
        let words = [&["--connect-timeout", "5"], args].concat();
        wait::until(what, PATIENCE, Duration::from_millis(250), || match self.call("ceph", &words) {
            Ok(said) if good(&said) => Ok(()),
            other => Err(format!("{other:?}")),
        });
        Ok(())
    }
}

impl Drop for Ceph {
    fn drop(&mut self) {
        if self.ran {
            return;
        }
        // RGW first, monitors last: each says goodbye to those that still run.
        let mut all: Vec<(String, i32)> = self.processes().into_iter().collect();
        all.sort_by_key(|(name, _)| ["rgw", "mgr", "osd", "mon"].iter().position(|k| name.starts_with(k)));
        for (name, pid) in all {
            daemons::signal(pid, rustix::process::Signal::TERM);
            let ended = std::panic::catch_unwind(|| {
                wait::until(&name, Duration::from_secs(30), Duration::from_millis(100), || {
                    if daemons::runs(pid) { Err("it still runs".to_string()) } else { Ok(()) }
                })
            });
            if ended.is_err() {
                daemons::kill9(pid);
            }
        }
    }
}

fn which(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|d| d.join(program).exists()))
}

/// The allocator that upstream's packages are linked with and Debian's are not.
fn tcmalloc() -> Option<PathBuf> {
    let libraries =
        ["x86_64-linux-gnu", "aarch64-linux-gnu"].map(|a| format!("/usr/lib/{a}/libtcmalloc.so.4"));
    libraries.into_iter().map(PathBuf::from).find(|path| path.exists())
}
