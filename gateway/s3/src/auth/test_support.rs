//! The client's side of signatures, for tests.

use super::canonical::{Signed, request_hash, string_to_sign};
use super::key::SigningKey;
use super::payload::{ChunkSigner, UNSIGNED};
use crate::hex;
use crate::uri::{self, Query};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Who signs, and when.
pub(crate) struct Credential<'a> {
    pub(crate) access_key: &'a str,
    pub(crate) key: SigningKey,
    pub(crate) amz_date: &'a str,
    pub(crate) region: &'a str,
}

impl Credential<'_> {
    fn scope(&self) -> String {
        format!("{}/{}/s3/aws4_request", &self.amz_date[..8], self.region)
    }

    fn sign(
        &self,
        method: &str,
        target: &str,
        headers: &[(String, String)],
        payload: &str,
    ) -> (Vec<String>, [u8; 32]) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let value: Vec<u8> = value.chars().map(|c| c as u8).collect();
            map.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(&value).unwrap());
        }
        let mut names: Vec<String> = headers
            .iter()
            .map(|(n, _)| n.clone())
            .filter(|n| n == "host" || n == "content-type" || n == "content-md5" || n.starts_with("x-amz-"))
            .collect();
        names.sort();
        names.dedup();
        let hash = request_hash(&Signed {
            method,
            path,
            query: &Query::parse(query).unwrap(),
            headers: &map,
            host: "",
            signed_headers: &names,
            payload,
        });
        let text = string_to_sign(self.amz_date, &self.scope(), &hash);
        (names, self.key.sign(text.as_bytes()))
    }

    /// The `Authorization` header, and the signer of the chunks that may follow.
    pub(crate) fn authorize(
        &self,
        method: &str,
        target: &str,
        headers: &[(String, String)],
        payload: &str,
    ) -> (String, ChunkSigner) {
        let (names, signature) = self.sign(method, target, headers, payload);
        let text = format!(
            "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
            self.access_key,
            self.scope(),
            names.join(";"),
            hex::encode(&signature)
        );
        (text, ChunkSigner::new(self.key.clone(), self.amz_date.into(), self.scope(), signature))
    }

    /// The target with its signature in the query.
    pub(crate) fn presign(
        &self,
        method: &str,
        target: &str,
        headers: &[(String, String)],
        expires: u64,
    ) -> String {
        let mut names: Vec<&str> = headers
            .iter()
            .map(|(n, _)| n.as_str())
            .filter(|n| *n == "host" || n.starts_with("x-amz-"))
            .collect();
        names.sort_unstable();
        let credential = uri::encode(format!("{}/{}", self.access_key, self.scope()).as_bytes(), false);
        let target = format!(
            "{target}{}X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={}&X-Amz-Expires={expires}&X-Amz-SignedHeaders={}",
            if target.contains('?') { "&" } else { "?" },
            self.amz_date,
            names.join("%3B")
        );
        let only: Vec<(String, String)> =
            headers.iter().filter(|(n, _)| names.contains(&n.as_str())).cloned().collect();
        let (_, signature) = self.sign(method, &target, &only, UNSIGNED);
        format!("{target}&X-Amz-Signature={}", hex::encode(&signature))
    }
}

/// An `aws-chunked` body.
pub(crate) fn aws_chunked(
    chunks: &[Vec<u8>],
    trailers: &[(String, String)],
    mut signer: Option<ChunkSigner>,
    has_trailer: bool,
) -> Vec<u8> {
    let mut out = Vec::new();
    let empty = Vec::new();
    for chunk in chunks.iter().chain([&empty]) {
        let mark = match &mut signer {
            Some(s) => format!(";chunk-signature={}", s.sign_next(Some(chunk), b"")),
            None => String::new(),
        };
        out.extend(format!("{:x}{mark}\r\n", chunk.len()).bytes());
        out.extend(chunk);
        if !chunk.is_empty() {
            out.extend(b"\r\n");
        }
    }
    let signed: String = trailers.iter().map(|(n, v)| format!("{n}:{v}\n")).collect();
    for (name, value) in trailers {
        out.extend(format!("{name}:{value}\r\n").bytes());
    }
    if let (Some(s), true) = (&mut signer, has_trailer) {
        out.extend(format!("x-amz-trailer-signature:{}\r\n", s.sign_next(None, signed.as_bytes())).bytes());
    }
    out.extend(b"\r\n");
    out
}
