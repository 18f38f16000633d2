//! GetObject.

use super::conditions::check_read;
use super::headers::{describe, set_checksum};
use super::range::{self, Span};
use super::version;
use crate::encryption;
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::{self, Response, ResponseBody, set};
use crate::server::Gateway;
use crate::storage::{Entry, ObjectChecksum};
use bytes::Bytes;
use futures_util::StreamExt;
use gateway_client::Rados;
use http::StatusCode;

/// Gives an object's bytes, all or a range or a part of them.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_of_anybody(gw).await?;
    let mut entry = version::find(gw, &rq, &bucket, true).await?;
    let answer = Answer::of(&rq, &entry)?;
    encryption::unlock_for_read(gw, &rq, &mut entry).await?;
    let body = read(gw, &entry, answer.span).await?;
    let mut response = response::with(answer.status, body);
    answer.describe(response.headers_mut(), &rq, &entry)?;
    version::set_version(response.headers_mut(), &bucket, entry.version);
    version::set_expiration_of(response.headers_mut(), &rq, &bucket, &entry)?;
    Ok(response)
}

/// Begins to read. The first piece comes before the answer begins, so that a read that cannot be is still an
/// error with a name, and a small object leaves together with its headers.
async fn read<R: Rados>(gw: &Gateway<R>, entry: &Entry, span: Span) -> Result<ResponseBody, S3Error> {
    if span.length == 0 {
        return Ok(ResponseBody::Whole(None));
    }
    let mut stream = gw.storage.read(entry, span.offset, span.length);
    let first: Bytes = match stream.next().await {
        Some(piece) => piece?,
        None => return Err(S3Error::internal("a read ended before it began")),
    };
    if first.len() as u64 >= span.length {
        return Ok(ResponseBody::Whole(Some(first)));
    }
    let stream = futures_util::stream::once(async move { Ok(first) }).chain(stream).boxed();
    Ok(ResponseBody::Stream { stream, left: span.length })
}

/// What of an object is answered, and how; the same for GET and HEAD.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) span: Span,
    /// The part that was asked for.
    part: Option<u16>,
    checksum: Option<ObjectChecksum>,
}

impl Answer {
    /// Decides. What conditions, ranges and part numbers can be wrong with.
    pub(super) fn of(rq: &Request, entry: &Entry) -> Result<Answer, S3Error> {
        let range = rq.header("range");
        let part = rq.query.get("partNumber").map(parse_part).transpose()?;
        if range.is_some() && part.is_some() {
            let message = "Cannot specify both Range header and partNumber query parameter";
            return Err(S3Error::with_message(Code::InvalidRequest, message));
        }
        check_read(&rq.headers, entry)?;
        let whole = Span { offset: 0, length: entry.size };
        let (status, span, checksum) = match (part, range) {
            (Some(number), _) => {
                let (span, checksum) = part_span(entry, number)?;
                (StatusCode::PARTIAL_CONTENT, span, checksum)
            }
            (None, Some(text)) => match range::of_header(text, entry.size)? {
                // A checksum of the whole would only lead astray.
                Some(span) if span != whole => (StatusCode::PARTIAL_CONTENT, span, None),
                Some(span) => (StatusCode::PARTIAL_CONTENT, span, entry.checksum.clone()),
                None => (StatusCode::OK, whole, entry.checksum.clone()),
            },
            (None, None) => (StatusCode::OK, whole, entry.checksum.clone()),
        };
        Ok(Answer { status, span, part, checksum })
    }

    /// Sets the headers.
    pub(super) fn describe(
        &self,
        headers: &mut http::HeaderMap,
        rq: &Request,
        entry: &Entry,
    ) -> Result<(), S3Error> {
        describe(headers, entry, rq)?;
        set(headers, "content-length", &self.span.length.to_string());
        if self.status == StatusCode::PARTIAL_CONTENT && self.span.length > 0 {
            let Span { offset, length } = self.span;
            set(headers, "content-range", &format!("bytes {offset}-{}/{}", offset + length - 1, entry.size));
        }
        let parts = entry.etag.parts;
        let of_a_part = self.part.is_some() && parts > 0;
        if of_a_part {
            set(headers, "x-amz-mp-parts-count", &parts.to_string());
        }
        let wanted = rq.header("x-amz-checksum-mode").is_some_and(|m| m.eq_ignore_ascii_case("ENABLED"));
        if let (true, Some(checksum)) = (wanted, &self.checksum) {
            set_checksum(headers, checksum, if of_a_part { 0 } else { parts });
        }
        Ok(())
    }
}

/// A number of parts, or of a part, in a header.
pub(super) fn part_limit(rq: &Request, name: &str, usual: u32) -> Result<u32, S3Error> {
    let Some(text) = rq.header(name) else { return Ok(usual) };
    text.parse().map_err(|_| S3Error::invalid_argument("Provided value not an integer", name, text))
}

fn parse_part(text: &str) -> Result<u16, S3Error> {
    text.parse().ok().filter(|n| (1..=10_000).contains(n)).ok_or_else(|| {
        let message = "Part number must be an integer between 1 and 10000, inclusive";
        S3Error::invalid_argument(message, "partNumber", text)
    })
}

/// Where a part lies. An object of a single put is its own part 1. `InvalidPart` if there is none, as RGW
/// answers; S3 has 416 and `InvalidPartNumber`.
fn part_span(entry: &Entry, number: u16) -> Result<(Span, Option<ObjectChecksum>), S3Error> {
    if entry.parts.is_empty() && number == 1 {
        return Ok((Span { offset: 0, length: entry.size }, entry.checksum.clone()));
    }
    let mut offset = 0;
    for part in &entry.parts {
        if part.number == number {
            // The part's own value, and the type that the whole's is of.
            let checksum = part.checksum.clone().zip(entry.checksum.as_ref());
            let checksum = checksum.map(|(checksum, whole)| ObjectChecksum { checksum, kind: whole.kind });
            return Ok((Span { offset, length: part.size }, checksum));
        }
        offset += part.size;
    }
    let count = entry.parts.len().max(1);
    Err(S3Error::new(Code::InvalidPart)
        .field("PartNumberRequested", number.to_string())
        .field("ActualPartCount", count.to_string()))
}
