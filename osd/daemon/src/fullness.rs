//! When an OSD is too full to take more, and how much may be under way at once so that it never overruns.
//!
//! A member that becomes full says so to all OSDs at once, and with each pong. What every primary has under way
//! when it hears that must fit between "full" and the store's end: a replica cannot refuse what its primary has
//! already ordered.

/// Bytes of clients' operations that one OSD holds at once, at the most.
const UNDER_WAY_BYTES_MAX: u64 = 48 << 20;
/// One part in so many of a store stays free besides what the store keeps back for itself (3 %), which
/// makes it full at about 95 %, as Ceph's default has it.
const FREE_PARTS: u64 = 50;

/// They have to fit beside the caches: one part in so many of the memory target.
const MEMORY_PARTS: u64 = 6;

/// How many bytes of clients' operations an OSD with a store of `total` bytes takes in at once.
pub(crate) fn under_way_bytes_max(total: u64, memory_target: u64) -> u64 {
    (total / 32).min(memory_target / MEMORY_PARTS).clamp(4 << 20, UNDER_WAY_BYTES_MAX)
}

/// What the file system of a store's index must have left beside it: what the index still holds in memory, and what
/// merging its files takes for a while. One part in so many of the store, which bounds the index.
const INDEX_ROOM_PARTS: u64 = 16;

/// What an OSD knows of its space.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Space {
    /// The store's size, bytes.
    pub(crate) total: u64,
    /// What it uses of it.
    pub(crate) used: u64,
    /// What it can still take.
    pub(crate) available: u64,
    /// What is left where its index lies, bytes; unknown: nothing depends on it.
    pub(crate) index_room: Option<u64>,
    /// What the operator calls full (`mon_osd_full_ratio`).
    pub(crate) full_ratio: f64,
}

/// Why an OSD takes no more: only what frees space is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// What is left of the store is needed for what is under way.
    Store,
    /// It uses the share that the operator allows.
    Ratio,
    /// Its index could not grow any more: somebody else filled the file system that it is on. An index that cannot be
    /// written is the end of its OSD, so writes stop before.
    IndexRoom,
}

impl Space {
    /// Whether it is full, and why.
    pub(crate) fn full(&self) -> Option<Full> {
        let floor = (self.total / FREE_PARTS).max(4 * under_way_bytes_max(self.total, u64::MAX));
        let index_floor = (self.total / INDEX_ROOM_PARTS).clamp(64 << 20, 1 << 30);
        if self.available <= floor {
            Some(Full::Store)
        } else if self.used as f64 >= self.full_ratio * self.total as f64 {
            Some(Full::Ratio)
        } else if self.index_room.is_some_and(|room| room <= index_floor) {
            Some(Full::IndexRoom)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(available: u64, total: u64) -> Space {
        let used = total.saturating_sub(available);
        Space { total, used, available, index_room: None, full_ratio: 1.0 }
    }

    #[test]
    fn what_is_under_way_at_three_primaries_fits_behind_full() {
        for total in [64u64 << 20, 256 << 20, 1 << 30, 8 << 30, 4 << 40] {
            let space = space(3 * under_way_bytes_max(total, u64::MAX), total);
            assert_eq!(space.full(), Some(Full::Store), "{total}");
        }
        assert_eq!(space(30 << 30, 1000 << 30).full(), None);
        assert_eq!(space(19 << 30, 1000 << 30).full(), Some(Full::Store));
    }

    #[test]
    fn the_operator_s_ratio_stops_writes_earlier_and_never_later() {
        let half = Space { full_ratio: 0.5, ..space(500 << 30, 1000 << 30) };
        assert_eq!(half.full(), Some(Full::Ratio));
        assert_eq!(Space { full_ratio: 0.51, ..half }.full(), None);
        assert_eq!(Space { full_ratio: 1.0, ..space(1 << 30, 1000 << 30) }.full(), Some(Full::Store));
    }

    #[test]
    fn a_file_system_that_others_filled_stops_writes_before_the_index_fails() {
        let empty = space(1000 << 30, 1000 << 30);
        assert_eq!(Space { index_room: Some(2 << 30), ..empty }.full(), None);
        assert_eq!(Space { index_room: Some(1 << 30), ..empty }.full(), Some(Full::IndexRoom));
        let small = space(1 << 30, 1 << 30);
        assert_eq!(Space { index_room: Some(65 << 20), ..small }.full(), None);
        assert_eq!(Space { index_room: Some(0), ..small }.full(), Some(Full::IndexRoom));
    }
}
