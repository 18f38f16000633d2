//! The store as a `BTreeMap`: small enough to be believed, and so the oracle of every other store.

use crate::name::ObjectId;
use crate::transaction::{Mutation, Transaction};
use crate::view::{ObjectMeta, ObjectRead, OmapPage, OmapRange};
use bytes::Bytes;
use placement_map::PoolId;
use std::collections::BTreeMap;
use std::ops::Bound;
use stdx::Errno;

/// One object of the model, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelObject {
    /// Size, version, time. `size` equals `data.len()`.
    pub meta: ObjectMeta,
    /// Bytes, holes as zeros.
    pub data: Vec<u8>,
    /// Attributes.
    pub xattrs: BTreeMap<String, Bytes>,
    /// Rows.
    pub omap: BTreeMap<Bytes, Bytes>,
}

/// All objects of a store, in hobject order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// The objects.
    pub objects: BTreeMap<ObjectId, ModelObject>,
}

impl Model {
    /// An empty store.
    pub fn new() -> Model {
        Model::default()
    }

    /// Applies all effects in order.
    pub fn apply(&mut self, transaction: &Transaction) {
        for m in &transaction.mutations {
            self.apply_one(m);
        }
    }

    /// Bytes of a range, cut at the object's end; ENOENT if the object is absent. `len` 0: to the end.
    pub fn read(&self, object: &ObjectId, offset: u64, len: u64) -> Result<Bytes, Errno> {
        let data = &self.objects.get(object).ok_or(Errno::ENOENT)?.data;
        let size = data.len() as u64;
        let start = offset.min(size);
        let end = if len == 0 { size } else { offset.saturating_add(len).min(size) };
        Ok(Bytes::copy_from_slice(&data[start as usize..end as usize]))
    }

    fn apply_one(&mut self, m: &Mutation) {
        match m {
            Mutation::Remove { object } => {
                self.objects.remove(object);
                return;
            }
            Mutation::Clone { from, to } => {
                let copy = self.objects.get(from).expect("a clone's source exists").clone();
                self.objects.insert(to.clone(), copy);
                return;
            }
            Mutation::Rename { from, to } => {
                let moved = self.objects.remove(from).expect("a rename's source exists");
                self.objects.insert(to.clone(), moved);
                return;
            }
            _ => {}
        }
        let o = self.objects.entry(m.object().clone()).or_default();
        match m {
            Mutation::Touch { .. }
            | Mutation::Remove { .. }
            | Mutation::Clone { .. }
            | Mutation::Rename { .. } => {}
            Mutation::Write { offset, data, .. } => {
                let end = *offset as usize + data.len();
                if o.data.len() < end && !data.is_empty() {
                    o.data.resize(end, 0);
                }
                if !data.is_empty() {
                    o.data[*offset as usize..end].copy_from_slice(data);
                }
            }
            Mutation::Zero { offset, len, .. } => {
                let size = o.data.len();
                let start = (*offset as usize).min(size);
                let end = (offset.saturating_add(*len) as usize).min(size);
                o.data[start..end].fill(0);
            }
            Mutation::Truncate { size, .. } => o.data.resize(*size as usize, 0),
            Mutation::SetXattr { name, value, .. } => {
                o.xattrs.insert(name.clone(), value.clone());
            }
            Mutation::RmXattr { name, .. } => {
                o.xattrs.remove(name);
            }
            Mutation::OmapSet { rows, .. } => o.omap.extend(rows.iter().cloned()),
            Mutation::OmapRm { keys, .. } => keys.iter().for_each(|k| {
                o.omap.remove(k);
            }),
            Mutation::OmapRmRange { start, end, .. } => {
                o.omap.retain(|k, _| k < start || end.as_ref().is_some_and(|e| k >= e));
            }
            Mutation::Stamp { version, mtime, .. } => {
                o.meta.version = *version;
                o.meta.mtime = *mtime;
            }
        }
        o.meta.size = o.data.len() as u64;
    }
}

impl ObjectRead for Model {
    fn meta(&self, object: &ObjectId) -> Result<Option<ObjectMeta>, Errno> {
        Ok(self.objects.get(object).map(|o| o.meta))
    }
    fn xattr(&self, object: &ObjectId, name: &str) -> Result<Option<Bytes>, Errno> {
        Ok(self.objects.get(object).and_then(|o| o.xattrs.get(name).cloned()))
    }
    fn xattrs(&self, object: &ObjectId) -> Result<BTreeMap<String, Bytes>, Errno> {
        Ok(self.objects.get(object).map(|o| o.xattrs.clone()).unwrap_or_default())
    }
    fn omap_get(&self, object: &ObjectId, key: &[u8]) -> Result<Option<Bytes>, Errno> {
        Ok(self.objects.get(object).and_then(|o| o.omap.get(key).cloned()))
    }
    fn omap_range(&self, object: &ObjectId, range: &OmapRange) -> Result<OmapPage, Errno> {
        let Some(o) = self.objects.get(object) else { return Ok(OmapPage::default()) };
        if range.is_empty() {
            return Ok(OmapPage::default());
        }
        let rows = o.omap.range::<Bytes, _>((range.start.as_ref(), range.end.as_ref()));
        let page = if range.reverse { page_of(rows.rev(), range) } else { page_of(rows, range) };
        Ok(page)
    }
    fn list(&self, pool: PoolId, from: Option<&ObjectId>, max: usize) -> Result<Vec<ObjectId>, Errno> {
        let start = from.map_or(Bound::Unbounded, Bound::Included);
        Ok(self
            .objects
            .range::<ObjectId, _>((start, Bound::Unbounded))
            .map(|(id, _)| id)
            .skip_while(|id| id.pool < pool)
            .take_while(|id| id.pool == pool)
            .take(max)
            .cloned()
            .collect())
    }
}

/// Cuts an iteration over a range's rows to the range's limits.
pub fn page_of<'a>(rows: impl Iterator<Item = (&'a Bytes, &'a Bytes)>, range: &OmapRange) -> OmapPage {
    let mut page = OmapPage::default();
    let mut bytes = 0;
    for (k, v) in rows {
        if page.rows.len() >= range.rows_max as usize || bytes >= range.bytes_max as usize {
            page.more = true;
            break;
        }
        bytes += k.len() + v.len();
        page.rows.push((k.clone(), v.clone()));
    }
    page
}
