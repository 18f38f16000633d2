//! The body of a request as it streams in: unwrapped from `aws-chunked`, counted, hashed, and vouched for at
//! its end.

use crate::auth::{ChunkSigner, Payload};
use crate::body_md5::BodyMd5;
use crate::checksum::{self, Checksum, Requested, Source};
use crate::chunked::Decoder;
use crate::error::{Code, S3Error};
use crate::patience::Patience;
use crate::storage::{Body, BodySummary};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use std::time::Instant;

/// The largest object of a single PUT, and the largest part, bytes.
pub(crate) const MAX_BODY_BYTES: u64 = 5 << 30;

/// A request's body. `B` is hyper's in life.
pub(crate) struct PutBody<B> {
    incoming: B,
    patience: Patience,
    pending: Bytes,
    decoder: Option<Decoder>,
    /// Bytes of data announced; none for a body that only its transfer encoding ends.
    length: Option<u64>,
    seen: u64,
    ended: bool,
    md5: BodyMd5,
    expected_md5: Option<[u8; 16]>,
    sha256: Option<(Sha256, [u8; 32])>,
    checksum: Option<(checksum::Digest, Requested)>,
}

/// What a body's headers must say, and how its bytes are vouched for.
pub(crate) struct Announced {
    pub(crate) payload: Payload,
    pub(crate) signer: Option<ChunkSigner>,
    /// Bytes of data; none for a body that only its transfer encoding ends.
    pub(crate) length: Option<u64>,
    pub(crate) md5: Option<[u8; 16]>,
    pub(crate) checksum: Option<Requested>,
}

impl Announced {
    /// Reads the headers about a body. `MissingContentLength`, `EntityTooLarge`, `InvalidDigest`, and what a
    /// checksum can be wrong with.
    pub(crate) fn of_headers(
        headers: &HeaderMap,
        payload: Payload,
        signer: Option<ChunkSigner>,
    ) -> Result<Announced, S3Error> {
        let name = if payload.is_chunked() { "x-amz-decoded-content-length" } else { "content-length" };
        let length = match headers.get(name) {
            Some(value) => Some(
                value
                    .to_str()
                    .ok()
                    .and_then(|v| v.trim().parse::<u64>().ok())
                    .ok_or_else(|| S3Error::invalid_argument("The length is not a number.", name, ""))?,
            ),
            None if headers.contains_key("transfer-encoding") && !payload.is_chunked() => None,
            None => return Err(Code::MissingContentLength.into()),
        };
        if length.is_some_and(|length| length > MAX_BODY_BYTES) {
            return Err(too_large(length.unwrap_or(u64::MAX)));
        }
        let md5 = match headers.get("content-md5") {
            None => None,
            Some(value) => {
                let bytes = STANDARD.decode(value.as_bytes().trim_ascii()).ok();
                let md5: Option<[u8; 16]> = bytes.and_then(|b| b.try_into().ok());
                Some(md5.ok_or_else(|| S3Error::new(Code::InvalidDigest))?)
            }
        };
        let checksum = checksum::expected_of_headers(headers)?;
        let by_trailer = checksum.as_ref().is_some_and(|c| c.source == Source::Trailer);
        if by_trailer && !payload.is_chunked() {
            let message = "x-amz-trailer needs an x-amz-content-sha256 that announces a trailer.";
            return Err(S3Error::with_message(Code::InvalidRequest, message));
        }
        Ok(Announced { payload, signer, length, md5, checksum })
    }
}

impl<B> PutBody<B>
where
    B: http_body::Body<Data = Bytes> + Unpin + Send,
    B::Error: std::fmt::Display,
{
    /// A body that was announced so. Nothing is read (and no `100 Continue` sent) before it is asked for.
    pub(crate) fn new(incoming: B, announced: Announced) -> PutBody<B> {
        let Announced { payload, signer, length, md5, checksum } = announced;
        let sha256 = match payload {
            Payload::Sha256(expected) => Some((Sha256::new(), expected)),
            _ => None,
        };
        PutBody {
            incoming,
            patience: Patience::default(),
            pending: Bytes::new(),
            // Chunks are never without an announced length.
            decoder: payload.is_chunked().then(|| Decoder::new(&payload, signer, length.unwrap_or(0))),
            length,
            seen: 0,
            ended: false,
            md5: BodyMd5::new(length),
            expected_md5: md5,
            sha256,
            checksum: checksum.map(|r| (checksum::Digest::new(r.algorithm), r)),
        }
    }

    /// Has the checksum of `algorithm` computed even if the client did not announce one.
    pub(crate) fn also_compute(&mut self, algorithm: checksum::ChecksumAlgorithm) {
        if self.checksum.is_none() {
            let digest = checksum::Digest::new(algorithm);
            self.checksum = Some((digest, Requested { algorithm, source: Source::Computed }));
        }
    }

    /// The algorithm of the checksum that the client announced.
    pub(crate) fn announced_algorithm(&self) -> Option<checksum::ChecksumAlgorithm> {
        self.checksum.as_ref().map(|(_, r)| r.algorithm)
    }

    /// The whole body, checked, for documents. `MaxMessageLengthExceeded` beyond `max` bytes.
    pub(crate) async fn read_all(&mut self, max: u64) -> Result<Bytes, S3Error> {
        if self.length.is_some_and(|length| length > max) {
            return Err(Code::MaxMessageLengthExceeded.into());
        }
        let mut all = BytesMut::new();
        while let Some(data) = self.next().await? {
            if (all.len() + data.len()) as u64 > max {
                return Err(Code::MaxMessageLengthExceeded.into());
            }
            all.extend_from_slice(&data);
        }
        self.finish().await?;
        Ok(all.freeze())
    }

    /// The next bytes as they came; none at the end.
    async fn frame(&mut self) -> Result<Option<Bytes>, S3Error> {
        loop {
            let asked = Instant::now();
            let frame = tokio::time::timeout(self.patience.left(), self.incoming.frame()).await;
            self.patience.waited(asked.elapsed());
            let frame = match frame {
                Err(_) => return Err(Code::RequestTimeout.into()),
                Ok(None) => return Ok(None),
                Ok(Some(Err(e))) => return Err(S3Error::new(Code::IncompleteBody).caused_by(e)),
                Ok(Some(Ok(frame))) => frame,
            };
            match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => {
                    self.patience.received(data.len());
                    return Ok(Some(data));
                }
                // HTTP's own trailers: S3 has no use for them.
                Err(_) => {}
            }
        }
    }

    /// The next bytes of data, not looked at: for a body that is taken apart before it means anything.
    pub(crate) async fn data(&mut self) -> Result<Option<Bytes>, S3Error> {
        loop {
            if let Some(decoder) = &mut self.decoder
                && let Some(data) = decoder.next(&mut self.pending)?
            {
                return Ok(Some(data));
            }
            match (self.frame().await?, &self.decoder) {
                (None, Some(decoder)) if !decoder.is_done() => return Err(Code::IncompleteBody.into()),
                (None, _) => return Ok(None),
                (Some(data), None) => return Ok(Some(data)),
                (Some(data), Some(_)) => self.pending = data,
            }
        }
    }

    fn expected_checksum(&self) -> Result<Option<Checksum>, S3Error> {
        let Some((_, Requested { algorithm, source })) = &self.checksum else { return Ok(None) };
        match source {
            Source::Computed => Ok(None),
            Source::Header(expected) => Ok(Some(expected.clone())),
            Source::Trailer => {
                let text = self.decoder.as_ref().and_then(|d| d.trailer(algorithm.header()));
                let message = || format!("Value for {} trailing header is invalid.", algorithm.header());
                text.and_then(|t| Checksum::from_base64(*algorithm, t))
                    .map(Some)
                    .ok_or_else(|| S3Error::with_message(Code::InvalidRequest, message()))
            }
        }
    }
}

fn too_large(bytes: u64) -> S3Error {
    S3Error::new(Code::EntityTooLarge)
        .field("ProposedSize", bytes.to_string())
        .field("MaxSizeAllowed", MAX_BODY_BYTES.to_string())
}

impl<B> Body for PutBody<B>
where
    B: http_body::Body<Data = Bytes> + Unpin + Send,
    B::Error: std::fmt::Display,
{
    async fn next(&mut self) -> Result<Option<Bytes>, S3Error> {
        if self.ended {
            return Ok(None);
        }
        let Some(data) = self.data().await? else {
            self.ended = true;
            return Ok(None);
        };
        self.seen += data.len() as u64;
        match self.length {
            Some(length) if self.seen > length => return Err(Code::IncompleteBody.into()),
            None if self.seen > MAX_BODY_BYTES => return Err(too_large(self.seen)),
            _ => {}
        }
        self.md5.update(&data);
        if let Some((sha256, _)) = &mut self.sha256 {
            sha256.update(&data);
        }
        if let Some((digest, _)) = &mut self.checksum {
            digest.update(&data);
        }
        Ok(Some(data))
    }

    async fn finish(&mut self) -> Result<BodySummary, S3Error> {
        // Whoever stops reading at the announced length has not seen that nothing follows it.
        while !self.ended {
            self.next().await?;
        }
        if self.length.is_some_and(|length| length != self.seen) {
            return Err(Code::IncompleteBody.into());
        }
        if let Some((sha256, expected)) = &mut self.sha256 {
            let computed: [u8; 32] = sha256.finalize_reset().into();
            if computed != *expected {
                return Err(S3Error::new(Code::XAmzContentSHA256Mismatch)
                    .field("ClientComputedContentSHA256", crate::hex::encode(expected))
                    .field("S3ComputedContentSHA256", crate::hex::encode(&computed)));
            }
        }
        let md5 = self.md5.finish();
        if let Some(expected) = self.expected_md5
            && expected != md5
        {
            return Err(S3Error::with_message(
                Code::BadDigest,
                "The Content-MD5 you specified did not match what we received.",
            )
            .field("ExpectedDigest", STANDARD.encode(expected))
            .field("CalculatedDigest", STANDARD.encode(md5)));
        }
        let expected = self.expected_checksum()?;
        let checksum = self.checksum.take().map(|(digest, _)| digest.finish());
        if let (Some(expected), Some(computed)) = (&expected, &checksum)
            && expected != computed
        {
            let name = expected.algorithm.name();
            let message = format!("The {name} you specified did not match the calculated checksum.");
            return Err(S3Error::with_message(Code::BadDigest, message));
        }
        Ok(BodySummary { md5, length: self.seen, checksum })
    }

    fn length_hint(&self) -> Option<u64> {
        self.length
    }
}

#[cfg(test)]
#[path = "body_test.rs"]
mod tests;
