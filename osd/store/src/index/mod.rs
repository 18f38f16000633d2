//! The index: ordered rows in a few families, with one crash contract.
//!
//! The contract: changes become visible at once and durable only by a flush; a flush takes *all* changes
//! made before it began, and after a crash the index is exactly the state of some completed flush (or of
//! one that was under way). It has no log of its own: ours replays the rest.

pub mod batch;
pub(crate) mod behind;
pub(crate) mod cached;
pub mod layered;
pub mod map;
pub mod rocks;

pub use batch::{IndexBatch, IndexOp};

use bytes::Bytes;

/// A group of rows with its own key space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Family {
    /// Object identity (sort key) to object row.
    Objects = 0,
    /// (object number, chunk) to chunk of the extent map.
    Extents = 1,
    /// (object number, kind, key) to attribute and omap values.
    Rows = 2,
    /// Facts about the index itself.
    Misc = 3,
}

impl Family {
    /// All of them, by number.
    pub const ALL: [Family; 4] = [Family::Objects, Family::Extents, Family::Rows, Family::Misc];

    pub(crate) fn from_u8(n: u8) -> Option<Family> {
        Family::ALL.get(n as usize).copied()
    }
    /// The name it has on disk.
    pub fn name(self) -> &'static str {
        match self {
            Family::Objects => "objects",
            Family::Extents => "extents",
            Family::Rows => "rows",
            Family::Misc => "misc",
        }
    }
}

/// The row in `Misc` that says up to which LSN the index is.
pub(crate) const APPLIED_KEY: &[u8] = b"applied";
/// The row in `Misc` that says whose index it is.
pub(crate) const UUID_KEY: &[u8] = b"uuid";

/// The index failed; nothing can be assumed of it any more.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what}: {detail}")]
pub struct IndexError {
    what: &'static str,
    detail: String,
}

impl IndexError {
    pub(crate) fn new(what: &'static str, detail: impl ToString) -> IndexError {
        IndexError { what, detail: detail.to_string() }
    }
}

/// Looks at rows until it answers false.
pub type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> bool;

/// An index. See the module for its crash contract.
pub trait Index {
    /// One value.
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, IndexError>;
    /// Rows with `start <= key < end` (no end: all from `start`), ascending or descending.
    fn scan(
        &self,
        family: Family,
        start: &[u8],
        end: Option<&[u8]>,
        reverse: bool,
        visit: Visit<'_>,
    ) -> Result<(), IndexError>;
    /// Applies encoded changes, in order and together.
    fn write(&mut self, changes: &[u8]) -> Result<(), IndexError>;
    /// Begins to make everything written so far durable, and records that this is the state as of `lsn`.
    /// Changes written after it returns are not part of it.
    fn flush_begin(&mut self, lsn: u64) -> Result<(), IndexError>;
    /// The LSN of the newest flush that is durable; 0 if there was none.
    fn persisted_lsn(&self) -> Result<u64, IndexError>;
    /// Makes everything written so far durable as of `lsn`, blocking.
    fn flush_wait(&mut self, lsn: u64) -> Result<(), IndexError>;
    /// Bytes it takes on its file system.
    fn disk_bytes(&self) -> u64;
    /// What it may use for caches from now on, as its part of a memory target of so many bytes. Nothing to one that has
    /// none.
    fn set_memory_target(&mut self, _bytes: u64) {}
    /// Why it must not be used any more, if a read found out: a read has no way to end a store.
    fn failure(&self) -> Option<IndexError> {
        None
    }
}

/// The decoded `APPLIED_KEY` row.
pub(crate) fn applied_of(row: Option<Bytes>) -> Result<u64, IndexError> {
    match row {
        None => Ok(0),
        Some(b) => match <[u8; 8]>::try_from(&b[..]) {
            Ok(b) => Ok(u64::from_le_bytes(b)),
            Err(_) => Err(IndexError::new("read the applied LSN", "a row of the wrong length")),
        },
    }
}
