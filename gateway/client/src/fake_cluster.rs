//! A cluster of fakes on real sockets: one monitor that publishes maps and OSDs over one shared model, with
//! faults to order. Primaries are steered by pg_temp alone.

use osd_class::Registry;
use osd_class::memory::apply_op;
use osd_object::model::Model;
use osd_object::op::OpOutcome;
use osd_object::{ObjectId, OpResult, RequestId, SnapId, Version};
use placement_map::osd::OsdInfo;
use placement_map::status::Answer;
use placement_map::{
    ClusterMap, Command, CommandReply, Epoch, Incremental, Mapping, OsdId, PgId, Pool, PoolId, PoolKind,
    Refusal, RefusalKind, Uuid,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::task::AbortHandle;
use wire_codec::mon::{MapUpdate, MonError, MonMessage, Update};
use wire_codec::{Message, OpTarget, OsdOp, OsdOpReply, OsdOutcome};
use wire_transport::credentials::{create_authority, issue};
use wire_transport::{Frame, Listener, Mode, PeerName, Receiver, Security, Sender};

pub(crate) const POOL: PoolId = PoolId(1);
const ANY: &str = "127.0.0.1:0";

pub(crate) struct FakeCluster {
    dir: tempfile::TempDir,
    pub(crate) monitor: SocketAddr,
    pub(crate) world: Arc<Mutex<World>>,
    tasks: BTreeMap<String, AbortHandle>,
}

pub(crate) struct World {
    pub(crate) map: ClusterMap,
    pub(crate) model: Model,
    seq: u64,
    answered: BTreeMap<RequestId, (Version, OpOutcome)>,
    subscribers: Vec<Sender>,
    /// So many operations are carried out, and then the link is cut instead of answering.
    pub(crate) lose_replies: u32,
    /// So many commands and questions are answered with NoQuorum first.
    pub(crate) no_quorum: u32,
    /// This OSD stops reading after its next message.
    pub(crate) deaf: Option<OsdId>,
    /// How many operations were executed (not replayed).
    pub(crate) executed: u32,
}

fn pool(name: &str) -> Pool {
    Pool {
        name: name.into(),
        kind: PoolKind::Replicated,
        size: 1,
        min_size: 1,
        pg_num: 8,
        pgp_num: 8,
        crush_rule: 0,
        hashpspool: true,
        application: String::new(),
        options: BTreeMap::new(),
        created: Epoch(1),
        snaps: Default::default(),
    }
}

impl FakeCluster {
    /// One monitor and so many OSDs, with a pool `data` of 8 PGs spread over them.
    pub(crate) async fn start(osds: u32) -> FakeCluster {
        let dir = tempfile::tempdir().unwrap();
        create_authority(dir.path(), "f00d").unwrap();
        let world = World {
            map: ClusterMap { epoch: Epoch(1), ..ClusterMap::default() },
            model: Model::new(),
            seq: 0,
            answered: BTreeMap::new(),
            subscribers: Vec::new(),
            lose_replies: 0,
            no_quorum: 0,
            deaf: None,
            executed: 0,
        };
        let world = Arc::new(Mutex::new(world));
        let mut c = FakeCluster { dir, monitor: ANY.parse().unwrap(), world, tasks: BTreeMap::new() };
        c.monitor = c.start_monitor("mon.0").await;
        for id in 0..osds {
            c.start_osd(id).await;
        }
        c.publish(|m| {
            m.pools.insert(POOL, pool("data"));
            m.next_pool = PoolId(2);
            for seed in 0..8 {
                m.pg_temp.insert(PgId { pool: POOL, seed }, vec![OsdId(seed % osds)]);
            }
        });
        c
    }

    pub(crate) fn security(&self, name: &str, mode: Mode) -> Security {
        let name: PeerName = name.parse().unwrap();
        Security::new(&issue(self.dir.path(), &name).unwrap(), mode).unwrap()
    }

    /// Monitors share one state, as a quorum does.
    pub(crate) async fn start_monitor(&mut self, name: &str) -> SocketAddr {
        let l = Listener::bind(ANY.parse().unwrap(), self.security(name, Mode::Crc)).await.unwrap();
        let addr = l.local_addr();
        let task = tokio::spawn(monitor(l, self.world.clone()));
        self.tasks.insert(name.to_string(), task.abort_handle());
        self.publish(|m| {
            m.monitors.insert(name.to_string(), addr);
        });
        addr
    }

    pub(crate) async fn start_osd(&mut self, id: u32) {
        let l = Listener::bind(ANY.parse().unwrap(), self.security(&format!("osd.{id}"), Mode::Crc))
            .await
            .unwrap();
        let addr = l.local_addr();
        let task = tokio::spawn(osd(OsdId(id), l, self.world.clone()));
        self.tasks.insert(format!("osd.{id}"), task.abort_handle());
        self.publish(|m| {
            let up_from = m.epoch;
            let info = OsdInfo { up: true, addr: Some(addr), up_from, ..OsdInfo::new(Uuid([1; 16])) };
            m.osds.insert(OsdId(id), info);
        });
    }

    /// kill -9; the map does not know yet.
    pub(crate) fn kill(&mut self, name: &str) {
        self.tasks.remove(name).expect("runs").abort();
    }

    /// Publishes the map that `change` makes of the present one.
    pub(crate) fn publish(&self, change: impl FnOnce(&mut ClusterMap)) {
        publish(&mut self.world.lock().unwrap(), change);
    }
}

fn publish(w: &mut World, change: impl FnOnce(&mut ClusterMap)) {
    let mut new = w.map.clone();
    new.epoch = Epoch(new.epoch.0 + 1);
    change(&mut new);
    let step = Incremental::between(&w.map, &new);
    w.map = new;
    let update = update_of(MapUpdate::Incrementals(vec![step]));
    w.subscribers.retain(|s| s.try_send(Frame::of(&update).unwrap()).is_ok());
}

fn update_of(map: MapUpdate) -> Message {
    Message::Mon(MonMessage::Update(Box::new(Update { map, rows: Vec::new(), rows_version: 0 })))
}

async fn monitor(mut l: Listener, world: Arc<Mutex<World>>) {
    let mut links = tokio::task::JoinSet::new();
    loop {
        let (_, link) = l.accept().await;
        let (tx, rx) = link.split();
        links.spawn(monitor_link(tx, rx, world.clone()));
    }
}

async fn monitor_link(tx: Sender, mut rx: Receiver, world: Arc<Mutex<World>>) {
    while let Ok(message) = rx.recv().await {
        let answer = match message {
            Message::Ping { stamp } => Some(Message::Pong { stamp, full: false }),
            Message::Mon(MonMessage::Subscribe(s)) => {
                let mut w = world.lock().unwrap();
                w.subscribers.push(tx.clone());
                let same = w.map.epoch <= s.have_epoch;
                Some(update_of(if same { MapUpdate::Same } else { MapUpdate::Full(Box::new(w.map.clone())) }))
            }
            Message::Mon(MonMessage::Command { id, command }) => {
                let result = command_result(&mut world.lock().unwrap(), *command);
                Some(Message::Mon(MonMessage::CommandReply { id, result }))
            }
            Message::Mon(MonMessage::Query { id, .. }) => {
                let w = &mut *world.lock().unwrap();
                let result = refuse_for_quorum(w).map(|()| Answer::PgLs { pgs: Vec::new() });
                Some(Message::Mon(MonMessage::QueryReply { id, result }))
            }
            _ => None,
        };
        if let Some(m) = answer {
            // The link's end shows at its receiver.
            let _ = tx.send(Frame::of(&m).unwrap()).await;
        }
    }
}

fn refuse_for_quorum(w: &mut World) -> Result<(), MonError> {
    if w.no_quorum == 0 {
        return Ok(());
    }
    w.no_quorum -= 1;
    Err(MonError::NoQuorum)
}

fn command_result(w: &mut World, command: Command) -> Result<CommandReply, MonError> {
    refuse_for_quorum(w)?;
    let Command::PoolCreate(create) = command else {
        return Err(MonError::Denied { text: "the fake only makes pools".into() });
    };
    if w.map.pool_id(&create.name).is_some() {
        return Err(MonError::Refused(Refusal::new(RefusalKind::Exists, "there is a pool of that name")));
    }
    let id = w.map.next_pool;
    publish(w, |m| {
        m.pools.insert(id, pool(&create.name));
        m.next_pool = PoolId(id.0 + 1);
        for seed in 0..8 {
            m.pg_temp.insert(PgId { pool: id, seed }, vec![OsdId(0)]);
        }
    });
    Ok(CommandReply::Pool { id, epoch: w.map.epoch })
}

async fn osd(me: OsdId, mut l: Listener, world: Arc<Mutex<World>>) {
    let mut links = tokio::task::JoinSet::new();
    loop {
        let (_, link) = l.accept().await;
        let (tx, rx) = link.split();
        links.spawn(osd_link(me, tx, rx, world.clone()));
    }
}

async fn osd_link(me: OsdId, tx: Sender, mut rx: Receiver, world: Arc<Mutex<World>>) {
    while let Ok(message) = rx.recv().await {
        let Message::OsdOp(op) = message else { continue };
        if world.lock().unwrap().deaf == Some(me) {
            // Until the test ends.
            std::future::pending::<()>().await;
        }
        let reply = {
            let w = &mut *world.lock().unwrap();
            let outcome = outcome(w, me, &op);
            if !matches!(outcome, OsdOutcome::NotPrimary) && w.lose_replies > 0 {
                w.lose_replies -= 1;
                return;
            }
            OsdOpReply { request: op.request, epoch: w.map.epoch, outcome }
        };
        let _ = tx.send(Frame::of(&Message::OsdOpReply(reply)).unwrap()).await;
    }
}

fn outcome(w: &mut World, me: OsdId, op: &OsdOp) -> OsdOutcome {
    if Mapping::default().acting_primary(&w.map, op.pg) != Some(me) {
        return OsdOutcome::NotPrimary;
    }
    match &op.target {
        OpTarget::Object { object, ops } => {
            if let Some((version, outcome)) = w.answered.get(&op.request).cloned() {
                return OsdOutcome::Done { version, outcome };
            }
            w.executed += 1;
            let done = apply_op(&mut w.model, object, ops, op.mtime, &Registry::standard(), &mut w.seq);
            w.answered.insert(op.request, done.clone());
            OsdOutcome::Done { version: done.0, outcome: done.1 }
        }
        OpTarget::Pg(_) => OsdOutcome::Done { version: Version::ZERO, outcome: Ok(vec![OpResult::Done]) },
        OpTarget::List { after, max } => {
            let here = |o: &&ObjectId| {
                o.snap == SnapId::HEAD
                    && w.map.pg_of(o.pool, o.hash) == Some(op.pg)
                    && after.as_ref().is_none_or(|a| *o > a)
            };
            let mut all: Vec<ObjectId> = w.model.objects.keys().filter(here).cloned().collect();
            let more = all.len() > *max as usize;
            all.truncate(*max as usize);
            OsdOutcome::Listed { objects: all, more }
        }
    }
}
