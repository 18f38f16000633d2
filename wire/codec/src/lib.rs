//! Every message between daemons and clients, its bytes and its versions. Pure: no sockets.
//! Drawn in docs/formats/messages.md.

pub mod mon;
pub mod osd_op;
pub mod pg;
pub mod watch;

pub use mon::MonMessage;
pub use osd_op::{OpTarget, OsdOp, OsdOpReply, OsdOutcome, PgOp};
pub use pg::PgMessage;
pub use placement_map::{FEATURE_LEVEL, FEATURE_LEVEL_BASE};

use placement_map::{Epoch, PgId};
use stdx::codec_enum;

/// What travels in one frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Are you there? Answered at once by every daemon.
    Ping {
        /// Echoed in the answer.
        stamp: u64,
    },
    /// Yes.
    Pong {
        /// The stamp of the ping.
        stamp: u64,
        /// The answering OSD's store takes no more: primaries refuse what would grow it.
        full: bool,
    },
    /// A client's operation, to an OSD.
    OsdOp(OsdOp),
    /// Its answer.
    OsdOpReply(OsdOpReply),
    /// Between members of a PG.
    Pg {
        /// The sender's map epoch.
        epoch: Epoch,
        /// The PG.
        pg: PgId,
        /// What.
        message: PgMessage,
    },
    /// To and from monitors.
    Mon(MonMessage),
    /// To a client that watches an object. Never to one that did not ask to watch.
    WatchEvent(watch::WatchEvent),
}
codec_enum!(Message {
    0 => Ping { stamp },
    1 => Pong { stamp, full },
    2 => OsdOp(op),
    3 => OsdOpReply(reply),
    4 => Pg { epoch, pg, message },
    5 => Mon(message),
    6 => WatchEvent(event),
});
