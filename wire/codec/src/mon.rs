//! Messages to and from monitors.

use stdx::codec_enum;

/// To and from monitors.
#[derive(Clone, Debug, PartialEq)]
pub enum MonMessage {
    /// A monitor's Raft traffic, in openraft's own encoding.
    Raft {
        /// Which request of this link is answered.
        id: u64,
        /// Request or answer.
        body: bytes::Bytes,
    },
}
codec_enum!(MonMessage { 0 => Raft { id, body } });
