//! What the cluster tests stand on: whole clusters of real processes, real clients, and a small S3 client that can
//! stop at any byte. Only the built `nacre` is used. How to run and replay: docs/TESTING.md.

pub mod clients;
pub mod cluster;
pub mod content;
pub mod daemons;
pub mod damage;
pub mod flushes;
pub mod garbage;
pub mod guest;
pub mod health;
pub mod ledger;
pub mod load;
pub mod mount;
pub mod nbd;
pub mod ports;
pub mod run;
pub mod s3;
pub mod say;
pub mod scratch;
pub mod sections;
pub mod settings;
pub mod tree;
pub mod wait;

pub use cluster::{Cluster, Options};
pub use s3::S3;
