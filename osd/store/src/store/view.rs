//! The store as transactions see it: rows straight from the index, which holds every accepted change.

use super::Store;
use crate::error::StoreError;
use crate::index::{Family, IndexError};
use crate::keys::{ObjectRow, ROW_PREFIX_BYTES, RowKind, row_end, row_key};
use bytes::Bytes;
use osd_object::{ObjectId, ObjectMeta, ObjectRead, OmapPage, OmapRange};
use placement_map::PoolId;
use std::collections::BTreeMap;
use std::ops::Bound;
use stdx::Errno;

fn unreadable(e: IndexError) -> Errno {
    tracing::error!(error = %e, "the index cannot be read");
    Errno::EIO
}

fn invalid(what: &'static str) -> Errno {
    tracing::error!(what, "an index row cannot be decoded");
    Errno::EIO
}

impl Store {
    /// Whether the index can go on. A read that finds it failed can only answer EIO; whoever owns the store asks here now
    /// and then, and ends with it, since every other answer might be from the past.
    pub fn index_goes_on(&self) -> Result<(), StoreError> {
        self.index.failure().map_or(Ok(()), |failure| Err(failure.into()))
    }

    pub(super) fn object_row(&self, object: &ObjectId) -> Result<Option<ObjectRow>, Errno> {
        let row = self.index.get(Family::Objects, &object.sort_key()).map_err(unreadable)?;
        row.map(|bytes| ObjectRow::decode(&bytes).ok_or_else(|| invalid("object"))).transpose()
    }

    fn with_rows(&self, object: &ObjectId) -> Result<Option<u64>, Errno> {
        Ok(self.object_row(object)?.filter(|row| row.has_rows).map(|row| row.number))
    }
}

impl ObjectRead for Store {
    fn meta(&self, object: &ObjectId) -> Result<Option<ObjectMeta>, Errno> {
        Ok(self.object_row(object)?.map(|row| row.meta))
    }

    fn xattr(&self, object: &ObjectId, name: &str) -> Result<Option<Bytes>, Errno> {
        let Some(number) = self.with_rows(object)? else { return Ok(None) };
        self.index.get(Family::Rows, &row_key(number, RowKind::Xattr, name.as_bytes())).map_err(unreadable)
    }

    fn xattrs(&self, object: &ObjectId) -> Result<BTreeMap<String, Bytes>, Errno> {
        let mut all = BTreeMap::new();
        let Some(number) = self.with_rows(object)? else { return Ok(all) };
        let mut bad_name = false;
        let (start, end) = (row_key(number, RowKind::Xattr, &[]), row_end(number, RowKind::Xattr));
        let visit = &mut |key: &[u8], value: &[u8]| {
            match std::str::from_utf8(&key[ROW_PREFIX_BYTES..]) {
                Ok(name) => drop(all.insert(name.to_string(), Bytes::copy_from_slice(value))),
                Err(_) => bad_name = true,
            }
            true
        };
        self.index.scan(Family::Rows, &start, Some(&end), false, visit).map_err(unreadable)?;
        if bad_name { Err(invalid("attribute name")) } else { Ok(all) }
    }

    fn omap_get(&self, object: &ObjectId, key: &[u8]) -> Result<Option<Bytes>, Errno> {
        let Some(number) = self.with_rows(object)? else { return Ok(None) };
        self.index.get(Family::Rows, &row_key(number, RowKind::Omap, key)).map_err(unreadable)
    }

    fn omap_range(&self, object: &ObjectId, range: &OmapRange) -> Result<OmapPage, Errno> {
        let mut page = OmapPage::default();
        if range.is_empty() {
            return Ok(page);
        }
        let Some(number) = self.with_rows(object)? else { return Ok(page) };
        // The key behind `k` is `k` with a zero byte.
        let behind = |k: &[u8]| [row_key(number, RowKind::Omap, k), vec![0]].concat();
        let start = match &range.start {
            Bound::Included(k) => row_key(number, RowKind::Omap, k),
            Bound::Excluded(k) => behind(k),
            Bound::Unbounded => row_key(number, RowKind::Omap, &[]),
        };
        let end = match &range.end {
            Bound::Included(k) => behind(k),
            Bound::Excluded(k) => row_key(number, RowKind::Omap, k),
            Bound::Unbounded => row_end(number, RowKind::Omap),
        };
        let mut bytes = 0;
        let visit = &mut |key: &[u8], value: &[u8]| {
            if page.rows.len() >= range.rows_max as usize || bytes >= range.bytes_max as usize {
                page.more = true;
                return false;
            }
            let key = Bytes::copy_from_slice(&key[ROW_PREFIX_BYTES..]);
            bytes += key.len() + value.len();
            page.rows.push((key, Bytes::copy_from_slice(value)));
            true
        };
        self.index.scan(Family::Rows, &start, Some(&end), range.reverse, visit).map_err(unreadable)?;
        Ok(page)
    }

    fn list(&self, pool: PoolId, from: Option<&ObjectId>, max: usize) -> Result<Vec<ObjectId>, Errno> {
        let mut found = Vec::new();
        if max == 0 {
            return Ok(found);
        }
        let first = pool.0.to_be_bytes().to_vec();
        let start = from.map_or(first.clone(), |f| f.sort_key().max(first));
        let end = pool.0.checked_add(1).map(|next| next.to_be_bytes());
        let mut bad_key = false;
        let visit = &mut |key: &[u8], _: &[u8]| {
            match ObjectId::from_sort_key(key) {
                Some(id) => found.push(id),
                None => bad_key = true,
            }
            found.len() < max
        };
        let end = end.as_ref().map(|e| &e[..]);
        self.index.scan(Family::Objects, &start, end, false, visit).map_err(unreadable)?;
        if bad_key { Err(invalid("object key")) } else { Ok(found) }
    }
}
