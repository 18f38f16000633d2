//! The reactor: waits for something, hands it to whom it concerns, carries out what they decide.

mod carry_out;
mod chores;
mod cluster;
mod messages;
mod scrubs;

use crate::beacon::BEACON_INTERVAL;
use crate::beacon::Pace;
use crate::census::Census;
use crate::clients::Clients;
use crate::clock::Clock;
use crate::config::OsdConfig;
use crate::error::OsdError;
use crate::fullness::under_way_bytes_max;
use crate::heartbeat::{Heartbeats, PING_INTERVAL};
use crate::inbound::Inbound;
use crate::monitors::Monitors;
use crate::peers::Peers;
use crate::pgs::Pgs;
use crate::scrub::Scrubber;
use crate::tally::Tally;
use messages::{Waiting, accept};
use osd_class::Registry;
use osd_pg::host::{ClusterView, ScrubSchedule, Throttle};
use osd_pg::{Event, SessionId};
use osd_store::{Store, StoreError};
use placement_map::{OsdId, PgId, PoolId, RowChange, Uuid};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;
use stdx::Time;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use wire_codec::OsdOp;
use wire_transport::{Listener, SessionEvent, Sessions};

/// Messages that wait for the reactor; behind them links' readers wait, and so the peers.
const INBOUND_MAX: usize = 1024;
/// Messages taken in one turn before the store is driven again, so that a batch fills and none starves.
const TURN_MESSAGES: usize = 256;
/// How long an orderly stop waits for the monitors to take note.
const GOODBYE: Duration = Duration::from_secs(2);
/// Objects of a removed pool that are deleted in one step.
const STRAY_STEP: usize = 256;

/// One OSD.
pub(crate) struct Reactor {
    config: OsdConfig,
    clock: Clock,
    nonce: u64,
    addr: SocketAddr,
    store: Store,
    store_fd: AsyncFd<OwnedFd>,
    registry: Registry,
    view: ClusterView,
    pgs: Pgs,
    /// A map showed this very process as up; from then on machines are made and told.
    booted: bool,
    /// Every PG's copy in a store that lost writes is marked as uncertain.
    distrusted: bool,
    clients: Clients,
    peers: Peers,
    monitors: Monitors,
    sessions: Sessions,
    session_events: mpsc::Receiver<SessionEvent>,
    inbound: mpsc::Receiver<Inbound>,
    inbound_sender: mpsc::Sender<Inbound>,
    beats: Heartbeats,
    census: Census,
    pace: Pace,
    tally: Tally,
    /// Events for PGs, in the order in which they came.
    events: VecDeque<Waiting>,
    proposals: Vec<RowChange>,
    /// Operations of clients that know a newer map than we do.
    ahead: Vec<(SessionId, OsdOp)>,
    /// Pools that are gone from the map but not from the store.
    stray_pools: Vec<PoolId>,
    /// PGs that were told that members take no more, and which.
    full: BTreeMap<PgId, BTreeSet<OsdId>>,
    throttle: Throttle,
    scrubber: Scrubber,
    scrub_schedule: ScrubSchedule,
    scrubs_looked: Time,
    /// Some PG may have something to do for joiners.
    look_for_recovery: bool,
    /// How fast PGs let go of removed snapshots.
    trim_pace: osd_pg::TrimPace,
    /// Why this OSD cannot go on, if it cannot.
    fatal: Option<OsdError>,
    /// Whether our own store takes no more.
    self_full: bool,
    /// The memory target that was asked for last, bytes.
    memory_wanted: u64,
    /// What is left where the index lies, bytes, as of the last ping.
    index_room: Option<u64>,
    pinged: Time,
    beaconed: Time,
    /// The command that tells the monitors that we go.
    goodbye: Option<u64>,
    goodbye_taken: bool,
}

impl Reactor {
    /// Opens the store, listens, and aims at a monitor.
    pub(crate) async fn start(config: OsdConfig) -> Result<Reactor, OsdError> {
        let osd = config.id;
        let system = |what| move |source| OsdError::System { osd, what, source };
        let store = Store::open(&config.store).map_err(|source| OsdError::Store { osd, source })?;
        let identity = store.identity();
        if identity.fsid != config.fsid || identity.osd_id != osd.0 {
            let found = format!("osd.{} of cluster {}", identity.osd_id, Uuid(identity.fsid));
            return Err(OsdError::Foreign { osd, found });
        }
        let fd = store.event_fd().try_clone_to_owned().map_err(system("its store's event descriptor"))?;
        let store_fd = watch(fd).map_err(system("its store's events"))?;
        let security = config.security.clone();
        let listener = Listener::bind(config.addr, security.clone())
            .await
            .map_err(|source| OsdError::Listen { osd, source })?;
        let addr = listener.local_addr();
        let (inbound_sender, inbound) = mpsc::channel(INBOUND_MAX);
        tokio::task::spawn_local(accept(listener, inbound_sender.clone()));
        let (event_sender, session_events) = mpsc::channel(INBOUND_MAX);
        let mut sessions = Sessions::new(security, event_sender);
        let monitors = Monitors::aim(config.monitors.clone(), osd.0 as usize, &mut sessions);
        let nonce = getrandom::u64().map_err(|e| system("random bytes")(std::io::Error::other(e)))?;
        let clock = Clock::start();
        let total = store.usage().total_bytes;
        tracing::info!(%osd, %addr, uuid = %Uuid(identity.uuid), "store opened");
        Ok(Reactor {
            clients: Clients::new(
                under_way_bytes_max(total, config.store.memory_target_bytes),
                inbound_sender.clone(),
            ),
            config,
            clock,
            nonce,
            addr,
            store,
            store_fd,
            registry: Registry::standard(),
            view: ClusterView::default(),
            pgs: Pgs::default(),
            booted: false,
            distrusted: false,
            peers: Peers::default(),
            monitors,
            sessions,
            session_events,
            inbound,
            inbound_sender,
            beats: Heartbeats::default(),
            census: Census::default(),
            pace: Pace::default(),
            tally: Tally::default(),
            events: VecDeque::new(),
            proposals: Vec::new(),
            ahead: Vec::new(),
            stray_pools: Vec::new(),
            full: BTreeMap::new(),
            throttle: Throttle::default(),
            scrubber: Scrubber::default(),
            scrub_schedule: ScrubSchedule::default(),
            scrubs_looked: Time::ZERO,
            look_for_recovery: false,
            trim_pace: osd_pg::TrimPace::default(),
            fatal: None,
            self_full: false,
            memory_wanted: 0,
            index_room: None,
            pinged: Time::ZERO,
            beaconed: Time::ZERO,
            goodbye: None,
            goodbye_taken: false,
        })
    }

    /// Serves until `shutdown` is done.
    pub(crate) async fn run(mut self, shutdown: impl Future<Output = ()>) -> Result<(), OsdError> {
        tokio::pin!(shutdown);
        loop {
            self.settle()?;
            tokio::select! {
                () = &mut shutdown => break,
                got = self.wait() => self.take(got),
            }
            for _ in 0..TURN_MESSAGES {
                match self.inbound.try_recv() {
                    Ok(inbound) => self.inbound(inbound),
                    Err(_) => break,
                }
            }
        }
        self.say_goodbye().await?;
        let osd = self.config.id;
        self.store.shutdown().map_err(|source| OsdError::Store { osd, source })?;
        tracing::info!(%osd, "stopped in order");
        Ok(())
    }

    async fn wait(&mut self) -> Woken {
        let deadline = self.clock.instant(self.next_timeout());
        tokio::select! {
            Some(inbound) = self.inbound.recv() => Woken::Inbound(inbound),
            Some(event) = self.session_events.recv() => Woken::Session(event),
            ready = self.store_fd.readable() => {
                // Cleared before the store is polled: what completes in between makes it ready again.
                if let Ok(mut guard) = ready { guard.clear_ready() }
                Woken::Store
            }
            () = tokio::time::sleep_until(deadline) => Woken::Timer,
        }
    }

    fn take(&mut self, woken: Woken) {
        match woken {
            Woken::Inbound(inbound) => self.inbound(inbound),
            Woken::Session(event) => self.session(event),
            Woken::Store | Woken::Timer => {}
        }
    }

    fn next_timeout(&self) -> Time {
        let chores = (self.pinged + PING_INTERVAL).min(self.beaconed + BEACON_INTERVAL);
        self.pgs.next_timeout().into_iter().chain(self.scrubber.next()).fold(chores, Time::min)
    }

    /// Carries everything out that can be carried out now.
    fn settle(&mut self) -> Result<(), OsdError> {
        if let Some(error) = self.fatal.take() {
            return Err(error);
        }
        let osd = self.config.id;
        let failed = move |source: StoreError| OsdError::Store { osd, source };
        let now = self.clock.now();
        self.chores(now).map_err(failed)?;
        for pg in self.pgs.due(now) {
            self.feed(pg, Event::Tick).map_err(failed)?;
        }
        self.let_recover();
        self.scrub_step(now).map_err(failed)?;
        loop {
            self.pending().map_err(failed)?;
            self.store.poll().map_err(failed)?;
            let mut quiet = self.events.is_empty() && !self.store.has_more();
            while let Some(done) = self.store.next_completion() {
                quiet = false;
                self.completed(done).map_err(failed)?;
            }
            // What completed may have caused writes, which only the next poll starts.
            if quiet {
                break;
            }
        }
        self.propose();
        Ok(())
    }
}

/// Registers the store's event descriptor with the runtime.
fn watch(fd: OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is owned by the `AsyncFd` from here on, and `OwnedFd` gives the same open
    // descriptor for as long as it lives, so that it is never closed or exchanged while registered.
    let registered = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
    registered.map_err(std::io::Error::from)
}

/// What ended a wait.
enum Woken {
    Inbound(Inbound),
    Session(SessionEvent),
    Store,
    Timer,
}
