//! The source of a copy: where it is, whether the sender may read it, and its bytes as a body.

use super::conditions::check_copy_source;
use super::range::Span;
use super::version;
use crate::access::Ask;
use crate::authorise::Wish;
use crate::body::MAX_BODY_BYTES;
use crate::checksum::{ChecksumAlgorithm, Digest};
use crate::encryption;
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::set;
use crate::server::{Gateway, check_key};
use crate::storage::{Body, BodySummary, Bucket, ByteStream, Entry, Storage, Versioning, Which};
use crate::tags::{self, Tag};
use crate::uri;
use bytes::Bytes;
use futures_util::StreamExt;
use gateway_client::Rados;
use http::HeaderMap;
use md5::{Digest as _, Md5};
use std::sync::Arc;

/// An object that is to be copied.
pub(crate) struct CopySource {
    pub(crate) bucket: Arc<Bucket>,
    pub(crate) entry: Entry,
    /// Which version was asked for.
    pub(crate) which: Which,
    versioned: bool,
}

impl CopySource {
    /// Finds the object that `x-amz-copy-source` names. `InvalidArgument`, `NoSuchKey`, `NoSuchBucket`,
    /// `AccessDenied`, `PreconditionFailed`.
    pub(crate) async fn find<R: Rados>(gw: &Gateway<R>, rq: &Request) -> Result<CopySource, S3Error> {
        let text = rq.header("x-amz-copy-source").unwrap_or("");
        let (name, key, which) = parse(text)?;
        let bucket = rq.bucket_named(gw, &name).await?;
        let expected = rq.header("x-amz-source-expected-bucket-owner");
        if expected.is_some_and(|owner| owner != bucket.owner) {
            return Err(Code::AccessDenied.into());
        }
        let entry = version::read(gw, rq, &bucket, &key, which, true).await;
        // A delete marker cannot be the source of a copy, and its headers are not about the target.
        let mut entry = entry.map_err(|e| match e.code() {
            Code::MethodNotAllowed => S3Error::with_message(
                Code::InvalidRequest,
                "The source of a copy request may not be a delete marker.",
            ),
            code @ (Code::NoSuchKey | Code::NoSuchVersion) => S3Error::new(code).field("Key", key.clone()),
            _ => e,
        })?;
        encryption::unlock(gw, &rq.headers, &encryption::COPY_SOURCE, &mut entry).await?;
        check_copy_source(&rq.headers, &entry)?;
        let versioned = bucket.versioning() != Versioning::Off;
        Ok(CopySource { bucket, entry, which, versioned })
    }

    /// Its tags, if the sender may read them: a copy shows them. `AccessDenied` if it has some.
    pub(crate) fn tags<R: Rados>(&self, gw: &Gateway<R>, rq: &Request) -> Result<Vec<Tag>, S3Error> {
        let tags = tags::of(&self.entry.attrs.extra)?;
        if !tags.is_empty() {
            let wish = Wish::new(Ask::GET_TAGS, Some(&self.entry.key)).version(self.which).tags(&[]);
            rq.check(gw, &self.bucket, wish.object(&self.entry))?;
        }
        Ok(tags)
    }

    /// Says which version was copied, where the source's bucket has versions.
    pub(crate) fn set_version(&self, headers: &mut HeaderMap) {
        if self.versioned {
            set(headers, "x-amz-copy-source-version-id", &self.entry.version.to_string());
        }
    }

    /// A span of its bytes as a body. `InvalidRequest` if it is longer than one copy may be.
    pub(crate) fn body<R: Rados>(
        &self,
        storage: &Storage<R>,
        span: Span,
        checksum: Option<ChecksumAlgorithm>,
    ) -> Result<CopyBody, S3Error> {
        if span.length > MAX_BODY_BYTES {
            let message = format!(
                "The specified copy source is larger than the maximum allowable size for a copy source: {MAX_BODY_BYTES}"
            );
            return Err(S3Error::with_message(Code::InvalidRequest, message));
        }
        let stream = match span.length {
            0 => futures_util::stream::empty().boxed(),
            _ => storage.read(&self.entry, span.offset, span.length),
        };
        Ok(CopyBody {
            stream,
            length: span.length,
            seen: 0,
            md5: Md5::new(),
            checksum: checksum.map(Digest::new),
        })
    }
}

/// `BUCKET/KEY` of what the header says, in the one spelling that conditions are about. `InvalidArgument`.
pub(crate) fn named(text: &str) -> Result<String, S3Error> {
    parse(text).map(|(bucket, key, _)| format!("{bucket}/{key}"))
}

/// Reads `[/]BUCKET/KEY[?versionId=ID]`, percent-encoded. A `+` is a space here, as S3 has it and s5cmd sends it; those
/// who mean a plus sign write %2B, as all SDKs do.
fn parse(text: &str) -> Result<(String, String, Which), S3Error> {
    let invalid = || {
        let message = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey";
        S3Error::invalid_argument(message, "x-amz-copy-source", text)
    };
    let (path, version) = text.split_once("?versionId=").map_or((text, None), |(p, v)| (p, Some(v)));
    let which = version.map_or(Ok(Which::Current), version::parse)?;
    let path = uri::decode(path, true).and_then(|p| String::from_utf8(p).ok()).ok_or_else(invalid)?;
    let (bucket, key) = path.strip_prefix('/').unwrap_or(&path).split_once('/').ok_or_else(invalid)?;
    if bucket.is_empty() || key.is_empty() {
        return Err(invalid());
    }
    check_key(key)?;
    Ok((bucket.to_string(), key.to_string(), which))
}

/// Bytes of one object on their way into another.
pub(crate) struct CopyBody {
    stream: ByteStream,
    length: u64,
    seen: u64,
    md5: Md5,
    checksum: Option<Digest>,
}

impl Body for CopyBody {
    async fn next(&mut self) -> Result<Option<Bytes>, S3Error> {
        let Some(piece) = self.stream.next().await.transpose()? else { return Ok(None) };
        self.seen += piece.len() as u64;
        self.md5.update(&piece);
        if let Some(digest) = &mut self.checksum {
            digest.update(&piece);
        }
        Ok(Some(piece))
    }

    async fn finish(&mut self) -> Result<BodySummary, S3Error> {
        if self.seen != self.length {
            return Err(S3Error::internal("the source of a copy ended before its end"));
        }
        Ok(BodySummary {
            md5: self.md5.finalize_reset().into(),
            length: self.seen,
            checksum: self.checksum.take().map(Digest::finish),
        })
    }

    fn length_hint(&self) -> Option<u64> {
        Some(self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_decoded_once() {
        let of = |text| parse(text).map_err(|e| e.code());
        let pair = |a: &str, b: &str| Ok((a.to_string(), b.to_string(), Which::Current));
        assert_eq!(of("b/k"), pair("b", "k"));
        assert_eq!(of("/b/a%20b%2Bc%3FversionId=x/"), pair("b", "a b+c?versionId=x/"));
        assert_eq!(of("b/a+b/c%2Bd%2520e"), pair("b", "a b/c+d%20e"));
        assert_eq!(of("b%2Fk"), pair("b", "k"));
        assert_eq!(of("b/k?versionId=null"), Ok(("b".into(), "k".into(), Which::Null)));
        assert_eq!(of("b/k?versionId=1"), Err(Code::NoSuchVersion));
        for spelling in ["b/a/k", "/b/a/k", "%62/a%2Fk", "b/a/k?versionId=null"] {
            assert_eq!(named(spelling).unwrap(), "b/a/k");
        }
        for bad in ["", "b", "b/", "/b", "//k", "b/%zz"] {
            assert_eq!(of(bad), Err(Code::InvalidArgument), "{bad}");
        }
    }
}
