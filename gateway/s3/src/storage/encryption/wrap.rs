//! Keys sealed by keys.

use super::{ChunkKey, SecretKey, chunk};
use crate::error::S3Error;
use crate::storage::names;
use bytes::Bytes;

/// A random salt, the sealed key, its tag.
const WRAPPED_BYTES: usize = 16 + 32 + super::TAG_BYTES;

/// Seals a key by another.
pub(super) fn wrap(by: &SecretKey, key: &SecretKey) -> Result<Bytes, S3Error> {
    let salt: [u8; 16] = names::random()?;
    let mut out = salt.to_vec();
    out.extend_from_slice(key.reveal());
    let tag = wrapping(by, &salt).seal(0, 0, &mut out[16..]);
    out.extend_from_slice(&tag);
    Ok(out.into())
}

/// The inverse; none if it is not what that key wrapped.
pub(super) fn unwrap_key(by: &SecretKey, wrapped: &[u8]) -> Option<SecretKey> {
    if wrapped.len() != WRAPPED_BYTES {
        return None;
    }
    let (salt, sealed) = wrapped.split_at(16);
    let mut bytes = zeroize::Zeroizing::new(sealed.to_vec());
    wrapping(by, salt).open(0, 0, &mut bytes)?;
    Some(SecretKey::new(bytes[..32].try_into().ok()?))
}

/// A key for one wrapping: the salt makes it another each time.
fn wrapping(by: &SecretKey, salt: &[u8]) -> ChunkKey {
    ChunkKey::new(&chunk::derive(by, &[b"wrap", salt]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_that_wrapped_unwraps() {
        let (by, other, key) = (SecretKey::new([1; 32]), SecretKey::new([2; 32]), SecretKey::new([3; 32]));
        let wrapped = wrap(&by, &key).unwrap();
        assert_ne!(wrapped, wrap(&by, &key).unwrap(), "salted");
        assert_eq!(unwrap_key(&by, &wrapped), Some(key));
        assert_eq!(unwrap_key(&other, &wrapped), None);
        assert_eq!(unwrap_key(&by, &wrapped[1..]), None);
    }
}
