//! Bytes that are known from a few numbers: what was written is never kept, only made again and compared.

use sha2::{Digest, Sha256};
use stdx::Rng;

/// `len` bytes that only `seed` decides; different seeds differ within the first 8 bytes.
pub fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut all = vec![0; len];
    Rng::new(seed).fill(&mut all);
    all
}

/// A seed from parts that name a piece of content.
pub fn mix(parts: &[u64]) -> u64 {
    let mut digest = Sha256::new();
    parts.iter().for_each(|part| digest.update(part.to_le_bytes()));
    let digest = digest.finalize();
    let first: [u8; 8] = std::array::from_fn(|i| digest[i]);
    u64::from_le_bytes(first)
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// SHA-256, hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// MD5, hexadecimal: the ETag of an object uploaded in one part.
pub fn md5(bytes: &[u8]) -> String {
    hex(&md5::Md5::digest(bytes))
}

/// Where two contents differ, for a failure's text.
pub fn difference(got: &[u8], wanted: &[u8]) -> Option<String> {
    if got == wanted {
        return None;
    }
    let place = got.iter().zip(wanted).position(|(a, b)| a != b).unwrap_or(got.len().min(wanted.len()));
    Some(format!("{} bytes instead of {}, first difference at {place}", got.len(), wanted.len()))
}
