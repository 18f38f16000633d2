//! What OSDs tell the leading monitor every few seconds. Volatile: shown to people, used for warnings, never for
//! decisions about safety.

use crate::ids::{Epoch, OsdId, PgId};
use stdx::time::WallTime;

/// Usage and load of one OSD.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OsdStats {
    /// Bytes the store can hold.
    pub total_bytes: u64,
    /// Bytes in use, index included.
    pub used_bytes: u64,
    /// Bytes of the index.
    pub index_bytes: u64,
    /// Client reads a second, lately.
    pub reads_per_second: u32,
    /// Client writes a second, lately.
    pub writes_per_second: u32,
    /// Client bytes read a second, lately.
    pub read_bytes_per_second: u64,
    /// Client bytes written a second, lately.
    pub write_bytes_per_second: u64,
    /// Operations that have waited for longer than they should.
    pub slow_ops: u32,
    /// The store takes no more: writes that reach it are refused.
    pub full: bool,
    /// Bytes that compressed data takes.
    pub compressed_bytes: u64,
    /// Bytes that it is.
    pub compressed_original_bytes: u64,
    /// Ranges written again since the process started, since they could not be read.
    pub repaired: u64,
    /// What its program can do; 0: the first level.
    pub feature_level: u32,
    /// Its program's version, such as `0.1.0`.
    pub version: String,
    /// Objects copied to other OSDs since the process started: recovery and backfill.
    pub recovered_objects: u64,
    /// Bytes of their data.
    pub recovered_bytes: u64,
}
stdx::codec_versioned!(OsdStats, 5 {
    total_bytes, used_bytes, index_bytes, reads_per_second, writes_per_second, read_bytes_per_second,
    write_bytes_per_second, slow_ops, full
} since 2 { compressed_bytes, compressed_original_bytes } since 3 { repaired } since 4 { feature_level, version } since 5 {
    recovered_objects, recovered_bytes
});

/// What a primary is doing with a PG; bits of [`PgStats::doing`].
pub mod doing {
    /// Pushing objects that the log names.
    pub const RECOVERING: u32 = 1;
    /// Waiting for its turn to do so.
    pub const RECOVERY_WAIT: u32 = 2;
    /// Copying by comparing listings.
    pub const BACKFILLING: u32 = 4;
    /// Waiting for its turn to do so.
    pub const BACKFILL_WAIT: u32 = 8;
    /// Comparing copies.
    pub const SCRUBBING: u32 = 16;
    /// Copies differ, or one does not match its checksum.
    pub const INCONSISTENT: u32 = 32;
    /// Removing snapshots' clones.
    pub const SNAPTRIM: u32 = 64;
    /// Beside [`SCRUBBING`]: reading all data.
    pub const DEEP: u32 = 128;
}

/// What the primary of a PG knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PgStats {
    /// The PG.
    pub pg: PgId,
    /// The interval in which the reporter serves it.
    pub interval: u64,
    /// Bits of [`doing`].
    pub doing: u32,
    /// Live objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Copies still to be made: objects missing on a joiner, summed over joiners.
    pub missing_copies: u64,
    /// Objects copied a second, lately.
    pub recovered_objects_per_second: u32,
    /// Bytes copied a second, lately.
    pub recovered_bytes_per_second: u64,
    /// The last write's sequence number in its interval.
    pub head: (u64, u64),
    /// When its copies were last compared; zero: not told.
    pub scrubbed_at: WallTime,
    /// When all its data was last read; zero: not told.
    pub deep_scrubbed_at: WallTime,
    /// Objects of which some copy is bad, or whose copies differ.
    pub inconsistent: u64,
    /// A few of those, in words.
    pub inconsistent_examples: Vec<String>,
}
stdx::codec_versioned!(PgStats, 2 {
    pg, interval, doing, objects, bytes, missing_copies, recovered_objects_per_second, recovered_bytes_per_second, head
} since 2 { scrubbed_at, deep_scrubbed_at, inconsistent, inconsistent_examples });

/// A sign of life of an OSD, every two seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beacon {
    /// Who.
    pub osd: OsdId,
    /// Which incarnation: the epoch of its boot as its map has it.
    pub up_from: Epoch,
    /// The epoch of its map.
    pub epoch: Epoch,
    /// Usage and load.
    pub stats: OsdStats,
    /// PGs that it is primary of, all of them or those that changed since the last beacon.
    pub pgs: Vec<PgStats>,
}
stdx::codec_versioned!(Beacon, 1 { osd, up_from, epoch, stats, pgs });
