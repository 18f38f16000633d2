//! NBD on the wire, without a socket: bytes in, decisions and bytes out.
//!
//! Source: the protocol document of the NBD project, github.com/NetworkBlockDevice/nbd, doc/proto.md.

pub mod handshake;
pub mod option_bytes;
pub mod reply;
pub mod request;
pub mod words;

#[cfg(test)]
mod handshake_test;
#[cfg(test)]
mod request_test;
