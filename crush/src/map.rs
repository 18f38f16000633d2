//! The map: buckets, devices, names, classes, rules, tunables. Questions here; changes in `edit`.

use std::collections::{BTreeMap, BTreeSet};

use crate::names::Names;
use crate::{Bucket, ChooseArgs, Rule, Tunables};

/// What stands in the result of an indep rule where no device was found.
pub const ITEM_NONE: i32 = 0x7fff_ffff;
/// A place that an indep search has not filled yet.
pub(crate) const ITEM_UNDEF: i32 = 0x7fff_fffe;
/// More buckets than this are refused, so that one written id cannot ask for gigabytes. The largest clusters have
/// tens of thousands, shadows included.
pub const BUCKETS_MAX: usize = 1 << 20;
/// Device numbers are below this.
pub const DEVICES_MAX: i32 = 1 << 24;
/// Rule ids are below this, as in Ceph.
pub const RULES_MAX: usize = 256;

/// The types of a new Ceph cluster, 0 to 11.
pub const DEFAULT_TYPES: [&str; 12] =
    ["osd", "host", "chassis", "rack", "row", "pdu", "pod", "room", "datacenter", "zone", "region", "root"];

/// A CRUSH map. Two maps are equal when Ceph would encode them to the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrushMap {
    /// Bucket `id` stands at `-1 - id`. The length is Ceph's `max_buckets`, which it writes out, so it is kept.
    pub(crate) buckets: Vec<Option<Box<Bucket>>>,
    /// Rule `id` stands at `id`.
    pub(crate) rules: Vec<Option<Rule>>,
    /// One past the highest device that a bucket holds.
    pub(crate) max_devices: i32,
    pub(crate) tunables: Tunables,
    pub(crate) types: Names,
    /// Devices and buckets, shadow buckets (`root~ssd`) included.
    pub(crate) names: Names,
    pub(crate) rule_names: Names,
    /// Class by item: devices, and shadow buckets too.
    pub(crate) class_of: BTreeMap<i32, i32>,
    pub(crate) classes: Names,
    /// Bucket -> class -> its shadow bucket.
    pub(crate) shadows: BTreeMap<i32, BTreeMap<i32, i32>>,
    pub(crate) choose_args: BTreeMap<i64, ChooseArgs>,
    /// What a newer Ceph wrote behind everything known here; written back as it was.
    pub(crate) unknown_tail: Vec<u8>,
}

impl CrushMap {
    /// A map with nothing in it, not even types.
    #[must_use]
    pub fn empty(tunables: Tunables) -> Self {
        Self {
            buckets: Vec::new(),
            rules: Vec::new(),
            max_devices: 0,
            tunables,
            types: Names::default(),
            names: Names::default(),
            rule_names: Names::default(),
            class_of: BTreeMap::new(),
            classes: Names::default(),
            shadows: BTreeMap::new(),
            choose_args: BTreeMap::new(),
            unknown_tail: Vec::new(),
        }
    }

    /// A map with Ceph's default types and optimal tunables, no buckets.
    #[must_use]
    pub fn new_jewel() -> Self {
        let mut map = Self::empty(Tunables::JEWEL);
        for (number, name) in DEFAULT_TYPES.iter().enumerate() {
            map.types.set(number as i32, name);
        }
        map
    }

    /// The tunables.
    #[must_use]
    pub fn tunables(&self) -> &Tunables {
        &self.tunables
    }

    /// One past the highest device in any bucket.
    #[must_use]
    pub fn max_devices(&self) -> i32 {
        self.max_devices
    }

    /// The bucket of an id (below zero), shadow buckets included.
    #[must_use]
    #[inline]
    pub fn bucket(&self, id: i32) -> Option<&Bucket> {
        self.buckets.get(slot(id)?)?.as_deref()
    }

    /// All buckets, shadows included, from id -1 down.
    pub fn buckets(&self) -> impl Iterator<Item = &Bucket> {
        self.buckets.iter().filter_map(Option::as_deref)
    }

    /// Whether an id is a shadow bucket: the part of a tree that has one device class.
    #[must_use]
    pub fn is_shadow(&self, id: i32) -> bool {
        id < 0 && self.names.name(id).is_some_and(|name| name.contains('~'))
    }

    /// The name of a device or bucket.
    #[must_use]
    pub fn item_name(&self, id: i32) -> Option<&str> {
        self.names.name(id)
    }

    /// The device or bucket of a name; `root~class` names a shadow bucket.
    #[must_use]
    pub fn item_id(&self, name: &str) -> Option<i32> {
        self.names.id(name)
    }

    /// Types by number.
    pub fn types(&self) -> impl ExactSizeIterator<Item = (i32, &str)> {
        self.types.iter()
    }

    /// The name of a type.
    #[must_use]
    pub fn type_name(&self, kind: i32) -> Option<&str> {
        self.types.name(kind)
    }

    /// The number of a type.
    #[must_use]
    pub fn type_id(&self, name: &str) -> Option<i32> {
        self.types.id(name)
    }

    /// The type of an item: 0 for devices, `None` for a bucket that does not exist.
    #[must_use]
    pub fn kind_of(&self, item: i32) -> Option<i32> {
        if item >= 0 { Some(0) } else { self.bucket(item).map(Bucket::kind) }
    }

    /// A rule by id.
    #[must_use]
    pub fn rule(&self, id: u32) -> Option<&Rule> {
        self.rules.get(id as usize)?.as_ref()
    }

    /// Rules with their ids.
    pub fn rules(&self) -> impl Iterator<Item = (u32, &Rule)> {
        (0u32..).zip(&self.rules).filter_map(|(id, rule)| Some((id, rule.as_ref()?)))
    }

    /// A rule's id by name.
    #[must_use]
    pub fn rule_id(&self, name: &str) -> Option<u32> {
        self.rule_names.id(name).and_then(|id| u32::try_from(id).ok())
    }

    /// A rule's name.
    #[must_use]
    pub fn rule_name(&self, id: u32) -> Option<&str> {
        self.rule_names.name(i32::try_from(id).ok()?)
    }

    /// The class of a device (or of a shadow bucket).
    #[must_use]
    pub fn device_class(&self, item: i32) -> Option<&str> {
        self.classes.name(*self.class_of.get(&item)?)
    }

    /// The names of all classes, by number.
    pub fn classes(&self) -> impl ExactSizeIterator<Item = (i32, &str)> {
        self.classes.iter()
    }

    /// The shadow of `bucket` that holds only devices of `class`.
    #[must_use]
    pub fn shadow(&self, bucket: i32, class: &str) -> Option<i32> {
        self.shadows.get(&bucket)?.get(&self.classes.id(class)?).copied()
    }

    /// The `choose_args` sets by their number: a pool's id, or [`crate::CHOOSE_ARGS_DEFAULT`].
    #[must_use]
    pub fn choose_args(&self) -> &BTreeMap<i64, ChooseArgs> {
        &self.choose_args
    }

    /// Buckets that stand in no other bucket, shadows left out, by id ascending (the newest first).
    #[must_use]
    pub fn roots(&self) -> Vec<i32> {
        let held: BTreeSet<i32> = self.buckets().flat_map(|b| b.items.iter().copied()).collect();
        let mut roots: Vec<i32> =
            self.buckets().map(Bucket::id).filter(|id| !held.contains(id) && !self.is_shadow(*id)).collect();
        roots.sort_unstable();
        roots
    }

    /// The bucket that holds an item, shadows left out. With several (an odd map), the one of the lowest slot.
    #[must_use]
    pub fn parent_of(&self, item: i32) -> Option<i32> {
        self.buckets()
            .find(|bucket| bucket.items.contains(&item) && !self.is_shadow(bucket.id))
            .map(Bucket::id)
    }

    /// Where an item is: (type name, bucket name) from the nearest bucket up to the root.
    #[must_use]
    pub fn location_of(&self, item: i32) -> Vec<(String, String)> {
        let mut location = Vec::new();
        let mut at = item;
        while let Some(parent) = self.parent_of(at) {
            if location.len() > self.buckets.len() {
                break; // a cycle; `validate` names it
            }
            let kind = self.kind_of(parent).unwrap_or(0);
            location.push((
                self.type_name(kind).unwrap_or_default().to_owned(),
                self.item_name(parent).unwrap_or_default().to_owned(),
            ));
            at = parent;
        }
        location
    }

    /// The nearest bucket of type `kind` above an item (or the item itself), `None` without one.
    #[must_use]
    pub fn ancestor_of_type(&self, item: i32, kind: i32) -> Option<i32> {
        let mut at = item;
        for _ in 0..=self.buckets.len() {
            if self.kind_of(at)? == kind {
                return Some(at);
            }
            at = self.parent_of(at)?;
        }
        None
    }

    /// All devices below an item, ascending, each once.
    #[must_use]
    pub fn devices_under(&self, item: i32) -> Vec<i32> {
        self.under(item).into_iter().filter(|id| *id >= 0).collect()
    }

    /// The item itself and everything below it, ascending; ends on any map, cycles included.
    #[must_use]
    pub fn under(&self, item: i32) -> BTreeSet<i32> {
        let mut seen = BTreeSet::new();
        let mut todo = vec![item];
        while let Some(id) = todo.pop() {
            if seen.insert(id) {
                todo.extend(self.bucket(id).into_iter().flat_map(|bucket| bucket.items.iter().copied()));
            }
        }
        seen
    }

    /// The weight (16.16) of an item: a bucket's own, a device's in the first bucket that holds it.
    #[must_use]
    pub fn item_weight(&self, item: i32) -> Option<u32> {
        if item < 0 {
            return self.bucket(item).map(Bucket::weight);
        }
        let bucket = self.bucket(self.parent_of(item)?)?;
        Some(bucket.item_weight(bucket.position(item)?))
    }

    /// Sets `max_devices` from the buckets and the names, as Ceph does after each compile and decode: a device that
    /// has a name and is in no bucket counts. (Names beyond what devices may be do not: tables are sized by this.)
    pub(crate) fn finalize(&mut self) {
        let held = self.buckets().flat_map(|bucket| bucket.items.iter().copied());
        let named = self.names.iter().map(|(id, _)| id).filter(|id| *id < DEVICES_MAX);
        let highest = held.chain(named).max();
        self.max_devices = highest.map_or(0, |item| item.max(-1).saturating_add(1));
    }
}

/// The place of a bucket id in the array of buckets; `None` for devices.
#[inline]
pub(crate) fn slot(id: i32) -> Option<usize> {
    usize::try_from(-1 - i64::from(id)).ok()
}
