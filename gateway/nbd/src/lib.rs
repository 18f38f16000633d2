//! The NBD server: block images (or any [`Exports`]) for QEMU, libnbd, nbd-client and everything else that mounts
//! a disk. The protocol is in [`protocol`], without sockets; this shell moves bytes.
//!
//! Not there: TLS, extended headers, contexts other than base:allocation.

mod connection;
mod export;
mod images;
mod payload;
pub mod protocol;
mod server;

#[cfg(test)]
mod tests;

pub use export::{Export, ExportError, Exports, Facts, NbdError};
pub use images::{ImageExports, OpenImage, split_name};
pub use server::{Door, check_door, serve};
