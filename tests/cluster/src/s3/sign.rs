//! AWS Signature Version 4, in headers and in the query. Source: the "Signature Version 4" pages of the S3 API
//! reference; checked against their published example.

use crate::content::{hex, sha256};
use crate::s3::Request;
use crate::s3::time;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A key pair and what it signs for.
#[derive(Clone)]
pub struct Signer {
    /// Access key.
    pub access: String,
    /// Secret key.
    pub secret: String,
    /// Region.
    pub region: String,
}

fn mac(key: &[u8], data: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length, so this is the library's promise, not an input's.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

/// Percent-encodes as S3 wants it: everything but the unreserved characters, and `/` unless `slash`.
pub fn encode(text: &[u8], slash: bool) -> String {
    text.iter()
        .map(|b| match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(*b).to_string(),
            b'/' if !slash => "/".to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect()
}

/// The query in canonical form: each name and value encoded, sorted.
pub fn canonical_query(query: &[(String, String)]) -> String {
    let mut pairs: Vec<(String, String)> =
        query.iter().map(|(k, v)| (encode(k.as_bytes(), true), encode(v.as_bytes(), true))).collect();
    pairs.sort();
    pairs.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("&")
}

impl Signer {
    fn signature(&self, stamp: &str, canonical: &str) -> String {
        let scope = self.scope(stamp);
        let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", sha256(canonical.as_bytes()));
        let key = [&stamp[..8], &self.region, "s3", "aws4_request"]
            .iter()
            .fold(format!("AWS4{}", self.secret).into_bytes(), |key, part| mac(&key, part.as_bytes()));
        hex(&mac(&key, text.as_bytes()))
    }

    fn scope(&self, stamp: &str) -> String {
        format!("{}/{}/s3/aws4_request", &stamp[..8], self.region)
    }

    /// Adds x-amz-date, x-amz-content-sha256 (unless given) and Authorization.
    pub fn sign(&self, request: &mut Request, host: &str, seconds: i64) {
        let stamp = time::stamp(seconds);
        if request.header("x-amz-content-sha256").is_none() {
            let hash = sha256(&request.body);
            request.set("x-amz-content-sha256", &hash);
        }
        request.set("x-amz-date", &stamp);
        let mut signed: Vec<(String, String)> = request
            .headers
            .iter()
            .map(|(k, v)| (k.to_ascii_lowercase(), v.split_whitespace().collect::<Vec<_>>().join(" ")))
            .filter(|(k, _)| {
                k.starts_with("x-amz-") || k == "content-md5" || k == "content-type" || k == "range"
            })
            .collect();
        signed.push(("host".into(), host.into()));
        signed.sort();
        let names: Vec<String> = signed.iter().map(|(k, _)| k.clone()).collect();
        let lines: String = signed.iter().map(|(k, v)| format!("{k}:{v}\n")).collect();
        let canonical = format!(
            "{}\n{}\n{}\n{lines}\n{}\n{}",
            request.method,
            request.path,
            canonical_query(&request.query),
            names.join(";"),
            request.header("x-amz-content-sha256").unwrap_or_default()
        );
        let value = format!(
            "AWS4-HMAC-SHA256 Credential={}/{},SignedHeaders={},Signature={}",
            self.access,
            self.scope(&stamp),
            names.join(";"),
            self.signature(&stamp, &canonical)
        );
        request.set("authorization", &value);
    }

    /// Adds the query parameters of a presigned URL, valid for `expires` seconds from `seconds` on.
    pub fn presign(&self, request: &mut Request, host: &str, seconds: i64, expires: i64) {
        let stamp = time::stamp(seconds);
        let credential = format!("{}/{}", self.access, self.scope(&stamp));
        for (name, value) in [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", &stamp),
            ("X-Amz-Expires", &expires.to_string()),
            ("X-Amz-SignedHeaders", "host"),
        ] {
            request.query.push((name.into(), value.into()));
        }
        let canonical = format!(
            "{}\n{}\n{}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD",
            request.method,
            request.path,
            canonical_query(&request.query)
        );
        let signature = self.signature(&stamp, &canonical);
        request.query.push(("X-Amz-Signature".into(), signature));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "Example: GET Object" of the page "Authenticating Requests: Using the Authorization Header".
    #[test]
    fn the_published_example_is_met() {
        let signer = Signer {
            access: "AKIAIOSFODNN7EXAMPLE".into(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            region: "us-east-1".into(),
        };
        let mut request = Request::new("GET", "/test.txt");
        request.set("range", "bytes=0-9");
        signer.sign(&mut request, "examplebucket.s3.amazonaws.com", 1_369_353_600);
        let value = request.header("authorization").expect("signed");
        let wanted = "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
        assert!(value.ends_with(wanted), "{value}");
    }

    /// "Example" of the page "Authenticating Requests: Using Query Parameters".
    #[test]
    fn the_published_presigned_example_is_met() {
        let signer = Signer {
            access: "AKIAIOSFODNN7EXAMPLE".into(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            region: "us-east-1".into(),
        };
        let mut request = Request::new("GET", "/test.txt");
        signer.presign(&mut request, "examplebucket.s3.amazonaws.com", 1_369_353_600, 86_400);
        let wanted = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
        assert_eq!(request.query.last().expect("signed").1, wanted);
    }
}
