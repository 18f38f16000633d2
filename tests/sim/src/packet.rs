//! What travels between processes.

use placement_map::{ClusterMap, Command, Epoch, Mapping, OsdId, PgId};
use std::sync::Arc;
use wire_codec::mon::{Subscribe, Update};
use wire_codec::{OsdOp, OsdOpReply, PgMessage};

/// One message.
#[derive(Clone, Debug)]
pub(crate) enum Packet {
    /// Between OSDs.
    Pg {
        /// Which PG.
        pg: PgId,
        /// What.
        message: PgMessage,
    },
    /// Between OSDs: my store takes no more, or does again.
    Full(bool),
    /// A client's operation.
    Op(OsdOp),
    /// Its answer.
    Reply(OsdOpReply),
    /// To a monitor: keep me up to date.
    Subscribe(Subscribe),
    /// To an OSD: what is new.
    Update(Box<Update>),
    /// To a client: a map.
    Map(Arc<ClusterMap>, Arc<Mapping>),
    /// To a monitor: change something.
    Command(Box<Command>),
    /// To a monitor: a peer does not answer.
    Report {
        /// Who.
        target: OsdId,
        /// Which incarnation of it.
        incarnation: Epoch,
        /// Nobody listens there.
        refused: bool,
    },
}

impl Packet {
    /// A number for the trace's hash.
    pub(crate) fn code(&self) -> u64 {
        match self {
            Packet::Pg { pg, message } => 100 + u64::from(pg.seed) * 7 + message.interval() * 1000,
            Packet::Full(full) => u64::from(*full),
            Packet::Op(op) => 20_000 + op.request.seq,
            Packet::Reply(reply) => 40_000 + reply.request.seq,
            Packet::Subscribe(s) => 3 + u64::from(s.have_epoch.0),
            Packet::Update(u) => 4 + u.rows_version,
            Packet::Map(map, _) => 5 + u64::from(map.epoch.0),
            Packet::Command(_) => 6,
            Packet::Report { target, .. } => 7 + u64::from(target.0),
        }
    }
}

impl std::fmt::Display for Packet {
    /// One line of a trace: whole, but without the maps.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Packet::Pg { pg, message } => write!(f, "{pg} {message:?}"),
            Packet::Op(op) => write!(f, "{:?} {} by map {}: {:?}", op.request, op.pg, op.epoch.0, op.target),
            Packet::Reply(r) => write!(f, "{:?} by map {}: {:?}", r.request, r.epoch.0, r.outcome),
            Packet::Update(u) => {
                let what = match &u.map {
                    wire_codec::mon::MapUpdate::Same => "same map".to_string(),
                    wire_codec::mon::MapUpdate::Incrementals(steps) => {
                        format!("maps {:?}", steps.iter().map(|s| s.epoch.0).collect::<Vec<_>>())
                    }
                    wire_codec::mon::MapUpdate::Full(map) => format!("map {} whole", map.epoch.0),
                };
                write!(f, "{what}, rows {}: {:?}", u.rows_version, u.rows)
            }
            Packet::Map(map, _) => write!(f, "map {}", map.epoch.0),
            other => write!(f, "{other:?}"),
        }
    }
}
