//! What a client sees of an object never goes back: an operation that begins after another one was answered is not
//! told an older version of the object. Reason: a stale read is the first thing that a replaced primary would give.
//! (An object that is absent has no version; that a deletion is not forgotten is shown by the replay.)

use crate::history::Record;
use osd_object::{ObjectId, Version};
use std::collections::BTreeMap;
use stdx::Time;

/// The newest version told of each object, by when.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// In the order of the answers; the versions only grow.
    told: BTreeMap<ObjectId, Vec<(Time, u64)>>,
}

impl Seen {
    /// An operation was answered.
    pub(crate) fn check(&mut self, r: &Record) {
        if r.version == Version::ZERO || r.was_turned_away() {
            return;
        }
        let told = self.told.entry(r.object.clone()).or_default();
        let before = told.partition_point(|(ended, _)| *ended < r.started);
        let newest = before.checked_sub(1).map_or(0, |at| told[at].1);
        assert!(
            r.version.seq >= newest,
            "version {newest} was told before this began, and it is told an older one: {r:?}"
        );
        if told.last().is_none_or(|(_, seq)| *seq < r.version.seq) {
            told.push((r.ended, r.version.seq));
        }
    }
}
