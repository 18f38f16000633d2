//! What a write does to the shards of an object: which old stripes have to be read for it, which stripes are encoded
//! anew, and the effects on each shard. Pure arithmetic, tested against the model store.

use super::overlay::Overlay;
use super::shape::Shape;
use super::sidecar::{Beside, removal};
use super::tag::{TAG, Tag};
use bytes::Bytes;
use osd_class::snapped::SNAPSET;
use osd_object::{Mutation, ObjectId, SnapId, Transaction, Version};
use std::collections::{BTreeMap, BTreeSet};
use stdx::Errno;
use stdx::time::WallTime;

/// The most that a write may put into one shard, bytes: it travels in one message.
const SHARD_BYTES_MAX: u64 = 16 << 20;
/// The most that a write may encode, bytes of the object. An operation carries at most 16 MiB; more only comes of many
/// small pieces far apart.
const ENCODED_BYTES_MAX: u64 = 64 << 20;

/// A write, understood.
#[derive(Clone, Debug)]
pub(crate) struct WritePlan {
    /// The object existed, and what it was plays a part.
    onto_old: bool,
    /// What it was, if not itself: the clone that it goes back to.
    back_to: Option<ObjectId>,
    /// Clones that come and go with it.
    beside: Beside,
    /// It exists afterwards.
    exists: bool,
    /// Its size then, and before.
    size: u64,
    old_size: u64,
    /// Old bytes from here on are gone.
    old_end: u64,
    overlay: Overlay,
    /// Effects on attributes, in order.
    attributes: Vec<Mutation>,
    /// Stripes that are encoded anew.
    stripes: BTreeSet<u64>,
    /// Of those, the ones with old bytes in them.
    mixed: BTreeSet<u64>,
    /// Stripes that become zeros as a whole.
    zeros: BTreeSet<u64>,
}

/// Neighbouring stripes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) first: u64,
    pub(crate) count: u64,
}

impl WritePlan {
    /// `effects` are on one object and its clones. `before`: the object's size, if it exists; `size_of` tells that of a
    /// clone. EOPNOTSUPP for effects that shards cannot have, E2BIG for more than one write can carry, EIO if `size_of`
    /// knows no such clone.
    pub(crate) fn of(
        shape: &Shape,
        before: Option<u64>,
        effects: &[Mutation],
        size_of: &dyn Fn(&ObjectId) -> Result<Option<u64>, Errno>,
    ) -> Result<WritePlan, Errno> {
        let old_size = before.unwrap_or(0);
        let mut plan = WritePlan {
            onto_old: before.is_some(),
            back_to: None,
            beside: Beside::default(),
            exists: before.is_some(),
            size: old_size,
            old_size,
            old_end: old_size,
            overlay: Overlay::default(),
            attributes: Vec::new(),
            stripes: BTreeSet::new(),
            mixed: BTreeSet::new(),
            zeros: BTreeSet::new(),
        };
        for effect in effects {
            if !plan.take_beside(effect, size_of)? {
                plan.take(effect)?;
            }
        }
        plan.choose_stripes(shape)?;
        Ok(plan)
    }

    /// What clones have to do with: whether it was that.
    fn take_beside(
        &mut self,
        effect: &Mutation,
        size_of: &dyn Fn(&ObjectId) -> Result<Option<u64>, Errno>,
    ) -> Result<bool, Errno> {
        match effect {
            Mutation::Clone { from, to } if from.snap == SnapId::HEAD && to.snap != SnapId::HEAD => {
                self.beside.made = Some(to.snap);
            }
            Mutation::Clone { from, to } if from.snap != SnapId::HEAD && to.snap == SnapId::HEAD => {
                let size = size_of(from)?.ok_or(Errno::EIO)?;
                (self.onto_old, self.exists, self.size) = (true, true, size);
                (self.old_size, self.old_end) = (size, size);
                (self.back_to, self.overlay) = (Some(from.clone()), Overlay::default());
                self.attributes.clear();
            }
            Mutation::Remove { object } if object.snap != SnapId::HEAD => {
                self.beside.removed.push(object.snap);
            }
            // A clone that is made leaves the attribute about clones away, whoever makes it.
            Mutation::RmXattr { object, name } if object.snap != SnapId::HEAD && name == SNAPSET => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn take(&mut self, effect: &Mutation) -> Result<(), Errno> {
        match effect {
            Mutation::Touch { .. } => self.exists = true,
            Mutation::Write { offset, data, .. } => {
                let end = offset + data.len() as u64;
                self.exists = true;
                self.size = self.size.max(end);
                self.overlay.put(*offset, end, Some(data.clone()));
            }
            Mutation::Zero { offset, len, .. } => {
                let end = offset.saturating_add(*len).min(self.size);
                self.overlay.put(*offset, end, None);
            }
            Mutation::Truncate { size, .. } => {
                self.exists = true;
                self.overlay.clear(*size, u64::MAX);
                self.old_end = self.old_end.min(*size);
                self.size = *size;
            }
            Mutation::Remove { .. } => {
                (self.onto_old, self.exists, self.size, self.old_end) = (false, false, 0, 0);
                self.overlay = Overlay::default();
                self.attributes.clear();
            }
            Mutation::SetXattr { .. } | Mutation::RmXattr { .. } => self.attributes.push(effect.clone()),
            Mutation::Stamp { .. } => {}
            Mutation::OmapSet { .. }
            | Mutation::OmapRm { .. }
            | Mutation::OmapRmRange { .. }
            | Mutation::Clone { .. }
            | Mutation::Rename { .. } => return Err(Errno::EOPNOTSUPP),
        }
        Ok(())
    }

    fn choose_stripes(&mut self, shape: &Shape) -> Result<(), Errno> {
        let width = shape.width();
        let count = self.size.div_ceil(width);
        let bounds = |stripe: u64| (stripe * width, ((stripe + 1) * width).min(self.size));
        let mut touched = BTreeSet::new();
        for (from, range) in self.overlay.iter() {
            touched.extend(from / width..range.end.div_ceil(width));
        }
        // Old bytes beyond the end go to zeros, so that the padding stays what it is said to be.
        if self.onto_old && self.old_end < self.old_size && !self.old_end.is_multiple_of(width) {
            touched.insert(self.old_end / width);
        }
        touched.retain(|stripe| *stripe < count);
        for stripe in touched {
            let (start, end) = bounds(stripe);
            let old_end = end.min(self.old_end).max(start);
            let mixed = self.onto_old && !self.overlay.covers(start, old_end);
            let mut data = self.overlay.within(start, end).filter(|(_, range)| range.data.is_some());
            if !mixed && data.next().is_none() {
                self.zeros.insert(stripe);
                continue;
            }
            self.stripes.insert(stripe);
            if mixed {
                self.mixed.insert(stripe);
            }
        }
        let encoded = self.stripes.len() as u64;
        if encoded * shape.unit() > SHARD_BYTES_MAX || encoded * width > ENCODED_BYTES_MAX.max(width) {
            return Err(Errno::E2BIG);
        }
        Ok(())
    }

    /// Old stripes that must be read first.
    pub(crate) fn reads(&self) -> Vec<Run> {
        runs(&self.mixed)
    }

    /// The effects on each shard, by position, put aside in `sidecar`. `old` holds the bytes of the runs of `reads`, by
    /// their first stripes.
    pub(crate) fn effects(
        &self,
        shape: &Shape,
        object: &ObjectId,
        sidecar: &ObjectId,
        stamp: (Version, WallTime),
        old: &BTreeMap<u64, Bytes>,
    ) -> Vec<Transaction> {
        if !self.exists {
            return vec![removal(sidecar, &self.beside); shape.shards()];
        }
        let side = || sidecar.clone();
        let mut all: Vec<Transaction> = (0..shape.shards()).map(|_| Transaction::new()).collect();
        let shard_bytes = shape.shard_bytes(self.size);
        let kept_bytes = if self.onto_old { shape.shard_bytes(self.old_end) } else { 0 };
        for (position, t) in all.iter_mut().enumerate() {
            if self.onto_old {
                let from = self.back_to.as_ref().unwrap_or(object).clone();
                t.push(Mutation::Clone { from, to: side() });
            } else {
                t.push(Mutation::Touch { object: side() });
            }
            if self.onto_old && kept_bytes < shape.shard_bytes(self.old_size) {
                // First away with what a later growth must not bring back.
                t.push(Mutation::Truncate { object: side(), size: kept_bytes });
            }
            if shard_bytes != kept_bytes {
                t.push(Mutation::Truncate { object: side(), size: shard_bytes });
            }
            for run in runs(&self.zeros) {
                let (offset, len) = (run.first * shape.unit(), run.count * shape.unit());
                t.push(Mutation::Zero { object: side(), offset, len });
            }
            t.mutations.extend(self.attributes.iter().map(|m| on_sidecar(m, sidecar)));
            let tag = Tag { size: self.size, shard: position as u8 };
            t.push(Mutation::SetXattr { object: side(), name: TAG.into(), value: tag.bytes() });
            t.mutations.extend(self.beside.on(sidecar));
        }
        for run in runs(&self.stripes) {
            let bytes = self.run_bytes(shape, run, old);
            for (t, chunk) in all.iter_mut().zip(shape.encode(&bytes)) {
                let offset = run.first * shape.unit();
                t.push(Mutation::Write { object: side(), offset, data: chunk.into() });
            }
        }
        for t in &mut all {
            t.push(Mutation::Stamp { object: side(), version: stamp.0, mtime: stamp.1 });
        }
        all
    }

    /// The object's bytes in these stripes as the write leaves them, padded with zeros.
    fn run_bytes(&self, shape: &Shape, run: Run, old: &BTreeMap<u64, Bytes>) -> Vec<u8> {
        let width = shape.width();
        let (start, end) = (run.first * width, (run.first + run.count) * width);
        let mut bytes = vec![0; (end - start) as usize];
        for read in self.reads() {
            let from = read.first * width;
            let to = (from + read.count * width).min(self.old_end);
            if from >= start && from < end && from < to {
                let there = &old[&read.first];
                bytes[(from - start) as usize..(to - start) as usize]
                    .copy_from_slice(&there[..(to - from) as usize]);
            }
        }
        for (from, range) in self.overlay.within(start, end) {
            let place = &mut bytes[(from - start) as usize..(range.end - start) as usize];
            match &range.data {
                Some(data) => place.copy_from_slice(data),
                None => place.fill(0),
            }
        }
        bytes
    }
}

fn runs(stripes: &BTreeSet<u64>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for stripe in stripes {
        match runs.last_mut() {
            Some(run) if run.first + run.count == *stripe => run.count += 1,
            _ => runs.push(Run { first: *stripe, count: 1 }),
        }
    }
    runs
}

fn on_sidecar(effect: &Mutation, sidecar: &ObjectId) -> Mutation {
    match effect {
        Mutation::SetXattr { name, value, .. } => {
            Mutation::SetXattr { object: sidecar.clone(), name: name.clone(), value: value.clone() }
        }
        Mutation::RmXattr { name, .. } => Mutation::RmXattr { object: sidecar.clone(), name: name.clone() },
        other => unreachable!("{other:?} is no effect on an attribute"),
    }
}
