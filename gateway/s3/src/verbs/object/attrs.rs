//! What a client says of an object besides its bytes: read from the headers of puts.

use crate::error::{Code, S3Error};
use crate::response::text_of_header;
use crate::storage::{ObjectAttrs, STANDARD};
use crate::tags;
use crate::website::{REDIRECT_HEADER, check_redirect};
use http::HeaderMap;
use std::collections::BTreeMap;

/// Standard headers that are kept and given back.
pub(crate) const KEPT_HEADERS: [&str; 6] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
];
/// User metadata, names and values together, bytes.
const MAX_METADATA_BYTES: usize = 2048;
const METADATA_PREFIX: &str = "x-amz-meta-";
/// What S3 says of objects whose type nobody named.
pub(crate) const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";

/// Reads the attributes. `MetadataTooLarge`, `InvalidRedirectLocation`. Whether there is such a storage class is for storage to say.
pub(crate) fn of_headers(headers: &HeaderMap) -> Result<ObjectAttrs, S3Error> {
    let mut kept = BTreeMap::new();
    for name in KEPT_HEADERS {
        let Some(value) = headers.get(name).map(text_of_header) else { continue };
        // The encoding of the transfer is none of the object.
        let value = if name == "content-encoding" { without_aws_chunked(&value) } else { value };
        if !value.is_empty() {
            kept.insert(name.to_string(), value);
        }
    }
    if let Some(place) = headers.get(REDIRECT_HEADER).map(text_of_header) {
        check_redirect(&place)?;
        kept.insert(REDIRECT_HEADER.to_string(), place);
    }
    kept.entry("content-type".into()).or_insert_with(|| DEFAULT_CONTENT_TYPE.into());
    let mut extra = BTreeMap::new();
    if let Some(text) = headers.get("x-amz-tagging").map(text_of_header) {
        tags::keep(&mut extra, &tags::of_header(&text)?);
    }
    Ok(ObjectAttrs {
        headers: kept,
        metadata: metadata(headers)?,
        storage_class: storage_class(headers),
        lock: None,
        seal: None,
        extra,
    })
}

fn metadata(headers: &HeaderMap) -> Result<BTreeMap<String, String>, S3Error> {
    let mut metadata = BTreeMap::new();
    let mut bytes = 0;
    for name in headers.keys() {
        let Some(short) = name.as_str().strip_prefix(METADATA_PREFIX) else { continue };
        let values: Vec<String> = headers.get_all(name).iter().map(text_of_header).collect();
        let value = values.join(",");
        bytes += short.len() + value.chars().count();
        metadata.insert(short.to_string(), value);
    }
    if bytes > MAX_METADATA_BYTES {
        return Err(S3Error::new(Code::MetadataTooLarge)
            .field("Size", bytes.to_string())
            .field("MaxSizeAllowed", MAX_METADATA_BYTES.to_string()));
    }
    Ok(metadata)
}

/// The storage class; STANDARD is the empty one.
fn storage_class(headers: &HeaderMap) -> String {
    headers
        .get("x-amz-storage-class")
        .map(text_of_header)
        .filter(|class| class != STANDARD)
        .unwrap_or_default()
}

fn without_aws_chunked(value: &str) -> String {
    let kept: Vec<&str> =
        value.split(',').map(str::trim).filter(|e| !e.is_empty() && *e != "aws-chunked").collect();
    kept.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&'static str, &str)]) -> Result<ObjectAttrs, Code> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        of_headers(&headers).map_err(|e| e.code())
    }

    #[test]
    fn what_is_kept_and_what_is_not() {
        let attrs = of(&[
            ("content-encoding", "aws-chunked, gzip"),
            ("x-amz-meta-a", " 1 "),
            ("x-amz-meta-a", "2"),
            ("x-amz-storage-class", "STANDARD"),
            ("content-length", "5"),
        ])
        .unwrap();
        assert_eq!(attrs.headers["content-encoding"], "gzip");
        assert_eq!(attrs.headers["content-type"], DEFAULT_CONTENT_TYPE);
        assert_eq!(attrs.headers.len(), 2);
        assert_eq!(attrs.metadata["a"], "1,2");
        assert_eq!(attrs.storage_class, "");
        assert_eq!(of(&[("x-amz-storage-class", "COLD")]).unwrap().storage_class, "COLD");
        assert!(
            !of(&[("content-encoding", "aws-chunked")]).unwrap().headers.contains_key("content-encoding")
        );
    }

    #[test]
    fn limits() {
        assert!(of(&[("x-amz-meta-a", &"x".repeat(2047))]).is_ok());
        assert_eq!(of(&[("x-amz-meta-a", &"x".repeat(2048))]), Err(Code::MetadataTooLarge));
        assert_eq!(of(&[(REDIRECT_HEADER, "ftp://x")]), Err(Code::InvalidRedirectLocation));
        assert_eq!(of(&[(REDIRECT_HEADER, "/a")]).unwrap().headers[REDIRECT_HEADER], "/a");
    }
}
