//! The checksum of a multipart object from those of its parts.

use super::digest::{crc_of, crc_value};
use super::{Checksum, ChecksumAlgorithm, Digest};

/// The checksum over all bytes, from each part's checksum and length. None if `algorithm` is not a CRC, or a
/// part's checksum is of another algorithm.
pub fn full_object<'a>(
    algorithm: ChecksumAlgorithm,
    parts: impl IntoIterator<Item = (&'a Checksum, u64)>,
) -> Option<Checksum> {
    let crc = crc_of(algorithm)?;
    let mut whole = crc_fast::checksum(crc, b"");
    for (part, len) in parts {
        let value = number(algorithm, part)?;
        // An empty part's CRC is that of nothing, which the combination cannot express.
        if len > 0 {
            whole = crc_fast::checksum_combine(crc, whole, value, len);
        }
    }
    Some(Checksum { algorithm, value: crc_value(algorithm, whole) })
}

/// The checksum of the parts' raw checksums one after the other. None if one is of another algorithm.
/// S3 writes it as `base64-N`, N being the number of parts.
pub fn composite<'a>(
    algorithm: ChecksumAlgorithm,
    parts: impl IntoIterator<Item = &'a Checksum>,
) -> Option<Checksum> {
    let mut digest = Digest::new(algorithm);
    for part in parts {
        if part.algorithm != algorithm {
            return None;
        }
        digest.update(&part.value);
    }
    Some(digest.finish())
}

fn number(algorithm: ChecksumAlgorithm, sum: &Checksum) -> Option<u64> {
    let fits = sum.algorithm == algorithm && sum.value.len() == algorithm.value_len();
    fits.then(|| sum.value.iter().fold(0, |n, b| n << 8 | u64::from(*b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stdx::Rng;

    fn sum(algorithm: ChecksumAlgorithm, data: &[u8]) -> Checksum {
        let mut d = Digest::new(algorithm);
        d.update(data);
        d.finish()
    }

    #[test]
    fn combined_crcs_are_those_of_the_whole() {
        let mut rng = Rng::new(7);
        for round in 0..50 {
            let data: Vec<u8> = (0..rng.next_u64() % 5000).map(|_| rng.next_u64() as u8).collect();
            let mut cuts: Vec<usize> =
                (0..round % 5).map(|_| (rng.next_u64() % (data.len() as u64 + 1)) as usize).collect();
            cuts.extend([0, data.len()]);
            cuts.sort_unstable();
            for algorithm in ChecksumAlgorithm::ALL.into_iter().filter(|a| a.is_crc()) {
                let parts: Vec<(Checksum, u64)> = cuts
                    .windows(2)
                    .map(|w| (sum(algorithm, &data[w[0]..w[1]]), (w[1] - w[0]) as u64))
                    .collect();
                let whole = full_object(algorithm, parts.iter().map(|(c, n)| (c, *n)));
                assert_eq!(whole, Some(sum(algorithm, &data)));
            }
        }
    }

    #[test]
    fn hashes_do_not_combine_and_composites_hash_the_values() {
        let a = sum(ChecksumAlgorithm::Sha256, b"a");
        assert_eq!(full_object(ChecksumAlgorithm::Sha256, [(&a, 1)]), None);
        assert_eq!(composite(ChecksumAlgorithm::Crc32, [&a]), None);
        let twice = [a.value.clone(), a.value.clone()].concat();
        assert_eq!(
            composite(ChecksumAlgorithm::Sha256, [&a, &a]),
            Some(sum(ChecksumAlgorithm::Sha256, &twice))
        );
    }
}
