//! The S3 gateway: a front end over the `Rados` handle (decisions D6 and D7).
//!
//! The protocol side (requests, signatures, bodies, documents, verbs) lives in everything but `storage`;
//! `storage` knows what an S3 user, bucket and object are made of, and nothing of HTTP.

pub mod checksum;
pub mod error;
pub mod storage;

pub use error::{Code, S3Error};
