//! The other monitors: one outgoing link to each, over which we ask (Raft requests, commands passed on) and get
//! answers by number.

use bytes::Bytes;
use placement_map::Command;
use placement_map::status::Query;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use wire_codec::mon::Forwarded;
use wire_codec::{Message, MonMessage};
use wire_transport::{Frame, PeerName, Program, Security, SessionEvent, Sessions};

/// Questions waiting for this task to send them.
const ASKS_MAX: usize = 1024;
/// Answers awaited at once; more are refused. Raft itself has one a peer, sessions bound the rest.
const PENDING_MAX: usize = 8192;
/// An answer no older than this counts as recent; a leader asks every 150 ms.
const ANSWER_LATELY: Duration = Duration::from_secs(2);
/// Messages waiting to be taken from the links.
const EVENTS_MAX: usize = 1024;

/// What is asked of another monitor.
#[derive(Debug)]
pub(crate) enum Question {
    /// A Raft request.
    Raft(Bytes),
    /// A command of `from`, for the leader.
    Command(String, Box<Command>),
    /// What time it is.
    Clock,
    /// A query of `from`, for the leader.
    Query(String, Query),
    /// A beacon or a report of `from`, for the leader. Not answered.
    Tell(String, Forwarded),
}

/// There is no answer: the peer is not connected, the link broke, or too much is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the monitor cannot be reached")]
pub(crate) struct NoAnswer;

struct Ask {
    to: u64,
    addr: SocketAddr,
    question: Question,
    /// Dropped without a word when there is no answer.
    answer: oneshot::Sender<MonMessage>,
}

/// Asks other monitors. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    asks: mpsc::Sender<Ask>,
    answered: Answered,
    programs: Programs,
}

/// When each monitor last answered anything.
#[derive(Clone, Debug, Default)]
struct Answered(Arc<Mutex<BTreeMap<u64, Instant>>>);

impl Answered {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A monitor's name by its Raft number.
pub(crate) fn name_of(id: u64) -> PeerName {
    format!("mon.{id}").parse().expect("a role and a number make a name")
}

/// The Raft number of a monitor's name; names are `mon.N`.
pub(crate) fn id_of(name: &PeerName) -> Option<u64> {
    name.number().map(u64::from)
}

impl Peers {
    /// Starts the task that owns the links. It ends when all clones are dropped.
    pub(crate) fn start(security: Security) -> Peers {
        let (asks, asked) = mpsc::channel(ASKS_MAX);
        let answered = Answered::default();
        let programs = Programs::default();
        let (events_in, events) = mpsc::channel(EVENTS_MAX);
        let task = Task {
            sessions: Sessions::new(security, events_in),
            pending: BTreeMap::new(),
            next: 1,
            answered: answered.clone(),
            programs: programs.clone(),
        };
        tokio::spawn(task.run(asked, events));
        Peers { asks, answered, programs }
    }

    /// Asks monitor `to` at `addr` and waits for its answer. The caller bounds the wait.
    pub(crate) async fn ask(
        &self,
        to: u64,
        addr: SocketAddr,
        question: Question,
    ) -> Result<MonMessage, NoAnswer> {
        let (answer, answered) = oneshot::channel();
        self.asks.send(Ask { to, addr, question, answer }).await.map_err(|_| NoAnswer)?;
        answered.await.map_err(|_| NoAnswer)
    }

    /// Tells without waiting; lost if there is no link or no room.
    pub(crate) fn tell(&self, to: u64, addr: SocketAddr, from: &str, message: Forwarded) {
        let (answer, _) = oneshot::channel();
        let question = Question::Tell(from.to_owned(), message);
        let _ = self.asks.try_send(Ask { to, addr, question, answer });
    }

    /// What the monitors that there is a link with run.
    pub(crate) fn programs(&self) -> BTreeMap<u64, Program> {
        self.programs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Monitors that answered lately. Only a leader asks all of them all the time. A link alone says little: a
    /// monitor that hangs keeps its link.
    pub(crate) fn answering(&self) -> BTreeSet<u64> {
        let lately = |at: &Instant| at.elapsed() < ANSWER_LATELY;
        self.answered.lock().iter().filter(|(_, at)| lately(at)).map(|(id, _)| *id).collect()
    }
}

struct Task {
    sessions: Sessions,
    /// Answers awaited: by number, from whom, for whom.
    pending: BTreeMap<u64, (u64, oneshot::Sender<MonMessage>)>,
    next: u64,
    answered: Answered,
    programs: Programs,
}

/// What the monitors that this one is linked with run.
type Programs = Arc<Mutex<BTreeMap<u64, Program>>>;

impl Task {
    async fn run(mut self, mut asked: mpsc::Receiver<Ask>, mut events: mpsc::Receiver<SessionEvent>) {
        loop {
            tokio::select! {
                ask = asked.recv() => match ask {
                    Some(ask) => self.ask(ask),
                    None => return,
                },
                Some(event) = events.recv() => self.event(event),
            }
        }
    }

    fn ask(&mut self, ask: Ask) {
        let peer = name_of(ask.to);
        // `aim` at the same address would cut the backoff short, and Raft asks several times a second.
        if self.sessions.addr(&peer) != Some(ask.addr) {
            self.sessions.aim(&peer, ask.addr);
        }
        if self.pending.len() >= PENDING_MAX {
            self.pending.retain(|_, (_, answer)| !answer.is_closed());
            if self.pending.len() >= PENDING_MAX {
                return;
            }
        }
        let id = self.next;
        self.next += 1;
        let message = match ask.question {
            Question::Raft(body) => MonMessage::Raft { id, body },
            Question::Command(from, command) => {
                MonMessage::Forward { from, message: Forwarded::Command { id, command } }
            }
            Question::Query(from, query) => {
                MonMessage::Forward { from, message: Forwarded::Query { id, query } }
            }
            Question::Clock => MonMessage::ClockAsk { id },
            Question::Tell(from, message) => MonMessage::Forward { from, message },
        };
        let Ok(frame) = Frame::of(&Message::Mon(message)) else {
            tracing::error!(peer = %peer, "a message to a monitor is larger than a frame; it was dropped");
            return;
        };
        if self.sessions.try_send(&peer, frame).is_ok() && !ask.answer.is_closed() {
            self.pending.insert(id, (ask.to, ask.answer));
        }
    }

    fn event(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::Connected { peer, program, .. } => {
                tracing::debug!(%peer, level = program.level, "linked with a monitor");
                if let Some(peer) = id_of(&peer) {
                    self.programs.lock().unwrap_or_else(PoisonError::into_inner).insert(peer, program);
                }
            }
            SessionEvent::Lost { peer, error, .. } => {
                tracing::info!(%peer, %error, "lost the link to a monitor");
                self.gone(&peer);
            }
            SessionEvent::Unreachable { peer, error, .. } => {
                tracing::debug!(%peer, %error, "cannot reach a monitor");
                self.gone(&peer);
            }
            SessionEvent::Message { peer, message: Message::Mon(message), .. } => {
                let id = match &message {
                    MonMessage::Raft { id, .. }
                    | MonMessage::ClockTold { id, .. }
                    | MonMessage::CommandReply { id, .. }
                    | MonMessage::QueryReply { id, .. } => *id,
                    other => {
                        tracing::debug!(%peer, ?other, "a monitor sent what nobody asked for");
                        return;
                    }
                };
                if let Some(peer) = id_of(&peer) {
                    self.answered.lock().insert(peer, Instant::now());
                }
                if let Some((from, answer)) = self.pending.remove(&id)
                    && Some(from) == id_of(&peer)
                {
                    // Who asked may have given up.
                    let _ = answer.send(message);
                }
            }
            SessionEvent::Message { .. } => {}
        }
    }

    /// Whoever waits for an answer of this peer hears that none will come.
    fn gone(&mut self, peer: &PeerName) {
        let Some(gone) = id_of(peer) else { return };
        self.pending.retain(|_, (from, _)| *from != gone);
        self.answered.lock().remove(&gone);
        self.programs.lock().unwrap_or_else(PoisonError::into_inner).remove(&gone);
    }
}
