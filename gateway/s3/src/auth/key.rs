//! Signing keys: derived from a secret, a date and a region, and kept, since deriving costs four HMACs.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// The key that signs one user's requests of one day.
#[derive(Clone)]
pub(crate) struct SigningKey([u8; 32]);

impl SigningKey {
    /// The key of AWS's "Derive a signing key", for the service `s3`. `date` is `YYYYMMDD`.
    pub(crate) fn derive(secret: &str, date: &str, region: &str) -> SigningKey {
        let parts = [date, region, "s3", "aws4_request"];
        let start = format!("AWS4{secret}").into_bytes();
        let key = parts.iter().fold(start, |key, part| hmac_sha256(&key, part.as_bytes()).to_vec());
        let mut out = [0; 32];
        out.copy_from_slice(&key);
        SigningKey(out)
    }

    /// The signature of a string to sign.
    pub(crate) fn sign(&self, string_to_sign: &[u8]) -> [u8; 32] {
        hmac_sha256(&self.0, string_to_sign)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

fn hmac_sha256(key: &[u8], data: &[u8]) -> [u8; 32] {
    // HMAC takes keys of any length; the type cannot say so.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { unreachable!("HMAC refused a key") };
    mac.update(data);
    mac.finalize().into_bytes().into()
}

/// SHA-256 of `data`.
pub(crate) fn sha256(data: &[u8]) -> [u8; 32] {
    Sha256::digest(data).into()
}

/// Compares without telling by the time taken where the difference lies.
pub(crate) fn equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let difference = a.iter().zip(b).fold(0, |acc, (x, y)| acc | (x ^ y));
    std::hint::black_box(difference) == 0
}

/// Keys derived lately. A key whose secret has changed since is derived anew.
#[derive(Default)]
pub(crate) struct KeyCache(Mutex<BTreeMap<CacheName, Cached>>);

type CacheName = (String, String, String);

struct Cached {
    secret_hash: [u8; 32],
    key: SigningKey,
}

/// Beyond this the cache starts afresh: a day's change retires every entry anyway.
const MAX_CACHED: usize = 1024;

impl KeyCache {
    /// The key of `access_key`, whose secret is `secret`, on `date` in `region`.
    pub(crate) fn get(&self, access_key: &str, secret: &str, date: &str, region: &str) -> SigningKey {
        let name = (access_key.to_string(), date.to_string(), region.to_string());
        let secret_hash = sha256(secret.as_bytes());
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cached) = cache.get(&name)
            && equal(&cached.secret_hash, &secret_hash)
        {
            return cached.key.clone();
        }
        let key = SigningKey::derive(secret, date, region);
        if cache.len() >= MAX_CACHED {
            cache.clear();
        }
        cache.insert(name, Cached { secret_hash, key: key.clone() });
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex;

    #[test]
    fn the_key_of_awss_own_example() {
        // "Authenticating Requests: Using the Authorization Header", example GET Object (examplebucket).
        let key = SigningKey::derive("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524", "us-east-1");
        let string_to_sign = "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n\
            7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972";
        assert_eq!(
            hex::encode(&key.sign(string_to_sign.as_bytes())),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
    }

    #[test]
    fn a_changed_secret_is_noticed() {
        let cache = KeyCache::default();
        let sign = |secret| cache.get("AK", secret, "20250101", "r").sign(b"x");
        let first = sign("one");
        assert_eq!(first, sign("one"));
        assert_ne!(first, sign("two"));
        assert!(!format!("{:?}", cache.get("AK", "one", "20250101", "r")).contains("one"));
    }
}
