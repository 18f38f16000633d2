//! Sessions of clients: who asked, what is owed to them, and how much they may have under way.

use crate::inbound::Inbound;
use crate::outbox::Outbox;
use osd_object::RequestId;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use wire_codec::{Message, OpTarget, OsdOp, OsdOpReply};
use wire_transport::{Link, PeerName};

/// Numbers the sessions of this process.
pub(crate) type SessionId = u64;

struct Session {
    outbox: Outbox,
    /// The room that each unanswered operation takes; given back with the answer.
    owed: BTreeMap<RequestId, OwnedSemaphorePermit>,
    reader: tokio::task::AbortHandle,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.reader.abort();
        self.outbox.close();
    }
}

/// All sessions of clients.
pub(crate) struct Clients {
    sessions: BTreeMap<SessionId, Session>,
    next: SessionId,
    room: Arc<Semaphore>,
    room_kib: u32,
    inbound: mpsc::Sender<Inbound>,
}

impl Clients {
    /// No sessions; operations of all of them together may take `under_way_bytes_max` bytes.
    pub(crate) fn new(under_way_bytes_max: u64, inbound: mpsc::Sender<Inbound>) -> Clients {
        let room_kib = u32::try_from(under_way_bytes_max / 1024).expect("a bound of megabytes");
        Clients {
            sessions: BTreeMap::new(),
            next: 1,
            room: Arc::new(Semaphore::new(room_kib as usize)),
            room_kib,
            inbound,
        }
    }

    /// Serves a client that has just proved who it is. Its reader takes room before it hands an operation
    /// on, so that a flood waits in the client's own socket.
    pub(crate) fn admit(&mut self, name: PeerName, link: Link) {
        let session = self.next;
        self.next += 1;
        let (sender, mut receiver) = link.split();
        let outbox = Outbox::new(sender);
        let answers = outbox.clone();
        let (room, room_kib, inbound) = (self.room.clone(), self.room_kib, self.inbound.clone());
        let reader = tokio::task::spawn_local(async move {
            loop {
                let received = match receiver.recv().await {
                    Ok(Message::OsdOp(op)) => {
                        // Room is given back with the answer. One who does not take answers must not cause more.
                        answers.caught_up().await;
                        let share = share_of(&op).min(room_kib);
                        let Ok(room) = room.clone().acquire_many_owned(share).await else { return };
                        if answers.is_closed() {
                            // The link ended while this waited, so its client has asked again over another one, perhaps
                            // long ago: carried out now it might undo what came after.
                            Inbound::ClientGone { session }
                        } else {
                            Inbound::Op { session, op, room }
                        }
                    }
                    Ok(Message::Ping { stamp }) => Inbound::ClientPing { session, stamp },
                    Ok(_) => {
                        tracing::warn!(client = %name, "a client sent what only daemons send; its session ends");
                        Inbound::ClientGone { session }
                    }
                    Err(error) => {
                        tracing::debug!(client = %name, %error, "a client's session ended");
                        Inbound::ClientGone { session }
                    }
                };
                let last = matches!(received, Inbound::ClientGone { .. });
                if inbound.send(received).await.is_err() || last {
                    return;
                }
            }
        });
        let reader = reader.abort_handle();
        self.sessions.insert(session, Session { outbox, owed: BTreeMap::new(), reader });
    }

    /// Notes that an operation is owed an answer.
    pub(crate) fn owe(&mut self, session: SessionId, request: RequestId, room: OwnedSemaphorePermit) {
        if let Some(s) = self.sessions.get_mut(&session) {
            s.owed.insert(request, room);
        }
    }

    /// Answers an operation; a session that has ended meanwhile gets nothing.
    pub(crate) fn reply(&mut self, session: SessionId, reply: OsdOpReply) {
        if let Some(s) = self.sessions.get_mut(&session) {
            s.owed.remove(&reply.request);
            s.outbox.send(&Message::OsdOpReply(reply));
        }
    }

    /// Sends a message that is no answer, unless answers wait already: they say as much.
    pub(crate) fn send(&self, session: SessionId, message: &Message) {
        if let Some(s) = self.sessions.get(&session).filter(|s| !s.outbox.is_behind()) {
            s.outbox.send(message);
        }
    }

    /// Forgets a session.
    pub(crate) fn gone(&mut self, session: SessionId) {
        self.sessions.remove(&session);
    }
}

/// What an operation takes of the room, KiB: its payload, and something for the machinery around it and for
/// the answer that it asks for.
fn share_of(op: &OsdOp) -> u32 {
    const LEAST_KIB: u64 = 4;
    let bytes: u64 = match &op.target {
        OpTarget::List { .. } | OpTarget::Pg(_) => 64 << 10,
        OpTarget::Object { ops, .. } => ops.iter().map(bytes_of).sum(),
    };
    u32::try_from(bytes / 1024 + LEAST_KIB).unwrap_or(u32::MAX)
}

fn bytes_of(op: &osd_object::Op) -> u64 {
    use osd_object::Op;
    match op {
        Op::Write { data, .. } | Op::WriteFull { data } | Op::Append { data } => data.len() as u64,
        Op::Read { len, .. } => (*len).min(16 << 20),
        Op::OmapSet { rows } => rows.iter().map(|(k, v)| (k.len() + v.len()) as u64).sum(),
        Op::SetXattr { value, .. } => value.len() as u64,
        Op::OmapGetRange { range } => u64::from(range.bytes_max),
        Op::Call { input, .. } => input.len() as u64,
        Op::Notify { payload, .. } => payload.len() as u64,
        _ => 0,
    }
}
