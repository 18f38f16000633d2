//! What a PG wants done. Plain values: a test compares them, a trace prints them.

use crate::event::SessionId;
use crate::lease::granted::Promise;
use osd_object::{ObjectId, Transaction};
use placement_map::{OsdId, PgId, RowChange};
use wire_codec::watch::WatchEvent;
use wire_codec::{OsdOpReply, PgMessage};

/// Names a store or a read within one `Pg`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Something to be done, in the order in which `poll` gives them.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Send to another member. May be lost; links keep their order.
    Send {
        /// To whom.
        to: OsdId,
        /// What.
        message: PgMessage,
    },
    /// Apply to the store. Visible in the view at once, answered by `Event::Stored` when durable. A
    /// store that cannot make it durable stops the OSD.
    Store {
        /// Names it.
        ticket: Ticket,
        /// The effects, atomically.
        transaction: Transaction,
    },
    /// Read data as it is now; answered by `Event::ReadDone`. The machine submits no write that changes the
    /// object until then.
    Read {
        /// Names it.
        ticket: Ticket,
        /// The object, which exists.
        object: ObjectId,
        /// First byte, within the object.
        offset: u64,
        /// Bytes, not zero, within the object.
        len: u64,
    },
    /// Say what the store holds of these objects; answered by `Event::Scrubbed`. Takes one of the few slots that an
    /// OSD has for scrubs, or keeps it; without a free one the answer is none, at once. The shell takes its time:
    /// clients come first. What is said of an object is of one moment, at which every transaction so far shows.
    Scrub {
        /// Names it.
        ticket: Ticket,
        /// The objects; some may be gone.
        objects: Vec<ObjectId>,
        /// Whether their data is read.
        deep: bool,
    },
    /// The PG needs its slot for scrubs no more, nor the answer to an `Effect::Scrub` that is under way.
    ScrubEnded,
    /// Answer a client.
    Reply {
        /// Where it asked.
        session: SessionId,
        /// The answer.
        reply: OsdOpReply,
    },
    /// What the PG held beyond its range is these PGs' by now, in the store too: they get machines of their own, with
    /// this promise, before anything else is told to any PG of the pool.
    Divided {
        /// The children, in the order of their seeds.
        children: Vec<PgId>,
        /// What this OSD promised to primaries of the parent.
        promise: Promise,
    },
    /// Tell a client that watches. May be dropped when its session is slow or gone: it is told again when it pings.
    Tell {
        /// Where it watches.
        session: SessionId,
        /// What.
        event: WatchEvent,
    },
    /// Propose a change of the PG's row to the monitors. Made again after a while if the row does not
    /// change.
    Propose(RowChange),
}
