//! One outgoing link per peer that reconnects by itself and tells what happens.

use crate::backoff::Backoff;
use crate::connect::connect;
use crate::error::{SendError, TransportError};
use crate::frame::Frame;
use crate::link::{Link, Sender};
use crate::name::PeerName;
use crate::program::Program;
use crate::security::Security;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use wire_codec::Message;

/// A link that ends sooner than this counts as a failed attempt, so that a peer which accepts and hangs up
/// is not called in a tight loop.
const LINK_GOOD_AFTER: Duration = Duration::from_secs(1);

/// Numbers the links of one `Sessions`, so that word of an old link is never taken for word of a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// What happens to sessions.
#[allow(
    clippy::large_enum_variant,
    reason = "nearly all of them are messages; a box would cost one per message"
)]
#[derive(Debug)]
pub enum SessionEvent {
    /// There is a link; `try_send` works from here on.
    Connected {
        /// To whom.
        peer: PeerName,
        /// Which link.
        session: SessionId,
        /// What the peer runs.
        program: Program,
    },
    /// A message came.
    Message {
        /// From whom.
        peer: PeerName,
        /// On which link.
        session: SessionId,
        /// What.
        message: Message,
    },
    /// The link broke; what was queued is dropped. Reconnecting starts at once.
    Lost {
        /// To whom.
        peer: PeerName,
        /// Which link.
        session: SessionId,
        /// Why.
        error: TransportError,
    },
    /// An attempt to connect failed; the next one follows after the backoff (50 ms to 1 s).
    Unreachable {
        /// To whom.
        peer: PeerName,
        /// The host answered that nobody listens: the daemon is down.
        refused: bool,
        /// Why.
        error: TransportError,
    },
}

/// The outgoing links of one daemon or client. Events go to a bounded channel: a receiver that is slow holds
/// back the peers.
pub struct Sessions {
    security: Security,
    events: mpsc::Sender<SessionEvent>,
    numbers: Arc<AtomicU64>,
    peers: BTreeMap<PeerName, Peer>,
}

struct Peer {
    addr: SocketAddr,
    /// The sending half while there is a link.
    link: Arc<Mutex<Option<Sender>>>,
    /// Cuts the backoff short.
    poke: Arc<Notify>,
    task: AbortHandle,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Sessions {
    /// No peers yet.
    pub fn new(security: Security, events: mpsc::Sender<SessionEvent>) -> Sessions {
        Sessions { security, events, numbers: Arc::new(AtomicU64::new(1)), peers: BTreeMap::new() }
    }

    /// Keeps a link to `peer` at `addr` from here on. A peer already aimed there is left alone, except that an
    /// attempt that waits for its backoff starts now; one aimed elsewhere is dropped without an event and
    /// connected anew. Must be called within a tokio runtime.
    pub fn aim(&mut self, peer: &PeerName, addr: SocketAddr) {
        if let Some(p) = self.peers.get(peer).filter(|p| p.addr == addr) {
            p.poke.notify_one();
            return;
        }
        let link = Arc::new(Mutex::new(None));
        let poke = Arc::new(Notify::new());
        let keeper = Keeper {
            peer: peer.clone(),
            addr,
            security: self.security.clone(),
            events: self.events.clone(),
            numbers: self.numbers.clone(),
            link: link.clone(),
            poke: poke.clone(),
        };
        let task = tokio::spawn(keeper.run()).abort_handle();
        self.peers.insert(peer.clone(), Peer { addr, link, poke, task });
    }

    /// Drops the link to `peer` and tries no more. Events already queued still come.
    pub fn forget(&mut self, peer: &PeerName) {
        self.peers.remove(peer);
    }

    /// Where `peer` is aimed.
    pub fn addr(&self, peer: &PeerName) -> Option<SocketAddr> {
        self.peers.get(peer).map(|p| p.addr)
    }

    /// All peers that are kept.
    pub fn peers(&self) -> impl Iterator<Item = &PeerName> {
        self.peers.keys()
    }

    /// Whether there is a link to `peer` as far as is known.
    pub fn is_connected(&self, peer: &PeerName) -> bool {
        self.sender(peer).is_some()
    }

    /// Queues a frame. `Closed` if there is no link: send again after `Connected`.
    pub fn try_send(&self, peer: &PeerName, frame: Frame) -> Result<(), SendError> {
        match self.sender(peer) {
            Some(s) => s.try_send(frame),
            None => Err(SendError::Closed(frame)),
        }
    }

    /// The sending half of the link that is up now, for who sends much.
    pub fn sender(&self, peer: &PeerName) -> Option<Sender> {
        self.peers.get(peer)?.link.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Keeps one peer's link.
struct Keeper {
    peer: PeerName,
    addr: SocketAddr,
    security: Security,
    events: mpsc::Sender<SessionEvent>,
    numbers: Arc<AtomicU64>,
    link: Arc<Mutex<Option<Sender>>>,
    poke: Arc<Notify>,
}

impl Keeper {
    /// Until the peer is forgotten (the task is aborted) or nobody listens to events any more.
    async fn run(self) {
        let mut backoff = Backoff::new();
        loop {
            let (event, was_good) = match connect(self.addr, &self.security, &self.peer).await {
                Ok(link) => {
                    let began = Instant::now();
                    let Some((session, error)) = self.converse(link).await else { return };
                    let was_good = began.elapsed() >= LINK_GOOD_AFTER;
                    (SessionEvent::Lost { peer: self.peer.clone(), session, error }, was_good)
                }
                Err(error) => {
                    let refused = error.is_refused();
                    (SessionEvent::Unreachable { peer: self.peer.clone(), refused, error }, false)
                }
            };
            if self.events.send(event).await.is_err() {
                return;
            }
            if was_good {
                // The attempt after a good link comes at once: its outcome tells whether the peer died.
                backoff.reset();
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.after_failure()) => {}
                () = self.poke.notified() => {}
            }
        }
    }

    /// Passes messages on until the link breaks; none if nobody listens any more.
    async fn converse(&self, link: Link) -> Option<(SessionId, TransportError)> {
        let session = SessionId(self.numbers.fetch_add(1, Ordering::Relaxed));
        let program = link.program();
        let (sender, mut receiver) = link.split();
        // Before the event, so that who hears of the link can use it.
        self.set(Some(sender));
        let peer = self.peer.clone();
        let mut alive = self.events.send(SessionEvent::Connected { peer, session, program }).await.is_ok();
        let error = loop {
            if !alive {
                self.set(None);
                return None;
            }
            match receiver.recv().await {
                Ok(message) => {
                    let event = SessionEvent::Message { peer: self.peer.clone(), session, message };
                    alive = self.events.send(event).await.is_ok();
                }
                Err(error) => break error,
            }
        };
        self.set(None);
        Some((session, error))
    }

    fn set(&self, sender: Option<Sender>) {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = sender;
    }
}
