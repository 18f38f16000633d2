//! An image's snapshots as its header tells them, and the context that each write to its data carries. Pure.
//!
//! A snapshot is made without the image's writer: an *intent* in the header, an id from the monitors, the snapshot's row
//! in the intent's place. Writes say up to which of the pool's ids their writer knows its header, and OSDs that know of
//! a later one refuse them (`Op::AssertSnapsKnown`); the writer then reads its header again, and waits while there is an
//! intent, since the snapshot's id may have been given out before its row is there. So once every PG of the pool has
//! answered with the id in its map, no write can slip into the snapshot.

use crate::error::BlockError;
use crate::header::key;
use bytes::Bytes;
use osd_object::{SnapContext, SnapId};
use std::collections::BTreeMap;
use stdx::codec::from_bytes;
use stdx::time::WallTime;

/// The row of a creation under way.
pub(crate) const INTENT: &str = "nacre_snap_intent";
const ROW: &str = "nacre_snap_";

/// Where an image's bytes come from that nobody wrote since it was cloned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// The parent's pool.
    pub pool: String,
    /// The parent's id.
    pub image: String,
    /// Its snapshot.
    pub snap: SnapId,
    /// Bytes of it that count, from its start.
    pub overlap: u64,
}
stdx::codec_versioned!(Parent, 1 { pool, image, snap, overlap });

/// One snapshot of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its id within the pool.
    pub id: SnapId,
    /// Its name, unique within the image.
    pub name: String,
    /// Bytes that the image had.
    pub size: u64,
    /// When it was made.
    pub created: WallTime,
    /// It cannot be removed, and so can be cloned.
    pub protected: bool,
    /// Its removal has begun: it can no longer be read.
    pub removing: bool,
    /// The image's parent then.
    pub parent: Option<Parent>,
}
stdx::codec_versioned!(Snapshot, 1 { id, name, size, created, protected, removing, parent });

impl Snapshot {
    /// Its row in the header.
    pub(crate) fn row(id: SnapId) -> String {
        format!("{ROW}{:016x}", id.0)
    }
}

/// A creation under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Intent {
    /// Drawn by who creates.
    pub(crate) token: u64,
    /// The name that the snapshot will have.
    pub(crate) name: String,
}
stdx::codec_versioned!(Intent, 1 { token, name });

/// The snapshots in a header's rows, oldest first, and the intent as it is stored.
pub(crate) fn from_rows(
    object: &str,
    rows: &BTreeMap<Bytes, Bytes>,
) -> Result<(Vec<Snapshot>, Option<Bytes>), BlockError> {
    let mut snapshots = Vec::new();
    for (row, value) in rows.range(key(ROW)..) {
        if !row.starts_with(ROW.as_bytes()) {
            break;
        }
        if &row[..] != INTENT.as_bytes() {
            let damaged = |_| BlockError::Damaged {
                object: object.to_string(),
                row: String::from_utf8_lossy(row).into_owned(),
            };
            snapshots.push(from_bytes::<Snapshot>(value.clone()).map_err(damaged)?);
        }
    }
    snapshots.sort_by_key(|s| s.id);
    Ok((snapshots, rows.get(INTENT.as_bytes()).cloned()))
}

/// What a writer says that has read these snapshots in its header after it knew that the pool had given out `seq`.
pub(crate) fn context(seq: u64, snapshots: &[Snapshot]) -> SnapContext {
    let live = snapshots.iter().rev().filter(|s| !s.removing && s.id.0 <= seq);
    SnapContext { seq, snaps: live.map(|s| s.id).collect() }
}

/// Image and snapshot of `IMAGE@SNAPSHOT`.
pub fn split_snapshot(name: &str) -> (&str, Option<&str>) {
    match name.split_once('@') {
        Some((image, snap)) => (image, Some(snap)),
        None => (name, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stdx::codec::to_bytes;

    #[test]
    fn rows_give_the_context_and_an_intent_is_told_apart() {
        let snapshot = |id: u64, removing| Snapshot {
            id: SnapId(id),
            name: format!("s{id}"),
            size: 512,
            created: WallTime(1),
            protected: false,
            removing,
            parent: None,
        };
        let all = [snapshot(3, false), snapshot(20, true), snapshot(30, false)];
        let mut rows: BTreeMap<Bytes, Bytes> =
            all.iter().map(|s| (key(&Snapshot::row(s.id)), to_bytes(s))).collect();
        rows.insert(key("size"), Bytes::new());
        let (read, intent) = from_rows("o", &rows).unwrap();
        assert_eq!((&read[..], intent), (&all[..], None));
        assert_eq!(context(40, &read), SnapContext { seq: 40, snaps: vec![SnapId(30), SnapId(3)] });
        let intent = to_bytes(&Intent { token: 1, name: "x".into() });
        rows.insert(key(INTENT), intent.clone());
        assert_eq!(from_rows("o", &rows).unwrap().1, Some(intent));
        rows.insert(key(&Snapshot::row(SnapId(3))), Bytes::from_static(b"?"));
        assert!(matches!(from_rows("o", &rows), Err(BlockError::Damaged { .. })));
    }

    #[test]
    fn names_are_split_at_the_first_sign() {
        assert_eq!(split_snapshot("vm@monday"), ("vm", Some("monday")));
        assert_eq!(split_snapshot("vm"), ("vm", None));
    }
}
