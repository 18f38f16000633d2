//! Pages that nobody wrote: what a browser is shown where something is wrong and the bucket has no page for it.

use crate::error::S3Error;
use crate::response::{self, Response, ResponseBody};
use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};

/// Text as HTML has it. What comes from addresses is shown, and must not become markup.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn answer(status: StatusCode, body: String, head: bool) -> Response {
    let length = body.len();
    let body = if head { None } else { Some(Bytes::from(body)) };
    let mut response = response::with(status, ResponseBody::Whole(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response::set(headers, "content-length", &length.to_string());
    response
}

/// The page of an error.
pub(super) fn error(e: &S3Error, request_id: &str, head: bool) -> Response {
    let status = e.code().status();
    let title = escape(&status.to_string());
    let mut items = vec![format!("Code: {}", e.code().name()), format!("Message: {}", escape(e.message()))];
    items.extend(e.fields().iter().map(|(name, value)| format!("{name}: {}", escape(value))));
    items.push(format!("RequestId: {request_id}"));
    let items: String = items.iter().map(|item| format!("<li>{item}</li>\n")).collect();
    let body = format!(
        "<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n<body><h1>{title}</h1>\n<ul>\n{items}</ul>\n<hr/></body></html>\n"
    );
    answer(status, body, head)
}

/// An answer that sends a browser elsewhere. A place that no header can carry: the page alone.
pub(super) fn redirect(status: u16, location: &str, head: bool) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::MOVED_PERMANENTLY);
    let title = escape(&status.to_string());
    let body = format!(
        "<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    );
    let mut response = answer(status, body, head);
    response::set(response.headers_mut(), "location", location);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn nothing_from_an_address_becomes_markup() {
        let e = S3Error::new(Code::NoSuchKey).field("Key", "<script>alert('x')</script>\"&");
        let ResponseBody::Whole(Some(body)) = error(&e, "1", false).into_body() else { panic!("a page") };
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(text.contains("404 Not Found") && text.contains("Code: NoSuchKey"));
        assert!(text.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;"), "{text}");
        assert!(!text.contains("<script>"));
        assert!(matches!(error(&e, "1", true).into_body(), ResponseBody::Whole(None)));
    }
}
