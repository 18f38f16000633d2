//! Takes a `multipart/form-data` body apart while it arrives. Pure: bytes in, pieces out; holds no more than the fields
//! before the file and the tail of a piece that may be the beginning of a boundary.

use crate::error::{Code, S3Error};
use bytes::{Bytes, BytesMut};

/// The longest boundary that is taken; RFC 2046 has 70.
const BOUNDARY_BYTES_MAX: usize = 200;
/// The head of a part.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// What stands before the first boundary is of no use to anybody.
const PREAMBLE_BYTES_MAX: usize = 8 * 1024;

/// What comes out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A part begins.
    Part {
        /// The field's name.
        name: String,
        /// The name of the file, where it is said to be one.
        filename: Option<String>,
    },
    /// Bytes of the part.
    Data(Bytes),
    /// The part is over.
    PartEnd,
    /// The form is over. What follows means nothing.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first boundary.
    Preamble,
    /// Behind a boundary: a line's end, or the two hyphens of the last one.
    Boundary,
    Head,
    Data,
    Over,
}

/// A form under way.
pub(super) struct Parser {
    /// `\r\n--BOUNDARY`.
    delimiter: Vec<u8>,
    buffer: BytesMut,
    state: State,
}

fn malformed(what: &str) -> S3Error {
    let message = format!("The body of your POST request is not well-formed multipart/form-data: {what}.");
    S3Error::with_message(Code::MalformedPOSTRequest, message)
}

/// A parameter of a header such as `form-data; name="a"; filename="b"`. Quoted ones may hold escaped quotes.
fn parameter(header: &str, wanted: &str) -> Option<String> {
    let mut rest = header.split_once(';')?.1;
    loop {
        let (name, after) = rest.split_once('=')?;
        let name = name.trim().trim_start_matches(';').trim();
        let (value, tail) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => {
                let mut value = String::new();
                let mut chars = quoted.char_indices();
                let end = loop {
                    match chars.next()? {
                        (i, '"') => break i + 1,
                        // Browsers escape only quotes; a backslash of a Windows path is itself.
                        (_, '\\') if chars.as_str().starts_with('"') => {
                            chars.next();
                            value.push('"');
                        }
                        (_, c) => value.push(c),
                    }
                };
                (value, &quoted[end..])
            }
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim().to_string(), &after[end..])
            }
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = tail;
    }
}

/// The boundary that a `Content-Type` names; none if it is not of a form.
pub(super) fn boundary_of(content_type: &str) -> Option<String> {
    let kind = content_type.split(';').next()?.trim();
    let boundary =
        parameter(content_type, "boundary").filter(|_| kind.eq_ignore_ascii_case("multipart/form-data"))?;
    (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len()).then_some(boundary)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + haystack.get(from..)?.iter().position(|b| *b == needle[0])?;
        if haystack[at..].starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
}

impl Parser {
    /// A form with this boundary.
    pub(super) fn new(boundary: &str) -> Parser {
        // The first boundary has no line before it: as if there were one.
        let buffer = BytesMut::from(&b"\r\n"[..]);
        Parser { delimiter: format!("\r\n--{boundary}").into_bytes(), buffer, state: State::Preamble }
    }

    /// Takes more bytes of the body.
    pub(super) fn push(&mut self, data: &[u8]) {
        if self.state != State::Over {
            self.buffer.extend_from_slice(data);
        }
    }

    /// The next piece; none: more bytes are needed. `MalformedPOSTRequest`.
    pub(super) fn next(&mut self) -> Result<Option<Piece>, S3Error> {
        loop {
            match self.state {
                State::Over => return Ok(None),
                State::Preamble => {
                    let Some(at) = find(&self.buffer, &self.delimiter) else {
                        let long = self.buffer.len() > PREAMBLE_BYTES_MAX + self.delimiter.len();
                        return if long { Err(malformed("no boundary")) } else { Ok(None) };
                    };
                    let _ = self.buffer.split_to(at + self.delimiter.len());
                    self.state = State::Boundary;
                }
                State::Boundary => {
                    // Spaces may follow a boundary.
                    let skip = self.buffer.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
                    if skip > HEAD_BYTES_MAX {
                        return Err(malformed("a boundary goes on"));
                    }
                    let Some(two) = self.buffer.get(skip..skip + 2) else { return Ok(None) };
                    match two {
                        b"--" => {
                            self.state = State::Over;
                            self.buffer.clear();
                            return Ok(Some(Piece::End));
                        }
                        b"\r\n" => {
                            // The line's end stays: a part without any header begins with two.
                            let _ = self.buffer.split_to(skip);
                            self.state = State::Head;
                        }
                        _ => return Err(malformed("a boundary goes on")),
                    }
                }
                State::Head => {
                    let Some(end) = find(&self.buffer, b"\r\n\r\n") else {
                        let long = self.buffer.len() > HEAD_BYTES_MAX;
                        return if long {
                            Err(malformed("the head of a part is too long"))
                        } else {
                            Ok(None)
                        };
                    };
                    if end > HEAD_BYTES_MAX {
                        return Err(malformed("the head of a part is too long"));
                    }
                    let head = self.buffer.split_to(end);
                    let _ = self.buffer.split_to(4);
                    // An empty part begins with the delimiter, whose line's end was just taken.
                    let mut rest = BytesMut::with_capacity(self.buffer.len() + 2);
                    rest.extend_from_slice(b"\r\n");
                    rest.extend_from_slice(&self.buffer);
                    let starts = rest.len() >= self.delimiter.len() && rest.starts_with(&self.delimiter);
                    let undecided = rest.len() < self.delimiter.len() && self.delimiter.starts_with(&rest);
                    if undecided {
                        // Put it back until it shows.
                        let mut again = head;
                        again.extend_from_slice(b"\r\n\r\n");
                        again.extend_from_slice(&self.buffer);
                        self.buffer = again;
                        return Ok(None);
                    }
                    if starts {
                        self.buffer = rest;
                    }
                    self.state = State::Data;
                    return part(&head).map(Some);
                }
                State::Data => return Ok(self.data()),
            }
        }
    }

    fn data(&mut self) -> Option<Piece> {
        if let Some(at) = find(&self.buffer, &self.delimiter) {
            if at > 0 {
                return Some(Piece::Data(self.buffer.split_to(at).freeze()));
            }
            let _ = self.buffer.split_to(self.delimiter.len());
            self.state = State::Boundary;
            return Some(Piece::PartEnd);
        }
        // All but what may be the beginning of a delimiter.
        let sure = self.buffer.len().saturating_sub(self.delimiter.len() - 1);
        (sure > 0).then(|| Piece::Data(self.buffer.split_to(sure).freeze()))
    }
}

fn part(head: &[u8]) -> Result<Piece, S3Error> {
    let head = String::from_utf8_lossy(head);
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then(|| value.trim().to_string())
    });
    let disposition = disposition.ok_or_else(|| malformed("a part without Content-Disposition"))?;
    let name = parameter(&disposition, "name").ok_or_else(|| malformed("a part without a name"))?;
    Ok(Piece::Part { name, filename: parameter(&disposition, "filename") })
}

/// Whole fields of a form that comes in pieces of `step()` bytes, for the fuzzer; none if it is refused.
pub(crate) fn pieces(
    content_type: &str,
    body: &[u8],
    mut step: impl FnMut() -> usize,
) -> Option<Vec<(String, Vec<u8>)>> {
    let (mut parser, mut out, mut rest) = (Parser::new(&boundary_of(content_type)?), Vec::new(), body);
    loop {
        match parser.next().ok()? {
            Some(Piece::Part { name, .. }) => out.push((name, Vec::new())),
            Some(Piece::Data(data)) => out.last_mut()?.1.extend_from_slice(&data),
            Some(Piece::PartEnd) => {}
            Some(Piece::End) => return Some(out),
            None if rest.is_empty() => return None,
            None => {
                let (now, later) = rest.split_at(step().clamp(1, rest.len()));
                parser.push(now);
                rest = later;
                assert!(parser.buffer.len() <= now.len() + HEAD_BYTES_MAX + PREAMBLE_BYTES_MAX);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(parts: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, value) in parts {
            out.extend(
                format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes(),
            );
        }
        out.extend(b"--XX--\r\n");
        out
    }

    fn read(body: &[u8], step: impl FnMut() -> usize) -> Option<Vec<(String, Vec<u8>)>> {
        pieces("multipart/form-data; boundary=XX", body, step)
    }

    #[test]
    fn fields_come_out_whole_however_the_body_is_cut() {
        let tricky = "a\r\n--X\r\n\r\n--XY\r\r\n--";
        let parts = [("key", "k"), ("empty", ""), ("file", tricky)];
        let wanted: Vec<(String, Vec<u8>)> =
            parts.iter().map(|(n, v)| (n.to_string(), v.as_bytes().to_vec())).collect();
        let body = form(&parts);
        for step in 1..60 {
            assert_eq!(read(&body, || step).unwrap(), wanted, "steps of {step}");
        }
        let mut with_preamble = b"hello\r\n".to_vec();
        with_preamble.extend(&body);
        assert_eq!(read(&with_preamble, || 7).unwrap(), wanted);
    }

    #[test]
    fn parameters_are_read_quoted_and_bare() {
        let header = "form-data; name=\"a;b\"; filename=\"C:\\x\\\"y\\\".txt\"; other=z";
        assert_eq!(parameter(header, "name").unwrap(), "a;b");
        assert_eq!(parameter(header, "filename").unwrap(), "C:\\x\"y\".txt");
        assert_eq!(parameter(header, "other").unwrap(), "z");
        assert_eq!(parameter(header, "none"), None);
        assert_eq!(boundary_of("multipart/form-data; boundary=\"a b\"").unwrap(), "a b");
        assert_eq!(boundary_of("multipart/form-data; charset=x; boundary=ab").unwrap(), "ab");
        for bad in ["text/plain; boundary=a", "multipart/form-data", "multipart/form-data; boundary="] {
            assert_eq!(boundary_of(bad), None, "{bad}");
        }
        assert_eq!(boundary_of(&format!("multipart/form-data; boundary={}", "x".repeat(201))), None);
    }

    #[test]
    fn what_is_no_form_is_refused_and_costs_little() {
        assert!(read(&[b'x'; 100_000], || 1000).is_none());
        assert!(read(b"--XX\r\nContent-Type: a\r\n\r\nv\r\n--XX--", || 100).is_none());
        assert!(read(b"--XXjunk\r\n", || 100).is_none());
        let endless = format!("--XX\r\nContent-Disposition: {}", "x".repeat(100_000));
        assert!(read(endless.as_bytes(), || 1000).is_none());
    }
}
