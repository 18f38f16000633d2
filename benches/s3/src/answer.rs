//! Reads HTTP/1.1 answers off a connection that is kept: status, length, and whether the body is the expected one.

use std::io::{Error, ErrorKind, Result};
use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// The longest line of a head that is taken.
const LINE_BYTES_MAX: usize = 16 << 10;
/// So much of the body of a refusal is kept, to be shown.
const SHOWN_BYTES: usize = 400;

/// An answer, all of it read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// Bytes of the body.
    pub(crate) bytes: u64,
    /// Whether the body is not the one that was expected.
    pub(crate) differs: bool,
    /// The beginning of the body of an answer of status 300 and above.
    pub(crate) text: Vec<u8>,
    /// Whether the server closes now.
    pub(crate) closes: bool,
}

/// Reads one answer. `head_only`: no body follows, whatever is announced. `expected` is compared with the body.
pub(crate) async fn read<R: AsyncBufRead + Unpin>(
    from: &mut R,
    head_only: bool,
    expected: Option<&[u8]>,
) -> Result<Answer> {
    let first = line(from).await?;
    let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.ok_or_else(|| bad(format!("not a status line: {first:?}")))?;
    let mut answer = Answer { status, ..Answer::default() };
    let (mut length, mut chunked) = (None, false);
    loop {
        let text = line(from).await?;
        if text.is_empty() {
            break;
        }
        let (name, value) = text.split_once(':').ok_or_else(|| bad(format!("not a header: {text:?}")))?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.parse().map_err(|_| bad(format!("content-length {value:?}")))?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = value.eq_ignore_ascii_case("chunked");
        } else if name.eq_ignore_ascii_case("connection") {
            answer.closes = value.eq_ignore_ascii_case("close");
        }
    }
    if head_only || status == 204 || status == 304 {
        return Ok(answer);
    }
    match (chunked, length) {
        (true, _) => loop {
            let text = line(from).await?;
            let size = text.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| bad(format!("a chunk's size: {text:?}")))?;
            body(from, size, expected, &mut answer).await?;
            line(from).await?;
            if size == 0 {
                break;
            }
        },
        (false, Some(length)) => body(from, length, expected, &mut answer).await?,
        (false, None) => return Err(bad("an answer without a length".into())),
    }
    answer.differs = answer.differs || expected.is_some_and(|e| e.len() as u64 != answer.bytes);
    Ok(answer)
}

async fn body<R: AsyncBufRead + Unpin>(
    from: &mut R,
    mut left: u64,
    expected: Option<&[u8]>,
    answer: &mut Answer,
) -> Result<()> {
    while left > 0 {
        let here = from.fill_buf().await?;
        if here.is_empty() {
            return Err(Error::new(ErrorKind::UnexpectedEof, "the connection ended inside a body"));
        }
        let n = here.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if let Some(expected) = expected {
            let at = usize::try_from(answer.bytes).unwrap_or(usize::MAX);
            answer.differs |= expected.get(at..at.saturating_add(n)) != Some(&here[..n]);
        }
        if answer.status >= 300 && answer.text.len() < SHOWN_BYTES {
            answer.text.extend_from_slice(&here[..n.min(SHOWN_BYTES)]);
        }
        answer.bytes += n as u64;
        left -= n as u64;
        from.consume(n);
    }
    Ok(())
}

async fn line<R: AsyncBufRead + Unpin>(from: &mut R) -> Result<String> {
    let mut text = Vec::new();
    loop {
        let here = from.fill_buf().await?;
        if here.is_empty() {
            return Err(Error::new(ErrorKind::UnexpectedEof, "the connection ended inside a head"));
        }
        let end = here.iter().position(|b| *b == b'\n');
        let n = end.map_or(here.len(), |at| at + 1);
        text.extend_from_slice(&here[..n]);
        from.consume(n);
        if text.len() > LINE_BYTES_MAX {
            return Err(bad("a line of a head that does not end".into()));
        }
        if end.is_some() {
            break;
        }
    }
    while matches!(text.last(), Some(b'\n' | b'\r')) {
        text.pop();
    }
    String::from_utf8(text).map_err(|_| bad("a head that is not UTF-8".into()))
}

fn bad(text: String) -> Error {
    Error::new(ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str, head_only: bool, expected: Option<&[u8]>) -> Result<Answer> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        // A small buffer, so that lines and bodies come in pieces.
        let mut from = tokio::io::BufReader::with_capacity(3, text.as_bytes());
        runtime.block_on(read(&mut from, head_only, expected))
    }

    #[test]
    fn lengths_and_chunks_are_read_to_their_end() {
        let plain = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        let got = answer(plain, false, Some(b"hello")).expect("whole");
        assert_eq!((got.status, got.bytes, got.differs), (200, 5, false));
        assert!(answer(plain, false, Some(b"hellO")).expect("whole").differs);
        assert!(answer(plain, false, Some(b"hello!")).expect("whole").differs);
        let chunks = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
        assert_eq!(answer(chunks, false, Some(b"hello")).expect("whole").bytes, 5);
        let head = "HTTP/1.1 404 No\r\nContent-Length: 5\r\nConnection: close\r\n\r\n";
        let got = answer(head, true, None).expect("whole");
        assert_eq!((got.status, got.bytes, got.closes), (404, 0, true));
        assert!(answer(head, false, None).is_err(), "the body is missing");
        assert!(answer("nonsense\r\n\r\n", false, None).is_err());
    }
}
