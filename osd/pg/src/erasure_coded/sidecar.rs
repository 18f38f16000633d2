//! Sidecars: a shard of an object as a write that is not yet certain leaves it, beside the one in place.

use crate::log::Log;
use crate::names::{internal, is_sidecar};
use bytes::Bytes;
use osd_object::{Mutation, ObjectId, ObjectRead, Transaction, Version};
use placement_map::PgId;
use std::collections::BTreeMap;
use stdx::Errno;

/// The namespace of sidecars.
pub(crate) const NAMESPACE: &str = "\0pgside";
/// An attribute of a sidecar: the object is to go.
const GONE: &str = "\0gone";

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
pub(crate) fn removal(sidecar: ObjectId) -> Transaction {
    let gone = Mutation::SetXattr { object: sidecar.clone(), name: GONE.into(), value: Bytes::new() };
    Transaction { mutations: vec![Mutation::Touch { object: sidecar }, gone] }
}

/// A write that was put aside here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prepared {
    pub(crate) object: ObjectId,
    gone: bool,
}

/// All of them, by version.
#[derive(Debug, Default)]
pub(crate) struct PreparedWrites {
    writes: BTreeMap<Version, Prepared>,
}

impl PreparedWrites {
    /// Notes what a write's effects on this shard put aside.
    pub(crate) fn note(&mut self, version: Version, object: &ObjectId, effects: &Transaction) {
        let aside = effects.mutations.iter().any(|m| is_sidecar(m.object()));
        if aside {
            let gone = |m: &Mutation| matches!(m, Mutation::SetXattr { name, .. } if name == GONE);
            let gone = effects.mutations.iter().any(gone);
            self.writes.insert(version, Prepared { object: object.clone(), gone });
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
        self.writes.insert(version, Prepared { object: entry.object.clone(), gone });
        Ok(true)
    }

    /// Puts what is certain in place: the writes that `certain` says, in their order.
    pub(crate) fn apply(&mut self, pg: PgId, t: &mut Transaction, certain: impl Fn(Version) -> bool) {
        self.writes.retain(|version, write| {
            if !certain(*version) {
                return true;
            }
            let (from, to) = (sidecar(pg, *version), write.object.clone());
            if write.gone {
                t.push(Mutation::Remove { object: to });
                t.push(Mutation::Remove { object: from });
            } else {
                t.push(Mutation::Rename { from, to });
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
}
