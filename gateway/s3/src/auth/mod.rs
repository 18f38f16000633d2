//! Who sent a request: Signature Version 4 in the header or in a presigned URL, verified.

mod canonical;
mod claim;
mod key;
mod payload;

pub(crate) use claim::Claim;
pub(crate) use key::KeyCache;
#[cfg(test)]
pub(crate) use key::sha256;
pub(crate) use payload::{ChunkSigner, Payload};

use crate::error::{Code, S3Error};
use crate::hex;
use crate::uri::Query;
use canonical::{Signed, request_hash, string_to_sign};
use http::HeaderMap;
use payload::UNSIGNED;

/// The parts of a request that signatures are about.
pub(crate) struct Subject<'a> {
    pub(crate) method: &'a str,
    /// As it came, still encoded.
    pub(crate) path: &'a str,
    pub(crate) query: &'a Query,
    pub(crate) headers: &'a HeaderMap,
    /// The host of the request target, for requests without a `Host` header.
    pub(crate) host: &'a str,
}

/// What a valid signature says about the body.
#[derive(Debug)]
pub(crate) struct Vouched {
    pub(crate) payload: Payload,
    /// Present for signed chunks.
    pub(crate) signer: Option<ChunkSigner>,
}

/// Checks the signature of `claim` against the secret of its access key.
/// `SignatureDoesNotMatch`, with what was signed here, if it is another.
pub(crate) fn verify(
    claim: &Claim,
    subject: &Subject<'_>,
    secret: &str,
    region: &str,
    keys: &KeyCache,
) -> Result<Vouched, S3Error> {
    let header = subject.headers.get("x-amz-content-sha256").and_then(|v| v.to_str().ok());
    let word = match (header.or(subject.query.get("X-Amz-Content-Sha256")), claim.presigned) {
        (Some(word), _) => word,
        (None, true) => UNSIGNED,
        (None, false) => {
            let message = "Missing required header for this request: x-amz-content-sha256";
            return Err(S3Error::with_message(Code::InvalidRequest, message));
        }
    };
    let payload = Payload::parse(word)?;
    let scope = claim.scope(region);
    let request = request_hash(&Signed {
        method: subject.method,
        path: subject.path,
        query: subject.query,
        headers: subject.headers,
        host: subject.host,
        signed_headers: &claim.signed_headers,
        payload: word,
    });
    let text = string_to_sign(&claim.amz_date, &scope, &request);
    let key = keys.get(&claim.access_key, secret, &claim.date, region);
    if !key::equal(&key.sign(text.as_bytes()), &claim.signature) {
        return Err(S3Error::new(Code::SignatureDoesNotMatch)
            .field("AWSAccessKeyId", claim.access_key.clone())
            .field("StringToSign", text)
            .field("SignatureProvided", hex::encode(&claim.signature)));
    }
    let signer = matches!(payload, Payload::SignedChunks { .. })
        .then(|| ChunkSigner::new(key, claim.amz_date.clone(), scope, claim.signature));
    Ok(Vouched { payload, signer })
}

#[cfg(test)]
pub(crate) mod test_support;
#[cfg(test)]
mod vectors_test;
