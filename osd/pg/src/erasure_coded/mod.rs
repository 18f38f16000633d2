//! Erasure-coded PGs (docs/decisions/0032-erasure-coded-pools.md): each in-sync member stores one shard of every
//! object, writes are prepared in sidecars and take effect once all in-sync shards have them, and reads gather what
//! they need from the shards that are there.

pub(crate) mod commit;
pub(crate) mod gather;
pub(crate) mod level;
pub(crate) mod member;
pub(crate) mod overlay;
pub(crate) mod pieces;
pub(crate) mod reads;
pub(crate) mod record;
pub(crate) mod repair;
pub(crate) mod seats;
pub(crate) mod shape;
pub(crate) mod sidecar;
pub(crate) mod tag;
pub(crate) mod write_plan;

#[cfg(test)]
mod model_test;
#[cfg(test)]
mod snapshot_test;
