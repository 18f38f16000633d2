//! A store by its contract: transactions become durable in the order of their submission, a crash leaves some
//! beginning of what was not durable, and data that is read is what was written or an error. (That the real store
//! keeps it is shown by its own tests.)

use bytes::Bytes;
use osd_object::model::Model;
use osd_object::{Mutation, ObjectId, Transaction};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use stdx::{Errno, Rng, Time};

/// The unit of checksums.
const UNIT_BYTES: u64 = 4096;

/// One store.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    /// What survives a crash.
    pub(crate) durable: Model,
    /// What is visible.
    pub(crate) view: Model,
    pending: VecDeque<(u64, Transaction)>,
    /// Units of objects' data that cannot be read: rotten, never written, or written elsewhere. The checksum tells.
    unreadable: BTreeMap<ObjectId, BTreeSet<u64>>,
    /// When the last transaction submitted becomes durable.
    pub(crate) busy_until: Time,
    /// Every transaction takes longer by so much, microseconds at most.
    pub(crate) slow_us: u64,
    /// The contract is broken: nobody looks at checksums.
    pub(crate) gives_out_rot: bool,
}

impl Disk {
    pub(crate) fn new(gives_out_rot: bool) -> Disk {
        Disk { gives_out_rot, ..Disk::default() }
    }

    /// Takes a transaction in.
    pub(crate) fn submit(&mut self, ticket: u64, transaction: Transaction) {
        if self.unreadable.is_empty() {
            self.view.apply(&transaction);
        } else {
            for m in &transaction.mutations {
                self.view.apply(&Transaction { mutations: vec![m.clone()] });
                self.follow_damage(m);
            }
        }
        self.pending.push_back((ticket, transaction));
    }

    /// Damage goes with the object that it is in, is shared by its clones, and ends where data is written anew.
    fn follow_damage(&mut self, m: &Mutation) {
        let size = |object: &ObjectId| self.view.objects.get(object).map_or(0, |o| o.data.len() as u64);
        match m {
            Mutation::Remove { object } => {
                self.unreadable.remove(object);
            }
            Mutation::Rename { from, to } | Mutation::Clone { from, to } => {
                let units = match m {
                    Mutation::Rename { .. } => self.unreadable.remove(from),
                    _ => self.unreadable.get(from).cloned(),
                };
                self.unreadable.remove(to);
                self.unreadable.extend(units.map(|units| (to.clone(), units)));
            }
            Mutation::Zero { object, offset, len } => {
                let (size, end) = (size(object), offset.saturating_add(*len));
                self.written_anew(object, size, *offset, end);
            }
            Mutation::Write { object, offset, data } => {
                let (size, end) = (size(object), offset + data.len() as u64);
                self.written_anew(object, size, *offset, end);
            }
            Mutation::Truncate { object, size } => self.written_anew(object, *size, *size, u64::MAX),
            _ => {}
        }
        // No data, no damage: what is left of a deleted object for its snapshots has none.
        let view = &self.view;
        self.unreadable.retain(|object, units| {
            !units.is_empty() && view.objects.get(object).is_some_and(|o| !o.data.is_empty())
        });
    }

    /// Units that lie in the range as a whole, or from where it begins to the object's end, are sound.
    fn written_anew(&mut self, object: &ObjectId, size: u64, from: u64, to: u64) {
        if let Some(units) = self.unreadable.get_mut(object) {
            units.retain(|unit| {
                let (start, end) = (unit * UNIT_BYTES, (unit + 1) * UNIT_BYTES);
                start < from || end.min(size) > to
            });
        }
    }

    /// The oldest transaction is durable.
    pub(crate) fn flushed(&mut self) -> u64 {
        let (ticket, transaction) = self.pending.pop_front().expect("one for each submission");
        self.durable.apply(&transaction);
        ticket
    }

    /// Nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }

    /// The power goes. `holes`: the contract is broken, one of the lost transactions survives those before it.
    pub(crate) fn crash(&mut self, rng: &mut Rng, holes: bool) {
        let made_it = rng.below(self.pending.len() as u64 + 1) as usize;
        for (at, (_, transaction)) in self.pending.drain(..).enumerate() {
            if (at < made_it) != holes {
                self.durable.apply(&transaction);
            }
        }
        self.view = Model::new();
        self.busy_until = Time::ZERO;
    }

    /// Comes up again with what it kept.
    pub(crate) fn open(&mut self) {
        self.view = self.durable.clone();
    }

    /// Another disk, empty.
    pub(crate) fn replace(&mut self) {
        *self = Disk::new(self.gives_out_rot);
    }

    pub(crate) fn read(&self, object: &ObjectId, offset: u64, len: u64) -> Result<Bytes, Errno> {
        let data = self.view.read(object, offset, len)?;
        let end = offset + data.len() as u64;
        let meets = |unit: &u64| unit * UNIT_BYTES < end && offset < (unit + 1) * UNIT_BYTES;
        if !self.unreadable.get(object).is_some_and(|units| units.iter().any(meets)) {
            return Ok(data);
        }
        if self.gives_out_rot {
            return Ok(data.iter().map(|byte| byte ^ 1).collect());
        }
        Err(Errno::EIO)
    }

    /// An object cannot be read any more: all of it or, of a larger one, perhaps some unit.
    pub(crate) fn spoil(&mut self, object: ObjectId, rng: &mut Rng) {
        let size = self.view.objects.get(&object).map_or(0, |o| o.data.len() as u64);
        let all = size.div_ceil(UNIT_BYTES);
        let some = all > 1 && rng.chance(1, 2);
        let units = if some { BTreeSet::from([rng.below(all)]) } else { (0..all).collect() };
        if !units.is_empty() {
            self.unreadable.insert(object, units);
        }
    }
    pub(crate) fn is_spoilt(&self, object: &ObjectId) -> bool {
        self.unreadable.contains_key(object)
    }
    /// Where an object cannot be read: the first bytes of its bad units.
    pub(crate) fn bad_places(&self, object: &ObjectId) -> Vec<u64> {
        self.unreadable.get(object).into_iter().flatten().map(|unit| unit * UNIT_BYTES).collect()
    }
    /// What cannot be read.
    pub(crate) fn spoilt(&self) -> impl Iterator<Item = &ObjectId> {
        self.unreadable.keys()
    }
    /// An object can be read again.
    pub(crate) fn heal(&mut self, object: &ObjectId) {
        self.unreadable.remove(object);
    }
}
