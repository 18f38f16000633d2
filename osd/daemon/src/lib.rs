//! One OSD: a single-threaded reactor that carries out what PG machines ask of store and sockets.
//!
//! Everything happens in one task on one thread: links' readers only hand messages to it. So there is no
//! lock, the order of effects is the order of the code, and a small operation costs no hand-over.

mod beacon;
mod census;
mod clients;
mod clock;
mod config;
mod error;
mod fullness;
mod heartbeat;
mod inbound;
mod monitors;
mod nameless;
mod outbox;
mod peers;
mod pgs;
mod reactor;
mod scrub;
mod tally;

pub use config::OsdConfig;
pub use error::OsdError;

use std::future::Future;

/// Runs an OSD until `shutdown` is done, then stops it in order: the monitors are told, so that its PGs go on
/// elsewhere at once, and the store is closed cleanly. Must run inside a `LocalSet` on a current-thread
/// runtime. An error means that it could not start, or that its disk failed.
pub async fn run(config: OsdConfig, shutdown: impl Future<Output = ()>) -> Result<(), OsdError> {
    reactor::Reactor::start(config).await?.run(shutdown).await
}
