//! What comes in.

use super::{Io, Osd, Out};
use crate::end::End;
use crate::packet::Packet;
use bytes::Bytes;
use osd_object::Version;
use osd_object::op::OpFailure;
use osd_pg::names::is_internal;
use osd_pg::{Event, SessionId};
use placement_map::PgId;
use stdx::Errno;
use wire_codec::{OpTarget, OsdOp, OsdOpReply, OsdOutcome};

impl Osd {
    /// A packet came.
    pub(crate) fn inbound(&mut self, io: &mut Io, from: End, session: u64, packet: Packet) {
        if let End::Osd(peer) = from {
            self.heard.insert(peer, io.now);
        }
        match (packet, from) {
            (Packet::Pg { pg, message }, End::Osd(from)) => {
                self.events.push_back((pg, Event::Peer { from, message }));
            }
            (Packet::Full(full), End::Osd(from)) => {
                let news = match full {
                    true => self.peers_full.insert(from),
                    false => self.peers_full.remove(&from),
                };
                if news {
                    self.refresh_full();
                }
            }
            (Packet::Op(op), End::Client(client)) => {
                self.sessions.insert(session, client);
                self.client_op(io, SessionId(session), op);
            }
            (Packet::Update(update), End::Mon(_)) => {
                self.monitor_heard = io.now;
                self.update(io, *update);
            }
            (packet, _) => unreachable!("{from} sent {} {packet}", self.id),
        }
    }

    /// A client's operation: to the machine of its PG, or back, or kept until our map is new enough.
    pub(super) fn client_op(&mut self, io: &mut Io, session: SessionId, op: OsdOp) {
        if op.epoch > self.view.epoch() {
            self.ahead.push((session, op));
            return;
        }
        if let OpTarget::Object { object, .. } = &op.target
            && (is_internal(object) || self.view.map().pg_of(object.pool, object.hash) != Some(op.pg))
        {
            if op.epoch < self.view.epoch() && !is_internal(object) {
                // By its map the object was that PG's, before it was divided.
                return self.reply(io, session, &op, OsdOutcome::NotPrimary);
            }
            let failure = OpFailure { code: Errno::EPERM, step: 0, detail: Bytes::new() };
            let outcome = OsdOutcome::Done { version: Version::ZERO, outcome: Err(failure) };
            self.reply(io, session, &op, outcome);
            return;
        }
        if self.pgs.contains_key(&op.pg) {
            self.events.push_back((op.pg, Event::ClientOp { session, op }));
        } else {
            self.reply(io, session, &op, OsdOutcome::NotPrimary);
        }
    }

    fn reply(&mut self, io: &mut Io, session: SessionId, op: &OsdOp, outcome: OsdOutcome) {
        let reply = OsdOpReply { request: op.request, epoch: self.view.epoch(), outcome };
        io.out.push(Out::Reply { session: session.0, pg: op.pg, interval: None, reply });
    }

    /// A client's connection ended.
    pub(crate) fn client_gone(&mut self, session: u64) {
        self.sessions.remove(&session);
        self.ahead.retain(|(s, _)| s.0 != session);
        for pg in self.pgs.keys().copied().collect::<Vec<PgId>>() {
            self.events.push_back((pg, Event::SessionGone { session: SessionId(session) }));
        }
    }
}
