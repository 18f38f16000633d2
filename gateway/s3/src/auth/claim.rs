//! What a request claims about who sent it: read from the `Authorization` header or the query of a presigned
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
pub(crate) struct Claim {
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

impl Claim {
    /// The credential scope.
    pub(crate) fn scope(&self, region: &str) -> String {
        format!("{}/{region}/s3/aws4_request", self.date)
    }

    /// Reads the claim. None for an anonymous request. `now` is in seconds since 1970.
    pub(crate) fn of_request(
        headers: &HeaderMap,
        query: &Query,
        region: &str,
        now: u64,
    ) -> Result<Option<Claim>, S3Error> {
        let by_header = headers.get("authorization").filter(|v| !v.is_empty());
        let by_query = query.has("X-Amz-Algorithm") || query.has("X-Amz-Signature");
        let claim = match (by_header, by_query) {
            (Some(_), true) => {
                let message = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified";
                return Err(S3Error::with_message(Code::InvalidArgument, message));
            }
            (Some(value), false) => of_header(value.to_str().unwrap_or(""), headers, region, now)?,
            (None, true) => of_query(query, region, now)?,
            (None, false) if query.has("Signature") && query.has("AWSAccessKeyId") => {
                return Err(old_mechanism());
            }
            (None, false) => return Ok(None),
        };
        if !claim.signed_headers.iter().any(|h| h == "host") {
            let message = "The Host header must be among the signed headers.";
            return Err(S3Error::with_message(Code::AccessDenied, message));
        }
        let unsigned: Vec<&str> = headers
            .keys()
            .map(|name| name.as_str())
            .filter(|name| name.starts_with("x-amz-") && !claim.signed_headers.iter().any(|h| h == name))
            // Says no more than the signed default does, and presigning clients add it when they send.
            .filter(|name| !(claim.presigned && *name == "x-amz-content-sha256"))
            .collect();
        if !unsigned.is_empty() {
            let message = "There were headers present in the request which were not signed";
            return Err(S3Error::with_message(Code::AccessDenied, message)
                .field("HeadersNotSigned", unsigned.join(", ")));
        }
        Ok(Some(claim))
    }
}

fn old_mechanism() -> S3Error {
    let message =
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.";
    S3Error::with_message(Code::InvalidRequest, message)
}

fn of_header(text: &str, headers: &HeaderMap, region: &str, now: u64) -> Result<Claim, S3Error> {
    let malformed = |what: &str| {
        let message = format!("The authorization header is malformed; {what}.");
        S3Error::with_message(Code::AuthorizationHeaderMalformed, message)
    };
    let (algorithm, rest) = text.trim().split_once(' ').unwrap_or((text, ""));
    match algorithm {
        "AWS4-HMAC-SHA256" => {}
        "AWS" if rest.contains(':') => return Err(old_mechanism()),
        _ => {
            return Err(S3Error::invalid_argument(
                "Unsupported Authorization Type",
                "Authorization",
                algorithm,
            ));
        }
    }
    let (mut credential, mut signed, mut signature) = (None, None, None);
    for piece in rest.split(',') {
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

fn of_query(query: &Query, region: &str, now: u64) -> Result<Claim, S3Error> {
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
    let expires =
        u64::try_from(expires).map_err(|_| malformed("X-Amz-Expires must be non-negative".into()))?;
    if !(1..=MAX_EXPIRES_SECONDS).contains(&expires) {
        return Err(malformed(format!(
            "X-Amz-Expires must be at least 1 second and less than a week (in seconds); that is, the given X-Amz-Expires must be at most {MAX_EXPIRES_SECONDS} seconds"
        )));
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

fn claim(
    credential: Credential<'_>,
    time: u64,
    signed: &str,
    signature: &str,
    presigned: bool,
) -> Result<Claim, String> {
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
    Ok(Claim {
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
