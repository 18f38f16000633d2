//! The client's link to the monitors: one at a time, the next when it breaks. Follows the map; carries
//! commands and questions until each is answered.

use crate::error::{ClientError, Tried};
use crate::view::View;
use placement_map::status::{Answer, Query};
use placement_map::{Command, CommandReply};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use wire_codec::Message;
use wire_codec::mon::{MonError, MonMessage, Subscribe, Update};
use wire_transport::{Frame, Link, PeerName, Security, Sender, TransportError, connect};

/// A monitor that is silent for so long is left for the next one; half of it after the last word it is pinged.
const SILENCE_MAX: Duration = Duration::from_secs(6);
/// The wait between attempts, once all monitors were tried.
const ROUND_PAUSE: Duration = Duration::from_millis(300);
/// The wait before a request is repeated that met no quorum.
const NO_QUORUM_PAUSE: Duration = Duration::from_millis(500);
/// Maps are asked for at most so often beyond what is pushed.
const REFRESH_PAUSE: Duration = Duration::from_millis(200);

/// What a monitor did that took our link and nothing else.
const LINKED: &str = "linked, but without an answer so far; a majority of the monitors may be missing";

/// A request to the monitors.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    Command(Box<Command>),
    Query(Query),
}

/// What it gave.
#[derive(Debug)]
pub(crate) enum Told {
    Command(CommandReply),
    Query(Answer),
}

/// A request and whoever waits for it.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) ask: Ask,
    /// Set once a monitor answered that there is no quorum.
    pub(crate) no_quorum: Arc<AtomicBool>,
    pub(crate) reply: oneshot::Sender<Result<Told, ClientError>>,
}

/// What the rest of the client sees of this task.
pub(crate) struct MonitorLink {
    pub(crate) asks: mpsc::Sender<Asked>,
    pub(crate) views: watch::Receiver<View>,
    pub(crate) tried: watch::Receiver<Attempts>,
    pub(crate) refresh: Arc<Notify>,
}

/// How the attempts to reach monitors went.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attempts {
    pub(crate) tried: Tried,
    /// Every monitor was tried since the last success, and no attempt can be mended by waiting.
    pub(crate) hopeless: bool,
}

/// Starts the task. `steps` gets every epoch in order; the task ends when all `asks` senders are gone.
pub(crate) fn start(
    security: Security,
    first: Vec<(PeerName, SocketAddr)>,
    steps: mpsc::Sender<View>,
) -> MonitorLink {
    let (asks, rx) = mpsc::channel(64);
    let (views_tx, views) = watch::channel(View::default());
    let (tried_tx, tried) = watch::channel(Attempts::default());
    let refresh = Arc::new(Notify::new());
    let task = Task {
        security,
        configured: first,
        asks: rx,
        steps,
        views: views_tx,
        tried: tried_tx,
        refresh: refresh.clone(),
        waiting: BTreeMap::new(),
        next_id: 1,
    };
    tokio::spawn(task.run());
    MonitorLink { asks, views, tried, refresh }
}

struct Task {
    security: Security,
    configured: Vec<(PeerName, SocketAddr)>,
    asks: mpsc::Receiver<Asked>,
    steps: mpsc::Sender<View>,
    views: watch::Sender<View>,
    tried: watch::Sender<Attempts>,
    refresh: Arc<Notify>,
    /// Requests without an answer, by the id they were sent under.
    waiting: BTreeMap<u64, Asked>,
    next_id: u64,
}

/// Why a conversation with a monitor ended.
enum End {
    /// Try the next one.
    Next(String),
    /// All handles are gone.
    Stop,
}

impl Task {
    async fn run(mut self) {
        let mut turn = 0;
        loop {
            let monitors = self.monitors();
            let mut failures = Vec::new();
            let mut hopeless = !monitors.is_empty();
            for i in 0..monitors.len() {
                let (name, addr) = &monitors[(turn + i) % monitors.len()];
                let what = match connect(*addr, &self.security, name).await {
                    Ok(link) => {
                        failures.clear();
                        hopeless = false;
                        // Until it does answer. A monitor that was just started tells no map before it has a majority.
                        let so_far = vec![(name.to_string(), LINKED.to_owned())];
                        self.tried.send_replace(Attempts { tried: Tried(so_far), hopeless: false });
                        match self.converse(link).await {
                            End::Stop => return,
                            End::Next(what) => what,
                        }
                    }
                    Err(e) => {
                        hopeless &= cannot_mend(&e);
                        e.to_string()
                    }
                };
                failures.push((name.to_string(), what));
                let attempts = Attempts { tried: Tried(failures.clone()), hopeless: false };
                self.tried.send_replace(attempts);
            }
            // The next round begins with another monitor.
            turn = turn.wrapping_add(1);
            self.tried.send_replace(Attempts { tried: Tried(failures), hopeless });
            // New requests stay in their channel meanwhile, those without anybody waiting are dropped.
            self.waiting.retain(|_, a| !a.reply.is_closed());
            if self.asks.is_closed() {
                return;
            }
            tokio::time::sleep(ROUND_PAUSE).await;
        }
    }

    /// Those of the newest map, or those of the configuration before there is one.
    fn monitors(&self) -> Vec<(PeerName, SocketAddr)> {
        let view = self.views.borrow();
        let known = view.map.monitors.iter().filter_map(|(name, addr)| Some((name.parse().ok()?, *addr)));
        let known: Vec<(PeerName, SocketAddr)> = known.collect();
        if known.is_empty() { self.configured.clone() } else { known }
    }

    /// Until the link breaks, the monitor falls silent, or nobody needs it any more.
    async fn converse(&mut self, link: Link) -> End {
        let (sender, mut receiver) = link.split();
        if !self.subscribe(&sender) {
            return End::Next("it hung up at once".into());
        }
        // Asked of another monitor before, or not at all: ask this one.
        for (id, asked) in &self.waiting {
            send_ask(&sender, *id, &asked.ask);
        }
        let mut heard = Instant::now();
        let mut pinged = false;
        let mut refreshed = Instant::now();
        let mut want_refresh = false;
        let mut again: Vec<(Instant, u64)> = Vec::new();
        loop {
            let silence = heard + if pinged { SILENCE_MAX } else { SILENCE_MAX / 2 };
            let wake = [
                Some(silence),
                again.iter().map(|(at, _)| *at).min(),
                want_refresh.then_some(refreshed + REFRESH_PAUSE),
            ];
            let wake = wake.into_iter().flatten().min().unwrap_or(silence);
            tokio::select! {
                message = receiver.recv() => {
                    heard = Instant::now();
                    pinged = false;
                    match message {
                        Ok(Message::Mon(message)) => match self.hear(message, &sender).await {
                            Heard::Fine => {}
                            Heard::Retry(id) => again.push((heard + NO_QUORUM_PAUSE, id)),
                            Heard::Stop => return End::Stop,
                        },
                        Ok(Message::Ping { stamp }) => send(&sender, &Message::Pong { stamp, full: false }),
                        Ok(_) => {}
                        Err(e) => return End::Next(e.to_string()),
                    }
                }
                asked = self.asks.recv() => match asked {
                    Some(asked) => {
                        let id = self.next_id;
                        self.next_id += 1;
                        send_ask(&sender, id, &asked.ask);
                        self.waiting.insert(id, asked);
                        self.waiting.retain(|_, a| !a.reply.is_closed());
                    }
                    None => return End::Stop,
                },
                () = self.refresh.notified() => want_refresh = true,
                () = sleep_until(wake) => {}
            }
            let now = Instant::now();
            if want_refresh && now >= refreshed + REFRESH_PAUSE {
                (want_refresh, refreshed) = (false, now);
                self.subscribe(&sender);
            }
            if now >= heard + SILENCE_MAX {
                return End::Next(format!("it did not answer for {} s", SILENCE_MAX.as_secs()));
            }
            if now >= heard + SILENCE_MAX / 2 && !pinged {
                pinged = true;
                send(&sender, &Message::Ping { stamp: 0 });
            }
            let due: Vec<u64> = again.extract_if(.., |(at, _)| *at <= now).map(|(_, id)| id).collect();
            for id in due {
                if let Some(asked) = self.waiting.get(&id) {
                    send_ask(&sender, id, &asked.ask);
                }
            }
        }
    }

    /// False if the link is gone already.
    fn subscribe(&self, sender: &Sender) -> bool {
        let have_epoch = self.views.borrow().epoch();
        let subscribe = Subscribe { have_epoch, rows: false, have_rows: 0 };
        send(sender, &Message::Mon(MonMessage::Subscribe(subscribe)));
        !sender.is_closed()
    }

    async fn hear(&mut self, message: MonMessage, sender: &Sender) -> Heard {
        match message {
            MonMessage::Update(update) => return self.update(*update, sender).await,
            MonMessage::CommandReply { id, result } => return self.answer(id, result.map(Told::Command)),
            MonMessage::QueryReply { id, result } => return self.answer(id, result.map(Told::Query)),
            // Nothing else is sent to clients.
            _ => {}
        }
        Heard::Fine
    }

    async fn update(&mut self, update: Update, sender: &Sender) -> Heard {
        let followed = self.views.borrow().follow(update.map);
        match followed {
            Ok(steps) => {
                for view in steps {
                    self.security.admission().replace(&view.map.keys);
                    // The driver first: who sees an epoch may count on operations being aimed by it.
                    if self.steps.send(view.clone()).await.is_err() {
                        return Heard::Stop;
                    }
                    self.views.send_replace(view);
                }
            }
            Err(_) => {
                self.subscribe(sender);
            }
        }
        Heard::Fine
    }

    fn answer(&mut self, id: u64, result: Result<Told, MonError>) -> Heard {
        let result = match result {
            Err(MonError::NoQuorum) => {
                if let Some(asked) = self.waiting.get(&id) {
                    asked.no_quorum.store(true, Ordering::Relaxed);
                }
                return Heard::Retry(id);
            }
            Err(MonError::Refused(r)) => Err(ClientError::Refused(r)),
            Err(MonError::Denied { text }) => Err(ClientError::Denied(text)),
            Ok(told) => Ok(told),
        };
        // A second answer to a request sent twice finds nobody.
        if let Some(asked) = self.waiting.remove(&id) {
            // Whoever asked may have given up.
            let _ = asked.reply.send(result);
        }
        Heard::Fine
    }
}

enum Heard {
    Fine,
    /// Ask again a little later.
    Retry(u64),
    Stop,
}

/// Errors that go away only when a person does something.
fn cannot_mend(e: &TransportError) -> bool {
    matches!(
        e,
        TransportError::ForeignCluster { .. }
            | TransportError::ModeMismatch { .. }
            | TransportError::Protocol { .. }
            | TransportError::WrongPeer { .. }
    )
}

fn send_ask(sender: &Sender, id: u64, ask: &Ask) {
    let message = match ask {
        Ask::Command(command) => MonMessage::Command { id, command: command.clone() },
        Ask::Query(query) => MonMessage::Query { id, query: query.clone() },
    };
    send(sender, &Message::Mon(message));
}

/// A message that cannot be queued is lost with the link, whose end the receiver reports; one that is too
/// large cannot come from this module's callers, whose commands are small.
fn send(sender: &Sender, message: &Message) {
    match Frame::of(message) {
        Ok(frame) => {
            if sender.try_send(frame).is_err() {
                sender.close();
            }
        }
        Err(error) => tracing::error!(%error, "a request to the monitors cannot be sent"),
    }
}
