//! The monitors: a small quorum that keeps the cluster map and the rows of all PGs (decision D3), decides who is
//! down, and tells everybody.
//!
//! * [`mkfs`] makes a founding monitor's directory, [`run`] (or [`Monitor::start`]) runs it.
//! * What a command does is decided in `placement_map`; consensus is openraft's; this package stores, listens,
//!   passes on to the leader and pushes what is new. Messages: `wire_codec::mon`.
//! * Any monitor takes any session. One Raft entry holds all commands that were waiting for it.
//!
//! Invariants: nothing is acknowledged before a majority has it on disk; a vote is on disk before it is cast; every
//! queue has a bound; a monitor tells nothing before it has caught up; a leader that takes over gives each OSD a full grace.

mod access;
mod adrift;
mod caught_up;
mod clock;
mod detector;
#[cfg(test)]
mod detector_test;
mod error;
mod keys;
mod leader;
mod level;
mod members;
mod peers;
mod proposer;
mod raft;
mod router;
mod run;
mod session;
mod skew;
mod store;
mod view;

pub use error::MonitorError;
pub use run::{MonConfig, Monitor, inspect, mkfs, run};
pub use store::StoreError;
