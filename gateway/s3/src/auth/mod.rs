//! Who sent a request: Signature Version 4, or 2, in the header or in a presigned URL, verified.

mod canonical;
mod claim;
mod form;
mod key;
mod payload;
mod v2;

use claim::ClaimV4;
pub(crate) use form::FormClaim;
#[cfg(test)]
pub(crate) use key::sha256;
pub(crate) use key::{KeyCache, equal};
pub(crate) use payload::{ChunkSigner, Payload};

use crate::error::{Code, S3Error};
use crate::hex;
use crate::uri::Query;
use canonical::string_to_sign;
pub(crate) use canonical::{Signed, request_hash};
use http::HeaderMap;
use payload::UNSIGNED;
use v2::ClaimV2;

/// The parts of a request that signatures are about.
pub(crate) struct Subject<'a> {
    pub(crate) method: &'a str,
    /// As it came, still encoded.
    pub(crate) path: &'a str,
    pub(crate) query: &'a Query,
    pub(crate) headers: &'a HeaderMap,
    /// The host of the request target, for requests without a `Host` header.
    pub(crate) host: &'a str,
    /// The bucket, if the host names it and the path does not.
    pub(crate) virtual_bucket: Option<&'a str>,
}

/// The region that a signature's header names, whether or not it holds.
pub(crate) fn claimed_region(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("authorization")?.to_str().ok()?;
    let scope = text.split([',', ' ']).find_map(|piece| piece.trim().strip_prefix("Credential="))?;
    let region = scope.rsplit('/').nth(2)?;
    Some(region.to_string()).filter(|region| !region.is_empty() && region.len() <= 64)
}

/// The access key that a request names, whether or not it is believed.
pub(crate) fn claimed_key(headers: &HeaderMap, query: &Query) -> Option<String> {
    let header = headers.get("authorization").and_then(|v| v.to_str().ok()).unwrap_or("");
    let scope = header.split([',', ' ']).find_map(|piece| piece.trim().strip_prefix("Credential="));
    let scope = scope.or_else(|| query.get("X-Amz-Credential"));
    if let Some(key) = scope.and_then(|scope| scope.rsplitn(5, '/').nth(4)) {
        return Some(key.to_string());
    }
    let v2 = header.strip_prefix("AWS ").and_then(|rest| rest.rsplit_once(':')).map(|(key, _)| key);
    v2.or_else(|| query.get("AWSAccessKeyId")).map(|key| key.trim().to_string())
}

/// Who a request says that it is from: well formed and timely, not yet believed.
#[derive(Clone, Debug)]
pub(crate) enum Claim {
    /// Signature Version 4.
    V4(ClaimV4),
    /// Signature Version 2.
    V2(ClaimV2),
}

impl Claim {
    /// Reads the claim. None for an anonymous request. `now` is in seconds since 1970.
    pub(crate) fn of_request(
        headers: &HeaderMap,
        query: &Query,
        region: &str,
        now: u64,
    ) -> Result<Option<Claim>, S3Error> {
        let header = headers.get("authorization").filter(|v| !v.is_empty());
        let header = header.map(|v| v.to_str().unwrap_or("").trim());
        let (v4_query, v2_query) = (
            query.has("X-Amz-Algorithm") || query.has("X-Amz-Signature"),
            query.has("Signature") || query.has("AWSAccessKeyId"),
        );
        if u8::from(header.is_some()) + u8::from(v4_query) + u8::from(v2_query) > 1 {
            let message = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified";
            return Err(S3Error::with_message(Code::InvalidArgument, message));
        }
        let claim = match header {
            Some(text) => match text.split_once(' ').unwrap_or((text, "")) {
                ("AWS4-HMAC-SHA256", rest) => Claim::V4(ClaimV4::of_header(rest, headers, region, now)?),
                ("AWS", rest) => Claim::V2(ClaimV2::of_header(rest, headers, now)?),
                (other, _) => {
                    let message = "Unsupported Authorization Type";
                    return Err(S3Error::invalid_argument(message, "Authorization", other));
                }
            },
            None if v4_query => Claim::V4(ClaimV4::of_query(query, headers, region, now)?),
            None if v2_query => Claim::V2(ClaimV2::of_query(query, now)?),
            None => return Ok(None),
        };
        Ok(Some(claim))
    }

    /// The access key whose secret it must be signed with.
    pub(crate) fn access_key(&self) -> &str {
        match self {
            Claim::V4(claim) => &claim.access_key,
            Claim::V2(claim) => &claim.access_key,
        }
    }
}

/// What a valid signature says about the body.
#[derive(Debug)]
pub(crate) struct Vouched {
    pub(crate) payload: Payload,
    /// Present for signed chunks.
    pub(crate) signer: Option<ChunkSigner>,
}

/// What a request without a signature says about its body: nobody vouches for it. `InvalidRequest` for one that
/// speaks of signed chunks all the same.
pub(crate) fn anonymous(headers: &HeaderMap) -> Result<Vouched, S3Error> {
    let word = headers.get("x-amz-content-sha256").and_then(|v| v.to_str().ok());
    let payload = word.map_or(Ok(Payload::Unsigned), Payload::parse)?;
    if matches!(payload, Payload::SignedChunks { .. }) {
        return Err(S3Error::with_message(Code::InvalidRequest, "Signed chunks need a signed request."));
    }
    Ok(Vouched { payload, signer: None })
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
    let word = subject.headers.get("x-amz-content-sha256").and_then(|v| v.to_str().ok());
    match claim {
        Claim::V4(claim) => verify_v4(claim, subject, word, secret, region, keys),
        Claim::V2(claim) => {
            claim.verify(subject, secret)?;
            let payload = word.map_or(Ok(Payload::Unsigned), Payload::parse)?;
            if matches!(payload, Payload::SignedChunks { .. }) {
                let message = "Signed chunks need a Signature Version 4.";
                return Err(S3Error::with_message(Code::InvalidRequest, message));
            }
            Ok(Vouched { payload, signer: None })
        }
    }
}

fn verify_v4(
    claim: &ClaimV4,
    subject: &Subject<'_>,
    word: Option<&str>,
    secret: &str,
    region: &str,
    keys: &KeyCache,
) -> Result<Vouched, S3Error> {
    let word = match (word.or(subject.query.get("X-Amz-Content-Sha256")), claim.presigned) {
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
