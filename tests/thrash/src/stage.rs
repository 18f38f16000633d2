//! The cluster of a run: five OSDs, three monitors, two gateways, each a process of its own.

use crate::Options;
use crate::second_gateway::SecondGateway;
use gateway_client::{Client, ClientConfig};
use rustix::process::Signal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tests_cluster::{Cluster, S3, daemons};
use wire_transport::{Mode, PeerName, Security};

/// OSDs at the beginning.
pub(crate) const OSDS: u32 = 5;
/// Monitors.
pub(crate) const MONS: u32 = 3;
/// PGs of the pool of raw objects at the beginning.
pub(crate) const RAW_PGS: u64 = 16;
/// Copies in every replicated pool; two of them are enough for a write.
pub(crate) const POOL_SIZE: u32 = 3;
/// The pool of the raw objects.
pub(crate) const RAW_POOL: &str = "thrash";

/// The cluster, and what stands around it.
pub(crate) struct Stage {
    /// The cluster, of which `nacre up` made all but one gateway.
    pub(crate) cluster: Cluster,
    /// The other gateway.
    pub(crate) second: SecondGateway,
    /// Whether links can be cut: every OSD has an address of its own then.
    pub(crate) cuts: bool,
}

impl Stage {
    /// Starts a new cluster below `dir`.
    pub(crate) fn start(options: &Options, dir: PathBuf) -> Stage {
        let cluster = Cluster::start(
            "thrash",
            tests_cluster::Options {
                osds: OSDS,
                mons: MONS,
                osd_size: "256M",
                pool_size: POOL_SIZE,
                dir: Some(dir),
                ..tests_cluster::Options::default()
            },
        );
        let shape: &[&str] = if options.ec { &["--ec", "2+2"] } else { &["--size", "3"] };
        let pgs = RAW_PGS.to_string();
        let create = ["pool", "create", RAW_POOL, "--pg-num", &pgs, "--failure-domain", "osd"];
        cluster.nacre(&[&create, shape].concat()).ok();
        cluster.free_garbage_soon();
        let mut second = SecondGateway::make(&cluster.dir());
        second.start();
        let mut stage = Stage { cluster, second, cuts: options.cuts };
        for n in stage.osds() {
            stage.give_address(n);
        }
        stage.wait_clean(Duration::from_secs(120));
        stage
    }

    /// Where an OSD listens, and calls from, while links can be cut.
    pub(crate) fn address_of(&self, osd: u32) -> String {
        format!("127.0.1.{}", 10 + osd % 200)
    }

    /// Has an OSD start again at its own address, by which rules of routing know it.
    pub(crate) fn give_address(&mut self, osd: u32) {
        if !self.cuts {
            return;
        }
        let name = format!("osd.{osd}");
        let path = self.cluster.dir().join("conf").join(format!("{name}.toml"));
        let mut conf = read_toml(&path);
        let part = conf.get_mut("osd").and_then(toml::Value::as_table_mut);
        let part = part.unwrap_or_else(|| panic!("{} is not an OSD's", path.display()));
        part.insert("addr".into(), format!("{}:0", self.address_of(osd)).into());
        std::fs::write(&path, conf.to_string()).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        self.cluster.daemon_stop(&name);
        self.cluster.daemon_start(&name);
    }

    /// The monitors' ports, in the order of their numbers.
    pub(crate) fn monitor_ports(&self) -> Vec<u16> {
        monitors(&self.settings()).into_iter().map(|(_, addr)| addr.port()).collect()
    }

    /// S3 through either gateway, with the first user's keys.
    pub(crate) fn gateways(&self) -> Vec<S3> {
        let first = self.cluster.s3();
        let second = S3::new(self.second.s3(), &first.signer.access, &first.signer.secret);
        vec![first, second]
    }

    /// A client of the cluster by the administrator's key.
    pub(crate) async fn client(&self) -> Client {
        let dir = self.cluster.dir();
        let name: PeerName = "client.admin".parse().unwrap_or_else(|e| panic!("client.admin: {e}"));
        let security = Security::load(&dir.join("keys"), &name, Mode::Secure);
        let security = security.unwrap_or_else(|e| panic!("the administrator's key: {e}"));
        let mut config = ClientConfig::new(monitors(&self.settings()), security);
        config.connect_within = Duration::from_secs(60);
        Client::connect(config).await.unwrap_or_else(|e| panic!("{e}"))
    }

    fn settings(&self) -> toml::Table {
        read_toml(&self.cluster.dir().join("cluster.toml"))
    }

    /// The numbers of the OSDs that belong to the cluster now.
    pub(crate) fn osds(&self) -> Vec<u32> {
        let settings = self.settings();
        let osds = settings["osds"].as_array().cloned().unwrap_or_default();
        osds.iter().filter_map(|n| u32::try_from(n.as_integer()?).ok()).collect()
    }

    /// The live process of a daemon.
    pub(crate) fn pid(&self, daemon: &str) -> Option<i32> {
        match daemon {
            SecondGateway::NAME => self.second.pid(),
            _ => self.cluster.pid(daemon),
        }
    }

    /// Sends a signal to a daemon; false if it does not run.
    pub(crate) fn signal(&self, daemon: &str, signal: Signal) -> bool {
        let Some(pid) = self.pid(daemon) else { return false };
        daemons::signal(pid, signal);
        true
    }

    /// kill -9, and waits until the process is gone.
    pub(crate) fn kill(&self, daemon: &str) {
        let Some(pid) = self.pid(daemon) else { return };
        daemons::kill9(pid);
        let gone = || if daemons::runs(pid) { Err(format!("pid {pid} still runs")) } else { Ok(()) };
        tests_cluster::wait::for_condition(&format!("{daemon} to end"), Duration::from_secs(30), gone);
    }

    /// Starts a daemon that does not run.
    pub(crate) fn revive(&mut self, daemon: &str) {
        if self.pid(daemon).is_some() {
            return;
        }
        match daemon {
            SecondGateway::NAME => self.second.start(),
            _ => self.cluster.daemon_start(daemon),
        }
    }

    /// Runs an operator's command; an error says what it said.
    pub(crate) fn order(&self, args: &[&str]) -> Result<String, String> {
        let done = self.cluster.nacre(args);
        match done.status.success() {
            true => Ok(done.out()),
            false => Err(format!("`{}`: {}", done.what, done.said())),
        }
    }

    /// Whether every PG is active+clean; an error names one that is not.
    pub(crate) fn clean(&self) -> Result<(), String> {
        let pgs = self.cluster.pgs()?;
        let dirty: Vec<_> = pgs.iter().filter(|pg| pg.state != "active+clean" || pg.up.len() < 3).collect();
        match (pgs.is_empty(), dirty.first()) {
            (true, _) => Err("there are no PGs".into()),
            (false, None) => Ok(()),
            (false, Some(pg)) => {
                Err(format!("{} of {} PGs are not clean, as {pg:?}", dirty.len(), pgs.len()))
            }
        }
    }

    /// Waits until every PG is active+clean.
    pub(crate) fn wait_clean(&self, patience: Duration) -> Duration {
        let begun = Instant::now();
        tests_cluster::wait::until("every PG active+clean", patience, Duration::from_millis(500), || {
            self.clean()
        });
        begun.elapsed()
    }
}

/// A settings file of the cluster.
pub(crate) fn read_toml(path: &std::path::Path) -> toml::Table {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn monitors(settings: &toml::Table) -> Vec<(PeerName, SocketAddr)> {
    let all = settings["monitors"].as_array().cloned().unwrap_or_default();
    let one = |m: &toml::Value| -> Option<(PeerName, SocketAddr)> {
        Some((m.get("name")?.as_str()?.parse().ok()?, m.get("addr")?.as_str()?.parse().ok()?))
    };
    all.iter().filter_map(one).collect()
}
