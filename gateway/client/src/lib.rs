//! The handle through which every front end reaches storage (decision D6).
//!
//! Front ends are written against the trait [`Rados`]: [`Client`] is it over a cluster, [`MemoryRados`] is it
//! over a map in memory with faults to order, for tests that need no processes.

mod client;
mod driver;
mod error;
mod listing;
pub mod memory;
mod monitors;
pub mod rados;
mod room;
mod view;
mod watch;

#[cfg(test)]
mod client_test;
#[cfg(test)]
mod fake_cluster;

pub use client::{Client, ClientConfig};
pub use error::ClientError;
pub use memory::{Fault, Hold, MemoryRados};
pub use rados::{ListCursor, ListPage, OpError, Rados, Reply};
pub use room::OpCounts;
pub use watch::{Heard, Watch, notify_timeout};
pub use wire_codec::pg::{
    Inconsistent, InconsistentCopy, InconsistentList, ScrubEntry, ScrubError, ScrubStamps,
};
