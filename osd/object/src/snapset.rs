//! Which clones an object has, and which of them a snapshot sees: Ceph's SnapSet, with its clone overlap.
//!
//! The first write to an object after a snapshot leaves a clone of it as it was. A clone is named by the newest
//! snapshot that existed then and serves those of its snapshots that no older clone serves. What a clone still
//! shares with its next newer neighbour (the head, for the newest one) is its overlap: what lies outside of it was
//! changed since.

use crate::extents::Extents;
use crate::snap::{SnapContext, SnapId};

/// One clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloneInfo {
    /// Names it: the `seq` of the snapshot context with which the write came that left it.
    pub id: SnapId,
    /// Bytes.
    pub size: u64,
    /// The live snapshots that it serves, newest first. Never empty: a clone that serves none is removed.
    pub snaps: Vec<SnapId>,
    /// What it shares with its next newer neighbour.
    pub overlap: Extents,
}
stdx::codec_versioned!(CloneInfo, 1 { id, size, snaps, overlap });

/// An object's clones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapSet {
    /// The newest snapshot that a write to the object knew of.
    pub seq: u64,
    /// Oldest first.
    pub clones: Vec<CloneInfo>,
}
stdx::codec_versioned!(SnapSet, 1 { seq, clones });

/// Where a snapshot's state of an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Unchanged since: the live object, if there is one.
    Head,
    /// In this clone.
    Clone(SnapId),
    /// The object did not exist then, or the snapshot is gone.
    Nothing,
}

impl SnapSet {
    /// Where the state at `snap` is.
    pub fn at(&self, snap: SnapId) -> Seen {
        if snap == SnapId::HEAD || snap.0 > self.seq {
            return Seen::Head;
        }
        match self.clones.iter().find(|clone| clone.id >= snap) {
            Some(clone) if clone.snaps.contains(&snap) => Seen::Clone(clone.id),
            _ => Seen::Nothing,
        }
    }

    /// A write comes with `context` to an object of `head_bytes` (none: there is no live object). Gives the clone that
    /// has to be made of it first, if any.
    pub fn preserve(&mut self, context: &SnapContext, head_bytes: Option<u64>) -> Option<SnapId> {
        if context.seq <= self.seq {
            return None;
        }
        let seen = self.seq;
        self.seq = context.seq;
        let snaps: Vec<SnapId> = context.snaps.iter().copied().filter(|snap| snap.0 > seen).collect();
        let size = head_bytes.filter(|_| !snaps.is_empty())?;
        let id = SnapId(context.seq);
        self.clones.push(CloneInfo { id, size, snaps, overlap: Extents::whole(size) });
        Some(id)
    }

    /// The head changes in `offset..offset + len`.
    pub fn changed(&mut self, offset: u64, len: u64) {
        if let Some(newest) = self.clones.last_mut() {
            newest.overlap.subtract(offset, len);
        }
    }

    /// The head ends at `len` now, or ended there for a moment.
    pub fn truncated(&mut self, len: u64) {
        if let Some(newest) = self.clones.last_mut() {
            newest.overlap.truncate(len);
        }
    }

    /// The head is now what a clone is.
    pub fn rolled_back(&mut self, to: SnapId) {
        let Some(at) = self.clones.iter().position(|clone| clone.id == to) else { return };
        let last = self.clones.len() - 1;
        // What the clone shares with the newest one goes through every clone between them.
        let mut shared = Extents::whole(self.clones[at].size);
        for between in &self.clones[at..last] {
            shared.intersect(&between.overlap);
        }
        self.clones[last].overlap = shared;
    }

    /// Snapshots are gone: clones serve them no more. Gives the clones that serve nothing now and have to be removed.
    pub fn forget(&mut self, is_gone: impl Fn(SnapId) -> bool) -> Vec<SnapId> {
        let mut removed = Vec::new();
        let mut at = 0;
        while at < self.clones.len() {
            self.clones[at].snaps.retain(|snap| !is_gone(*snap));
            if !self.clones[at].snaps.is_empty() {
                at += 1;
                continue;
            }
            let clone = self.clones.remove(at);
            if at > 0 {
                // Its older neighbour has a new neighbour, and shares with it what both shared with this one.
                self.clones[at - 1].overlap.intersect(&clone.overlap);
            }
            removed.push(clone.id);
        }
        removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(seq: u64, snaps: &[u64]) -> SnapContext {
        SnapContext { seq, snaps: snaps.iter().map(|s| SnapId(*s)).collect() }
    }

    #[test]
    fn a_snapshot_sees_the_clone_that_was_made_after_it() {
        let mut set = SnapSet::default();
        assert_eq!(set.preserve(&context(2, &[2, 1]), None), None, "there was nothing to preserve");
        assert_eq!((set.at(SnapId(1)), set.at(SnapId(2))), (Seen::Nothing, Seen::Nothing));
        assert_eq!(set.at(SnapId(3)), Seen::Head);
        assert_eq!(set.preserve(&context(5, &[5, 4, 2, 1]), Some(100)), Some(SnapId(5)));
        assert_eq!(set.preserve(&context(5, &[5, 4, 2, 1]), Some(100)), None, "once for all of them");
        assert_eq!(set.clones[0].snaps, [SnapId(5), SnapId(4)]);
        assert_eq!((set.at(SnapId(4)), set.at(SnapId(5))), (Seen::Clone(SnapId(5)), Seen::Clone(SnapId(5))));
        assert_eq!((set.at(SnapId(3)), set.at(SnapId(2))), (Seen::Nothing, Seen::Nothing));
        assert_eq!(set.at(SnapId::HEAD), Seen::Head);
        // A context without live snapshots moves the mark and preserves nothing.
        assert_eq!(set.preserve(&context(6, &[]), Some(100)), None);
        assert_eq!((set.seq, set.clones.len()), (6, 1));
        assert_eq!(set.preserve(&context(4, &[4]), Some(100)), None, "an older client");
    }

    #[test]
    fn forgetting_hands_the_overlap_on() {
        let mut set = SnapSet::default();
        set.preserve(&context(1, &[1]), Some(100));
        set.changed(0, 10);
        set.preserve(&context(2, &[2, 1]), Some(100));
        set.changed(90, 10);
        assert_eq!(set.forget(|snap| snap.0 == 2), [SnapId(2)]);
        assert_eq!(set.clones[0].overlap.ranges(), [(10, 80)]);
        set.rolled_back(SnapId(1));
        assert_eq!(set.clones[0].overlap.ranges(), [(0, 100)]);
        assert_eq!(set.forget(|_| true), [SnapId(1)]);
        assert!(set.clones.is_empty());
    }
}
