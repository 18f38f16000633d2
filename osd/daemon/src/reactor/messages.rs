//! What comes in from clients, peers and monitors.

use super::Reactor;
use crate::inbound::Inbound;
use crate::nameless::makes_nameless;
use crate::peers;
use osd_pg::names::is_internal;
use osd_pg::{Event, SessionId};
use placement_map::{OsdId, PgId};
use stdx::Errno;
use tokio::sync::mpsc;
use wire_codec::mon::{FailureReport, MonError};
use wire_codec::{Message, MonMessage, OpTarget, OsdOp, OsdOpReply, OsdOutcome};
use wire_transport::{Link, Listener, PeerName, Role, SessionEvent};

impl Reactor {
    /// Something came in on a link that others made to us.
    pub(super) fn inbound(&mut self, inbound: Inbound) {
        match inbound {
            Inbound::Linked { name, link } => self.linked(name, *link),
            Inbound::Op { session, op, room } => {
                self.clients.owe(session, op.request, room);
                self.tally.asked(&op, &self.registry);
                self.scrubber.client_at = self.clock.now();
                self.client_op(SessionId(session), op);
            }
            Inbound::ClientPing { session, stamp } => {
                self.clients.send(session, &Message::Pong { stamp, full: self.self_full });
            }
            Inbound::ClientGone { session } => {
                self.clients.gone(session);
                self.ahead.retain(|(s, _)| s.0 != session);
                for pg in self.pgs.ids() {
                    self.events.push_back((pg, Event::SessionGone { session: SessionId(session) }));
                }
            }
            Inbound::Peer { from, message } => self.peer(from, message),
        }
    }

    fn linked(&mut self, name: PeerName, link: Link) {
        match (name.role(), name.number()) {
            (Role::Osd, Some(n)) if OsdId(n) != self.config.id => {
                peers::read_from(OsdId(n), link, self.inbound_sender.clone());
            }
            (Role::Gateway | Role::Client | Role::Nbd, _) => self.clients.admit(name, link),
            _ => {
                tracing::warn!(peer = %name, "nothing that this daemon may ask of an OSD; its link is closed")
            }
        }
    }

    /// A client's operation: to the machine of its PG, or back, or kept until our map is new enough.
    pub(super) fn client_op(&mut self, session: SessionId, op: OsdOp) {
        if op.epoch > self.view.epoch() {
            self.ahead.push((session, op));
            return;
        }
        if let OpTarget::Object { object, .. } = &op.target
            && (is_internal(object) || self.view.map().pg_of(object.pool, object.hash) != Some(op.pg))
        {
            if op.epoch < self.view.epoch() && !is_internal(object) {
                // By its map the object was that PG's, before it was divided: the next map tells whose it is now.
                return self.reply(session, &op, OsdOutcome::NotPrimary);
            }
            return self.refuse(session, &op, Errno::EPERM);
        }
        if makes_nameless(&op.target) {
            return self.refuse(session, &op, Errno::EINVAL);
        }
        if self.pgs.has(op.pg) {
            self.events.push_back((op.pg, Event::ClientOp { session, op }));
        } else {
            self.reply(session, &op, OsdOutcome::NotPrimary);
        }
    }

    fn refuse(&mut self, session: SessionId, op: &OsdOp, code: Errno) {
        let failure = osd_object::op::OpFailure { code, step: 0, detail: bytes::Bytes::new() };
        let outcome = OsdOutcome::Done { version: osd_object::Version::ZERO, outcome: Err(failure) };
        self.reply(session, op, outcome);
    }

    fn reply(&mut self, session: SessionId, op: &OsdOp, outcome: OsdOutcome) {
        self.clients.reply(session.0, OsdOpReply { request: op.request, epoch: self.view.epoch(), outcome });
    }

    fn peer(&mut self, from: OsdId, message: Message) {
        if self.beats.heard(self.clock.now(), from) {
            self.report(from, false, true);
        }
        match message {
            Message::Ping { stamp } => self.peers.send(from, &Message::Pong { stamp, full: self.self_full }),
            Message::Pong { full, .. } => {
                if self.peers.fullness(from, full) {
                    self.refresh_full();
                }
            }
            Message::Pg { pg, message, .. } => self.events.push_back((pg, Event::Peer { from, message })),
            Message::OsdOp(_) | Message::OsdOpReply(_) | Message::Mon(_) | Message::WatchEvent(_) => {
                tracing::warn!(peer = %from, "an OSD sent what it has no business to send; ignored");
            }
        }
    }

    /// Something happened on a link that we made.
    pub(super) fn session(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::Connected { peer, .. } => {
                if self.monitors.is_current(&peer) {
                    self.monitors.relinked(self.clock.now());
                    let subscribe = self.view.subscription();
                    self.monitors.send(&self.sessions, MonMessage::Subscribe(subscribe));
                } else if let Some(osd) = osd_of(&peer) {
                    self.peers.connected(osd, &self.sessions);
                    self.beats.heard(self.clock.now(), osd);
                }
            }
            SessionEvent::Message { peer, message, .. } => {
                if self.monitors.is_current(&peer) {
                    self.monitors.heard(self.clock.now());
                }
                match message {
                    Message::Mon(message) if peer.role() == Role::Mon => self.monitor(message),
                    message => {
                        if let Some(osd) = osd_of(&peer) {
                            self.peer(osd, message);
                        }
                    }
                }
            }
            SessionEvent::Lost { peer, error, .. } => {
                tracing::debug!(%peer, %error, "link lost");
                if self.monitors.is_current(&peer) {
                    self.monitors.next(&mut self.sessions);
                } else if let Some(osd) = osd_of(&peer) {
                    self.peers.lost(osd);
                }
            }
            SessionEvent::Unreachable { peer, refused, error } => {
                tracing::debug!(%peer, %error, "not reachable");
                if self.monitors.is_current(&peer) {
                    self.monitors.next(&mut self.sessions);
                } else if let Some(osd) = osd_of(&peer).filter(|_| refused) {
                    self.beats.refused(osd);
                    self.heartbeats(self.clock.now());
                }
            }
        }
    }

    fn monitor(&mut self, message: MonMessage) {
        match message {
            MonMessage::Update(update) => self.update(*update),
            MonMessage::CommandReply { result: Err(MonError::Refused(refusal)), .. } => {
                tracing::warn!(%refusal, "the monitors refused a command of this OSD");
            }
            MonMessage::CommandReply { id, .. } if Some(id) == self.goodbye => self.goodbye_taken = true,
            // What was not carried out shows in the map, and is asked for again.
            _ => {}
        }
    }

    /// Tells the monitors that a peer does not answer, or that it does again.
    pub(super) fn report(&mut self, target: OsdId, refused: bool, withdrawn: bool) {
        let Some(incarnation) = self.peers.incarnation(target) else { return };
        let report = FailureReport { from: self.config.id, target, incarnation, refused, withdrawn };
        self.monitors.send(&self.sessions, MonMessage::FailureReport(report));
    }
}

fn osd_of(peer: &PeerName) -> Option<OsdId> {
    peer.number().filter(|_| peer.role() == Role::Osd).map(OsdId)
}

/// Hands over who proved who they are.
pub(super) async fn accept(mut listener: Listener, inbound: mpsc::Sender<Inbound>) {
    loop {
        let (name, link) = listener.accept().await;
        if inbound.send(Inbound::Linked { name, link: Box::new(link) }).await.is_err() {
            return;
        }
    }
}

/// An event for a PG that waits for its turn.
pub(super) type Waiting = (PgId, Event);
