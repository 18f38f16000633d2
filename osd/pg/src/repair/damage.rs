//! Which copies are known to be bad, until they are repaired.

use osd_object::ObjectId;
use placement_map::OsdId;
use std::collections::{BTreeMap, BTreeSet};

/// Objects remembered by name: beyond that a disk is lost rather than an object, and counting is enough.
const OBJECTS_MAX: usize = 1000;

/// Bad copies or shards by object. Dropped with the tenure; reads and scrubs find again what is left.
#[derive(Debug, Default)]
pub(crate) struct Damage {
    objects: BTreeMap<ObjectId, BTreeSet<OsdId>>,
}

impl Damage {
    /// A member cannot read its copy.
    pub(crate) fn note(&mut self, object: &ObjectId, of: OsdId) {
        if self.objects.len() < OBJECTS_MAX || self.objects.contains_key(object) {
            self.objects.entry(object.clone()).or_default().insert(of);
        }
    }
    /// A member wrote again what it could not read.
    pub(crate) fn repaired(&mut self, object: &ObjectId, of: OsdId) {
        if let Some(members) = self.objects.get_mut(object) {
            members.remove(&of);
            if members.is_empty() {
                self.objects.remove(object);
            }
        }
    }
    /// The object was written: perhaps nothing bad is left of it. If not, reading finds out again.
    pub(crate) fn forget(&mut self, object: &ObjectId) {
        self.objects.remove(object);
    }
    pub(crate) fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
    pub(crate) fn len(&self) -> usize {
        self.objects.len()
    }
    /// Objects with the members whose copies are bad.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ObjectId, &BTreeSet<OsdId>)> {
        self.objects.iter()
    }
}
