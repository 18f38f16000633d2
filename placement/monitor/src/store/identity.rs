//! Whose store it is, and how the cluster began.

use placement_map::Uuid;
use std::net::SocketAddr;
use stdx::codec::{DecodeError, from_bytes, to_bytes};

pub(super) const KEY: &str = "identity";

/// Written once, when the store is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The cluster.
    pub(crate) fsid: Uuid,
    /// This monitor, as in `mon.0`.
    pub(crate) name: String,
    /// The founding monitors. Empty for one that joins a running cluster.
    pub(crate) founders: Vec<(String, SocketAddr)>,
    /// The founding settings: section, key, value.
    pub(crate) config: Vec<(String, String, String)>,
}
stdx::codec_versioned!(Identity, 1 { fsid, name, founders, config });

impl Identity {
    pub(super) fn to_bytes(&self) -> bytes::Bytes {
        to_bytes(self)
    }
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Result<Identity, DecodeError> {
        from_bytes(bytes.into())
    }
}
