//! Snapshot ids and the snapshot context that each write carries.

/// A self-managed snapshot's number. `HEAD` names the live object, as Ceph's CEPH_NOSNAP (-2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapId(pub u64);
stdx::codec_newtype!(SnapId);

impl SnapId {
    /// The live object.
    pub const HEAD: SnapId = SnapId(u64::MAX - 1);
}

/// The snapshots that existed, newest first, when a write was issued: the first write after a snapshot
/// clones the object. Empty for objects without snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapContext {
    /// The newest snapshot id of the context.
    pub seq: u64,
    /// All live snapshot ids, newest first.
    pub snaps: Vec<SnapId>,
}
stdx::codec_plain!(SnapContext { seq, snaps });
