//! The NBD server: block images (or any [`Exports`]) for QEMU, libnbd, nbd-client and everything else that mounts
//! a disk. The protocol is in [`protocol`], without sockets; this shell moves bytes.

mod access;
mod connection;
mod export;
mod images;
mod payload;
pub mod protocol;
mod server;
mod throttle;
mod tls;
mod transmission;

#[cfg(test)]
mod tests;

pub use access::{Access, Rule};
pub use export::{Export, ExportError, Exports, Facts, NbdError, Peer};
pub use images::{ImageExports, OpenImage, split_name};
pub use server::{Door, check_door, serve};
pub use tls::NbdTls;
