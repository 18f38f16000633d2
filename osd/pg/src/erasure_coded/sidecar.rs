//! Writes that are put aside until they are certain: small ones as records (see `record`), others as *sidecars*: a shard
//! of an object as the write leaves it, beside the one in place.

use super::record;
use crate::log::Log;
use crate::names::{internal, is_sidecar};
use bytes::Bytes;
use osd_class::snapped::SNAPSET;
use osd_object::{Mutation, ObjectId, ObjectRead, SnapId, Transaction, Version};
use placement_map::PgId;
use std::collections::BTreeMap;
use stdx::Errno;
use stdx::codec::{DecodeError, from_bytes, to_bytes};

/// The namespace of sidecars.
pub(crate) const NAMESPACE: &str = "\0pgside";
/// An attribute of a sidecar: the object is to go.
const GONE: &str = "\0gone";

/// An attribute of a sidecar: the clones that come and go with the write.
const BESIDE: &str = "\0beside";

/// Clones of the object that come and go when a write takes effect. They need no sidecars of their own: one that is made
/// is what the object is until then, and one that goes is whole until then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Beside {
    /// The clone to be made of what the object was.
    pub(crate) made: Option<SnapId>,
    /// Clones that go.
    pub(crate) removed: Vec<SnapId>,
}
stdx::codec_versioned!(Beside, 1 { made, removed });

impl Beside {
    pub(crate) fn is_empty(&self) -> bool {
        self.made.is_none() && self.removed.is_empty()
    }
    /// It happens. All earlier writes are in place, so what is made is what the object was before this one.
    fn take_place(&self, object: &ObjectId, t: &mut Transaction) {
        let clone = |snap: &SnapId| ObjectId { snap: *snap, ..object.clone() };
        if let Some(made) = &self.made {
            t.push(Mutation::Clone { from: object.clone(), to: clone(made) });
            t.push(Mutation::RmXattr { object: clone(made), name: SNAPSET.into() });
        }
        for removed in &self.removed {
            t.push(Mutation::Remove { object: clone(removed) });
        }
    }
    /// The effect that puts it aside.
    pub(crate) fn on(&self, sidecar: &ObjectId) -> Option<Mutation> {
        let set =
            || Mutation::SetXattr { object: sidecar.clone(), name: BESIDE.into(), value: to_bytes(self) };
        (!self.is_empty()).then(set)
    }
    /// Out of a write's effects on a shard. An error: what this build does not understand.
    fn of(effects: &Transaction) -> Result<Beside, DecodeError> {
        let value = |m: &Mutation| match m {
            Mutation::SetXattr { object, name, value } if name == BESIDE && is_sidecar(object) => {
                Some(value.clone())
            }
            _ => None,
        };
        match effects.mutations.iter().find_map(value) {
            Some(value) => from_bytes(value),
            None => Ok(Beside::default()),
        }
    }
}

/// Where the write of this version is put aside.
pub(crate) fn sidecar(pg: PgId, version: Version) -> ObjectId {
    internal(pg, NAMESPACE, &format!("{}.{}", version.interval, version.seq))
}

/// The version whose sidecar this is.
pub(crate) fn version_of(sidecar: &ObjectId) -> Option<Version> {
    let (interval, seq) = sidecar.name.name.split_once('.')?;
    let version = Version { interval: interval.parse().ok()?, seq: seq.parse().ok()? };
    is_sidecar(sidecar).then_some(version)
}

/// Effects that put the removal of an object aside.
pub(crate) fn removal(sidecar: &ObjectId, beside: &Beside) -> Transaction {
    let gone = Mutation::SetXattr { object: sidecar.clone(), name: GONE.into(), value: Bytes::new() };
    let all = [Mutation::Touch { object: sidecar.clone() }, gone];
    Transaction { mutations: all.into_iter().chain(beside.on(sidecar)).collect() }
}

/// A write that was put aside here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prepared {
    object: ObjectId,
    how: How,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum How {
    /// The sidecar is what the shard will be.
    Copy(Beside),
    /// The sidecar says that the object is to go.
    Gone(Beside),
    /// A record: these are the effects.
    Record(Transaction),
}

impl Prepared {
    /// What a write's effects on this shard put aside, if they do. An error: of a form that this build does not
    /// understand, so that it could not be put in place.
    pub(crate) fn of(
        pg: PgId,
        version: Version,
        object: &ObjectId,
        effects: &Transaction,
    ) -> Result<Option<Prepared>, DecodeError> {
        let gone = |m: &Mutation| matches!(m, Mutation::SetXattr { name, .. } if name == GONE);
        let how = if let Some(record) = record::found_in(pg, version, effects)? {
            How::Record(record)
        } else if !effects.mutations.iter().any(|m| is_sidecar(m.object())) {
            return Ok(None);
        } else if effects.mutations.iter().any(gone) {
            How::Gone(Beside::of(effects)?)
        } else {
            How::Copy(Beside::of(effects)?)
        };
        Ok(Some(Prepared { object: object.clone(), how }))
    }

    /// Whether it is a record.
    #[cfg(test)]
    pub(crate) fn is_record(&self) -> bool {
        matches!(self.how, How::Record(_))
    }

    /// The same for the PG that its object belongs to from now on: what it has to store of it.
    pub(crate) fn given_to(&self, child: PgId, from: PgId, version: Version) -> Transaction {
        match &self.how {
            How::Record(effects) => record::put_aside(child, version, effects),
            How::Copy(_) | How::Gone(_) => {
                let (from, to) = (sidecar(from, version), sidecar(child, version));
                Transaction { mutations: vec![Mutation::Rename { from, to }] }
            }
        }
    }
}

/// All of them, by version.
#[derive(Debug, Default)]
pub(crate) struct PreparedWrites {
    writes: BTreeMap<Version, Prepared>,
}

impl PreparedWrites {
    /// Notes what was put aside for a write.
    pub(crate) fn note(&mut self, version: Version, prepared: Option<Prepared>) {
        self.writes.extend(prepared.map(|prepared| (version, prepared)));
    }

    /// Notes a sidecar that was found in the store, if the log knows of its write; otherwise it is to go.
    pub(crate) fn found(
        &mut self,
        sidecar: &ObjectId,
        log: &Log,
        view: &dyn ObjectRead,
    ) -> Result<bool, Errno> {
        let Some(version) = version_of(sidecar) else { return Ok(false) };
        let Some(entry) = log.at(version.seq).filter(|e| e.version == version) else { return Ok(false) };
        let beside = match view.xattr(sidecar, BESIDE)? {
            Some(value) => from_bytes(value).map_err(|_| Errno::EIO)?,
            None => Beside::default(),
        };
        let how = if view.xattr(sidecar, GONE)?.is_some() { How::Gone(beside) } else { How::Copy(beside) };
        self.writes.insert(version, Prepared { object: entry.object.clone(), how });
        Ok(true)
    }

    /// Notes the records that were found in the store. Those whose writes the log does not know are to go: the effects
    /// of that.
    pub(crate) fn found_records(
        &mut self,
        pg: PgId,
        records: Vec<(Version, Transaction)>,
        log: &Log,
    ) -> Vec<Mutation> {
        let mut unknown = Vec::new();
        for (version, effects) in records {
            match log.at(version.seq).filter(|e| e.version == version) {
                Some(entry) => {
                    let prepared = Prepared { object: entry.object.clone(), how: How::Record(effects) };
                    self.writes.insert(version, prepared);
                }
                None => unknown.push(record::forget(pg, version)),
            }
        }
        unknown
    }

    /// Puts what is certain in place: the writes that `certain` says, in their order, until records of so many bytes are.
    /// True: there are more; the next call goes on with another transaction.
    #[must_use]
    pub(crate) fn apply(
        &mut self,
        pg: PgId,
        t: &mut Transaction,
        bytes_max: u64,
        certain: impl Fn(Version) -> bool,
    ) -> bool {
        let (mut bytes, mut more) = (0, false);
        self.writes.retain(|version, write| {
            if !certain(*version) {
                return true;
            }
            if bytes >= bytes_max {
                more = true;
                return true;
            }
            let (from, to) = (sidecar(pg, *version), write.object.clone());
            match &mut write.how {
                How::Copy(beside) => {
                    beside.take_place(&to, t);
                    t.push(Mutation::Rename { from, to: to.clone() });
                    if !beside.is_empty() {
                        t.push(Mutation::RmXattr { object: to, name: BESIDE.into() });
                    }
                }
                How::Gone(beside) => {
                    beside.take_place(&to, t);
                    t.push(Mutation::Remove { object: to });
                    t.push(Mutation::Remove { object: from });
                }
                How::Record(effects) => {
                    bytes += effects.payload_bytes();
                    t.append(std::mem::take(effects));
                    t.push(record::forget(pg, *version));
                }
            }
            false
        });
        more
    }

    /// Forgets writes that never happened.
    pub(crate) fn drop(&mut self, pg: PgId, t: &mut Transaction, undone: impl Fn(Version) -> bool) {
        self.writes.retain(|version, write| {
            let undo = undone(*version);
            if undo {
                t.push(match write.how {
                    How::Record(_) => record::forget(pg, *version),
                    How::Copy(_) | How::Gone(_) => Mutation::Remove { object: sidecar(pg, *version) },
                });
            }
            !undo
        });
    }

    /// Forgets all, without touching the store.
    pub(crate) fn forget(&mut self) {
        self.writes.clear();
    }

    /// The writes to these objects, in their order.
    pub(crate) fn of(&self, of: impl Fn(&ObjectId) -> bool) -> impl Iterator<Item = (Version, &Prepared)> {
        self.writes
            .iter()
            .filter(move |(_, write)| of(&write.object))
            .map(|(version, write)| (*version, write))
    }

    /// Forgets the writes to other objects, which are another PG's now: the effects of that, to be stored with the note
    /// that this PG was divided. Sidecars were given away already; a record is there until then, since nothing else
    /// has it if the other PG has to be made once more.
    pub(crate) fn keep(&mut self, pg: PgId, of: impl Fn(&ObjectId) -> bool) -> Transaction {
        let mut t = Transaction::new();
        self.writes.retain(|version, write| {
            let kept = of(&write.object);
            if !kept && matches!(write.how, How::Record(_)) {
                t.push(record::forget(pg, *version));
            }
            kept
        });
        t
    }

    /// Objects with a write put aside.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &ObjectId> {
        self.writes.values().map(|write| &write.object)
    }

    /// Those, and the clones that come and go with such writes: all that is not yet what it will be.
    pub(crate) fn changing(&self) -> impl Iterator<Item = ObjectId> {
        self.writes.values().flat_map(|write| {
            let beside = match &write.how {
                How::Copy(beside) | How::Gone(beside) => Some(beside),
                // No clones come or go with these.
                How::Record(_) => None,
            };
            let clones = beside.into_iter().flat_map(|beside| beside.made.iter().chain(&beside.removed));
            let clones = clones.map(|snap| ObjectId { snap: *snap, ..write.object.clone() });
            std::iter::once(write.object.clone()).chain(clones)
        })
    }
}
