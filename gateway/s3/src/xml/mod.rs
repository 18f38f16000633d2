//! S3's documents: written by hand, read with bounds.

mod read;
mod write;

pub(crate) use read::walk;
pub(crate) use write::Document;
