//! The handle through which every front end reaches storage (decision D6).
//!
//! Front ends are written against the trait [`Rados`]: `Client` is it over a cluster, [`MemoryRados`] is it
//! over a map in memory with faults to order, for tests that need no processes.

pub mod memory;
pub mod rados;

pub use memory::{Fault, MemoryRados};
pub use rados::{ListCursor, ListPage, OpError, Rados, Reply};
