//! The additional checksum algorithms of S3, and a checksum as a value.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

/// One of S3's additional checksum algorithms. The numbers are kept in index rows: never change one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ChecksumAlgorithm {
    /// CRC-32 as in zip and Ethernet.
    Crc32 = 1,
    /// CRC-32C (Castagnoli).
    Crc32c = 2,
    /// CRC-64/NVME.
    Crc64Nvme = 3,
    /// SHA-1.
    Sha1 = 4,
    /// SHA-256.
    Sha256 = 5,
}

impl ChecksumAlgorithm {
    /// All of them.
    pub const ALL: [ChecksumAlgorithm; 5] = [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32c,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ];

    /// The number kept in rows.
    pub fn number(self) -> u8 {
        self as u8
    }
    /// The algorithm of a number kept in a row.
    pub fn from_number(number: u8) -> Option<ChecksumAlgorithm> {
        Self::ALL.into_iter().find(|a| a.number() == number)
    }
    /// Its name in headers and documents, say `CRC64NVME`.
    pub fn name(self) -> &'static str {
        match self {
            ChecksumAlgorithm::Crc32 => "CRC32",
            ChecksumAlgorithm::Crc32c => "CRC32C",
            ChecksumAlgorithm::Crc64Nvme => "CRC64NVME",
            ChecksumAlgorithm::Sha1 => "SHA1",
            ChecksumAlgorithm::Sha256 => "SHA256",
        }
    }
    /// The algorithm of a name, whatever its case.
    pub fn from_name(name: &str) -> Option<ChecksumAlgorithm> {
        Self::ALL.into_iter().find(|a| a.name().eq_ignore_ascii_case(name))
    }
    /// The header that carries its value, say `x-amz-checksum-crc64nvme`.
    pub fn header(self) -> &'static str {
        match self {
            ChecksumAlgorithm::Crc32 => "x-amz-checksum-crc32",
            ChecksumAlgorithm::Crc32c => "x-amz-checksum-crc32c",
            ChecksumAlgorithm::Crc64Nvme => "x-amz-checksum-crc64nvme",
            ChecksumAlgorithm::Sha1 => "x-amz-checksum-sha1",
            ChecksumAlgorithm::Sha256 => "x-amz-checksum-sha256",
        }
    }
    /// The element that carries its value in documents, say `ChecksumCRC64NVME`.
    pub fn element(self) -> &'static str {
        match self {
            ChecksumAlgorithm::Crc32 => "ChecksumCRC32",
            ChecksumAlgorithm::Crc32c => "ChecksumCRC32C",
            ChecksumAlgorithm::Crc64Nvme => "ChecksumCRC64NVME",
            ChecksumAlgorithm::Sha1 => "ChecksumSHA1",
            ChecksumAlgorithm::Sha256 => "ChecksumSHA256",
        }
    }
    /// Bytes of a value.
    pub fn value_len(self) -> usize {
        match self {
            ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c => 4,
            ChecksumAlgorithm::Crc64Nvme => 8,
            ChecksumAlgorithm::Sha1 => 20,
            ChecksumAlgorithm::Sha256 => 32,
        }
    }
    /// Whether the checksum of a whole follows from those of its parts and their lengths.
    pub fn is_crc(self) -> bool {
        matches!(self, ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c | ChecksumAlgorithm::Crc64Nvme)
    }
}

/// What a multipart object's checksum is over. The numbers are kept in index rows: never change one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ChecksumKind {
    /// Over all the object's bytes.
    FullObject = 1,
    /// Over the checksums of its parts, one after the other.
    Composite = 2,
}

impl ChecksumKind {
    /// The number kept in rows.
    pub fn number(self) -> u8 {
        self as u8
    }
    /// The kind of a number kept in a row.
    pub fn from_number(number: u8) -> Option<ChecksumKind> {
        [ChecksumKind::FullObject, ChecksumKind::Composite].into_iter().find(|k| k.number() == number)
    }
    /// Its name in headers and documents.
    pub fn name(self) -> &'static str {
        match self {
            ChecksumKind::FullObject => "FULL_OBJECT",
            ChecksumKind::Composite => "COMPOSITE",
        }
    }
    /// The kind of a name, whatever its case.
    pub fn from_name(name: &str) -> Option<ChecksumKind> {
        [ChecksumKind::FullObject, ChecksumKind::Composite]
            .into_iter()
            .find(|k| k.name().eq_ignore_ascii_case(name))
    }
}

/// A checksum: its algorithm and its raw value, big-endian as S3 sends it (before base64).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// The algorithm.
    pub algorithm: ChecksumAlgorithm,
    /// As many bytes as `algorithm.value_len()` says.
    pub value: Bytes,
}

impl Checksum {
    /// The value as headers and documents carry it.
    pub fn base64(&self) -> String {
        STANDARD.encode(&self.value)
    }
    /// Reads a value as headers and documents carry it; none if it is no base64 or has another length.
    pub fn from_base64(algorithm: ChecksumAlgorithm, text: &str) -> Option<Checksum> {
        let value = STANDARD.decode(text.trim()).ok()?;
        (value.len() == algorithm.value_len()).then(|| Checksum { algorithm, value: Bytes::from(value) })
    }
}
