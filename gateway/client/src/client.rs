//! The handle.

use crate::driver::{self, Order, Submission};
use crate::error::ClientError;
use crate::listing;
use crate::monitors::{self, Ask, Asked, MonitorLink, Told};
use crate::rados::{ListCursor, ListPage, OpError, Rados, Reply};
use crate::room::{OpCounts, Rooms};
use bytes::Bytes;
use futures_util::future::join_all;
use gateway_objecter::{Outcome, Request, Target};
use osd_object::{ObjectName, Op, OpResult, SnapContext, SnapId};
use placement_map::status::{Answer, Query};
use placement_map::{ClusterMap, Command, CommandReply, PgId, PoolId, RefusalKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use stdx::Errno;
use stdx::codec::from_bytes;
use stdx::time::WallTime;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use wire_codec::PgOp;
use wire_codec::pg::InconsistentList;
use wire_transport::{PeerName, Security};

/// PGs asked at a time whether they know of a new snapshot.
const SETTLE_AT_ONCE: usize = 64;
/// How long a pool that is not in our map may take to appear: it may have been made a moment ago.
const POOL_APPEARS_WITHIN: Duration = Duration::from_secs(1);

/// What a client needs to find and join its cluster.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Some or all of the monitors; the rest is learned from the map.
    pub monitors: Vec<(PeerName, SocketAddr)>,
    /// Who we are, and how links are protected.
    pub security: Security,
    /// How long to look for a monitor that answers.
    pub connect_within: Duration,
    /// How long commands and questions to the monitors may take.
    pub command_within: Duration,
}

impl ClientConfig {
    /// With 10 s to connect and 30 s for a command.
    pub fn new(monitors: Vec<(PeerName, SocketAddr)>, security: Security) -> ClientConfig {
        ClientConfig {
            monitors,
            security,
            connect_within: Duration::from_secs(10),
            command_within: Duration::from_secs(30),
        }
    }
}

/// A connected client. Clones share its links; the last one dropped ends them.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    /// None: operations are kept at for ever.
    patience: Option<Duration>,
}

struct Inner {
    name: PeerName,
    monitors: MonitorLink,
    orders: mpsc::Sender<Order>,
    /// In request ids and watches.
    instance: u64,
    watches: AtomicU64,
    rooms: Rooms,
    command_within: Duration,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({}, epoch {})", self.inner.name, self.map().epoch)
    }
}

impl Client {
    /// Finds a monitor and waits for the map. Must be called within a tokio runtime with I/O and time.
    ///
    /// Errors: `Unreachable`, saying what each monitor did: after `connect_within`, or at once when waiting
    /// cannot mend it (another cluster, another link mode).
    pub async fn connect(config: ClientConfig) -> Result<Client, ClientError> {
        let ClientConfig { monitors, security, connect_within, command_within } = config;
        let (steps_tx, mut steps) = mpsc::channel(64);
        let link = monitors::start(security.clone(), monitors, steps_tx);
        let mut tried = link.tried.clone();
        let hopeless = async {
            match tried.wait_for(|a| a.hopeless).await {
                Ok(_) => {}
                Err(_) => std::future::pending().await,
            }
        };
        let first = tokio::select! {
            first = tokio::time::timeout(connect_within, steps.recv()) => first.ok().flatten(),
            () = hopeless => None,
        };
        let Some(first) = first else {
            let tried = link.tried.borrow().tried.clone();
            return Err(ClientError::Unreachable(tried));
        };
        let (orders, rx) = mpsc::channel(256);
        let name = security.name().clone();
        let instance = instance_number();
        driver::start(instance, security, first, rx, steps, link.refresh.clone());
        let (rooms, watches) = (Rooms::new(), AtomicU64::new(1));
        let inner = Inner { name, monitors: link, orders, instance, watches, rooms, command_within };
        Ok(Client { inner: Arc::new(inner), patience: None })
    }

    /// A handle whose operations give up with ETIMEDOUT after `patience`. An operation given up may have
    /// happened, or may happen yet.
    pub fn with_deadline(&self, patience: Duration) -> Client {
        Client { inner: self.inner.clone(), patience: Some(patience) }
    }

    /// Who this client is.
    pub fn name(&self) -> &PeerName {
        &self.inner.name
    }

    /// Names this client and its clones in what it watches, and to those who watch what it notifies.
    pub fn instance(&self) -> u64 {
        self.inner.instance
    }

    /// A number for a watch that this client has not used.
    pub(crate) fn next_cookie(&self) -> u64 {
        self.inner.watches.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) async fn order(&self, order: Order) -> Result<(), OpError> {
        let stopped = |_| OpError::new(Errno::EIO).with_context("the client was stopped");
        self.inner.orders.send(order).await.map_err(stopped)
    }

    /// How much this client and its clones have asked of OSDs.
    pub fn op_counts(&self) -> OpCounts {
        self.inner.rooms.counts()
    }

    /// The newest map at hand.
    pub fn map(&self) -> Arc<ClusterMap> {
        self.inner.monitors.views.borrow().map.clone()
    }

    /// Waits until the map satisfies `wanted` and gives it. `Stopped` if the runtime ends.
    pub async fn wait_for_map(
        &self,
        mut wanted: impl FnMut(&ClusterMap) -> bool,
    ) -> Result<Arc<ClusterMap>, ClientError> {
        let mut views = self.inner.monitors.views.clone();
        match views.wait_for(|v| wanted(&v.map)).await {
            Ok(view) => Ok(view.map.clone()),
            Err(_) => Err(ClientError::Stopped),
        }
    }

    /// A pool's number. One that the map at hand does not have is given a second to appear.
    pub async fn pool_id(&self, name: &str) -> Option<PoolId> {
        if let Some(id) = self.map().pool_id(name) {
            return Some(id);
        }
        self.inner.monitors.refresh.notify_one();
        let appears = self.wait_for_map(|m| m.pool_id(name).is_some());
        tokio::time::timeout(POOL_APPEARS_WITHIN, appears).await.ok()?.ok()?.pool_id(name)
    }

    /// Gives our map a moment to show a snapshot that somebody else made: OSDs wait for the map that an operation was
    /// aimed by, and refuse ids that theirs does not show.
    async fn snaps_appear(&self, pool: PoolId, seq: u64) {
        let shows = |map: &ClusterMap| map.pool(pool).is_none_or(|pool| pool.snaps.seq >= seq);
        if !shows(&self.map()) {
            self.inner.monitors.refresh.notify_one();
            let _ = tokio::time::timeout(POOL_APPEARS_WITHIN, self.wait_for_map(shows)).await;
        }
    }

    /// Carries out `ops` on one object, all or nothing, stamped with `mtime`; see `Rados::operate`.
    pub async fn operate(
        &self,
        pool: PoolId,
        object: ObjectName,
        ops: Vec<Op>,
        mtime: WallTime,
    ) -> Result<Reply, OpError> {
        let name = object.clone();
        let target = Target::Object { name: object, ops };
        self.run(pool, name, target, (mtime, SnapContext::default())).await
    }

    async fn run(
        &self,
        pool: PoolId,
        name: ObjectName,
        target: Target,
        about: (WallTime, SnapContext),
    ) -> Result<Reply, OpError> {
        let label = || self.map().pool(pool).map_or_else(|| format!("pool {pool}"), |p| p.name.clone());
        let room = match &target {
            Target::Object { ops, .. } | Target::Snapshot { ops, .. } => self.inner.rooms.admit(ops).await,
            Target::List { .. } | Target::Pg { .. } => self.inner.rooms.admit(&[]).await,
        };
        match self.send(pool, target, room, about).await? {
            Outcome::Done { version, outcome: Ok(results) } => Ok(Reply { version, results }),
            Outcome::Done { outcome: Err(failure), .. } => Err(OpError::of_step(failure, &label(), &name)),
            Outcome::Failed(Errno::ENOENT) => Err(OpError::no_pool(&label())),
            Outcome::Failed(code) => {
                Err(OpError::new(code).with_context(format!("{}/{}", label(), name.name)))
            }
            Outcome::Listed { .. } => {
                Err(OpError::new(Errno::EIO).with_context("the OSD's answer has the wrong shape"))
            }
        }
    }

    /// A page of a pool's live objects; see `Rados::list`.
    pub async fn list(&self, pool: PoolId, after: Option<ListCursor>, max: u32) -> Result<ListPage, OpError> {
        let name = self.map().pool(pool).map_or_else(|| pool.to_string(), |p| p.name.clone());
        listing::list(self, &name, pool, after, max).await
    }

    /// Asks the monitors for a change, and waits until `map()` shows it. Sent again, to whichever monitor answers, until there is an answer: so
    /// making something may be refused as `Exists` because an earlier sending of the same command made it.
    pub async fn command(&self, command: Command) -> Result<CommandReply, ClientError> {
        let reply = match self.ask(Ask::Command(Box::new(command))).await? {
            Told::Command(reply) => reply,
            Told::Query(_) => return Err(ClientError::Nonsense),
        };
        let epoch = match &reply {
            CommandReply::Done { epoch }
            | CommandReply::Osd { epoch, .. }
            | CommandReply::Snap { epoch, .. }
            | CommandReply::Pool { epoch, .. } => *epoch,
            CommandReply::Rows { .. } => return Ok(reply),
        };
        if self.map().epoch < epoch {
            self.inner.monitors.refresh.notify_one();
        }
        // Late, the map still comes; the change itself is made.
        let shows = self.wait_for_map(|m| m.epoch >= epoch);
        let _ = tokio::time::timeout(self.inner.command_within, shows).await;
        Ok(reply)
    }

    /// Asks the monitors a question.
    pub async fn query(&self, query: Query) -> Result<Answer, ClientError> {
        match self.ask(Ask::Query(query)).await? {
            Told::Query(answer) => Ok(answer),
            Told::Command(_) => Err(ClientError::Nonsense),
        }
    }

    async fn ask(&self, ask: Ask) -> Result<Told, ClientError> {
        let after = self.inner.command_within;
        let (reply, answer) = oneshot::channel();
        let no_quorum = Arc::new(AtomicBool::new(false));
        let asked = Asked { ask, no_quorum: no_quorum.clone(), reply };
        let exchange = async {
            self.inner.monitors.asks.send(asked).await.map_err(|_| ClientError::Stopped)?;
            answer.await.map_err(|_| ClientError::Stopped)?
        };
        match tokio::time::timeout(after, exchange).await {
            Ok(result) => result,
            Err(_) if no_quorum.load(Ordering::Relaxed) => Err(ClientError::NoQuorum),
            Err(_) => {
                let tried = self.inner.monitors.tried.borrow().tried.clone();
                Err(ClientError::TimedOut { after, tried })
            }
        }
    }

    /// Has the copies of a PG compared, soon and in the background; `deep`: all data is read.
    pub async fn scrub_pg(&self, pg: PgId, deep: bool) -> Result<(), OpError> {
        self.ask_pg(pg, PgOp::Scrub { deep }).await.map(drop)
    }

    /// What comparisons of a PG's copies found and left.
    pub async fn list_inconsistent(&self, pg: PgId) -> Result<InconsistentList, OpError> {
        let told = self.ask_pg(pg, PgOp::ListInconsistent).await?;
        from_bytes(told).map_err(|e| OpError::new(Errno::EIO).with_context(format!("PG {pg}: {e}")))
    }

    /// Asks something of a PG as a whole, of its primary: bytes, if it answers with any.
    async fn ask_pg(&self, pg: PgId, op: PgOp) -> Result<Bytes, OpError> {
        let strange = || OpError::new(Errno::EIO).with_context("the OSD's answer has the wrong shape");
        match self.list_pg(pg.pool, Target::Pg { seed: pg.seed, op }).await? {
            Outcome::Done { outcome: Ok(results), .. } => match &results[..] {
                [OpResult::Done] => Ok(Bytes::new()),
                [OpResult::Data(data)] => Ok(data.clone()),
                _ => Err(strange()),
            },
            Outcome::Done { outcome: Err(failure), .. } => {
                Err(OpError::new(failure.code).with_context(format!("PG {pg}")))
            }
            Outcome::Failed(code) => Err(OpError::new(code).with_context(format!("PG {pg}"))),
            Outcome::Listed { .. } => Err(strange()),
        }
    }

    /// Asks for a page of one PG.
    pub(crate) async fn list_pg(&self, pool: PoolId, target: Target) -> Result<Outcome, OpError> {
        let room = self.inner.rooms.admit(&[]).await;
        self.send(pool, target, room, (self.now(), SnapContext::default())).await
    }

    async fn send(
        &self,
        pool: PoolId,
        target: Target,
        room: OwnedSemaphorePermit,
        (mtime, snaps): (WallTime, SnapContext),
    ) -> Result<Outcome, OpError> {
        let stopped = || OpError::new(Errno::EIO).with_context("the client was stopped");
        let (reply, outcome) = oneshot::channel();
        let request = Request { pool, target, mtime, snaps, deadline: None };
        let submission = Submission { request, patience: self.patience, reply, room };
        self.inner.orders.send(Order::Submit(submission)).await.map_err(|_| stopped())?;
        outcome.await.map_err(|_| stopped())
    }
}

/// A monitors' refusal as front ends know failures.
fn of_monitors(error: ClientError) -> OpError {
    let code = match &error {
        ClientError::Refused(refusal) if refusal.kind == RefusalKind::NotFound => Errno::ENOENT,
        ClientError::Refused(_) => Errno::EOPNOTSUPP,
        ClientError::Denied(_) => Errno::EPERM,
        ClientError::NoQuorum | ClientError::TimedOut { .. } => Errno::ETIMEDOUT,
        ClientError::Unreachable(_) | ClientError::Nonsense | ClientError::Stopped => Errno::EIO,
    };
    OpError::new(code).with_context(error.to_string())
}

/// Names this instance of the client in request ids for ever. From the system's entropy: two instances with
/// one number would take each other's requests for replays.
fn instance_number() -> u64 {
    getrandom::u64().expect("the system gives entropy once it is up")
}

impl Rados for Client {
    async fn operate(&self, pool: &str, object: ObjectName, ops: Vec<Op>) -> Result<Reply, OpError> {
        let Some(id) = self.pool_id(pool).await else { return Err(OpError::no_pool(pool)) };
        Client::operate(self, id, object, ops, self.now()).await
    }

    async fn operate_under(
        &self,
        pool: &str,
        object: ObjectName,
        ops: Vec<Op>,
        snaps: SnapContext,
    ) -> Result<Reply, OpError> {
        let Some(id) = self.pool_id(pool).await else { return Err(OpError::no_pool(pool)) };
        self.snaps_appear(id, snaps.seq).await;
        let target = Target::Object { name: object.clone(), ops };
        self.run(id, object, target, (self.now(), snaps)).await
    }

    async fn read_at(
        &self,
        pool: &str,
        object: ObjectName,
        snap: SnapId,
        ops: Vec<Op>,
    ) -> Result<Reply, OpError> {
        let Some(id) = self.pool_id(pool).await else { return Err(OpError::no_pool(pool)) };
        self.snaps_appear(id, snap.0).await;
        let target = Target::Snapshot { name: object.clone(), snap, ops };
        self.run(id, object, target, (self.now(), SnapContext::default())).await
    }

    async fn snap_create(&self, pool: &str) -> Result<SnapId, OpError> {
        let Some(id) = self.pool_id(pool).await else { return Err(OpError::no_pool(pool)) };
        match self.command(Command::SnapCreate { pool: id }).await {
            Ok(CommandReply::Snap { id, .. }) => Ok(SnapId(id)),
            Ok(_) => Err(OpError::new(Errno::EIO).with_context("the monitors' answer has the wrong shape")),
            Err(error) => Err(of_monitors(error)),
        }
    }

    async fn snap_seq(&self, pool: &str, known: Option<u64>) -> Result<u64, OpError> {
        let Some(id) = self.pool_id(pool).await else { return Err(OpError::no_pool(pool)) };
        if let Some(known) = known {
            self.snaps_appear(id, known + 1).await;
        }
        Ok(self.map().pool(id).map_or(0, |pool| pool.snaps.seq))
    }

    async fn snap_settle(&self, pool: &str) -> Result<(), OpError> {
        let Some(id) = self.pool_id(pool).await else { return Err(OpError::no_pool(pool)) };
        // An OSD fetches the map that it is asked by before it answers, and later primaries have later maps.
        let seeds: Vec<u32> = (0..self.map().pool(id).map_or(0, |pool| pool.pg_num)).collect();
        for batch in seeds.chunks(SETTLE_AT_ONCE) {
            let ask = |seed: &u32| self.list_pg(id, Target::List { seed: *seed, after: None, max: 1 });
            for outcome in join_all(batch.iter().map(ask)).await {
                match outcome? {
                    Outcome::Listed { .. } => {}
                    Outcome::Failed(code) => return Err(OpError::new(code).with_context(pool)),
                    Outcome::Done { .. } => {
                        return Err(OpError::new(Errno::EIO).with_context("the answer has the wrong shape"));
                    }
                }
            }
        }
        Ok(())
    }

    async fn snap_remove(&self, pool: &str, snap: SnapId) -> Result<(), OpError> {
        let Some(id) = self.pool_id(pool).await else { return Err(OpError::no_pool(pool)) };
        self.command(Command::SnapRemove { pool: id, snap: snap.0 }).await.map(drop).map_err(of_monitors)
    }

    async fn list(&self, pool: &str, after: Option<ListCursor>, max: u32) -> Result<ListPage, OpError> {
        let Some(id) = self.pool_id(pool).await else { return Err(OpError::no_pool(pool)) };
        listing::list(self, pool, id, after, max).await
    }

    fn now(&self) -> WallTime {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        WallTime(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }
}
