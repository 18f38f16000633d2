//! S3's additional checksums: computed as bytes stream past, read from headers, combined over parts.

mod algorithm;
mod combine;
mod digest;
mod request;

pub use algorithm::{Checksum, ChecksumAlgorithm, ChecksumKind};
pub use combine::{composite, full_object};
pub use digest::Digest;
pub(crate) use request::{Requested, Source, declared_algorithm, expected_of_headers};
