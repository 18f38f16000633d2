//! The S3 gateway: a front end over the `Rados` handle (decisions D6 and D7).
//!
//! The protocol side (requests, signatures, bodies, documents, verbs) lives in everything but `storage`;
//! `storage` knows what an S3 user, bucket and object are made of, and nothing of HTTP.

mod access;
mod access_log;
mod admin_ops;
mod auth;
mod authorise;
mod body;
mod body_md5;
mod bucket_log;
pub mod checksum;
mod chunked;
mod config;
mod cors;
mod dates;
mod encryption;
pub mod error;
mod form;
#[doc(hidden)]
pub mod fuzz;
mod hex;
mod lifecycle;
mod object_lock;
mod patience;
mod people;
mod request;
mod response;
mod server;
pub mod storage;
mod tags;
mod traffic;
mod uri;
mod verbs;
mod website;
mod xml;

pub use access_log::{AccessLog, Destination};
pub use config::{LOG_ROLL_S, S3Config};
pub use error::{Code, S3Error};
pub use server::{S3Tls, serve};

#[cfg(test)]
mod tests;
