//! The proof of the store: random lives of a small store on a disk that loses, tears, misdirects and rots, each crash
//! followed by a recovery that is held against the model.
//!
//! ```text
//!  seed ──> Case: lives of steps, faults, crashes ──> run: store over FaultyDisk and MapIndex, beside the Model
//!                                                      │ fails
//!                                                      └──> shrink: the smallest case that still fails
//! ```
//!
//! Not in production builds: the package `tests-store` compiles these files a second time, with the feature that
//! switches them on. The command is `cargo xtask fuzz store`.

// The tests of this package use it too, but nobody outside.
#![cfg_attr(not(feature = "harness"), allow(unreachable_pub, unused_imports))]

mod case;
#[cfg(feature = "harness")]
pub mod doors;
#[cfg(feature = "harness")]
pub mod host;
pub mod hunt;
mod judge;
mod machine;
mod op;
mod run;
mod shrink;
mod stories;

pub use crate::sabotage::Sabotage;
pub use case::{Case, Cut};
pub use run::{Report, run};
pub use shrink::shrink;
pub use stories::{STORIES, Story};

pub(super) use {
    judge::read_now,
    machine::{Machine, object},
};

#[cfg(test)]
pub(super) use {
    judge::compare,
    machine::{IDENTITY, open_map, small_limits},
};
