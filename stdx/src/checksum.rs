//! Checksums: CRC32C for data and frames (one definition for disk and wire).

use crc_fast::{CrcAlgorithm, Digest};

/// CRC32C (Castagnoli) of `data`.
pub fn crc32c(data: &[u8]) -> u32 {
    crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, data) as u32
}

/// CRC32C over several slices as if they were one.
pub fn crc32c_of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    for part in parts {
        digest.update(part);
    }
    digest.finalize() as u32
}

/// CRC-64/NVME of `data`, as S3's CRC64NVME and metadata blocks use it.
pub fn crc64_nvme(data: &[u8]) -> u64 {
    crc_fast::checksum(CrcAlgorithm::Crc64Nvme, data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values_of_the_published_catalogue() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc64_nvme(b"123456789"), 0xae8b_1486_0a79_9888);
        assert_eq!(crc32c_of([&b"1234"[..], b"", b"56789"]), 0xe306_9283);
        assert_eq!(crc32c(b""), 0);
    }
}
