//! What the tests of running monitors share: a cluster's directory, and a client of one monitor.
#![allow(dead_code, reason = "each test program uses its part")]

use placement_map::status::{Answer, Query};
use placement_map::{Command, CommandReply, Epoch, OsdBoot, OsdId, Uuid, WEIGHT_ONE};
use placement_monitor::{MonConfig, Monitor, mkfs};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use wire_codec::mon::{MonError, Subscribe, Update};
use wire_codec::{Message, MonMessage};
use wire_transport::{Frame, Link, Mode, PeerName, Receiver, Security, Sender, connect, credentials};

/// Longer than anything here takes; ends a test that hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn name(text: &str) -> PeerName {
    text.parse().expect("a name")
}

/// A cluster's files.
pub(crate) struct Site {
    dir: TempDir,
    pub(crate) mons: Vec<(PeerName, SocketAddr)>,
}

impl Site {
    /// So many monitors on free ports, made but not started. All are founders.
    pub(crate) fn new(count: usize) -> Site {
        Site::founded_by(count, count)
    }

    /// The same, of which the first `founders` found the cluster and the others join later.
    pub(crate) fn founded_by(founders: usize, count: usize) -> Site {
        let dir = tempfile::tempdir().expect("a directory");
        let fsid = Uuid([0x5a; 16]);
        credentials::create_authority(dir.path(), &fsid.to_string()).expect("an authority");
        // All at once, so that no two get the same port.
        let sockets: Vec<_> =
            (0..count).map(|_| std::net::TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
        let mons: Vec<_> = sockets
            .iter()
            .enumerate()
            .map(|(at, socket)| (name(&format!("mon.{at}")), socket.local_addr().expect("bound")))
            .collect();
        let site = Site { dir, mons };
        for (at, (mon, _)) in site.mons.iter().enumerate() {
            let known = if at < founders { &site.mons[..founders] } else { &[] };
            mkfs(&site.mon_dir(mon), fsid, mon, known, &[]).expect("a store");
        }
        site
    }

    pub(crate) fn mon_dir(&self, mon: &PeerName) -> PathBuf {
        self.dir.path().join(mon.as_str())
    }

    pub(crate) fn security(&self, who: &str) -> Security {
        let credential = credentials::issue(self.dir.path(), &name(who)).expect("a key");
        Security::new(&credential, Mode::Secure).expect("usable")
    }

    pub(crate) fn config(&self, at: usize) -> MonConfig {
        let (mon, addr) = &self.mons[at];
        MonConfig::new(self.mon_dir(mon), *addr, self.security(mon.as_str()))
    }

    pub(crate) async fn start(&self, at: usize) -> Monitor {
        Monitor::start(self.config(at)).await.expect("it starts")
    }

    /// A link of `who` to monitor `at`.
    pub(crate) async fn dial(&self, who: &str, at: usize) -> Dialled {
        let (mon, addr) = &self.mons[at];
        let link: Link = connect(*addr, &self.security(who), mon).await.expect("a link");
        let (sender, receiver) = link.split();
        Dialled { sender, receiver, next: 1, updates: Vec::new() }
    }
}

/// A client of one monitor.
pub(crate) struct Dialled {
    sender: Sender,
    receiver: Receiver,
    next: u64,
    /// Updates that came while something else was awaited.
    pub(crate) updates: Vec<Update>,
}

impl Dialled {
    pub(crate) async fn send(&self, message: MonMessage) {
        self.try_send(message).await.expect("linked");
    }

    /// None: the link ended.
    async fn try_send(&self, message: MonMessage) -> Option<()> {
        let frame = Frame::of(&Message::Mon(message)).expect("small");
        self.sender.send(frame).await.ok()
    }

    async fn recv(&mut self) -> MonMessage {
        self.try_recv().await.expect("linked")
    }

    /// None: the link ended.
    async fn try_recv(&mut self) -> Option<MonMessage> {
        let message = tokio::time::timeout(PATIENCE, self.receiver.recv()).await.expect("in time");
        match message.ok()? {
            Message::Mon(message) => Some(message),
            other => panic!("{other:?}"),
        }
    }

    /// The next update; none if the link ended.
    pub(crate) async fn try_update(&mut self) -> Option<Update> {
        match self.try_recv().await? {
            MonMessage::Update(update) => Some(*update),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn command(&mut self, command: Command) -> Result<CommandReply, MonError> {
        self.try_command(command).await.expect("linked")
    }

    /// None: the link ended before there was an answer.
    pub(crate) async fn try_command(&mut self, command: Command) -> Option<Result<CommandReply, MonError>> {
        let id = self.next;
        self.next += 1;
        self.try_send(MonMessage::Command { id, command: Box::new(command) }).await?;
        loop {
            match self.try_recv().await? {
                MonMessage::CommandReply { id: got, result } if got == id => return Some(result),
                MonMessage::Update(update) => self.updates.push(*update),
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) async fn query(&mut self, query: Query) -> Result<Answer, MonError> {
        self.try_query(query).await.expect("linked")
    }

    /// None: the link ended before there was an answer.
    pub(crate) async fn try_query(&mut self, query: Query) -> Option<Result<Answer, MonError>> {
        let id = self.next;
        self.next += 1;
        self.try_send(MonMessage::Query { id, query }).await?;
        loop {
            match self.try_recv().await? {
                MonMessage::QueryReply { id: got, result } if got == id => return Some(result),
                MonMessage::Update(update) => self.updates.push(*update),
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) async fn subscribe(&self, epoch: u32, rows: bool, have_rows: u64) {
        self.send(MonMessage::Subscribe(Subscribe { have_epoch: Epoch(epoch), rows, have_rows })).await;
    }

    pub(crate) async fn update(&mut self) -> Update {
        if !self.updates.is_empty() {
            return self.updates.remove(0);
        }
        match self.recv().await {
            MonMessage::Update(update) => *update,
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn boot(id: u32, nonce: u64) -> Command {
    Command::OsdBoot(OsdBoot {
        id: OsdId(id),
        uuid: Uuid([id as u8 + 1; 16]),
        addr: SocketAddr::from(([127, 0, 0, 1], 6800 + id as u16)),
        nonce,
        location: vec![("host".to_owned(), "h".to_owned())],
        weight: WEIGHT_ONE,
        device_class: None,
        damaged: false,
        feature_level: placement_map::FEATURE_LEVEL,
    })
}
