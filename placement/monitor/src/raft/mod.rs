//! What openraft needs from us: its types, and the network under it. The log lives in [`crate::store`].

pub(crate) mod network;
pub(crate) mod types;

pub(crate) use types::{Batch, Outcomes, TypeConfig};

/// The running engine.
pub(crate) type Raft = openraft::Raft<TypeConfig>;
