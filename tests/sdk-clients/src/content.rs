//! Bytes that tell where they belong.

/// `len` bytes that no other `seed` has.
pub fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut all = Vec::with_capacity(len + 8);
    while all.len() < len {
        all.extend_from_slice(&next().to_le_bytes());
    }
    all.truncate(len);
    all
}

/// Fails without printing megabytes.
#[track_caller]
pub fn same(got: &[u8], wanted: &[u8]) {
    let at = got.iter().zip(wanted).position(|(a, b)| a != b);
    assert!(
        got.len() == wanted.len() && at.is_none(),
        "{} bytes, wanted {}, first differing at {at:?}",
        got.len(),
        wanted.len()
    );
}
