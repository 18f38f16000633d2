//! What of an image changed between a snapshot and a later state of it, as its objects' own lists of clones tell it.
//!
//! An object knows which bytes each of its clones still shares with what came after it. So this is exact whatever
//! crashed, costs one question per object, and needs no map beside the data that could be wrong.

use crate::error::BlockError;
use crate::image::{AT_ONCE, Image, STATUS_OBJECTS_MAX};
use crate::knowledge::rows_of;
use crate::layout::Piece;
use crate::snapshot::{self, Snapshot};
use futures_util::future::try_join_all;
use gateway_client::Rados;
use osd_object::snapset::{Seen, SnapSet};
use osd_object::{Extents, SnapId};

/// A part of an image, and whether it may differ from what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Bytes, not zero.
    pub len: u64,
    /// It may have been changed; if not, it is what it was.
    pub changed: bool,
}

/// Where an object's state at a snapshot lies among its clones (the head behind the last), and its bytes.
fn state(set: &SnapSet, head_bytes: Option<u64>, snap: SnapId) -> Option<(usize, u64)> {
    match set.at(snap) {
        Seen::Head => head_bytes.map(|bytes| (set.clones.len(), bytes)),
        Seen::Clone(id) => {
            set.clones.iter().position(|clone| clone.id == id).map(|at| (at, set.clones[at].size))
        }
        Seen::Nothing => None,
    }
}

/// The ranges of an object that may differ between two states. `shown`: bytes of a parent that show where the object
/// is absent.
pub(crate) fn between(
    set: &SnapSet,
    head_bytes: Option<u64>,
    (from, to): (SnapId, SnapId),
    shown: u64,
) -> Extents {
    match (state(set, head_bytes, from), state(set, head_bytes, to)) {
        (None, None) => Extents::default(),
        (Some((_, bytes)), None) | (None, Some((_, bytes))) => Extents::whole(bytes.max(shown)),
        (Some(a), Some(b)) => {
            let (first, last) = if a.0 <= b.0 { (a, b) } else { (b, a) };
            let mut shared = Extents::whole(first.1);
            for clone in &set.clones[first.0..last.0] {
                shared.intersect(&clone.overlap);
            }
            let mut changed = Extents::whole(a.1.max(b.1));
            for (offset, len) in shared.ranges() {
                changed.subtract(*offset, *len);
            }
            changed
        }
    }
}

/// Appends a span, joined with one of its kind before it.
pub(crate) fn push(all: &mut Vec<Span>, next: Span) {
    match all.last_mut() {
        _ if next.len == 0 => {}
        Some(last) if last.changed == next.changed => last.len += next.len,
        _ => all.push(next),
    }
}

/// `offset .. offset + len` of an object, cut where it changes between changed and not.
fn cut(changed: &Extents, offset: u64, len: u64) -> Vec<Span> {
    let (mut all, mut at, end) = (Vec::new(), offset, offset + len);
    for (from, bytes) in changed.ranges() {
        let (from, to) = ((*from).clamp(at, end), (from + bytes).clamp(at, end));
        push(&mut all, Span { len: from - at, changed: false });
        push(&mut all, Span { len: to - from, changed: true });
        at = to;
    }
    push(&mut all, Span { len: end - at, changed: false });
    all
}

impl<R: Rados> Image<R> {
    /// What of a range changed since a snapshot of this image, known by its name. See `changes`. `NoSuchSnapshot` also
    /// if it goes meanwhile.
    pub async fn changes_since(&self, snap: &str, offset: u64, len: u64) -> Result<Vec<Span>, BlockError> {
        let since = self.snapshot_named(snap).await?;
        let spans = self.changes(&since, offset, len).await?;
        // One that went while we asked looks like one at which there was nothing.
        let still = self.snapshot_named(snap).await?;
        if still.id == since.id { Ok(spans) } else { Err(self.no_snapshot(snap)) }
    }

    fn no_snapshot(&self, snap: &str) -> BlockError {
        BlockError::NoSuchSnapshot { snapshot: format!("{}@{snap}", self.label()) }
    }

    async fn snapshot_named(&self, snap: &str) -> Result<Snapshot, BlockError> {
        let o = self.objects();
        let rows = rows_of(&o.rados, &o.header_pool, &o.header).await?;
        let (all, _) = snapshot::from_rows(&o.header, &rows)?;
        let found = all.into_iter().find(|s| s.name == snap && !s.removing);
        found.ok_or_else(|| self.no_snapshot(snap))
    }

    /// What of a range changed since an earlier snapshot of this image, from the range's start; covers at least its
    /// first object. The caller sees to it that the snapshot still exists when this returns.
    pub async fn changes(&self, since: &Snapshot, offset: u64, len: u64) -> Result<Vec<Span>, BlockError> {
        self.check(offset, len)?;
        let pieces: Vec<Piece> = self.layout().objects_of(offset, len).take(STATUS_OBJECTS_MAX).collect();
        let mut all = Vec::new();
        for batch in pieces.chunks(2 * AT_ONCE) {
            let known = try_join_all(batch.iter().map(|p| self.piece_changes(p, since))).await?;
            known.into_iter().flatten().for_each(|span| push(&mut all, span));
        }
        Ok(all)
    }

    async fn piece_changes(&self, piece: &Piece, since: &Snapshot) -> Result<Vec<Span>, BlockError> {
        let bytes = self.layout().object_bytes();
        let start = piece.object * bytes;
        let then = since.parent.as_ref().map_or(0, |parent| parent.overlap);
        let now = self.overlap();
        let (less, more) = (then.min(now), then.max(now));
        if less < more && start < more && start + bytes > less {
            // What of the parent showed then shows no more, whether the object was copied or cut off.
            return Ok(vec![Span { len: piece.len, changed: true }]);
        }
        let shown = more.saturating_sub(start).min(bytes);
        self.settle(piece.object).await?;
        let (set, head_bytes) = self.objects().clones(piece.object).await?;
        let to = self.objects().snap.unwrap_or(SnapId::HEAD);
        let changed = between(&set, head_bytes, (since.id, to), shown);
        Ok(cut(&changed, piece.offset, piece.len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use osd_object::SnapContext;

    fn context(seq: u64) -> SnapContext {
        SnapContext { seq, snaps: (1..=seq).rev().map(SnapId).collect() }
    }
    fn ranges(set: &SnapSet, head: Option<u64>, from: u64, to: SnapId) -> Vec<(u64, u64)> {
        between(set, head, (SnapId(from), to), 0).ranges().to_vec()
    }

    #[test]
    fn changes_go_through_every_clone_between() {
        let mut set = SnapSet::default();
        set.preserve(&context(1), Some(100));
        set.changed(10, 5);
        set.preserve(&context(2), Some(100));
        set.changed(90, 30);
        let head = Some(120);
        assert_eq!(ranges(&set, head, 1, SnapId(2)), [(10, 5)]);
        assert_eq!(ranges(&set, head, 2, SnapId::HEAD), [(90, 30)]);
        assert_eq!(ranges(&set, head, 1, SnapId::HEAD), [(10, 5), (90, 30)]);
        assert_eq!(ranges(&set, head, 3, SnapId::HEAD), [], "made after the last change");
        assert_eq!(ranges(&set, None, 1, SnapId::HEAD), [(0, 100)], "the object is gone");
        assert_eq!(between(&set, None, (SnapId(1), SnapId::HEAD), 200).ranges(), [(0, 200)]);
        assert_eq!(ranges(&SnapSet::default(), Some(7), 1, SnapId::HEAD), [], "never written since");
        let new = SnapSet { seq: 1, clones: Vec::new() };
        assert_eq!(ranges(&new, Some(7), 1, SnapId::HEAD), [(0, 7)], "made after the snapshot");
    }

    #[test]
    fn a_range_is_cut_where_it_changes() {
        let mut changed = Extents::whole(50);
        changed.subtract(10, 20);
        let seen: Vec<(u64, bool)> = cut(&changed, 5, 60).iter().map(|s| (s.len, s.changed)).collect();
        assert_eq!(seen, [(5, true), (20, false), (20, true), (15, false)]);
        assert_eq!(cut(&Extents::default(), 5, 60), [Span { len: 60, changed: false }]);
    }
}
