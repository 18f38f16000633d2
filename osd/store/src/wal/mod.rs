//! The log: a ring of batches, each a chain link to the one before it.

pub(crate) mod batch;
pub(crate) mod record;
pub(crate) mod ring;

/// A place in the log where a batch begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// Byte offset counted since mkfs; the place in the ring is this modulo the ring's length.
    pub(crate) at: u64,
    /// Sequence number of the batch that begins here.
    pub(crate) sequence: u64,
    /// CRC of the batch before it (0 for the first).
    pub(crate) previous_crc: u32,
}
