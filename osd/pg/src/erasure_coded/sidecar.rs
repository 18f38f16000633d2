//! Sidecars: a shard of an object as a write that is not yet certain leaves it, beside the one in place.

use crate::log::Log;
use crate::names::{internal, is_sidecar};
use bytes::Bytes;
use osd_class::snapped::SNAPSET;
use osd_object::{Mutation, ObjectId, ObjectRead, SnapId, Transaction, Version};
use placement_map::PgId;
use std::collections::BTreeMap;
use stdx::Errno;
use stdx::codec::{from_bytes, to_bytes};

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
    fn is_empty(&self) -> bool {
        self.made.is_none() && self.removed.is_empty()
    }
    /// The effect that puts it aside.
    pub(crate) fn on(&self, sidecar: &ObjectId) -> Option<Mutation> {
        let set =
            || Mutation::SetXattr { object: sidecar.clone(), name: BESIDE.into(), value: to_bytes(self) };
        (!self.is_empty()).then(set)
    }
    /// Out of a write's effects on a shard. EIO for what this build does not understand.
    fn of(effects: &Transaction) -> Result<Beside, Errno> {
        let value = |m: &Mutation| match m {
            Mutation::SetXattr { object, name, value } if name == BESIDE && is_sidecar(object) => {
                Some(value.clone())
            }
            _ => None,
        };
        match effects.mutations.iter().find_map(value) {
            Some(value) => from_bytes(value).map_err(|_| Errno::EIO),
            None => Ok(Beside::default()),
        }
    }
}

/// Whether a write's effects are such that they can be put in place later.
pub(crate) fn is_understood(effects: &Transaction) -> bool {
    Beside::of(effects).is_ok()
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
    pub(crate) object: ObjectId,
    gone: bool,
    beside: Beside,
}

/// All of them, by version.
#[derive(Debug, Default)]
pub(crate) struct PreparedWrites {
    writes: BTreeMap<Version, Prepared>,
}

impl PreparedWrites {
    /// Notes what a write's effects on this shard put aside, which were looked at (`is_understood`).
    pub(crate) fn note(&mut self, version: Version, object: &ObjectId, effects: &Transaction) {
        let aside = effects.mutations.iter().any(|m| is_sidecar(m.object()));
        if aside {
            let gone = |m: &Mutation| matches!(m, Mutation::SetXattr { name, .. } if name == GONE);
            let gone = effects.mutations.iter().any(gone);
            let beside = Beside::of(effects).expect("looked at before");
            self.writes.insert(version, Prepared { object: object.clone(), gone, beside });
        }
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
        let gone = view.xattr(sidecar, GONE)?.is_some();
        let beside = match view.xattr(sidecar, BESIDE)? {
            Some(value) => from_bytes(value).map_err(|_| Errno::EIO)?,
            None => Beside::default(),
        };
        self.writes.insert(version, Prepared { object: entry.object.clone(), gone, beside });
        Ok(true)
    }

    /// Puts what is certain in place: the writes that `certain` says, in their order.
    pub(crate) fn apply(&mut self, pg: PgId, t: &mut Transaction, certain: impl Fn(Version) -> bool) {
        self.writes.retain(|version, write| {
            if !certain(*version) {
                return true;
            }
            let (from, to) = (sidecar(pg, *version), write.object.clone());
            let clone = |snap: &SnapId| ObjectId { snap: *snap, ..to.clone() };
            if let Some(made) = &write.beside.made {
                // All earlier writes are in place, so this is what the object was before this one.
                t.push(Mutation::Clone { from: to.clone(), to: clone(made) });
                t.push(Mutation::RmXattr { object: clone(made), name: SNAPSET.into() });
            }
            for removed in &write.beside.removed {
                t.push(Mutation::Remove { object: clone(removed) });
            }
            if write.gone {
                t.push(Mutation::Remove { object: to });
                t.push(Mutation::Remove { object: from });
            } else {
                t.push(Mutation::Rename { from, to: to.clone() });
                if !write.beside.is_empty() {
                    t.push(Mutation::RmXattr { object: to, name: BESIDE.into() });
                }
            }
            false
        });
    }

    /// Forgets writes that never happened.
    pub(crate) fn drop(&mut self, pg: PgId, t: &mut Transaction, undone: impl Fn(Version) -> bool) {
        self.writes.retain(|version, _| {
            let undo = undone(*version);
            if undo {
                t.push(Mutation::Remove { object: sidecar(pg, *version) });
            }
            !undo
        });
    }

    /// Forgets all, without touching the store.
    pub(crate) fn forget(&mut self) {
        self.writes.clear();
    }

    /// The versions of the writes to these objects, in their order.
    pub(crate) fn versions_of(&self, of: impl Fn(&ObjectId) -> bool) -> Vec<Version> {
        self.writes.iter().filter(|(_, write)| of(&write.object)).map(|(version, _)| *version).collect()
    }

    /// Forgets the writes to other objects, without touching the store.
    pub(crate) fn keep(&mut self, of: impl Fn(&ObjectId) -> bool) {
        self.writes.retain(|_, write| of(&write.object));
    }

    /// Objects with a write put aside.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &ObjectId> {
        self.writes.values().map(|write| &write.object)
    }

    /// Those, and the clones that come and go with such writes: all that is not yet what it will be.
    pub(crate) fn changing(&self) -> impl Iterator<Item = ObjectId> {
        self.writes.values().flat_map(|write| {
            let clones = write.beside.made.iter().chain(&write.beside.removed);
            let clones = clones.map(|snap| ObjectId { snap: *snap, ..write.object.clone() });
            std::iter::once(write.object.clone()).chain(clones)
        })
    }
}
