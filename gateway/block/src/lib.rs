//! Block images over the client handle (decision D8): a header object with the lock, data objects striped by size,
//! holes where nothing was written. Rows and names: docs/formats/image.md.
//!
//! There is no cache: a write returns when it is durable on every in-sync replica of its objects, so a flush has
//! nothing to wait for but the writes under way.

mod absent;
mod below;
mod changes;
mod clones;
mod diff;
mod directory;
mod error;
mod fence;
mod groups;
mod header;
mod image;
mod images;
mod knowledge;
mod layout;
mod meta;
mod name;
mod object;
mod settle;
mod snapshot;
mod snapshots;
mod tenure;
mod trash;

#[cfg(test)]
mod tests;

pub use changes::Span;
pub use clones::Child;
pub use diff::{Applied, DiffError, Head as DiffHead, Mark as DiffMark, Run, Written, split_zeros};
pub use directory::Trashed;
pub use error::BlockError;
pub use groups::{Group, GroupSnapshot, Member};
pub use header::{Header, PendingTrim};
pub use image::{Extent, Image, ReadExtent, ZeroMode};
pub use images::{ImageInfo, ImageRow, Images, Usage};
pub use layout::{Layout, ORDER_DEFAULT, ORDER_MAX, ORDER_MIN, SIZE_BYTES_MAX};
pub use meta::{Limits, Of};
pub use name::check_name;
pub use snapshot::{Parent, Snapshot, split_snapshot};
