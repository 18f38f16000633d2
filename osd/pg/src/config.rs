//! Limits and durations of a PG.

use crate::sabotage::Sabotage;
use std::time::Duration;

/// Limits and durations of a PG; the defaults are the product's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PgConfig {
    /// How long a primary may answer reads after its members confirmed it. Must be the same at all members
    /// within a factor of `LEASE_SLACK`'s room, and well below the time in which an OSD is marked down.
    pub lease: Duration,
    /// A message that is not answered for so long is sent again.
    pub resend: Duration,
    /// In an erasure-coded PG: members hear that a write is certain with the next one; if none follows for so long, by
    /// itself.
    pub commit_tell: Duration,
    /// In an erasure-coded PG: small writes that are certain are put in place until they carry so many bytes, in one
    /// transaction; what is behind them comes in the next. Small stores refuse much more.
    pub apply_bytes_max: u64,
    /// A proposal to the monitors that shows no effect for so long is made again.
    pub propose_again: Duration,
    /// An in-sync member that acknowledges nothing for so long is proposed to be dropped, if enough others
    /// are left.
    pub laggard: Duration,
    /// Entries kept in the log for replays and recovery.
    pub log_entries_max: usize,
    /// Bytes of entries kept in the log.
    pub log_bytes_max: usize,
    /// Writes under way at once. Well below `log_entries_max`, so that what is not committed is never trimmed.
    pub in_flight_max: usize,
    /// Bytes that those may carry; one write may go beyond.
    pub in_flight_bytes_max: u64,
    /// Results that a write may give, bytes; kept in the log for replays.
    pub write_results_max: usize,
    /// What of one write may go through a store's log, bytes: a store that refuses a transaction stops its OSD, so what is
    /// too much for it is refused here. Of this OSD's store; its peers' should not be much smaller.
    pub logged_bytes_max: u64,
    /// Objects being pushed to one member at once.
    pub pushes_max: usize,
    /// Data and rows in one piece of a push, bytes.
    pub push_bytes_max: u32,
    /// Pieces of one object under way at once.
    pub push_window: usize,
    /// Objects in one step of a backfill's comparison, or of a removal.
    pub scan_max: u32,
    /// Objects compared at once by their index.
    pub scrub_objects: u32,
    /// Objects compared at once while their data is read.
    pub scrub_deep_objects: u32,
    /// A member that did not say what it holds for so long is asked again.
    pub scrub_resend: Duration,
    /// Which rule is broken on purpose: none, outside the simulator.
    pub sabotage: Sabotage,
}

impl Default for PgConfig {
    fn default() -> PgConfig {
        PgConfig {
            lease: Duration::from_millis(1600),
            resend: Duration::from_millis(500),
            commit_tell: Duration::from_millis(100),
            apply_bytes_max: 512 << 10,
            propose_again: Duration::from_secs(1),
            laggard: Duration::from_secs(20),
            log_entries_max: 2000,
            log_bytes_max: 2 << 20,
            in_flight_max: 512,
            in_flight_bytes_max: 32 << 20,
            write_results_max: 64 << 10,
            logged_bytes_max: u64::MAX,
            pushes_max: 3,
            push_bytes_max: 512 << 10,
            push_window: 2,
            scan_max: 512,
            scrub_objects: 256,
            scrub_deep_objects: 16,
            scrub_resend: Duration::from_secs(5),
            sabotage: Sabotage::default(),
        }
    }
}
