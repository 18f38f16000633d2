//! The canonical request and the string to sign of Signature Version 4, as S3 makes them: the path is
//! encoded once and never normalised.

use super::key::sha256;
use crate::hex;
use crate::uri::{self, Query};
use http::HeaderMap;

/// What of a request is signed.
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a str,
    /// As it came, still encoded.
    pub(crate) path: &'a str,
    pub(crate) query: &'a Query,
    pub(crate) headers: &'a HeaderMap,
    /// Used when the request has no `Host` header (absolute-form targets).
    pub(crate) host: &'a str,
    /// Lower-case names in the order they were signed.
    pub(crate) signed_headers: &'a [String],
    /// The last line: the payload's hash or a word in its place.
    pub(crate) payload: &'a str,
}

/// The signature itself is a query parameter of presigned requests, and the only one not signed.
pub(super) const SIGNATURE_PARAMETER: &str = "X-Amz-Signature";

/// The hash of the canonical request.
pub(crate) fn request_hash(r: &Signed<'_>) -> [u8; 32] {
    sha256(&canonical_request(r))
}

fn canonical_request(r: &Signed<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(r.method.as_bytes());
    out.push(b'\n');
    // A path that does not decode was refused before; signing it as it came is then as good as any.
    let path = uri::decode(r.path, false).unwrap_or_else(|| r.path.as_bytes().to_vec());
    out.extend_from_slice(uri::encode(&path, true).as_bytes());
    out.push(b'\n');
    let mut pairs: Vec<(String, String)> = r
        .query
        .iter()
        .filter(|(name, _)| *name != SIGNATURE_PARAMETER)
        .map(|(n, v)| (uri::encode(n.as_bytes(), false), uri::encode(v.as_bytes(), false)))
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.into_iter().map(|(n, v)| format!("{n}={v}")).collect();
    out.extend_from_slice(pairs.join("&").as_bytes());
    out.push(b'\n');
    for name in r.signed_headers {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        if name == "host" && !r.headers.contains_key("host") {
            out.extend_from_slice(r.host.as_bytes());
        }
        for (i, value) in r.headers.get_all(name).iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            push_collapsed(&mut out, value.as_bytes());
        }
        out.push(b'\n');
    }
    out.push(b'\n');
    out.extend_from_slice(r.signed_headers.join(";").as_bytes());
    out.push(b'\n');
    out.extend_from_slice(r.payload.as_bytes());
    out
}

/// Trims a header value and makes one space of several.
fn push_collapsed(out: &mut Vec<u8>, value: &[u8]) {
    let mut space = false;
    for &b in value.trim_ascii() {
        if b == b' ' {
            space = true;
            continue;
        }
        if std::mem::take(&mut space) {
            out.push(b' ');
        }
        out.push(b);
    }
}

/// The string to sign of a request.
pub(crate) fn string_to_sign(amz_date: &str, scope: &str, request_hash: &[u8; 32]) -> String {
    format!("AWS4-HMAC-SHA256\n{amz_date}\n{scope}\n{}", hex::encode(request_hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn awss_own_example_with_a_query() {
        // "Authenticating Requests: Using the Authorization Header", example GET Bucket (List Objects).
        let mut headers = HeaderMap::new();
        headers.insert("host", "examplebucket.s3.amazonaws.com".parse().unwrap());
        headers.insert("x-amz-date", "20130524T000000Z".parse().unwrap());
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        headers.insert("x-amz-content-sha256", empty.parse().unwrap());
        let signed_headers: Vec<String> =
            ["host", "x-amz-content-sha256", "x-amz-date"].map(String::from).to_vec();
        let query = Query::parse("max-keys=2&prefix=J").unwrap();
        let signed = Signed {
            method: "GET",
            path: "/",
            query: &query,
            headers: &headers,
            host: "",
            signed_headers: &signed_headers,
            payload: empty,
        };
        assert_eq!(
            hex::encode(&request_hash(&signed)),
            "df57d21db20da04d7fa30298dd4488ba3a2b47ca3a489c74750e0f1e7df1b9b7"
        );
    }

    #[test]
    fn spaces_collapse_and_dots_stay() {
        let mut headers = HeaderMap::new();
        headers.append("x-amz-meta-a", "  a   b ".parse().unwrap());
        headers.append("x-amz-meta-a", "c".parse().unwrap());
        let query = Query::parse("b=2&a=+&X-Amz-Signature=dead").unwrap();
        let names = ["host", "x-amz-meta-a"].map(String::from);
        let signed = Signed {
            method: "PUT",
            path: "/b/../a%2fb//(c)",
            query: &query,
            headers: &headers,
            host: "h:1",
            signed_headers: &names,
            payload: "UNSIGNED-PAYLOAD",
        };
        let text = String::from_utf8(canonical_request(&signed)).unwrap();
        let expected = "PUT\n/b/../a/b//%28c%29\na=%20&b=2\nhost:h:1\nx-amz-meta-a:a b,c\n\nhost;x-amz-meta-a\nUNSIGNED-PAYLOAD";
        assert_eq!(text, expected);
    }
}
