//! S3's additional checksums: computed as bytes stream past, read from headers, combined over parts.

mod algorithm;

pub use algorithm::{Checksum, ChecksumAlgorithm, ChecksumKind};
