//! What can be read of objects without waiting: the view that a store and the model both offer.

use crate::name::ObjectId;
use bytes::Bytes;
use placement_map::PoolId;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use stdx::Errno;

/// A point in a PG's history: the interval that issued it, then a sequence number that never goes back
/// within the PG. Ceph's eversion_t with the interval in the epoch's place.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The interval whose primary issued it.
    pub interval: u64,
    /// Position in the PG's log, from 1. Also the object version that clients see.
    pub seq: u64,
}
stdx::codec_plain!(Version { interval, seq });

impl Version {
    /// Before the first entry of any log.
    pub const ZERO: Version = Version { interval: 0, seq: 0 };
}
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}'{}", self.interval, self.seq)
    }
}
impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is known of an object besides its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Length of the data, bytes (holes included).
    pub size: u64,
    /// Version of the last write.
    pub version: Version,
    /// Time that the last write carried.
    pub mtime: stdx::time::WallTime,
}
stdx::codec_versioned!(ObjectMeta, 1 { size, version, mtime });

/// A range of omap keys in byte order, and the most that is wanted of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OmapRange {
    /// Where the range begins.
    pub start: Bound<Bytes>,
    /// Where it ends.
    pub end: Bound<Bytes>,
    /// At most so many rows.
    pub rows_max: u32,
    /// At most about so many bytes of keys and values (the row that crosses it is still returned).
    pub bytes_max: u32,
    /// From the end towards the start.
    pub reverse: bool,
}

impl OmapRange {
    /// All keys that start with `prefix`, up to the default limits of a page.
    pub fn prefix(prefix: &[u8]) -> OmapRange {
        let end = match prefix_end(prefix) {
            Some(end) => Bound::Excluded(end),
            None => Bound::Unbounded,
        };
        OmapRange { start: Bound::Included(Bytes::copy_from_slice(prefix)), end, ..OmapRange::all() }
    }
    /// Every key, up to the default limits of a page (1,000 rows, 1 MiB).
    pub fn all() -> OmapRange {
        OmapRange {
            start: Bound::Unbounded,
            end: Bound::Unbounded,
            rows_max: 1000,
            bytes_max: 1 << 20,
            reverse: false,
        }
    }
    /// The same range, starting after `key`.
    pub fn after(mut self, key: &[u8]) -> OmapRange {
        self.start = Bound::Excluded(Bytes::copy_from_slice(key));
        self
    }
    /// The same range with at most `n` rows.
    pub fn limit(mut self, n: u32) -> OmapRange {
        self.rows_max = n;
        self
    }
    /// Whether `key` lies in the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        let after_start = match &self.start {
            Bound::Included(s) => key >= &s[..],
            Bound::Excluded(s) => key > &s[..],
            Bound::Unbounded => true,
        };
        let before_end = match &self.end {
            Bound::Included(e) => key <= &e[..],
            Bound::Excluded(e) => key < &e[..],
            Bound::Unbounded => true,
        };
        after_start && before_end
    }
    /// Whether no key can lie in the range (a `BTreeMap` refuses such bounds).
    pub fn is_empty(&self) -> bool {
        match (&self.start, &self.end) {
            (Bound::Included(s), Bound::Included(e)) => s > e,
            (Bound::Included(s) | Bound::Excluded(s), Bound::Included(e) | Bound::Excluded(e)) => s >= e,
            _ => false,
        }
    }
}

/// The least byte string greater than every string that starts with `prefix`; `None` if there is none.
pub fn prefix_end(prefix: &[u8]) -> Option<Bytes> {
    let keep = prefix.iter().rposition(|b| *b != 0xff)?;
    let mut end = prefix[..=keep].to_vec();
    end[keep] += 1;
    Some(end.into())
}

/// One page of omap rows, in the order asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OmapPage {
    /// Keys and values.
    pub rows: Vec<(Bytes, Bytes)>,
    /// Whether the range holds more rows beyond the last one.
    pub more: bool,
}
stdx::codec_plain!(OmapPage { rows, more });

/// Reads that are answered at once, from memory or the index. Object *data* is read through the store's
/// own asynchronous path, since it may wait for a device.
///
/// Errors: `EIO` when the index cannot be read; absence is `Ok(None)` or an empty page, never an error.
pub trait ObjectRead {
    /// Size, version and time of an object that exists.
    fn meta(&self, object: &ObjectId) -> Result<Option<ObjectMeta>, Errno>;
    /// One extended attribute.
    fn xattr(&self, object: &ObjectId, name: &str) -> Result<Option<Bytes>, Errno>;
    /// All extended attributes.
    fn xattrs(&self, object: &ObjectId) -> Result<BTreeMap<String, Bytes>, Errno>;
    /// One omap value.
    fn omap_get(&self, object: &ObjectId, key: &[u8]) -> Result<Option<Bytes>, Errno>;
    /// A page of omap rows.
    fn omap_range(&self, object: &ObjectId, range: &OmapRange) -> Result<OmapPage, Errno>;
    /// Objects of `pool` whose (position, identity) lies at or after `from`, in hobject order, at most
    /// `max`. `from` is `None` for the pool's first; the listing includes clones and pg-meta objects.
    fn list(&self, pool: PoolId, from: Option<&ObjectId>, max: usize) -> Result<Vec<ObjectId>, Errno>;
}

impl stdx::codec::Encode for OmapRange {
    fn encode(&self, w: &mut stdx::codec::Writer) {
        for bound in [&self.start, &self.end] {
            match bound {
                Bound::Unbounded => w.raw(&[0]),
                Bound::Included(k) => {
                    w.raw(&[1]);
                    w.put(k);
                }
                Bound::Excluded(k) => {
                    w.raw(&[2]);
                    w.put(k);
                }
            }
        }
        w.put(&self.rows_max);
        w.put(&self.bytes_max);
        w.put(&self.reverse);
    }
}
impl stdx::codec::Decode for OmapRange {
    fn decode(r: &mut stdx::codec::Reader) -> Result<Self, stdx::codec::DecodeError> {
        let mut bound = || {
            Ok(match r.get::<u8>()? {
                0 => Bound::Unbounded,
                1 => Bound::Included(r.get()?),
                2 => Bound::Excluded(r.get()?),
                _ => return Err(stdx::codec::DecodeError::Invalid("bound")),
            })
        };
        let (start, end) = (bound()?, bound()?);
        Ok(OmapRange { start, end, rows_max: r.get()?, bytes_max: r.get()?, reverse: r.get()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix() {
        assert_eq!(prefix_end(b"ab"), Some(Bytes::from_static(b"ac")));
        assert_eq!(prefix_end(b"a\xff\xff"), Some(Bytes::from_static(b"b")));
        assert_eq!(prefix_end(b"\xff"), None);
        assert_eq!(prefix_end(b""), None);
        assert!(OmapRange::prefix(b"ab").contains(b"ab\xff"));
        assert!(!OmapRange::prefix(b"ab").contains(b"ac"));
    }
}
