//! Data objects: runs are written, read and freed here. Nothing is ever overwritten.

mod copy;
mod free;
mod read;
mod write;

pub(crate) use write::{Collected, RunWriter};

/// The xattr of a run's first data object that says whom it was written for.
pub(crate) const OWNER_XATTR: &str = "owner";
