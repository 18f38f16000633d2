//! A running monitor: its parts, started and stopped in order.

use crate::adrift;
use crate::caught_up;
use crate::clock::{self, Clock};
use crate::error::MonitorError;
use crate::keys;
use crate::leader::{self, Desk};
use crate::level;
use crate::peers::{Peers, id_of};
use crate::proposer::Proposer;
use crate::raft::Raft;
use crate::raft::network::Network;
use crate::router::Router;
use crate::session;
use crate::skew::{self, Skews};
use crate::store::{Identity, LogStore, Machine, Store, StoreError};
use crate::view::View;
use openraft::error::{InitializeError, RaftError};
use openraft::{BasicNode, Config, ServerState, SnapshotPolicy};
use placement_map::Uuid;
use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stdx::time::WallTime;
use tokio::sync::watch;
use tokio::task::JoinSet;
use wire_transport::{Listener, PeerName, Security};

/// Links served at once; more are closed as they come.
const SESSIONS_MAX: usize = 8192;
/// Raft's entries in one message; with the proposer's bound on an entry they stay below a frame.
const PAYLOAD_ENTRIES_MAX: u64 = 32;
/// A part of a snapshot in one message.
const SNAPSHOT_CHUNK_BYTES: u64 = 4 << 20;

/// What a monitor needs to run.
#[derive(Clone, Debug)]
pub struct MonConfig {
    /// Its directory, made by [`mkfs`].
    pub dir: PathBuf,
    /// Where it listens; what the map says of it.
    pub addr: SocketAddr,
    /// Its identity: the name is `mon.N`. Its program's feature level is this monitor's.
    pub security: Security,
    /// The time of day: shown to people, compared with the others', never trusted.
    pub wall: fn() -> WallTime,
}

impl MonConfig {
    /// With the system's time of day.
    pub fn new(dir: PathBuf, addr: SocketAddr, security: Security) -> MonConfig {
        MonConfig { dir, addr, security, wall: clock::wall }
    }
}

/// Makes the store of a founding monitor. `founders` are all of the first monitors, name (`mon.0`) and address, the
/// same on each of them; `config` the first settings (section, key, value). Never touches a store that exists.
pub fn mkfs(
    dir: &Path,
    fsid: Uuid,
    name: &PeerName,
    founders: &[(PeerName, SocketAddr)],
    config: &[(String, String, String)],
) -> Result<(), MonitorError> {
    for name in founders.iter().map(|(name, _)| name).chain([name]) {
        number(name)?;
    }
    let identity = Identity {
        fsid,
        name: name.as_str().to_owned(),
        founders: founders.iter().map(|(name, addr)| (name.as_str().to_owned(), *addr)).collect(),
        config: config.to_vec(),
    };
    Ok(Store::create(dir, &identity)?)
}

/// Whether `dir` holds a monitor's store, and of which cluster.
pub fn inspect(dir: &Path) -> Result<Uuid, MonitorError> {
    Ok(Store::open(dir)?.identity()?.fsid)
}

fn number(name: &PeerName) -> Result<u64, MonitorError> {
    let number = if name.role() == wire_transport::Role::Mon { id_of(name) } else { None };
    number.ok_or_else(|| MonitorError::Name(name.as_str().to_owned()))
}

/// A monitor at work. Dropping it stops it as a crash would; [`Monitor::stop`] does it in order.
pub struct Monitor {
    addr: SocketAddr,
    raft: Raft,
    view: Arc<View>,
    can: u32,
    tasks: JoinSet<()>,
}

impl Monitor {
    /// Opens the store, listens, joins the quorum. Returns once it takes links; a leader may still have to be found.
    pub async fn start(config: MonConfig) -> Result<Monitor, MonitorError> {
        let name = config.security.name().clone();
        let me = number(&name)?;
        let dir = config.dir.clone();
        let store = tokio::task::spawn_blocking(move || Store::open(&dir))
            .await
            .map_err(|lost| MonitorError::Stopped(lost.to_string()))??;
        let identity = store.identity()?;
        let found = format!("{} of cluster {}", identity.name, identity.fsid);
        let wanted = format!("{name} of cluster {}", config.security.fsid());
        if found != wanted {
            return Err(StoreError::Foreign { dir: config.dir, found, wanted }.into());
        }
        let listener = Listener::bind(config.addr, config.security.clone()).await?;
        let addr = listener.local_addr();

        let view = Arc::new(View::new());
        let machine = Machine::open(store.clone(), view.clone())?;
        let can = config.security.program().level;
        level::suits(can, view.with(|state| state.map().feature_level))?;
        let peers = Peers::start(config.security.clone());
        let stopped = |error: &dyn std::fmt::Display| MonitorError::Stopped(error.to_string());
        let settings = Arc::new(settings().validate().map_err(|e| stopped(&e))?);
        let network = Network { peers: peers.clone(), view: view.clone() };
        let raft =
            Raft::new(me, settings, network, LogStore::new(store), machine).await.map_err(|e| stopped(&e))?;
        join(&raft, &identity).await?;

        let desk = Arc::new(Desk::new(Clock::start()));
        let wall = config.wall;
        let proposer = Proposer::start(raft.clone(), wall);
        let skews = Skews::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(skew::watch(raft.clone(), peers.clone(), wall, skews.clone()));
        let router = Arc::new(Router {
            me,
            program: config.security.program(),
            raft: raft.clone(),
            view: view.clone(),
            desk,
            proposer,
            peers,
            skews,
            wall,
        });
        tasks.spawn(leader::attend(router.clone(), identity));
        tasks.spawn(caught_up::watch(raft.clone(), router.view.clone()));
        let (adrift, is_adrift) = watch::channel(false);
        tasks.spawn(adrift::watch(raft.clone(), adrift));
        tasks.spawn(keys::follow(config.security, router.view.clone(), is_adrift.clone()));
        tasks.spawn(accept(listener, router, is_adrift));
        tracing::info!(%name, %addr, "monitor started");
        Ok(Monitor { addr, raft, view, can, tasks })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Waits until the monitor cannot go on by itself, which is an error.
    pub async fn failed(&self) -> MonitorError {
        tokio::select! {
            error = level::outgrown(&self.view, self.can) => error,
            error = self.log_ended() => error,
        }
    }

    async fn log_ended(&self) -> MonitorError {
        let mut metrics = self.raft.metrics();
        loop {
            if let Err(fatal) = &metrics.borrow_and_update().running_state {
                return MonitorError::Stopped(fatal.to_string());
            }
            if metrics.changed().await.is_err() {
                return MonitorError::Stopped("the replicated log ended".to_owned());
            }
        }
    }

    /// Stops it: links are closed, the log is at rest when this returns.
    pub async fn stop(mut self) -> Result<(), MonitorError> {
        self.tasks.shutdown().await;
        self.raft.shutdown().await.map_err(|error| MonitorError::Stopped(error.to_string()))
    }
}

/// Runs a monitor until `shutdown` is ready or it fails.
pub async fn run(config: MonConfig, shutdown: impl Future<Output = ()>) -> Result<(), MonitorError> {
    let monitor = Monitor::start(config).await?;
    let failure = tokio::select! {
        () = shutdown => None,
        error = monitor.failed() => Some(error),
    };
    let stopped = monitor.stop().await;
    failure.map_or(stopped, Err)
}

/// Raft's timing: a lost leader is noticed after one second and replaced within another; an idle monitor wakes seven
/// times a second.
fn settings() -> Config {
    Config {
        cluster_name: "nacre".to_owned(),
        heartbeat_interval: 150,
        election_timeout_min: 500,
        election_timeout_max: 1000,
        install_snapshot_timeout: 10_000,
        max_payload_entries: PAYLOAD_ENTRIES_MAX,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(2000),
        snapshot_max_chunk_size: SNAPSHOT_CHUNK_BYTES,
        max_in_snapshot_log_to_keep: 500,
        purge_batch_size: 256,
        ..Config::default()
    }
}

/// Founds the quorum if this is a founder's first start, and makes a single monitor lead at once.
async fn join(raft: &Raft, identity: &Identity) -> Result<(), MonitorError> {
    let stopped = |error: &dyn std::fmt::Display| MonitorError::Stopped(error.to_string());
    if !raft.is_initialized().await.map_err(|e| stopped(&e))? && !identity.founders.is_empty() {
        let mut members = BTreeMap::new();
        for (name, addr) in &identity.founders {
            let name: PeerName = name.parse().map_err(|_| MonitorError::Name(name.clone()))?;
            members.insert(number(&name)?, BasicNode::new(addr));
        }
        match raft.initialize(members).await {
            // Another founder was faster: we are its follower already.
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => {}
            Err(error) => return Err(stopped(&error)),
        }
    }
    let (alone, leads) = {
        let metrics = raft.server_metrics();
        let metrics = metrics.borrow();
        (
            metrics.membership_config.membership().voter_ids().count() == 1,
            metrics.state == ServerState::Leader,
        )
    };
    if alone && !leads {
        raft.trigger().elect().await.map_err(|e| stopped(&e))?;
    }
    Ok(())
}

async fn accept(mut listener: Listener, router: Arc<Router>, mut adrift: watch::Receiver<bool>) {
    let mut sessions = JoinSet::new();
    loop {
        let (peer, link) = listener.accept().await;
        while sessions.try_join_next().is_some() {}
        if sessions.len() >= SESSIONS_MAX {
            tracing::warn!(%peer, "too many links ({SESSIONS_MAX}); this one was closed");
            continue;
        }
        adrift.mark_unchanged();
        sessions.spawn(session::serve(router.clone(), link, adrift.clone()));
    }
}
