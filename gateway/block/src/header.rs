//! The header object's rows: what an image is. Drawn in docs/formats/image.md.

use crate::error::BlockError;
use crate::layout::{Layout, SIZE_BYTES_MAX};
use crate::snapshot::{self, Parent, Snapshot};
use bytes::Bytes;
use osd_object::Op;
use osd_object::op::Compare;
use std::collections::BTreeMap;
use stdx::codec::{Decode, from_bytes, to_bytes};
use stdx::time::WallTime;

pub(crate) const SIZE: &str = "size";
pub(crate) const STATE: &str = "nacre_image";
pub(crate) const PARENT: &str = "nacre_parent";
/// u64: there may be objects behind the image's end, up to this byte (see `Image::trim`). Absent: none.
pub(crate) const REACH: &str = "nacre_reach";
const DATA_POOL: &str = "nacre_data_pool";

/// RBD's feature bits: the image has a parent.
pub(crate) const FEATURE_LAYERING: u64 = 1;
/// One writer at a time holds a lock.
pub(crate) const FEATURE_EXCLUSIVE_LOCK: u64 = 4;
/// Its data objects lie in another pool than its header.
pub(crate) const FEATURE_DATA_POOL: u64 = 128;
/// What this build understands.
pub(crate) const FEATURES_KNOWN: u64 = FEATURE_EXCLUSIVE_LOCK | FEATURE_LAYERING | FEATURE_DATA_POOL;

/// An image's properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes that its users see.
    pub size: u64,
    /// How it is cut into objects.
    pub layout: Layout,
    /// RBD's feature bits.
    pub features: u64,
    /// What the names of its data objects begin with.
    pub data_prefix: String,
    /// The pool of its data objects; none: that of the header.
    pub data_pool: Option<String>,
    /// The newest snapshot's number; 0: there was none.
    pub snap_seq: u64,
    /// When it was made.
    pub created: WallTime,
    /// A shrink that is not complete.
    pub pending: Option<PendingTrim>,
    /// Its snapshots, oldest first.
    pub snapshots: Vec<Snapshot>,
    /// What it is a clone of.
    pub parent: Option<Parent>,
}

/// Data of bytes `from .. to` is still to be removed, before the image may grow again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingTrim {
    /// First byte.
    pub from: u64,
    /// The byte after the last.
    pub to: u64,
}
stdx::codec_plain!(PendingTrim { from, to });

/// The row of our own: it grows by versions.
pub(crate) struct State {
    pub(crate) pending: Option<PendingTrim>,
}
stdx::codec_versioned!(State, 1 { pending });

impl State {
    pub(crate) fn bytes(pending: Option<PendingTrim>) -> Bytes {
        to_bytes(&State { pending })
    }
}

/// Ceph's utime_t.
struct Utime {
    seconds: u32,
    nanos: u32,
}
stdx::codec_plain!(Utime { seconds, nanos });

pub(crate) fn key(name: &str) -> Bytes {
    Bytes::copy_from_slice(name.as_bytes())
}

/// A guard: the row is as it was read.
pub(crate) fn row_is(name: &str, value: Bytes) -> Op {
    Op::CmpOmap { key: key(name), compare: Compare::Eq, value }
}

impl Header {
    /// The rows of a new image.
    pub(crate) fn rows(&self) -> Vec<(Bytes, Bytes)> {
        let created = Utime {
            seconds: u32::try_from(self.created.seconds()).unwrap_or(u32::MAX),
            nanos: (self.created.0 % 1_000_000_000) as u32,
        };
        let mut rows = vec![
            (key(SIZE), to_bytes(&self.size)),
            (key("order"), to_bytes(&self.layout.order())),
            (key("features"), to_bytes(&self.features)),
            (key("object_prefix"), to_bytes(&self.data_prefix)),
            (key("snap_seq"), to_bytes(&self.snap_seq)),
            (key("create_timestamp"), to_bytes(&created)),
            (key(STATE), State::bytes(self.pending)),
        ];
        rows.extend(self.data_pool.as_ref().map(|pool| (key(DATA_POOL), to_bytes(pool))));
        rows.extend(self.parent.as_ref().map(|parent| (key(PARENT), to_bytes(parent))));
        rows.extend(self.snapshots.iter().map(|s| (key(&Snapshot::row(s.id)), to_bytes(s))));
        rows
    }

    /// Reads the rows back. `Damaged` names the row; `Unsupported` if this build must not touch the image.
    pub(crate) fn from_rows(
        image: &str,
        object: &str,
        rows: &BTreeMap<Bytes, Bytes>,
    ) -> Result<Header, BlockError> {
        let damaged = |row: &str| BlockError::Damaged { object: object.to_string(), row: row.to_string() };
        fn value<T: Decode>(rows: &BTreeMap<Bytes, Bytes>, row: &str) -> Option<T> {
            from_bytes(rows.get(row.as_bytes())?.clone()).ok()
        }
        let features: u64 = value(rows, "features").ok_or_else(|| damaged("features"))?;
        let snap_seq: u64 = value(rows, "snap_seq").ok_or_else(|| damaged("snap_seq"))?;
        let unknown = features & !FEATURES_KNOWN;
        if unknown != 0 {
            return Err(BlockError::Unsupported { image: image.to_string(), features: unknown });
        }
        let order: u8 = value(rows, "order").ok_or_else(|| damaged("order"))?;
        let size: u64 = value(rows, SIZE).ok_or_else(|| damaged(SIZE))?;
        let created: Utime = value(rows, "create_timestamp").ok_or_else(|| damaged("create_timestamp"))?;
        let state: State = value(rows, STATE).ok_or_else(|| damaged(STATE))?;
        let (snapshots, _) = snapshot::from_rows(object, rows)?;
        let parent = match rows.get(PARENT.as_bytes()) {
            Some(row) => Some(from_bytes(row.clone()).map_err(|_| damaged(PARENT))?),
            None if features & FEATURE_LAYERING != 0 => return Err(damaged(PARENT)),
            None => None,
        };
        let data_pool: Option<String> = match features & FEATURE_DATA_POOL {
            0 => None,
            _ => Some(value(rows, DATA_POOL).ok_or_else(|| damaged(DATA_POOL))?),
        };
        Ok(Header {
            snapshots,
            parent,
            data_pool,
            size: if size <= SIZE_BYTES_MAX { size } else { return Err(damaged(SIZE)) },
            layout: Layout::new(order).map_err(|_| damaged("order"))?,
            features,
            data_prefix: value(rows, "object_prefix").ok_or_else(|| damaged("object_prefix"))?,
            snap_seq,
            created: WallTime(u64::from(created.seconds) * 1_000_000_000 + u64::from(created.nanos)),
            pending: state.pending,
        })
    }
}

/// Refuses sizes no image can have.
pub(crate) fn check_size(size: u64) -> Result<(), BlockError> {
    if size == 0 || size > SIZE_BYTES_MAX {
        return Err(BlockError::Invalid("the size must lie between 1 byte and 1 PiB".to_string()));
    }
    if !size.is_multiple_of(512) {
        return Err(BlockError::Invalid(format!(
            "the size {size} is no multiple of 512 bytes, a disk's sector"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Header {
        Header {
            size: 10 << 30,
            layout: Layout::new(22).unwrap(),
            features: FEATURE_EXCLUSIVE_LOCK | FEATURE_LAYERING | FEATURE_DATA_POOL,
            data_prefix: "rbd_data.1f".into(),
            data_pool: Some("cheap".into()),
            snap_seq: 0,
            created: WallTime(1_700_000_000_000_000_123),
            pending: Some(PendingTrim { from: 1, to: 2 }),
            snapshots: vec![Snapshot {
                id: osd_object::SnapId(5),
                name: "monday".into(),
                size: 512,
                created: WallTime(7),
                protected: true,
                removing: false,
                parent: None,
            }],
            parent: Some(Parent {
                pool: "rbd".into(),
                image: "2a".into(),
                snap: osd_object::SnapId(3),
                overlap: 1024,
            }),
        }
    }
    fn rows(h: &Header) -> BTreeMap<Bytes, Bytes> {
        h.rows().into_iter().collect()
    }

    #[test]
    fn rows_come_back_and_are_rbds() {
        assert_eq!(Header::from_rows("rbd/a", "o", &rows(&sample())).unwrap(), sample());
        let rows = rows(&sample());
        assert_eq!(&rows[&key("size")][..], [0, 0, 0, 0x80, 2, 0, 0, 0]);
        assert_eq!(&rows[&key("order")][..], [22]);
        assert_eq!(&rows[&key("object_prefix")][..], b"\x0b\0\0\0rbd_data.1f");
    }

    #[test]
    fn a_missing_or_cut_row_is_named_and_the_unknown_is_left_alone() {
        let all =
            ["size", "order", "features", "object_prefix", "snap_seq", "create_timestamp", STATE, DATA_POOL];
        for row in all {
            let mut without = rows(&sample());
            let whole = without.remove(row.as_bytes()).unwrap();
            let error = Header::from_rows("rbd/a", "o", &without).unwrap_err();
            assert!(matches!(&error, BlockError::Damaged { row: r, .. } if r == row), "{row}: {error}");
            without.insert(key(row), whole.slice(..whole.len() - 1));
            assert!(Header::from_rows("rbd/a", "o", &without).is_err(), "{row} cut");
        }
        let newer = Header { features: 1 | 4 | 64, ..sample() };
        let error = Header::from_rows("rbd/a", "o", &rows(&newer)).unwrap_err();
        assert!(matches!(error, BlockError::Unsupported { features: 64, .. }), "{error}");
    }
}
