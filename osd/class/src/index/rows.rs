//! The rows of a shard.

/// Names one run of data objects for ever: which gateway instance wrote it, and its how-manieth it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// The instance's random id.
    pub instance: u64,
    /// Counts its runs.
    pub seq: u64,
}
stdx::codec_plain!(Tag { instance, seq });
