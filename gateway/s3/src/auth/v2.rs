//! Signature Version 2, which SDKs still choose for presigned URLs of endpoints of their own in `us-east-1`.
//! Source: the S3 user guide, appendix "Signing and authenticating REST requests (AWS signature version 2)".

use super::Subject;
use crate::dates;
use crate::error::{Code, S3Error};
use crate::uri::Query;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use sha1::Sha1;

/// How far a client's clock may be off, in seconds.
const MAX_SKEW_SECONDS: u64 = 15 * 60;

/// The query parameters that are signed.
const SIGNED_PARAMETERS: &[&str] = &[
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "defaultObjectAcl",
    "delete",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "select",
    "select-type",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// A claim of the second version: well formed and timely, not yet believed.
#[derive(Clone, Debug)]
pub(crate) struct ClaimV2 {
    pub(super) access_key: String,
    /// The fourth line that is signed: a date, or when a presigned URL ends.
    date_line: String,
    signature: [u8; 20],
}

impl ClaimV2 {
    /// Reads `AWS KEY:SIGNATURE`, what stands behind the word `AWS`. `now` is in seconds since 1970.
    pub(super) fn of_header(text: &str, headers: &HeaderMap, now: u64) -> Result<ClaimV2, S3Error> {
        let malformed = || {
            S3Error::invalid_argument(
                "AWS authorization header is invalid. Expected AwsAccessKeyId:signature",
                "Authorization",
                "",
            )
        };
        let (access_key, signature) = text.trim().rsplit_once(':').ok_or_else(malformed)?;
        let signature = decode(signature).ok_or_else(malformed)?;
        let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim);
        let dated = |v: &str| dates::parse_http(v).or_else(|| dates::parse_amz(v));
        let time = header("x-amz-date").or_else(|| header("date")).and_then(dated).ok_or_else(|| {
            let message = "AWS authentication requires a valid Date or x-amz-date header";
            S3Error::with_message(Code::AccessDenied, message)
        })?;
        if now.abs_diff(time) > MAX_SKEW_SECONDS {
            return Err(S3Error::new(Code::RequestTimeTooSkewed)
                .field("RequestTime", dates::amz(time))
                .field("ServerTime", dates::amz(now))
                .field("MaxAllowedSkewMilliseconds", (MAX_SKEW_SECONDS * 1000).to_string()));
        }
        // A date among the x-amz- headers is signed there.
        let date_line = match header("x-amz-date") {
            Some(_) => String::new(),
            None => header("date").unwrap_or("").to_string(),
        };
        Ok(ClaimV2 { access_key: access_key.to_string(), date_line, signature })
    }

    /// Reads the query of a presigned URL.
    pub(super) fn of_query(query: &Query, now: u64) -> Result<ClaimV2, S3Error> {
        let denied = |message: &'static str| S3Error::with_message(Code::AccessDenied, message);
        let get = |name| {
            query.get(name).ok_or_else(|| {
                denied("Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters")
            })
        };
        let (access_key, signature, expires) = (get("AWSAccessKeyId")?, get("Signature")?, get("Expires")?);
        let ends: u64 =
            expires.parse().map_err(|_| denied("Invalid date (should be seconds since epoch)"))?;
        if now > ends {
            return Err(denied("Request has expired")
                .field("Expires", dates::amz(ends.min(253_402_300_799)))
                .field("ServerTime", dates::amz(now)));
        }
        let signature = decode(signature).ok_or_else(|| S3Error::new(Code::SignatureDoesNotMatch))?;
        Ok(ClaimV2 { access_key: access_key.to_string(), date_line: expires.to_string(), signature })
    }

    /// Whether `secret` made the signature. `SignatureDoesNotMatch`.
    pub(super) fn verify(&self, subject: &Subject<'_>, secret: &str) -> Result<(), S3Error> {
        let text = string_to_sign(subject, &self.date_line, "");
        if self.is_of(&text, secret) {
            return Ok(());
        }
        // Some clients sign a bucket's path with the slash that they do not send.
        let bare = subject.virtual_bucket.is_none() && !subject.path.trim_start_matches('/').contains('/');
        if bare && self.is_of(&string_to_sign(subject, &self.date_line, "/"), secret) {
            return Ok(());
        }
        Err(S3Error::new(Code::SignatureDoesNotMatch)
            .field("AWSAccessKeyId", self.access_key.clone())
            .field("StringToSign", String::from_utf8_lossy(&text))
            .field("SignatureProvided", STANDARD.encode(self.signature)))
    }

    fn is_of(&self, text: &[u8], secret: &str) -> bool {
        // HMAC takes keys of any length; the type cannot say so.
        let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret.as_bytes()) else {
            unreachable!("HMAC refused a key")
        };
        mac.update(text);
        // Compares in constant time.
        mac.verify_slice(&self.signature).is_ok()
    }
}

fn decode(signature: &str) -> Option<[u8; 20]> {
    STANDARD.decode(signature).ok()?.try_into().ok()
}

/// `path_end` is put behind the path.
fn string_to_sign(subject: &Subject<'_>, date_line: &str, path_end: &str) -> Vec<u8> {
    let header = |name: &str| subject.headers.get(name).map_or(&b""[..], |v| v.as_bytes().trim_ascii());
    let mut out = Vec::with_capacity(256);
    for line in
        [subject.method.as_bytes(), header("content-md5"), header("content-type"), date_line.as_bytes()]
    {
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    let mut names: Vec<&str> =
        subject.headers.keys().map(|n| n.as_str()).filter(|n| n.starts_with("x-amz-")).collect();
    names.sort_unstable();
    for name in names {
        let values: Vec<&[u8]> =
            subject.headers.get_all(name).iter().map(|v| v.as_bytes().trim_ascii()).collect();
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        out.extend_from_slice(&values.join(&b','));
        out.push(b'\n');
    }
    if let Some(bucket) = subject.virtual_bucket {
        out.push(b'/');
        out.extend_from_slice(bucket.as_bytes());
    }
    out.extend_from_slice(subject.path.as_bytes());
    out.extend_from_slice(path_end.as_bytes());
    let mut pairs: Vec<(&str, &str)> =
        subject.query.iter().filter(|(n, _)| SIGNED_PARAMETERS.contains(n)).collect();
    pairs.sort_unstable();
    for (i, (name, value)) in pairs.into_iter().enumerate() {
        out.push(if i == 0 { b'?' } else { b'&' });
        out.extend_from_slice(name.as_bytes());
        if !value.is_empty() {
            out.push(b'=');
            out.extend_from_slice(value.as_bytes());
        }
    }
    out
}
