//! Answers: their bodies, documents, and errors as documents.

use crate::error::S3Error;
use crate::storage::ByteStream;
use crate::xml::Document;
use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};

/// An answer.
pub(crate) type Response = http::Response<ResponseBody>;

/// The body of an answer.
pub(crate) enum ResponseBody {
    /// All of it; none once it is sent.
    Whole(Option<Bytes>),
    /// As it is read; `left` bytes are to come. An error in the middle ends the connection, which is the only
    /// way left to tell the client.
    Stream { stream: ByteStream, left: u64 },
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = S3Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, S3Error>>> {
        match self.get_mut() {
            ResponseBody::Whole(data) => Poll::Ready(data.take().map(|d| Ok(Frame::data(d)))),
            ResponseBody::Stream { left: 0, .. } => Poll::Ready(None),
            ResponseBody::Stream { stream, left } => stream.poll_next_unpin(cx).map(|next| match next {
                Some(Ok(data)) => {
                    *left = left.saturating_sub(data.len() as u64);
                    Some(Ok(Frame::data(data)))
                }
                Some(Err(e)) => {
                    tracing::warn!("a read failed after its answer had begun: {e}");
                    Some(Err(e))
                }
                None => Some(Err(S3Error::internal("a read ended before its end"))),
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            ResponseBody::Whole(data) => data.is_none(),
            ResponseBody::Stream { left, .. } => *left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ResponseBody::Whole(data) => SizeHint::with_exact(data.as_ref().map_or(0, |d| d.len() as u64)),
            ResponseBody::Stream { left, .. } => SizeHint::with_exact(*left),
        }
    }
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response {
    with(status, ResponseBody::Whole(None))
}

/// An answer with this body.
pub(crate) fn with(status: StatusCode, body: ResponseBody) -> Response {
    let mut response = http::Response::new(body);
    *response.status_mut() = status;
    response
}

/// A document as an answer.
pub(crate) fn document(status: StatusCode, document: Document) -> Response {
    let mut response = with(status, ResponseBody::Whole(Some(document.finish())));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

/// An error as an answer. Answers to HEAD and `304` have no body.
pub(crate) fn error(e: &S3Error, resource: &str, request_id: &str, head: bool) -> Response {
    let status = e.code().status();
    let mut response = if head || status == StatusCode::NOT_MODIFIED {
        empty(status)
    } else {
        let mut d = Document::plain("Error");
        d.leaf("Code", e.code().name()).leaf("Message", e.message());
        for (name, value) in e.fields() {
            d.leaf(name, value);
        }
        d.leaf("Resource", resource).leaf("RequestId", request_id).leaf("HostId", "nacre");
        document(status, d)
    };
    for (name, value) in e.headers() {
        response.headers_mut().insert(name.clone(), value.clone());
    }
    response
}

/// Sets a header to a text that came in as a header, or that we made. One that HTTP cannot carry is left out.
pub(crate) fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Some(value) = header_value(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// A header's value as text, byte for char, so that whatever came comes back as it came: UTF-8, Latin-1 or
/// anything else.
pub(crate) fn text_of_header(value: &HeaderValue) -> String {
    value.as_bytes().trim_ascii().iter().map(|b| char::from(*b)).collect()
}

/// The inverse of `text_of_header`.
pub(crate) fn header_value(text: &str) -> Option<HeaderValue> {
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    HeaderValue::from_bytes(&bytes?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_byte_for_byte() {
        for bytes in [&b"plain"[..], "ü€".as_bytes(), b"\xe9\xff"] {
            let value = HeaderValue::from_bytes(bytes).unwrap();
            assert_eq!(header_value(&text_of_header(&value)), Some(value));
        }
        assert_eq!(header_value("€"), None);
        assert_eq!(header_value("a\nb"), None);
    }
}
