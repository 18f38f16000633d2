//! Objects in pieces, from the primary to a member that lacks them.

use bytes::Bytes;
use osd_object::{ObjectId, ObjectMeta};
use stdx::{codec_enum, codec_versioned};

/// One piece of an object. The pieces of a push are numbered from 0 and sent one after the other; the
/// object changes at the member when the last one is applied, at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Push {
    /// The interval.
    pub interval: u64,
    /// The attempt.
    pub attempt: u64,
    /// Names the push within the attempt.
    pub push: u64,
    /// Number of the piece.
    pub chunk: u32,
    /// The object.
    pub object: ObjectId,
    /// Kept aside until `Adopt` rather than put in place.
    pub staged: bool,
    /// What.
    pub body: PushBody,
}
codec_versioned!(Push, 1 { interval, attempt, push, chunk, object, staged, body });

/// What a piece says.
#[derive(Clone, Debug, PartialEq)]
pub enum PushBody {
    /// The primary has no such object; neither shall the member. Always the only piece.
    Absent,
    /// Contents.
    Present {
        /// In the first piece: what the object is besides data and rows.
        head: Option<PushHead>,
        /// Data at offsets; what no piece covers reads as zeros.
        data: Vec<(u64, Bytes)>,
        /// Omap rows.
        rows: Vec<(Bytes, Bytes)>,
        /// Whether this is the last piece.
        last: bool,
    },
}
codec_enum!(PushBody { 0 => Absent, 1 => Present { head, data, rows, last } });

/// Size, version, time and attributes of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct PushHead {
    /// Size, version, time.
    pub meta: ObjectMeta,
    /// Attributes.
    pub xattrs: Vec<(String, Bytes)>,
}
codec_versioned!(PushHead, 1 { meta, xattrs });
