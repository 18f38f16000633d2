//! Messages to and from monitors. Drawn in docs/formats/mon-messages.md.
//!
//! Any monitor takes any session. What only the leader can do (commands, queries, beacons, failure reports) a
//! monitor passes on to the leader by itself, so nobody but the monitors needs to know who leads. While there is
//! no leader, it answers [`MonError::NoQuorum`] after a few seconds.

use bytes::Bytes;
use placement_map::stats::Beacon;
use placement_map::status::{Answer, Query};
use placement_map::{ClusterMap, Command, CommandReply, Epoch, Incremental, OsdId, PgId, PgRow, Refusal};
use stdx::time::WallTime;
use stdx::{codec_enum, codec_versioned};

/// To and from monitors.
#[derive(Clone, Debug, PartialEq)]
pub enum MonMessage {
    /// A monitor's Raft traffic, in openraft's own encoding.
    Raft {
        /// Which request of this link is answered.
        id: u64,
        /// Request or answer.
        body: Bytes,
    },
    /// First message of a session: keep me up to date. Sent again to start over (after a gap, for example).
    Subscribe(Subscribe),
    /// What is new since the last update of this session.
    Update(Box<Update>),
    /// Change something.
    Command {
        /// Chosen by the sender, echoed in the reply.
        id: u64,
        /// What.
        command: Box<Command>,
    },
    /// The answer to a command. A command whose reply is lost may have been carried out: sending it again does no
    /// harm, except that making what now exists is refused as `Exists`.
    CommandReply {
        /// The command's.
        id: u64,
        /// What came of it.
        result: Result<CommandReply, MonError>,
    },
    /// Tell me something.
    Query {
        /// Chosen by the sender, echoed in the reply.
        id: u64,
        /// What.
        query: Query,
    },
    /// The answer to a query.
    QueryReply {
        /// The query's.
        id: u64,
        /// The answer.
        result: Result<Answer, MonError>,
    },
    /// An OSD's sign of life, every two seconds. Not answered.
    Beacon(Box<Beacon>),
    /// An OSD cannot reach a peer. Repeated every second while that is so. Not answered.
    FailureReport(FailureReport),
    /// Between monitors: a message passed on to the leader, and what it answers.
    Forward {
        /// Who sent it (`osd.3`, `client.admin`).
        from: String,
        /// The message.
        message: Forwarded,
    },
    /// Between monitors: what time is it? Since feature level 2 of the program that is asked.
    ClockAsk {
        /// Echoed in the answer.
        id: u64,
    },
    /// The answer.
    ClockTold {
        /// The question's.
        id: u64,
        /// The time of day.
        at: WallTime,
    },
}
codec_enum!(MonMessage {
    0 => Raft { id, body },
    1 => Subscribe(subscribe),
    2 => Update(update),
    3 => Command { id, command },
    4 => CommandReply { id, result },
    5 => Query { id, query },
    6 => QueryReply { id, result },
    7 => Beacon(beacon),
    8 => FailureReport(report),
    9 => Forward { from, message },
    10 => ClockAsk { id },
    11 => ClockTold { id, at },
});

/// What monitors pass on to the leader. A type of its own: a message that could hold any message would let a peer
/// nest a million of them, and the reader's stack would pay.
#[derive(Clone, Debug, PartialEq)]
pub enum Forwarded {
    /// As [`MonMessage::Command`].
    Command {
        /// Echoed in the reply.
        id: u64,
        /// What.
        command: Box<Command>,
    },
    /// As [`MonMessage::Query`].
    Query {
        /// Echoed in the reply.
        id: u64,
        /// What.
        query: Query,
    },
    /// As [`MonMessage::Beacon`].
    Beacon(Box<Beacon>),
    /// As [`MonMessage::FailureReport`].
    FailureReport(FailureReport),
}
codec_enum!(Forwarded {
    0 => Command { id, command },
    1 => Query { id, query },
    2 => Beacon(beacon),
    3 => FailureReport(report),
});

/// Keep me up to date.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscribe {
    /// The epoch of the map I have; 0: none.
    pub have_epoch: Epoch,
    /// Send rows, too: for OSDs. Clients go by the map alone.
    pub rows: bool,
    /// The version of the rows I have; 0: none.
    pub have_rows: u64,
}
codec_versioned!(Subscribe, 1 { have_epoch, rows, have_rows });

/// What is new. Map and rows of one update belong together: a receiver takes in both before it acts on either,
/// so that it never sees a row without the pg_temp that was committed with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// The map.
    pub map: MapUpdate,
    /// Rows that changed after what the receiver has. Rows of pools that the map does not have any more are gone.
    pub rows: Vec<(PgId, PgRow)>,
    /// The version that the receiver has now.
    pub rows_version: u64,
}
codec_versioned!(Update, 1 { map, rows, rows_version });

/// How the map changed.
#[derive(Clone, Debug, PartialEq)]
pub enum MapUpdate {
    /// Not at all.
    Same,
    /// Step by step, from the epoch that the receiver has.
    Incrementals(Vec<Incremental>),
    /// Here is all of it.
    Full(Box<ClusterMap>),
}
codec_enum!(MapUpdate { 0 => Same, 1 => Incrementals(steps), 2 => Full(map) });

/// An OSD cannot reach a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureReport {
    /// Who reports.
    pub from: OsdId,
    /// Who does not answer.
    pub target: OsdId,
    /// Which incarnation of it: `up_from` in the reporter's map.
    pub incarnation: Epoch,
    /// Its host refused a new connection: the process is gone, not slow.
    pub refused: bool,
    /// It answers again: forget what I said.
    pub withdrawn: bool,
}
codec_versioned!(FailureReport, 1 { from, target, incarnation, refused, withdrawn });

/// Why a monitor did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MonError {
    /// It makes no sense or is not possible. Trying again does not help.
    Refused(Refusal),
    /// No majority of monitors can be reached just now. Try again, also with another monitor.
    NoQuorum,
    /// The sender's role does not permit it.
    Denied {
        /// What a person should know.
        text: String,
    },
}
codec_enum!(MonError { 0 => Refused(refusal), 1 => NoQuorum, 2 => Denied { text } });

impl std::fmt::Display for MonError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            MonError::Refused(refusal) => refusal.fmt(f),
            MonError::NoQuorum => f.write_str(
                "no majority of the monitors can be reached; data goes on being served, changes wait until \
                 enough monitors are started",
            ),
            MonError::Denied { text } => f.write_str(text),
        }
    }
}
impl std::error::Error for MonError {}

#[cfg(test)]
mod tests {
    use super::*;
    use placement_map::stats::OsdStats;
    use placement_map::{ClusterState, PgRow, PoolId, RefusalKind};
    use stdx::codec::{from_bytes, to_bytes};

    fn samples() -> Vec<MonMessage> {
        let pg = PgId { pool: PoolId(3), seed: 7 };
        let map = ClusterState::default().map().clone();
        let row = PgRow { interval: 4, in_sync: vec![OsdId(1)], primary: Some(OsdId(1)), ..PgRow::default() };
        let update = |map| Update { map, rows: vec![(pg, row.clone())], rows_version: 9 };
        let refusal = Refusal::new(RefusalKind::Unsafe, "no");
        let beacon = Beacon {
            osd: OsdId(1),
            up_from: Epoch(3),
            epoch: Epoch(5),
            stats: OsdStats::default(),
            pgs: vec![],
        };
        let report = FailureReport {
            from: OsdId(1),
            target: OsdId(2),
            incarnation: Epoch(3),
            refused: true,
            withdrawn: false,
        };
        let command = Command::PoolRm { name: "a".to_owned() };
        vec![
            MonMessage::Raft { id: 1, body: Bytes::from_static(b"raft") },
            MonMessage::Subscribe(Subscribe { have_epoch: Epoch(2), rows: true, have_rows: 8 }),
            MonMessage::Update(Box::new(update(MapUpdate::Same))),
            MonMessage::Update(Box::new(update(MapUpdate::Incrementals(vec![])))),
            MonMessage::Update(Box::new(update(MapUpdate::Full(Box::new(map))))),
            MonMessage::Command { id: 2, command: Box::new(command.clone()) },
            MonMessage::CommandReply { id: 2, result: Ok(CommandReply::Done { epoch: Epoch(6) }) },
            MonMessage::CommandReply { id: 2, result: Err(MonError::Refused(refusal)) },
            MonMessage::Query { id: 3, query: Query::PgQuery(pg) },
            MonMessage::QueryReply { id: 3, result: Ok(Answer::PgLs { pgs: vec![] }) },
            MonMessage::QueryReply { id: 3, result: Err(MonError::NoQuorum) },
            MonMessage::Beacon(Box::new(beacon)),
            MonMessage::FailureReport(report),
            MonMessage::ClockAsk { id: 5 },
            MonMessage::ClockTold { id: 5, at: WallTime(7) },
            MonMessage::Forward {
                from: "client.admin".to_owned(),
                message: Forwarded::Command { id: 4, command: Box::new(command) },
            },
        ]
    }

    #[test]
    fn messages_come_back_and_every_cut_is_an_error() {
        for message in samples() {
            let whole = to_bytes(&message);
            assert_eq!(from_bytes::<MonMessage>(whole.clone()).as_ref(), Ok(&message));
            for cut in 0..whole.len() {
                assert!(from_bytes::<MonMessage>(whole.slice(..cut)).is_err(), "{message:?} cut at {cut}");
            }
        }
    }
}
