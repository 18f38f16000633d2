//! Replicated writes: the primary's side, the replica's side, and when a write is certain.

mod commit;
pub(crate) mod replica;
pub(crate) mod write;
