//! A running checksum of any of S3's algorithms.

use super::{Checksum, ChecksumAlgorithm};
use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use sha2::Digest as _;

/// A checksum under way.
pub struct Digest {
    algorithm: ChecksumAlgorithm,
    state: State,
}

enum State {
    Crc(crc_fast::Digest),
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
}

/// The CRC's parameters; none for a hash.
pub(super) fn crc_of(algorithm: ChecksumAlgorithm) -> Option<CrcAlgorithm> {
    match algorithm {
        ChecksumAlgorithm::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
        ChecksumAlgorithm::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
        ChecksumAlgorithm::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
        ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => None,
    }
}

impl Digest {
    /// Of nothing yet.
    pub fn new(algorithm: ChecksumAlgorithm) -> Digest {
        let state = match (crc_of(algorithm), algorithm) {
            (Some(crc), _) => State::Crc(crc_fast::Digest::new(crc)),
            (None, ChecksumAlgorithm::Sha1) => State::Sha1(sha1::Sha1::new()),
            (None, _) => State::Sha256(sha2::Sha256::new()),
        };
        Digest { algorithm, state }
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        match &mut self.state {
            State::Crc(d) => d.update(data),
            State::Sha1(d) => d.update(data),
            State::Sha256(d) => d.update(data),
        }
    }

    /// The checksum of everything taken in.
    pub fn finish(self) -> Checksum {
        let value = match self.state {
            State::Crc(d) => crc_value(self.algorithm, d.finalize()),
            State::Sha1(d) => Bytes::copy_from_slice(&d.finalize()),
            State::Sha256(d) => Bytes::copy_from_slice(&d.finalize()),
        };
        Checksum { algorithm: self.algorithm, value }
    }
}

/// A CRC as the big-endian bytes that S3 encodes.
pub(super) fn crc_value(algorithm: ChecksumAlgorithm, crc: u64) -> Bytes {
    Bytes::copy_from_slice(&crc.to_be_bytes()[8 - algorithm.value_len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_of_every_algorithm() {
        // CRCs: the check values of the CRC catalogue; hashes: FIPS 180 of "123456789" by coreutils.
        for (algorithm, hex) in [
            (ChecksumAlgorithm::Crc32, "cbf43926"),
            (ChecksumAlgorithm::Crc32c, "e3069283"),
            (ChecksumAlgorithm::Crc64Nvme, "ae8b14860a799888"),
            (ChecksumAlgorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
            (ChecksumAlgorithm::Sha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
        ] {
            let mut d = Digest::new(algorithm);
            d.update(b"1234");
            d.update(b"56789");
            let sum = d.finish();
            assert_eq!(sum.value.len(), algorithm.value_len());
            assert_eq!(crate::hex::encode(&sum.value), hex, "{}", algorithm.name());
            assert_eq!(Checksum::from_base64(algorithm, &sum.base64()), Some(sum));
        }
        assert_eq!(Checksum::from_base64(ChecksumAlgorithm::Crc32, "AAAAAAA="), None, "five bytes");
    }
}
