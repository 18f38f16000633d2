//! The task that owns the objecter and the sessions to OSDs, and carries out the one's effects with the other.

use crate::view::View;
use gateway_objecter::{Effect, Objecter, Outcome, Request, Ticket, Watch};
use placement_map::OsdId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use stdx::{Errno, Time};
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use wire_codec::watch::WatchNews;
use wire_codec::{Message, OsdOp};
use wire_transport::{Frame, PeerName, Security, SendError, SessionEvent, SessionId, Sessions};

/// Events of all OSDs that wait for the driver; OSDs are held back beyond.
const EVENTS_MAX: usize = 256;

/// The most events and requests taken in before their effects are carried out.
const BATCH_MAX: usize = 64;

/// What a handle wants of the driver.
pub(crate) enum Order {
    /// Carry something out.
    Submit(Submission),
    /// Keep up a watch that was made, until its caller hangs up or it is gone.
    Watch { watch: Watch, news: mpsc::Sender<WatchNews> },
    /// Keep a watch up no more.
    Forget { cookie: u64 },
}

/// A request on its way to the objecter.
pub(crate) struct Submission {
    pub(crate) request: Request,
    /// How long it may take from when the driver gets it.
    pub(crate) patience: Option<Duration>,
    pub(crate) reply: oneshot::Sender<Outcome>,
    /// Its share of the client's memory, given back when it completes.
    pub(crate) room: OwnedSemaphorePermit,
}

struct Waiter {
    reply: oneshot::Sender<Outcome>,
    _room: OwnedSemaphorePermit,
}

struct Driver {
    started: Instant,
    objecter: Objecter,
    sessions: Sessions,
    /// The link that each OSD's session is, so that word of an old one is not taken for the new one's.
    links: BTreeMap<OsdId, SessionId>,
    waiters: BTreeMap<Ticket, Waiter>,
    /// By cookie.
    watchers: BTreeMap<u64, mpsc::Sender<WatchNews>>,
    refresh: Arc<Notify>,
}

/// Starts the task. It ends when all handles are gone; requests in flight are then abandoned.
pub(crate) fn start(
    client: u64,
    security: Security,
    first: View,
    orders: mpsc::Receiver<Order>,
    steps: mpsc::Receiver<View>,
    refresh: Arc<Notify>,
) {
    let (tx, events) = mpsc::channel(EVENTS_MAX);
    let driver = Driver {
        started: Instant::now(),
        objecter: Objecter::new(client, first.map, first.mapping),
        sessions: Sessions::new(security, tx),
        links: BTreeMap::new(),
        waiters: BTreeMap::new(),
        watchers: BTreeMap::new(),
        refresh,
    };
    tokio::spawn(driver.run(orders, steps, events));
}

impl Driver {
    async fn run(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        mut steps: mpsc::Receiver<View>,
        mut events: mpsc::Receiver<SessionEvent>,
    ) {
        loop {
            let due = self.objecter.next_timeout().map(|t| self.started + t.since(Time::ZERO));
            tokio::select! {
                order = orders.recv() => match order {
                    Some(o) => self.order(o),
                    None => return,
                },
                event = events.recv() => match event {
                    Some(e) => self.session(e),
                    // The sender is our own.
                    None => return,
                },
                step = steps.recv() => match step {
                    Some(view) => self.objecter.handle_map(view.map, view.mapping),
                    None => return,
                },
                () = sleep_until(due.unwrap_or(self.started)), if due.is_some() => {
                    let now = self.now();
                    self.hang_up();
                    self.objecter.tick(now);
                }
            }
            // What came meanwhile is taken along, so that its messages leave together.
            for _ in 0..BATCH_MAX {
                match (events.try_recv(), orders.try_recv()) {
                    (Err(_), Err(_)) => break,
                    (event, order) => {
                        event.into_iter().for_each(|e| self.session(e));
                        order.into_iter().for_each(|o| self.order(o));
                    }
                }
            }
            self.drain();
        }
    }

    fn now(&self) -> Time {
        Time::ZERO + self.started.elapsed()
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Submit(s) => self.submit(s),
            Order::Watch { watch, news } => {
                self.watchers.insert(watch.cookie, news);
                self.objecter.keep_watch(watch);
            }
            Order::Forget { cookie } => {
                self.watchers.remove(&cookie);
                self.objecter.forget_watch(cookie);
            }
        }
    }

    /// Watches whose callers left are not kept up: nobody would hear what they are told.
    fn hang_up(&mut self) {
        let objecter = &mut self.objecter;
        self.watchers.retain(|cookie, news| {
            let there = !news.is_closed();
            if !there {
                objecter.forget_watch(*cookie);
            }
            there
        });
    }

    fn submit(&mut self, s: Submission) {
        if s.reply.is_closed() {
            // Its caller left before it was sent to anybody.
            return;
        }
        let deadline = s.patience.map(|p| self.now() + p);
        let ticket = self.objecter.submit(Request { deadline, ..s.request });
        self.waiters.insert(ticket, Waiter { reply: s.reply, _room: s.room });
    }

    fn session(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::Connected { peer, session, .. } => {
                let Some(osd) = osd_of(&peer) else { return };
                tracing::debug!(%osd, "connected");
                self.links.insert(osd, session);
                self.objecter.session_up(osd);
            }
            SessionEvent::Message { peer, message, .. } => {
                let Some(osd) = osd_of(&peer) else { return };
                match message {
                    Message::OsdOpReply(reply) => {
                        let now = self.now();
                        self.objecter.handle_reply(now, osd, reply);
                    }
                    Message::WatchEvent(event) => self.objecter.handle_event(event),
                    Message::Ping { stamp } => {
                        if let Ok(frame) = Frame::of(&Message::Pong { stamp, full: false }) {
                            // Lost with the link at worst.
                            let _ = self.sessions.try_send(&peer, frame);
                        }
                    }
                    _ => {}
                }
            }
            SessionEvent::Lost { peer, session, error } => {
                let Some(osd) = osd_of(&peer) else { return };
                tracing::debug!(%osd, %error, "session lost");
                if self.links.get(&osd) == Some(&session) {
                    self.links.remove(&osd);
                    self.objecter.session_lost(osd);
                }
            }
            SessionEvent::Unreachable { peer, error, .. } => {
                tracing::debug!(%peer, %error, "cannot connect");
            }
        }
    }

    fn drain(&mut self) {
        while let Some(effect) = self.objecter.poll() {
            match effect {
                Effect::Connect { osd, addr } => self.sessions.aim(&PeerName::osd(osd.0), addr),
                Effect::Send { osd, op } => self.send(osd, op),
                Effect::Complete { ticket, outcome } => {
                    if let Some(w) = self.waiters.remove(&ticket) {
                        // The caller may have left.
                        let _ = w.reply.send(outcome);
                    }
                }
                Effect::News { cookie, news } => {
                    let last = news == WatchNews::Gone;
                    if let Some(watcher) = self.watchers.get(&cookie) {
                        // One that does not listen misses notifies, as their senders are told; its end it sees by the
                        // channel's.
                        let _ = watcher.try_send(news);
                    }
                    if last {
                        self.watchers.remove(&cookie);
                    }
                }
                Effect::NeedMap { .. } => self.refresh.notify_one(),
            }
        }
    }

    fn send(&mut self, osd: OsdId, op: OsdOp) {
        let ticket = Ticket(op.request.seq);
        let frame = match Frame::of(&Message::OsdOp(op)) {
            Ok(frame) => frame,
            Err(error) => {
                tracing::debug!(%error, "an operation is too large");
                return self.objecter.fail(ticket, Errno::E2BIG);
            }
        };
        let peer = PeerName::osd(osd.0);
        match self.sessions.try_send(&peer, frame) {
            Ok(()) => {}
            Err(SendError::Closed(_)) => {
                // Broken, and the word of it still on its way; or made anew towards another address.
                self.links.remove(&osd);
                self.objecter.session_lost(osd);
            }
            Err(SendError::Full(_)) => {
                // What this client has in flight fits the queue, so it is full of repetitions to an OSD that
                // does not read. Begin again with an empty one.
                tracing::warn!(%osd, "the send queue is full; connecting anew");
                if let Some(addr) = self.sessions.addr(&peer) {
                    self.sessions.forget(&peer);
                    self.sessions.aim(&peer, addr);
                }
                self.links.remove(&osd);
                self.objecter.session_lost(osd);
            }
        }
    }
}

fn osd_of(peer: &PeerName) -> Option<OsdId> {
    peer.number().map(OsdId)
}
