//! Gathering: a range of some shards of an object, read where they are or rebuilt from others. A shard that cannot be
//! read, or is not what it should be, counts as lost; one that does not answer in time is done without if possible.

use crate::effect::{Effect, Ticket};
use crate::machine::{Pg, ReadFor};
use bytes::Bytes;
use erasure::ChunkSet;
use osd_object::{ObjectId, ObjectRead, Version};
use placement_map::OsdId;
use std::collections::BTreeMap;
use stdx::{Errno, Time};
use wire_codec::PgMessage;

/// What is gathered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GatherFor {
    /// Bytes of the object, for an operation.
    Op {
        /// Its number.
        number: u64,
        /// The object's first byte that is wanted.
        offset: u64,
        /// How many.
        len: u64,
    },
    /// Old shards that an operation writes into.
    Old {
        /// Its number.
        number: u64,
    },
    /// A piece of a push to a member.
    Push {
        /// To whom.
        to: OsdId,
        /// Within this attempt.
        attempt: u64,
        /// Which.
        push: u64,
    },
    /// All shards, to see whether they belong together.
    Parity,
    /// A range of a shard that its holder cannot read.
    Repair {
        /// The holder.
        of: OsdId,
    },
}

/// A gathering under way.
#[derive(Debug)]
pub(crate) struct Gather {
    object: ObjectId,
    version: Version,
    /// The range within the shards.
    low: u64,
    high: u64,
    wanted: ChunkSet,
    purpose: GatherFor,
    /// Asked for, without an answer so far.
    asked: ChunkSet,
    got: BTreeMap<usize, Bytes>,
    /// Unreadable, or not what they should be.
    bad: ChunkSet,
    /// Did not answer in time.
    silent: ChunkSet,
    again_at: Time,
}

impl Gather {
    /// Of the object at this version, the range `low .. high` (not empty) of the wanted shards.
    pub(crate) fn new(
        object: ObjectId,
        version: Version,
        range: (u64, u64),
        wanted: ChunkSet,
        purpose: GatherFor,
    ) -> Gather {
        Gather {
            object,
            version,
            low: range.0,
            high: range.1,
            wanted,
            purpose,
            asked: ChunkSet::new(),
            got: BTreeMap::new(),
            bad: ChunkSet::new(),
            silent: ChunkSet::new(),
            again_at: Time::ZERO,
        }
    }
    /// Whether it is a piece of a push to this member.
    pub(crate) fn is_for(&self, osd: OsdId) -> bool {
        matches!(self.purpose, GatherFor::Push { to, .. } if to == osd)
    }
    /// Whether it is for an operation.
    pub(crate) fn is_for_op(&self) -> bool {
        matches!(self.purpose, GatherFor::Op { .. } | GatherFor::Old { .. })
    }
    /// Without these shards.
    pub(crate) fn without(self, bad: ChunkSet) -> Gather {
        Gather { bad, ..self }
    }
    /// Whether it is for a repair.
    pub(crate) fn is_repair(&self) -> bool {
        matches!(self.purpose, GatherFor::Repair { .. })
    }
    /// Whether it is for a look at parity.
    pub(crate) fn is_parity(&self) -> bool {
        self.purpose == GatherFor::Parity
    }
    fn here(&self) -> ChunkSet {
        self.got.keys().copied().collect()
    }
}

impl Pg {
    /// Begins. The object is locked against writes until the answer is used.
    pub(crate) fn gather(&mut self, ticket: Ticket, gather: Gather, view: &dyn ObjectRead) {
        self.gathers.insert(ticket, gather);
        self.ask_shards(ticket, view);
    }

    /// Asks for what is still missing, by the plan that needs least of who is there.
    fn ask_shards(&mut self, ticket: Ticket, view: &dyn ObjectRead) {
        let (holders, in_sync) = (self.shard_holders(), self.shards_in_sync());
        let again_at = self.now + self.config.resend;
        let (Some(shape), Some(g)) = (self.shape.as_mut(), self.gathers.get_mut(&ticket)) else { return };
        g.again_at = again_at;
        if self.primary.as_ref().is_none_or(|p| p.interval != self.interval) {
            // Replaced: nobody answers us any more, and the next map ends this.
            return;
        }
        let there: ChunkSet = holders.keys().copied().collect();
        let there = (there | g.here()) - g.bad;
        let silent = if g.is_parity() { ChunkSet::new() } else { g.silent };
        let plan = shape.reads(g.wanted, there - silent).or_else(|_| {
            // Better to wait for the slow than to fail.
            g.silent = ChunkSet::new();
            shape.reads(g.wanted, there)
        });
        let Ok(reads) = plan else {
            if shape.reads(g.wanted, in_sync - g.bad).is_err() {
                self.gathered(ticket, Err(Errno::EIO), view);
            }
            // Else whoever is missing is in sync, and comes back or is dropped.
            return;
        };
        // Whoever is in a hurry asks everybody, and takes what comes first.
        let hurried = self.pool.fast_read && matches!(g.purpose, GatherFor::Op { .. });
        let reads = if hurried { there - g.silent } else { reads };
        let ask = (reads - g.here()) - g.asked;
        g.asked = g.asked | ask;
        let (object, version, offset, len) = (g.object.clone(), g.version, g.low, g.high - g.low);
        let committed_to = self.primary.as_ref().map_or(0, |p| p.certain_to);
        for position in ask.iter() {
            let (interval, object) = (self.interval, object.clone());
            match holders.get(&position) {
                Some(osd) if *osd == self.me => {
                    let own = self.durability.ticket();
                    self.reads.insert(own, ReadFor::Shard { gather: ticket, position });
                    self.effect(Effect::Read { ticket: own, object, offset, len });
                }
                Some(osd) => {
                    let read = ticket.0;
                    let message =
                        PgMessage::ShardRead { interval, read, object, version, offset, len, committed_to };
                    self.send(*osd, message);
                }
                None => {}
            }
        }
    }

    /// A member answered: with a shard, or with a range of its copy.
    pub(crate) fn on_shard_data(
        &mut self,
        from: OsdId,
        read: u64,
        data: Option<Bytes>,
        view: &dyn ObjectRead,
    ) {
        if self.fetches.contains_key(&Ticket(read)) {
            self.copy_came(Ticket(read), from, data, view);
        } else if let Some(shard) = self.row.shards.get(&from) {
            self.shard_came(Ticket(read), usize::from(*shard), data, view);
        }
    }

    /// A shard came, or cannot be had (none).
    pub(crate) fn shard_came(
        &mut self,
        ticket: Ticket,
        position: usize,
        data: Option<Bytes>,
        view: &dyn ObjectRead,
    ) {
        let (Some(shape), Some(g)) = (self.shape.as_mut(), self.gathers.get_mut(&ticket)) else { return };
        g.asked.remove(position);
        match data.filter(|data| data.len() as u64 == g.high - g.low) {
            Some(data) => {
                g.got.insert(position, data);
            }
            None => g.bad.insert(position),
        }
        // Whoever looks at parity wants to see all of it, and nothing decoded.
        let enough = match g.purpose {
            GatherFor::Parity => ((g.wanted - g.bad) - g.here()).is_empty(),
            _ => shape.reads(g.wanted, g.here()).is_ok(),
        };
        if enough {
            self.gathered(ticket, Ok(()), view);
        } else if g.bad.contains(position) {
            self.ask_shards(ticket, view);
        }
    }

    /// Enough is here, or never will be.
    fn gathered(&mut self, ticket: Ticket, result: Result<(), Errno>, view: &dyn ObjectRead) {
        let Some(g) = self.gathers.remove(&ticket) else { return };
        if !g.bad.is_empty() && !g.is_repair() {
            self.shards_bad(&g.object, g.version, (g.low, g.high), g.bad, view);
        }
        if g.is_parity() {
            return self.parity_came(ticket, (g.low, g.high), &g.got, view);
        }
        let Some(shape) = self.shape.as_mut() else { return };
        let shards = result.and_then(|()| shape.rebuild(g.wanted, &g.got).map_err(|_| Errno::EIO));
        match g.purpose {
            GatherFor::Op { number, offset, len } => {
                let bytes = shards.map(|shards| shape.assemble(offset, len, g.low, &shards));
                self.op_data_read(number, ticket, bytes);
            }
            GatherFor::Old { number } => self.op_old_read(number, ticket, shards),
            GatherFor::Push { to, attempt, push } => {
                let bytes = shards.and_then(|shards| shards.into_values().next().ok_or(Errno::EIO));
                self.push_data_read(to, attempt, push, bytes, view);
            }
            GatherFor::Parity => {}
            GatherFor::Repair { of } => {
                if let Some(data) = shards.ok().and_then(|shards| shards.into_values().next()) {
                    self.repair_shard(of, g.object, g.version, (g.low, data), view);
                }
            }
        }
    }

    /// Whoever did not answer in time is done without, or asked again.
    pub(crate) fn advance_gathers(&mut self, view: &dyn ObjectRead) {
        let now = self.now;
        let mine = self.row.shards.get(&self.me).copied().map(usize::from);
        let due: Vec<Ticket> =
            self.gathers.iter().filter(|(_, g)| g.again_at <= now).map(|(t, _)| *t).collect();
        for ticket in due {
            if let Some(g) = self.gathers.get_mut(&ticket) {
                // Our own disk answers in the end.
                let silent: ChunkSet = g.asked.iter().filter(|position| Some(*position) != mine).collect();
                g.silent = g.silent | silent;
                g.asked = g.asked - silent;
            }
            self.ask_shards(ticket, view);
        }
    }

    /// When somebody must be asked again.
    pub(crate) fn gathers_timeout(&self) -> Option<Time> {
        self.gathers.values().map(|g| g.again_at).min()
    }
}
