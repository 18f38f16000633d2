//! What the writer of a new object knows of it beforehand (RADOS' allocation hint).

use bytes::Bytes;
use stdx::codec;

/// The attribute that keeps an object's hint, one of those that an OSD keeps for itself.
pub const HINT_XATTR: &str = "\0hint";

/// A hint. It changes where and how bytes are kept, never what is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AllocHint {
    /// How large the object will become, bytes; 0: unknown.
    pub expected_object_bytes: u64,
    /// How large its writes will be, bytes; 0: unknown.
    pub expected_write_bytes: u64,
    /// Whether its data can be compressed.
    pub compressible: Compressible,
}
stdx::codec_versioned!(AllocHint, 1 { expected_object_bytes, expected_write_bytes, compressible });

/// Whether data can be compressed, as its writer says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compressible {
    /// It does not say.
    #[default]
    Unknown,
    /// Yes.
    Yes,
    /// No: it is encrypted or compressed already.
    No,
}
stdx::codec_enum!(Compressible { 0 => Unknown, 1 => Yes, 2 => No });

impl AllocHint {
    /// As an attribute's value.
    pub fn to_value(self) -> Bytes {
        codec::to_bytes(&self)
    }
    /// Out of an attribute's value; none for bytes that are no hint.
    pub fn from_value(value: &[u8]) -> Option<AllocHint> {
        codec::from_bytes(Bytes::copy_from_slice(value)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_come_back() {
        for compressible in [Compressible::Unknown, Compressible::Yes, Compressible::No] {
            let hint = AllocHint { expected_object_bytes: 4 << 20, expected_write_bytes: 4096, compressible };
            assert_eq!(AllocHint::from_value(&hint.to_value()), Some(hint));
        }
        assert_eq!(AllocHint::from_value(b"?"), None);
    }
}
