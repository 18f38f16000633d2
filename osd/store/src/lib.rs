//! An OSD's local store: one log, in-place blocks, and an index without its own log (decision D4).
//!
//! ```text
//!  submit ──> plan ──> index (memory)      ObjectRead sees it at once
//!               │
//!               ├────> log batch ──write──> flush ──> Durable    one in flight, one filling
//!               ├────> fresh units ──write──^                    in parallel, before the same flush
//!               └────> overlay ───────────────────> in place     later, only once durable
//!  checkpoint: index flush + data in place + flush ──> superblock ──> log trimmed, space reused
//! ```
//!
//! Crash argument, by invariant:
//! 1. Batches are chained and one is in flight: what replays is a prefix that holds every acknowledged one.
//! 2. Data is written in place only after its record is durable, so redo restores a torn unit.
//! 3. The log is trimmed only after index and data are durable up to the trim point, and a superblock says so.
//! 4. Freed units are used again only when the freeing record lies below the trim point.
//! 5. Fresh data is written to units that nothing durable refers to, and is durable before its record counts.
//! 6. The index is flushed only when all it holds is durable in the log.
//!
//! Single-threaded: one `Store` belongs to one reactor.

// `harness` is a feature of the package tests-store alone, which compiles these very files a second time: this package
// has no such feature, so that no build of `nacre` can have it switched on.
#![allow(unexpected_cfgs)]
#[cfg(feature = "harness")]
const _: () = assert!(
    matches!(env!("CARGO_PKG_NAME").as_bytes(), b"tests-store"),
    "the harness breaks the store on purpose: it belongs into no package but tests-store"
);

mod blocking;
mod buf;
mod chunk;
mod compress;
mod config;
pub mod device;
mod error;
pub mod index;
mod keys;
mod layout;
mod overlay;
mod plan;
mod sabotage;
mod slab;
mod space;
mod store;
mod superblock;
mod wal;

pub use buf::AlignedBuf;
pub use compress::{Algorithm, Compression, PackWhich};
pub use config::{CacheMode, DiscardMode, Identity, StoreConfig, Uuid16};
pub use error::StoreError;
pub use layout::{STORE_BYTES_MIN, UNIT_BYTES};
#[cfg(feature = "harness")]
pub use store::harness;
pub use store::{
    Completion, CopyView, Examiner, ExtentView, FsckReport, Limits, LogBatchView, LogView, ObjectView,
    PackedView, Problem, Repaired, ScrubBudget, ScrubCursor, ScrubObject, ScrubPage, Store, SuperblockView,
    Usage, fsck, repair,
};
