//! Chunks: where they lie in a data object, and how one is sealed.

use super::SecretKey;
use hmac::{Hmac, KeyInit, Mac};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use sha2::Sha256;

/// Bytes of a chunk in the clear; the last one of a data object may be shorter.
pub(crate) const CHUNK_BYTES: u64 = 64 << 10;
/// What a chunk grows by.
pub(crate) const TAG_BYTES: usize = 16;

/// HMAC-SHA-256 of parts, each with its length before it.
pub(super) fn derive(key: &SecretKey, parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes keys of any length; the type cannot say so.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.reveal()) else {
        unreachable!("HMAC refused a key")
    };
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Where the chunk begins that holds a byte of a data object, once it is sealed. `offset` must be a chunk's first byte.
pub(crate) fn sealed_offset(offset: u64) -> u64 {
    offset + offset / CHUNK_BYTES * TAG_BYTES as u64
}

/// Whole chunks of a data object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SealedSpan {
    /// The first byte in the clear.
    pub(crate) start: u64,
    /// Bytes in the clear.
    pub(crate) len: u64,
}

impl SealedSpan {
    /// The chunks that hold `offset .. offset + len` of a data object of `object_len` bytes.
    pub(crate) fn around(offset: u64, len: u64, object_len: u64) -> SealedSpan {
        let start = offset / CHUNK_BYTES * CHUNK_BYTES;
        let end = (offset + len).div_ceil(CHUNK_BYTES).saturating_mul(CHUNK_BYTES).min(object_len);
        SealedSpan { start, len: end.saturating_sub(start) }
    }
    /// Where they are, and how long, once they are sealed.
    pub(crate) fn sealed(self) -> (u64, u64) {
        let tags = self.len.div_ceil(CHUNK_BYTES) * TAG_BYTES as u64;
        (sealed_offset(self.start), self.len + tags)
    }
}

/// The key of one run of chunks.
pub(crate) struct ChunkKey(LessSafeKey);

impl ChunkKey {
    pub(super) fn new(key: &[u8; 32]) -> ChunkKey {
        // The algorithm takes keys of this length.
        let Ok(key) = UnboundKey::new(&AES_256_GCM, key) else { unreachable!("AES-256 refused a key") };
        ChunkKey(LessSafeKey::new(key))
    }

    /// Data object `n`, chunk `c`: each is sealed once.
    fn nonce(n: u64, c: u32) -> Nonce {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        bytes[8..].copy_from_slice(&c.to_be_bytes());
        Nonce::assume_unique_for_key(bytes)
    }

    /// Encrypts a chunk in its place, and gives its tag.
    pub(crate) fn seal(&self, n: u64, c: u32, data: &mut [u8]) -> [u8; TAG_BYTES] {
        // It refuses only what is longer than 64 GiB.
        let Ok(tag) = self.0.seal_in_place_separate_tag(ChunkKey::nonce(n, c), Aad::empty(), data) else {
            unreachable!("AES-GCM refused a chunk of {} bytes", data.len())
        };
        let mut out = [0; TAG_BYTES];
        out.copy_from_slice(tag.as_ref());
        out
    }

    /// Decrypts a chunk with its tag behind it, in its place; the bytes that it holds, or none if it is no such chunk.
    pub(crate) fn open(&self, n: u64, c: u32, sealed: &mut [u8]) -> Option<usize> {
        self.0.open_in_place(ChunkKey::nonce(n, c), Aad::empty(), sealed).ok().map(|data| data.len())
    }

    /// Appends whole chunks, the first of which begins at `start`, sealed.
    pub(crate) fn seal_span(&self, n: u64, start: u64, data: &[u8], out: &mut Vec<u8>) {
        for (i, chunk) in data.chunks(CHUNK_BYTES as usize).enumerate() {
            let from = out.len();
            out.extend_from_slice(chunk);
            let tag = self.seal(n, number(start, i), &mut out[from..]);
            out.extend_from_slice(&tag);
        }
    }

    /// The inverse; none if it is not what was sealed.
    pub(crate) fn open_span(&self, n: u64, span: SealedSpan, sealed: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(sealed.len());
        for (i, chunk) in sealed.chunks(CHUNK_BYTES as usize + TAG_BYTES).enumerate() {
            let from = out.len();
            out.extend_from_slice(chunk);
            let len = self.open(n, number(span.start, i), &mut out[from..])?;
            out.truncate(from + len);
        }
        (out.len() as u64 == span.len).then_some(out)
    }
}

/// How-manieth chunk of its data object the `i`-th behind `start` is.
fn number(start: u64, i: usize) -> u32 {
    u32::try_from(start / CHUNK_BYTES + i as u64).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_cover_whole_chunks() {
        const C: u64 = CHUNK_BYTES;
        let around = |o, l| SealedSpan::around(o, l, 3 * C + 5);
        assert_eq!(around(0, 1), SealedSpan { start: 0, len: C });
        assert_eq!(around(C - 1, 2), SealedSpan { start: 0, len: 2 * C });
        assert_eq!(around(3 * C + 4, 1), SealedSpan { start: 3 * C, len: 5 });
        assert_eq!(around(3 * C + 4, 1).sealed(), (3 * C + 48, 21));
        assert_eq!(around(0, 3 * C + 5).sealed(), (0, 3 * C + 5 + 64));
    }

    #[test]
    fn what_is_sealed_opens_only_in_its_place() {
        let key = ChunkKey::new(&[3; 32]);
        let data: Vec<u8> = (0..2 * CHUNK_BYTES + 7).map(|i| i as u8).collect();
        let mut sealed = Vec::new();
        key.seal_span(5, CHUNK_BYTES, &data, &mut sealed);
        assert_eq!(sealed.len(), data.len() + 3 * TAG_BYTES);
        let span = SealedSpan { start: CHUNK_BYTES, len: data.len() as u64 };
        assert!(key.open_span(5, span, &sealed).unwrap() == data);
        assert!(key.open_span(6, span, &sealed).is_none(), "another data object");
        assert!(key.open_span(5, SealedSpan { start: 0, ..span }, &sealed).is_none(), "another place");
        assert!(ChunkKey::new(&[4; 32]).open_span(5, span, &sealed).is_none());
        assert!(key.open_span(5, span, &sealed[..sealed.len() - 1]).is_none());
        let whole = CHUNK_BYTES as usize + TAG_BYTES;
        assert!(key.open_span(5, span, &sealed[..whole]).is_none(), "chunks are missing");
        sealed[whole + 9] ^= 1;
        assert!(key.open_span(5, span, &sealed).is_none());
    }
}
