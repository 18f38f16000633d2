//! Read repair: what one member cannot read is read at another, whose store vouches for it by its checksums, and
//! written again where it was bad. What no member can read is an error, and stays known as damaged.
//!
//! Whole copies only: [`fetch`] asks one member after the other. Shards are gathered and decoded
//! (`erasure_coded::gather`); how they are written again is the same.

pub(crate) mod damage;
pub(crate) mod fetch;
pub(crate) mod whole;
mod write;
