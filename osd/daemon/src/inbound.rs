//! What can wake the reactor from outside, as one type.

use crate::clients::SessionId;
use placement_map::OsdId;
use tokio::sync::OwnedSemaphorePermit;
use wire_codec::{Message, OsdOp};
use wire_transport::{Link, PeerName};

/// Something came from outside.
pub(crate) enum Inbound {
    /// A daemon or client proved who it is.
    Linked {
        /// Who.
        name: PeerName,
        /// Its link.
        link: Box<Link>,
    },
    /// A client's operation, with the room it takes.
    Op {
        /// The session to answer.
        session: SessionId,
        /// What is asked.
        op: OsdOp,
        /// Held until it is answered.
        room: OwnedSemaphorePermit,
    },
    /// A client wants to know whether we live.
    ClientPing {
        /// The session to answer.
        session: SessionId,
        /// To echo.
        stamp: u64,
    },
    /// A client's session ended.
    ClientGone {
        /// Which.
        session: SessionId,
    },
    /// A message from another OSD.
    Peer {
        /// Who.
        from: OsdId,
        /// What.
        message: Message,
    },
}
