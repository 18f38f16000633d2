//! Where an object's bytes are.

use bytes::Bytes;

/// Where an object's bytes are: in its index row, or in data objects.
#[derive(Clone, Debug)]
pub(crate) enum Manifest {
    /// In the row.
    Inline(Bytes),
    /// In runs of data objects, one run per part, in order: (tag, bytes).
    Runs(Vec<(osd_class::index::Tag, u64)>),
}
