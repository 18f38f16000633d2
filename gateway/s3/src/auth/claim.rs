//! What a request of Signature Version 4 claims about who sent it: read from the `Authorization` header or the query of a presigned
//! URL, checked in form and time, not yet believed.

use crate::dates;
use crate::error::{Code, S3Error};
use crate::hex;
use crate::uri::Query;
use http::HeaderMap;

/// How far a client's clock may be off, in seconds.
const MAX_SKEW_SECONDS: u64 = 15 * 60;
/// The longest life of a presigned URL, in seconds.
const MAX_EXPIRES_SECONDS: u64 = 7 * 24 * 3600;
/// More signed headers than any request has.
const MAX_SIGNED_HEADERS: usize = 256;

/// A claim that is well formed and timely. Whether it is true shows when the signature is checked.
#[derive(Clone, Debug)]
pub(crate) struct ClaimV4 {
    pub(crate) access_key: String,
    /// `YYYYMMDD`.
    pub(crate) date: String,
    /// `YYYYMMDDTHHMMSSZ`.
    pub(crate) amz_date: String,
    /// Lower case, in the order they were signed.
    pub(crate) signed_headers: Vec<String>,
    pub(crate) signature: [u8; 32],
    pub(crate) presigned: bool,
}

impl ClaimV4 {
    /// The credential scope.
    pub(crate) fn scope(&self, region: &str) -> String {
        format!("{}/{region}/s3/aws4_request", self.date)
    }

    /// Reads what stands behind `AWS4-HMAC-SHA256` in the `Authorization` header. `now` is in seconds since 1970.
    pub(super) fn of_header(
        text: &str,
        headers: &HeaderMap,
        region: &str,
        now: u64,
    ) -> Result<ClaimV4, S3Error> {
        of_header(text, headers, region, now)?.with_all_signed(headers)
    }

    /// Reads the query of a presigned URL.
    pub(super) fn of_query(
        query: &Query,
        headers: &HeaderMap,
        region: &str,
        now: u64,
    ) -> Result<ClaimV4, S3Error> {
        of_query(query, region, now)?.with_all_signed(headers)
    }

    /// The claim, if it covers the headers that it must: the host, and all that mean something to S3.
    fn with_all_signed(self, headers: &HeaderMap) -> Result<ClaimV4, S3Error> {
        if !self.signed_headers.iter().any(|h| h == "host") {
            let message = "The Host header must be among the signed headers.";
            return Err(S3Error::with_message(Code::AccessDenied, message));
        }
        let unsigned: Vec<&str> = headers
            .keys()
            .map(|name| name.as_str())
            .filter(|name| name.starts_with("x-amz-") && !self.signed_headers.iter().any(|h| h == name))
            // Says no more than the signed default does, and presigning clients add it when they send.
            .filter(|name| !(self.presigned && *name == "x-amz-content-sha256"))
            .collect();
        if !unsigned.is_empty() {
            let message = "There were headers present in the request which were not signed";
            return Err(S3Error::with_message(Code::AccessDenied, message)
                .field("HeadersNotSigned", unsigned.join(", ")));
        }
        Ok(self)
    }
}

fn of_header(text: &str, headers: &HeaderMap, region: &str, now: u64) -> Result<ClaimV4, S3Error> {
    let malformed = |what: &str| {
        let message = format!("The authorization header is malformed; {what}.");
        S3Error::with_message(Code::AuthorizationHeaderMalformed, message)
    };
    let (mut credential, mut signed, mut signature) = (None, None, None);
    for piece in text.split(',') {
        match piece.trim().split_once('=') {
            Some(("Credential", v)) => credential = Some(v),
            Some(("SignedHeaders", v)) => signed = Some(v),
            Some(("Signature", v)) => signature = Some(v),
            _ => {}
        }
    }
    let credential = credential.ok_or_else(|| malformed("missing Credential"))?;
    let signed = signed.ok_or_else(|| malformed("missing SignedHeaders"))?;
    let signature = signature.ok_or_else(|| malformed("missing Signature"))?;

    let dated = |v: &str| dates::parse_amz(v).or_else(|| dates::parse_http(v));
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim);
    let time = header("x-amz-date").or_else(|| header("date")).and_then(dated).ok_or_else(|| {
        let message = "AWS authentication requires a valid Date or x-amz-date header";
        S3Error::with_message(Code::AccessDenied, message)
    })?;
    let credential = Credential::parse(credential).map_err(|what| malformed(&what))?;
    credential.check(region).map_err(|what| malformed(&what).field("Region", region))?;
    let claim = claim(credential, time, signed, signature, false).map_err(|what| malformed(&what))?;
    if now.abs_diff(time) > MAX_SKEW_SECONDS {
        return Err(S3Error::new(Code::RequestTimeTooSkewed)
            .field("RequestTime", claim.amz_date)
            .field("ServerTime", dates::amz(now))
            .field("MaxAllowedSkewMilliseconds", (MAX_SKEW_SECONDS * 1000).to_string()));
    }
    Ok(claim)
}

fn of_query(query: &Query, region: &str, now: u64) -> Result<ClaimV4, S3Error> {
    let malformed = |what: String| S3Error::with_message(Code::AuthorizationQueryParametersError, what);
    let get = |name: &str| {
        query.get(name).ok_or_else(|| {
            malformed("Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.".into())
        })
    };
    if get("X-Amz-Algorithm")? != "AWS4-HMAC-SHA256" {
        return Err(malformed("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"".into()));
    }
    let credential = Credential::parse(get("X-Amz-Credential")?)
        .map_err(|what| malformed(format!("Error parsing the X-Amz-Credential parameter; {what}.")))?;
    let signature = get("X-Amz-Signature")?;
    let signed = get("X-Amz-SignedHeaders")?;
    let date_text = get("X-Amz-Date")?;
    let expires_text = get("X-Amz-Expires")?;
    let time = dates::parse_amz(date_text).ok_or_else(|| {
        malformed("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"".into())
    })?;
    let expires: i64 =
        expires_text.parse().map_err(|_| malformed("X-Amz-Expires should be a number".into()))?;
    let expires = u64::try_from(expires).unwrap_or(0);
    if !(1..=MAX_EXPIRES_SECONDS).contains(&expires) {
        let message = format!(
            "X-Amz-Expires must be at least 1 second and at most a week ({MAX_EXPIRES_SECONDS} seconds)"
        );
        return Err(S3Error::with_message(Code::AccessDenied, message));
    }
    credential.check(region).map_err(|what| {
        malformed(format!("Error parsing the X-Amz-Credential parameter; {what}.")).field("Region", region)
    })?;
    let claim = claim(credential, time, signed, signature, true).map_err(malformed)?;
    let denied = |message: &'static str| S3Error::with_message(Code::AccessDenied, message);
    if time > now + MAX_SKEW_SECONDS {
        return Err(denied("Request is not valid yet")
            .field("X-Amz-Expires", expires_text)
            .field("ServerTime", dates::amz(now)));
    }
    if now > time + expires {
        return Err(denied("Request has expired")
            .field("X-Amz-Expires", expires_text)
            .field("Expires", dates::amz(time + expires))
            .field("ServerTime", dates::amz(now)));
    }
    Ok(claim)
}

struct Credential<'a> {
    access_key: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    terminator: &'a str,
}

impl<'a> Credential<'a> {
    fn parse(text: &'a str) -> Result<Credential<'a>, String> {
        // From the right: an access key may hold slashes.
        let mut parts = text.rsplitn(5, '/');
        let mut next = || parts.next().filter(|p| !p.is_empty());
        match (next(), next(), next(), next(), next()) {
            (Some(terminator), Some(service), Some(region), Some(date), Some(access_key)) => {
                Ok(Credential { access_key, date, region, service, terminator })
            }
            _ => Err("the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\"".into()),
        }
    }

    fn check(&self, region: &str) -> Result<(), String> {
        if self.terminator != "aws4_request" {
            return Err(format!(
                "incorrect terminal \"{}\". This endpoint uses \"aws4_request\"",
                self.terminator
            ));
        }
        if self.service != "s3" {
            return Err(format!("incorrect service \"{}\". This endpoint belongs to \"s3\"", self.service));
        }
        if self.region != region {
            return Err(format!("the region '{}' is wrong; expecting '{region}'", self.region));
        }
        Ok(())
    }
}

/// The access key and the date of a form's credential, if it is of this region.
pub(super) fn form_credential(text: &str, region: &str) -> Result<(String, String), String> {
    let credential = Credential::parse(text)?;
    credential.check(region)?;
    Ok((credential.access_key.to_string(), credential.date.to_string()))
}

fn claim(
    credential: Credential<'_>,
    time: u64,
    signed: &str,
    signature: &str,
    presigned: bool,
) -> Result<ClaimV4, String> {
    let amz_date = dates::amz(time);
    if !amz_date.starts_with(credential.date) || credential.date.len() != 8 {
        return Err(format!(
            "Invalid credential date \"{}\". This date is not the same as X-Amz-Date: \"{}\"",
            credential.date,
            &amz_date[..8]
        ));
    }
    let signed_headers: Vec<String> = signed.split(';').map(str::to_ascii_lowercase).collect();
    if signed_headers.len() > MAX_SIGNED_HEADERS || signed_headers.iter().any(|h| h.is_empty()) {
        return Err("the SignedHeaders are mal-formed".into());
    }
    let signature = hex::decode(signature.as_bytes()).ok_or("the Signature is not 64 hexadecimal digits")?;
    Ok(ClaimV4 {
        access_key: credential.access_key.to_string(),
        date: credential.date.to_string(),
        amz_date,
        signed_headers,
        signature,
        presigned,
    })
}

#[cfg(test)]
#[path = "claim_test.rs"]
mod tests;
