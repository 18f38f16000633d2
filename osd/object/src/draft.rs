//! One object as a compound operation leaves it while it runs: the stored state with the operation's own
//! changes laid over it, so that later steps and class methods read what earlier ones wrote.

use crate::name::ObjectId;
use crate::transaction::{Mutation, Transaction};
use crate::view::{ObjectMeta, ObjectRead, OmapPage, OmapRange};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;
use stdx::Errno;

/// A draft of one object over a read view. Dropping it leaves the store untouched; `into_transaction`
/// yields the effects.
pub struct Draft<'a> {
    view: &'a dyn ObjectRead,
    object: ObjectId,
    existed: bool,
    exists: bool,
    /// Whether stored attributes and rows still shine through (not after a delete in this operation).
    stored: bool,
    size: u64,
    xattrs: BTreeMap<String, Option<Bytes>>,
    omap: BTreeMap<Bytes, Option<Bytes>>,
    omap_cleared: Vec<(Bytes, Option<Bytes>)>,
    effects: Vec<Mutation>,
}

impl<'a> Draft<'a> {
    /// A draft of `object` as `view` has it. EIO if the view cannot be read.
    pub fn open(view: &'a dyn ObjectRead, object: ObjectId) -> Result<Draft<'a>, Errno> {
        let meta = view.meta(&object)?;
        Ok(Draft {
            view,
            existed: meta.is_some(),
            exists: meta.is_some(),
            stored: meta.is_some(),
            size: meta.map_or(0, |m| m.size),
            object,
            xattrs: BTreeMap::new(),
            omap: BTreeMap::new(),
            omap_cleared: Vec::new(),
            effects: Vec::new(),
        })
    }

    /// A draft of an object that counts as absent though something is stored under its name: what is left of one that
    /// was deleted while snapshots still need its clones.
    pub fn open_absent(view: &'a dyn ObjectRead, object: ObjectId) -> Draft<'a> {
        Draft {
            view,
            existed: false,
            exists: false,
            stored: false,
            size: 0,
            object,
            xattrs: BTreeMap::new(),
            omap: BTreeMap::new(),
            omap_cleared: Vec::new(),
            effects: Vec::new(),
        }
    }

    /// The object.
    pub fn object(&self) -> &ObjectId {
        &self.object
    }
    /// Whether the object exists at this point of the operation.
    pub fn exists(&self) -> bool {
        self.exists
    }
    /// Whether it existed before the operation.
    pub fn existed(&self) -> bool {
        self.existed
    }
    /// Its size at this point, bytes.
    pub fn size(&self) -> u64 {
        self.size
    }
    /// Whether the operation changed anything so far.
    pub fn changed(&self) -> bool {
        !self.effects.is_empty()
    }
    /// Whether the operation changed the object's data (not only attributes or rows) so far.
    pub fn data_changed(&self) -> bool {
        let of_data = |m: &Mutation| {
            use Mutation::{Remove, Truncate, Write, Zero};
            matches!(m, Write { .. } | Zero { .. } | Truncate { .. } | Remove { .. })
        };
        self.effects.iter().any(of_data)
    }
    /// Meta as stored before the operation.
    pub fn stored_meta(&self) -> Result<Option<ObjectMeta>, Errno> {
        self.view.meta(&self.object)
    }

    /// An attribute at this point.
    pub fn xattr(&self, name: &str) -> Result<Option<Bytes>, Errno> {
        match self.xattrs.get(name) {
            Some(v) => Ok(v.clone()),
            None if self.stored => self.view.xattr(&self.object, name),
            None => Ok(None),
        }
    }
    /// All attributes at this point, but those that an OSD keeps for itself (`is_internal_xattr`).
    pub fn xattrs(&self) -> Result<BTreeMap<String, Bytes>, Errno> {
        let mut all = if self.stored { self.view.xattrs(&self.object)? } else { BTreeMap::new() };
        all.retain(|name, _| !is_internal_xattr(name));
        for (k, v) in &self.xattrs {
            match v {
                Some(v) => all.insert(k.clone(), v.clone()),
                None => all.remove(k),
            };
        }
        Ok(all)
    }
    /// An omap value at this point.
    pub fn omap_get(&self, key: &[u8]) -> Result<Option<Bytes>, Errno> {
        match self.omap.get(key) {
            Some(v) => Ok(v.clone()),
            None if !self.stored || self.cleared(key) => Ok(None),
            None => self.view.omap_get(&self.object, key),
        }
    }

    /// A page of rows at this point.
    pub fn omap_range(&self, range: &OmapRange) -> Result<OmapPage, Errno> {
        if range.is_empty() {
            return Ok(OmapPage::default());
        }
        let mine: Vec<(&Bytes, &Option<Bytes>)> = {
            let it = self.omap.range::<Bytes, _>((range.start.as_ref(), range.end.as_ref()));
            if range.reverse { it.rev().collect() } else { it.collect() }
        };
        if self.stored && mine.is_empty() && self.omap_cleared.is_empty() {
            return self.view.omap_range(&self.object, range);
        }
        let mut merge = Merge::new(range);
        let mut mine = mine.into_iter().peekable();
        let mut ask = range.clone();
        ask.rows_max = range.rows_max.saturating_add(1).clamp(16, 4096);
        let mut stored_more = self.stored;
        while stored_more && !merge.full() {
            let page = self.view.omap_range(&self.object, &ask)?;
            stored_more = page.more;
            let last = page.rows.last().map(|(k, _)| k.clone());
            for (k, v) in page.rows {
                while let Some((mk, mv)) = mine.next_if(|(mk, _)| merge.before(mk, &k)) {
                    merge.offer(mk, mv.as_ref());
                }
                if let Some((mk, mv)) = mine.next_if(|(mk, _)| **mk == k) {
                    merge.offer(mk, mv.as_ref());
                } else if !self.cleared(&k) {
                    merge.offer(&k, Some(&v));
                }
            }
            if let Some(last) = last {
                if range.reverse {
                    ask.end = Bound::Excluded(last);
                } else {
                    ask.start = Bound::Excluded(last);
                }
            }
        }
        for (k, v) in mine {
            merge.offer(k, v.as_ref());
        }
        // Stored rows beyond a full page count as more even if this operation removed them: the caller
        // then asks once more and gets an empty page, which is harmless.
        merge.page.more |= stored_more;
        Ok(merge.page)
    }

    fn cleared(&self, key: &[u8]) -> bool {
        self.omap_cleared.iter().any(|(s, e)| key >= &s[..] && e.as_ref().is_none_or(|e| key < &e[..]))
    }

    fn appear(&mut self) {
        if !self.exists {
            self.exists = true;
            self.size = 0;
        }
    }

    /// The object exists from here on.
    pub fn touch(&mut self) {
        if !self.exists {
            self.appear();
            self.effects.push(Mutation::Touch { object: self.object.clone() });
        }
    }
    /// Bytes at an offset. EFBIG past `OBJECT_BYTES_MAX`.
    pub fn write(&mut self, offset: u64, data: Bytes) -> Result<(), Errno> {
        let end =
            offset.checked_add(data.len() as u64).filter(|e| *e <= OBJECT_BYTES_MAX).ok_or(Errno::EFBIG)?;
        self.touch();
        if !data.is_empty() {
            self.size = self.size.max(end);
            self.effects.push(Mutation::Write { object: self.object.clone(), offset, data });
        }
        Ok(())
    }
    /// A range reads as zeros; only what lies within the object's size.
    pub fn zero(&mut self, offset: u64, len: u64) {
        let len = len.min(self.size.saturating_sub(offset));
        if self.exists && len > 0 {
            self.effects.push(Mutation::Zero { object: self.object.clone(), offset, len });
        }
    }
    /// The size becomes `size`. EFBIG past `OBJECT_BYTES_MAX`.
    pub fn truncate(&mut self, size: u64) -> Result<(), Errno> {
        if size > OBJECT_BYTES_MAX {
            return Err(Errno::EFBIG);
        }
        self.touch();
        if size != self.size {
            self.size = size;
            self.effects.push(Mutation::Truncate { object: self.object.clone(), size });
        }
        Ok(())
    }
    /// The object is gone, with all it held.
    pub fn remove(&mut self) {
        if self.exists {
            self.effects.push(Mutation::Remove { object: self.object.clone() });
        }
        self.exists = false;
        self.stored = false;
        self.size = 0;
        self.xattrs.clear();
        self.omap.clear();
        self.omap_cleared.clear();
    }
    /// The object becomes what another one is, which must exist and be `size` bytes long. Nothing may be read of the
    /// draft after this but whether it exists and how long it is.
    pub fn become_copy_of(&mut self, from: ObjectId, size: u64) {
        self.effects.push(Mutation::Clone { from, to: self.object.clone() });
        (self.exists, self.size) = (true, size);
    }
    /// Sets an attribute.
    pub fn set_xattr(&mut self, name: &str, value: Bytes) {
        self.touch();
        self.xattrs.insert(name.to_string(), Some(value.clone()));
        self.effects.push(Mutation::SetXattr { object: self.object.clone(), name: name.to_string(), value });
    }
    /// Removes an attribute.
    pub fn rm_xattr(&mut self, name: &str) {
        if self.exists {
            self.xattrs.insert(name.to_string(), None);
            self.effects.push(Mutation::RmXattr { object: self.object.clone(), name: name.to_string() });
        }
    }
    /// Sets rows.
    pub fn omap_set(&mut self, rows: Vec<(Bytes, Bytes)>) {
        self.touch();
        if rows.is_empty() {
            return;
        }
        for (k, v) in &rows {
            self.omap.insert(k.clone(), Some(v.clone()));
        }
        self.effects.push(Mutation::OmapSet { object: self.object.clone(), rows });
    }
    /// Removes rows.
    pub fn omap_rm(&mut self, keys: Vec<Bytes>) {
        if !self.exists || keys.is_empty() {
            return;
        }
        for k in &keys {
            self.omap.insert(k.clone(), None);
        }
        self.effects.push(Mutation::OmapRm { object: self.object.clone(), keys });
    }
    /// Removes all rows with `start <= key < end`.
    pub fn omap_rm_range(&mut self, start: Bytes, end: Option<Bytes>) {
        if !self.exists {
            return;
        }
        self.omap.retain(|k, _| *k < start || end.as_ref().is_some_and(|e| k >= e));
        self.omap_cleared.push((start.clone(), end.clone()));
        self.effects.push(Mutation::OmapRmRange { object: self.object.clone(), start, end });
    }

    /// The effects, in order.
    pub fn into_transaction(self) -> Transaction {
        Transaction { mutations: self.effects }
    }
}

/// Whether an attribute's name is one that an OSD keeps for itself: clients can neither see nor change those.
pub fn is_internal_xattr(name: &str) -> bool {
    name.starts_with('\0')
}

/// The largest object, bytes: Ceph's default osd_max_object_size is 128 MiB.
pub const OBJECT_BYTES_MAX: u64 = 128 << 20;

/// Collects merged rows up to a range's limits.
struct Merge {
    page: OmapPage,
    bytes: usize,
    rows_max: usize,
    bytes_max: usize,
    reverse: bool,
}

impl Merge {
    fn new(range: &OmapRange) -> Merge {
        Merge {
            page: OmapPage::default(),
            bytes: 0,
            rows_max: range.rows_max as usize,
            bytes_max: range.bytes_max as usize,
            reverse: range.reverse,
        }
    }
    fn before(&self, a: &Bytes, b: &Bytes) -> bool {
        if self.reverse { a > b } else { a < b }
    }
    fn full(&self) -> bool {
        self.page.rows.len() >= self.rows_max || self.bytes >= self.bytes_max
    }
    fn offer(&mut self, key: &Bytes, value: Option<&Bytes>) {
        let Some(value) = value else { return };
        if self.full() {
            self.page.more = true;
        } else {
            self.bytes += key.len() + value.len();
            self.page.rows.push((key.clone(), value.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;
    use crate::name::ObjectName;
    use placement_map::PoolId;
    use stdx::Rng;

    fn key(rng: &mut Rng) -> Bytes {
        vec![b'a' + rng.below(12) as u8].into()
    }

    /// Random steps on a draft; after each, what the draft says must be what the model says once the
    /// effects so far are applied to it.
    #[test]
    fn a_draft_reads_as_the_store_will_once_applied() {
        let object = ObjectId::head(PoolId(1), 5, ObjectName::new("o"));
        let mut rng = Rng::new(3);
        for _ in 0..2000 {
            let mut base = Model::new();
            if rng.chance(3, 4) {
                let mut d = Draft::open(&base, object.clone()).unwrap();
                d.omap_set((0..rng.below(10)).map(|_| (key(&mut rng), Bytes::from_static(b"old"))).collect());
                d.write(0, vec![1; rng.below(9) as usize].into()).unwrap();
                let t = d.into_transaction();
                base.apply(&t);
            }
            let mut d = Draft::open(&base, object.clone()).unwrap();
            for _ in 0..rng.below(7) {
                match rng.below(8) {
                    0 => d.remove(),
                    1 => d.omap_set(vec![(key(&mut rng), Bytes::from_static(b"new"))]),
                    2 => d.omap_rm(vec![key(&mut rng)]),
                    3 => {
                        let end = if rng.chance(1, 2) { None } else { Some(key(&mut rng)) };
                        d.omap_rm_range(key(&mut rng), end);
                    }
                    4 => d.set_xattr("x", key(&mut rng)),
                    5 => d.rm_xattr("x"),
                    6 => d.truncate(rng.below(20)).unwrap(),
                    _ => d.zero(rng.below(9), rng.below(9)),
                }
            }
            let mut range = OmapRange::all().limit(1 + rng.below(5) as u32);
            range.reverse = rng.chance(1, 2);
            range.start = Bound::Included(key(&mut rng));
            let (page, exists, size) = (d.omap_range(&range).unwrap(), d.exists(), d.size());
            let (one, xattrs) = (d.omap_get(b"c").unwrap(), d.xattrs().unwrap());
            let t = d.into_transaction();
            let mut after = base.clone();
            after.apply(&t);
            assert_eq!(page.rows, after.omap_range(&object, &range).unwrap().rows);
            assert!(page.more || !after.omap_range(&object, &range).unwrap().more);
            assert_eq!(after.meta(&object).unwrap().map(|m| m.size), exists.then_some(size));
            assert_eq!(one, after.omap_get(&object, b"c").unwrap());
            assert_eq!(xattrs, after.xattrs(&object).unwrap());
        }
    }
}
