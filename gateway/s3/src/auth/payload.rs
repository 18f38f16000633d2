//! How a request's body is vouched for: what `x-amz-content-sha256` says, and the signer of signed chunks.

use super::key::{SigningKey, equal, sha256};
use crate::error::{Code, S3Error};
use crate::hex;

/// What a signed request says about its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// Nothing.
    Unsigned,
    /// The body's SHA-256.
    Sha256([u8; 32]),
    /// `aws-chunked`, each chunk signed; `trailer`: signed trailing headers follow.
    SignedChunks { trailer: bool },
    /// `aws-chunked`, chunks not signed, trailing headers follow.
    UnsignedChunks,
}

/// What presigned requests sign in place of a hash.
pub(crate) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

impl Payload {
    /// Reads the value of `x-amz-content-sha256`.
    pub(crate) fn parse(text: &str) -> Result<Payload, S3Error> {
        Ok(match text {
            UNSIGNED => Payload::Unsigned,
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Payload::SignedChunks { trailer: false },
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Payload::SignedChunks { trailer: true },
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Payload::UnsignedChunks,
            "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"
            | "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER" => {
                return Err(Code::NotImplemented.into());
            }
            hash => match hex::decode(hash.as_bytes()) {
                Some(hash) => Payload::Sha256(hash),
                None => {
                    return Err(S3Error::invalid_argument(
                        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
                        "x-amz-content-sha256",
                        hash,
                    ));
                }
            },
        })
    }

    /// Whether the body is `aws-chunked`.
    pub(crate) fn is_chunked(&self) -> bool {
        matches!(self, Payload::SignedChunks { .. } | Payload::UnsignedChunks)
    }
}

/// Checks signed chunks one after the other: each signature covers the one before it.
#[derive(Clone, Debug)]
pub(crate) struct ChunkSigner {
    key: SigningKey,
    amz_date: String,
    scope: String,
    previous: [u8; 32],
}

impl ChunkSigner {
    /// `seed` is the signature of the request's headers.
    pub(crate) fn new(key: SigningKey, amz_date: String, scope: String, seed: [u8; 32]) -> ChunkSigner {
        ChunkSigner { key, amz_date, scope, previous: seed }
    }

    /// Whether `signature` is that of the next chunk, whose data hashes to `data_hash`.
    pub(crate) fn check_chunk(&mut self, data_hash: &[u8; 32], signature: &[u8; 32]) -> bool {
        let hashes = format!("{}\n{}", hex::encode(&sha256(b"")), hex::encode(data_hash));
        self.check("AWS4-HMAC-SHA256-PAYLOAD", &hashes, signature)
    }

    /// Whether `signature` is that of the trailing headers, written `name:value\n` each.
    pub(crate) fn check_trailer(&mut self, trailer: &[u8], signature: &[u8; 32]) -> bool {
        self.check("AWS4-HMAC-SHA256-TRAILER", &hex::encode(&sha256(trailer)), signature)
    }

    fn check(&mut self, what: &str, hashes: &str, signature: &[u8; 32]) -> bool {
        let previous = hex::encode(&self.previous);
        let text = format!("{what}\n{}\n{}\n{previous}\n{hashes}", self.amz_date, self.scope);
        self.previous = self.key.sign(text.as_bytes());
        equal(&self.previous, signature)
    }

    /// The signature of the next chunk or trailer, for tests that play the client.
    #[cfg(test)]
    pub(crate) fn sign_next(&mut self, chunk: Option<&[u8]>, trailer: &[u8]) -> String {
        match chunk {
            Some(data) => self.check_chunk(&sha256(data), &[0; 32]),
            None => self.check_trailer(trailer, &[0; 32]),
        };
        hex::encode(&self.previous)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn awss_own_example_of_signed_chunks() {
        // "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks".
        let key = SigningKey::derive("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524", "us-east-1");
        let seed = b"4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
        let scope = "20130524/us-east-1/s3/aws4_request".to_string();
        let mut signer = ChunkSigner::new(key, "20130524T000000Z".into(), scope, hex::decode(seed).unwrap());
        for (data, signature) in [
            (vec![b'a'; 65536], &b"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"[..]),
            (vec![b'a'; 1024], b"0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
            (vec![], b"b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
        ] {
            assert!(signer.check_chunk(&sha256(&data), &hex::decode(signature).unwrap()));
        }
        assert!(!signer.check_chunk(&sha256(b""), &[0; 32]));
    }

    #[test]
    fn words_and_hashes() {
        assert_eq!(Payload::parse(UNSIGNED).unwrap(), Payload::Unsigned);
        assert_eq!(Payload::parse(&"0a".repeat(32)).unwrap(), Payload::Sha256([10; 32]));
        assert_eq!(Payload::parse("").unwrap_err().code(), Code::InvalidArgument);
        assert!(Payload::parse("STREAMING-UNSIGNED-PAYLOAD-TRAILER").unwrap().is_chunked());
    }
}
