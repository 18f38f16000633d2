//! Encryption of data at rest: AES-256-GCM over chunks, each with a tag of its own, so that ranges can be read
//! (docs/formats/encrypted-data.md). Sizes everywhere else are those of the data in the clear.

mod chunk;
mod keys;
mod rotation;
mod vault;
mod wrap;

pub(crate) use chunk::{CHUNK_BYTES, ChunkKey, SealedSpan, TAG_BYTES, sealed_offset};
pub(crate) use keys::KeyStore;
pub use rotation::EncryptionKeys;
pub use vault::VaultSettings;

use super::names;
use super::types::ObjectAttrs;
use crate::error::S3Error;
use bytes::Bytes;
use osd_class::index::Tag;
use std::collections::BTreeMap;
use std::fmt;
use stdx::codec::{from_bytes, to_bytes};
use zeroize::Zeroizing;

/// Under this name an object keeps how it is encrypted.
const ENCRYPTION: &str = "encryption";

/// Thirty-two secret bytes: never shown, wiped when they are dropped.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SecretKey(Zeroizing<[u8; 32]>);

impl SecretKey {
    /// Wraps a key.
    pub(crate) fn new(bytes: [u8; 32]) -> SecretKey {
        SecretKey(Zeroizing::new(bytes))
    }
    /// A new one.
    pub(crate) fn random() -> Result<SecretKey, S3Error> {
        Ok(SecretKey::new(names::random()?))
    }
    pub(crate) fn reveal(&self) -> &[u8; 32] {
        &self.0
    }
}
impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// Who keeps the key of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyHolder {
    /// The client, who sends it with every request (SSE-C). What is kept only tells whether a key is that key.
    Customer {
        /// HMAC-SHA-256 of the salt by the key.
        verifier: Bytes,
    },
    /// We, wrapped by a key of the cluster (SSE-S3; with `kms`, SSE-KMS by the id that the client names).
    Cluster {
        /// The wrapping key's id.
        id: String,
        /// Whether the client named it.
        kms: bool,
        /// The object's key, sealed.
        wrapped: Bytes,
    },
    /// Vault's transit engine, by its key of the id that the client names (SSE-KMS).
    Vault {
        /// The wrapping key's id.
        id: String,
        /// The object's key, as Vault sealed it: a text.
        wrapped: Bytes,
    },
}
stdx::codec_enum!(KeyHolder {
    0 => Customer { verifier },
    1 => Cluster { id, kms, wrapped },
    2 => Vault { id, wrapped },
});

/// How an object is encrypted, as it is kept with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sealing {
    /// Who keeps its key.
    pub(crate) holder: KeyHolder,
    /// Random: makes what is derived from the key differ between objects.
    pub(crate) salt: u128,
    /// The tag of bytes that lie in the index row; empty for others.
    pub(crate) inline_tag: Bytes,
}
stdx::codec_versioned!(Sealing, 1 { holder, salt, inline_tag });

impl Sealing {
    /// How an object is encrypted; none: it is not.
    pub(crate) fn of(kept: &BTreeMap<String, Bytes>) -> Result<Option<Sealing>, S3Error> {
        let Some(bytes) = kept.get(ENCRYPTION) else { return Ok(None) };
        let damaged = |e| S3Error::internal(format!("how an object is encrypted cannot be read: {e}"));
        from_bytes(bytes.clone()).map(Some).map_err(damaged)
    }
    /// Keeps it with what is to be an object.
    pub(crate) fn keep(&self, kept: &mut BTreeMap<String, Bytes>) {
        kept.insert(ENCRYPTION.into(), to_bytes(self));
    }
    /// Forgets how the source of a copy was encrypted.
    pub(crate) fn forget(attrs: &mut ObjectAttrs) {
        attrs.extra.remove(ENCRYPTION);
        attrs.seal = None;
    }
}

/// How something is to be encrypted, or can be decrypted: with the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    /// What is kept.
    pub(crate) sealing: Sealing,
    /// The object's key.
    pub(crate) key: SecretKey,
}

impl Seal {
    /// By a key that the client keeps.
    pub(crate) fn of_customer(key: SecretKey) -> Result<Seal, S3Error> {
        let salt = u128::from_le_bytes(names::random()?);
        let verifier = Bytes::copy_from_slice(&chunk::derive(&key, &[b"verifier", &salt.to_be_bytes()]));
        let holder = KeyHolder::Customer { verifier };
        Ok(Seal { sealing: Sealing { holder, salt, inline_tag: Bytes::new() }, key })
    }

    /// The client's key for what is sealed so; none if it is another.
    pub(crate) fn open_customer(sealing: Sealing, key: SecretKey) -> Option<Seal> {
        let KeyHolder::Customer { verifier } = &sealing.holder else { return None };
        let told: [u8; 32] = verifier[..].try_into().ok()?;
        let same =
            crate::auth::equal(&chunk::derive(&key, &[b"verifier", &sealing.salt.to_be_bytes()]), &told);
        same.then_some(Seal { sealing, key })
    }

    /// The key of a run: its name is never used again, so no two chunks share key and nonce.
    pub(crate) fn of_run(&self, tag: Tag) -> ChunkKey {
        let salt = self.sealing.salt.to_be_bytes();
        let parts: [&[u8]; 4] = [b"run", &salt, &tag.instance.to_be_bytes(), &tag.seq.to_be_bytes()];
        ChunkKey::new(&chunk::derive(&self.key, &parts))
    }

    /// The key of bytes that lie in the index row.
    pub(crate) fn of_inline(&self) -> ChunkKey {
        ChunkKey::new(&chunk::derive(&self.key, &[b"inline", &self.sealing.salt.to_be_bytes()]))
    }

    /// Encrypts bytes for the index row, and notes their tag.
    pub(crate) fn seal_inline(&mut self, data: Bytes) -> Bytes {
        if data.is_empty() {
            return data;
        }
        let mut bytes = data.to_vec();
        let tag = self.of_inline().seal(0, 0, &mut bytes);
        self.sealing.inline_tag = Bytes::copy_from_slice(&tag);
        bytes.into()
    }

    /// The inverse. `InternalError` if they are not what was sealed.
    pub(crate) fn open_inline(&self, data: &Bytes) -> Result<Bytes, S3Error> {
        if data.is_empty() {
            return Ok(Bytes::new());
        }
        let mut bytes = Vec::with_capacity(data.len() + TAG_BYTES);
        bytes.extend_from_slice(data);
        bytes.extend_from_slice(&self.sealing.inline_tag);
        let n = self.of_inline().open(0, 0, &mut bytes).ok_or_else(not_what_was_sealed)?;
        bytes.truncate(n);
        Ok(bytes.into())
    }
}

pub(crate) fn not_what_was_sealed() -> S3Error {
    S3Error::internal("encrypted data is not what was sealed by this key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customers_key_is_recognised_and_never_shown() {
        let key = SecretKey::new([7; 32]);
        let mut seal = Seal::of_customer(key.clone()).unwrap();
        let sealed = seal.seal_inline(Bytes::from_static(b"attack at dawn"));
        assert_eq!(sealed.len(), 14);
        assert_ne!(&sealed[..], b"attack at dawn");
        let mut kept = BTreeMap::new();
        seal.sealing.keep(&mut kept);
        let sealing = Sealing::of(&kept).unwrap().unwrap();
        let opened = Seal::open_customer(sealing.clone(), key).unwrap();
        assert_eq!(&opened.open_inline(&sealed).unwrap()[..], b"attack at dawn");
        assert!(Seal::open_customer(sealing, SecretKey::new([8; 32])).is_none());
        let mut other = sealed.to_vec();
        other[3] ^= 1;
        assert!(opened.open_inline(&other.into()).is_err());
        assert!(format!("{opened:?}").ends_with("key: SecretKey(..) }"), "{opened:?}");
        let again = Seal::of_customer(SecretKey::new([7; 32])).unwrap();
        assert_ne!(again.sealing.salt, opened.sealing.salt);
    }
}
