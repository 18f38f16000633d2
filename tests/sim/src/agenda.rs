//! What will happen, in the order of virtual time.

use crate::end::End;
use crate::network::ConnId;
use crate::packet::Packet;
use osd_object::ObjectId;
use placement_map::{Command, OsdId};
use std::collections::BTreeMap;
use stdx::Time;

/// Something that will happen.
#[derive(Debug)]
pub(crate) enum Happening {
    /// The next packet of a way arrives.
    Arrive { conn: ConnId, way: usize, session: u64 },
    /// A packet of a connection that broke meanwhile arrives all the same.
    Late { from: End, to: End, life: u64, session: u64, packet: Packet },
    /// An attempt to connect comes to something.
    Attempt { conn: ConnId },
    /// A connection breaks.
    Break { conn: ConnId },
    /// An end notices that a connection is gone.
    Lost { end: End, peer: End, session: u64 },
    /// A timer of an OSD.
    OsdTick { osd: OsdId, life: u64 },
    /// What an OSD does every half second.
    OsdChores { osd: OsdId, life: u64 },
    /// The oldest transaction of an OSD is durable.
    Durable { osd: OsdId, life: u64 },
    /// A read of an OSD comes back.
    ReadDone { osd: OsdId, life: u64, ticket: u64, object: ObjectId, offset: u64, len: u64 },
    /// An OSD's store looks at the next object for a scrub.
    ScanStep { osd: OsdId, life: u64 },
    /// An OSD that stands still goes on.
    Resume,
    /// An OSD is started.
    Start { osd: OsdId },
    /// An OSD that said goodbye stops.
    Stop { osd: OsdId, life: u64 },
    /// A client may ask something.
    ClientTurn { client: u32, instance: u64 },
    /// A timer of a client.
    ClientTick { client: u32, instance: u64 },
    /// The monitors commit a command.
    Commit { command: Box<Command>, life: Option<(OsdId, u64)> },
    /// A monitor learns of commits.
    MonApplies { mon: u32, upto: usize },
    /// The leading monitor looks who is silent.
    MonLook,
    /// The next fault.
    Fault,
    /// A fault ends.
    Undo(Undo),
    /// Invariants are checked that are not bound to an event.
    Check,
}

/// The end of a fault.
#[derive(Clone, Debug)]
pub(crate) enum Undo {
    /// Ways are mended.
    Cuts(Vec<(End, End)>),
    /// Links are fast again.
    SlowLinks,
    /// A disk is fast again.
    SlowDisk(OsdId),
    /// A store takes writes again.
    Full(OsdId),
}

/// The agenda.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    entries: BTreeMap<(Time, u64), Happening>,
    count: u64,
}

impl Agenda {
    pub(crate) fn add(&mut self, at: Time, happening: Happening) {
        self.count += 1;
        self.entries.insert((at, self.count), happening);
    }
    pub(crate) fn next(&mut self) -> Option<(Time, Happening)> {
        self.entries.pop_first().map(|((at, _), happening)| (at, happening))
    }
}
