//! A store by its contract: transactions become durable in the order of their submission, a crash leaves some
//! beginning of what was not durable, and data that is read is what was written or an error. (That the real store
//! keeps it is shown by its own tests.)

use bytes::Bytes;
use osd_object::model::Model;
use osd_object::{Mutation, ObjectId, Transaction};
use std::collections::{BTreeSet, VecDeque};
use stdx::{Errno, Rng, Time};

/// One store.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    /// What survives a crash.
    pub(crate) durable: Model,
    /// What is visible.
    pub(crate) view: Model,
    pending: VecDeque<(u64, Transaction)>,
    /// Objects whose data cannot be read: rotten, never written, or written elsewhere. The checksum tells.
    unreadable: BTreeSet<ObjectId>,
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
        self.view.apply(&transaction);
        if !self.unreadable.is_empty() {
            self.replaced(&transaction);
        }
        self.pending.push_back((ticket, transaction));
    }

    /// An object that goes takes its damage with it, and so does data that is written anew as a whole.
    fn replaced(&mut self, transaction: &Transaction) {
        for m in &transaction.mutations {
            match m {
                Mutation::Remove { object } => {
                    self.unreadable.remove(object);
                }
                Mutation::Rename { from, to } => {
                    self.unreadable.remove(to);
                    if self.unreadable.remove(from) {
                        self.unreadable.insert(to.clone());
                    }
                }
                Mutation::Zero { object, offset: 0, len }
                    if self.view.objects.get(object).is_some_and(|o| o.data.len() as u64 <= *len) =>
                {
                    self.unreadable.remove(object);
                }
                Mutation::Write { object, offset: 0, data }
                    if self.view.objects.get(object).is_some_and(|o| o.data.len() <= data.len()) =>
                {
                    self.unreadable.remove(object);
                }
                _ => {}
            }
        }
        // No data, no damage: what is left of a deleted object for its snapshots has none.
        let view = &self.view;
        self.unreadable.retain(|object| view.objects.get(object).is_some_and(|o| !o.data.is_empty()));
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
        let data = self.view.read(object, offset, len);
        if !self.unreadable.contains(object) {
            return data;
        }
        if self.gives_out_rot {
            return data.map(|d| d.iter().map(|byte| byte ^ 1).collect());
        }
        Err(Errno::EIO)
    }

    pub(crate) fn spoil(&mut self, object: ObjectId) {
        if self.view.objects.get(&object).is_some_and(|o| !o.data.is_empty()) {
            self.unreadable.insert(object);
        }
    }
    pub(crate) fn is_spoilt(&self, object: &ObjectId) -> bool {
        self.unreadable.contains(object)
    }
    /// What cannot be read.
    pub(crate) fn spoilt(&self) -> impl Iterator<Item = &ObjectId> {
        self.unreadable.iter()
    }
    /// An object can be read again.
    pub(crate) fn heal(&mut self, object: &ObjectId) {
        self.unreadable.remove(object);
    }
}
