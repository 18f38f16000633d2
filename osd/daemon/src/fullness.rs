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

/// Whether a store of `total` bytes that can take only `available` more is full: only what frees space is
/// carried out.
pub(crate) fn is_full(available: u64, total: u64) -> bool {
    available <= (total / FREE_PARTS).max(4 * under_way_bytes_max(total, u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_way_at_three_primaries_fits_behind_full() {
        for total in [64u64 << 20, 256 << 20, 1 << 30, 8 << 30, 4 << 40] {
            assert!(is_full(3 * under_way_bytes_max(total, u64::MAX), total), "{total}");
        }
        assert!(!is_full(30 << 30, 1000 << 30));
        assert!(is_full(19 << 30, 1000 << 30));
    }
}
