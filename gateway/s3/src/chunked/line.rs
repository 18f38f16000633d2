//! Lines of an `aws-chunked` body, however the network cuts them.

use crate::error::{Code, S3Error};
use crate::hex;
use bytes::{Buf, Bytes};

/// The longest line taken: a chunk header is under 110 bytes, a trailing header under 200.
const MAX_LINE_BYTES: usize = 4096;

/// Gathers one line, ended by `\n` or `\r\n`.
#[derive(Default)]
pub(super) struct Line(Vec<u8>);

impl Line {
    /// Takes from the front of `input` up to and with the line's end; the line without its end once it is
    /// complete.
    pub(super) fn take(&mut self, input: &mut Bytes) -> Result<Option<Vec<u8>>, S3Error> {
        let end = input.iter().position(|b| *b == b'\n');
        let n = end.unwrap_or(input.len());
        if self.0.len() + n > MAX_LINE_BYTES {
            let message = "The aws-chunked body is malformed: a line is too long.";
            return Err(S3Error::with_message(Code::InvalidRequest, message));
        }
        self.0.extend_from_slice(&input[..n]);
        input.advance(n + usize::from(end.is_some()));
        if end.is_none() {
            return Ok(None);
        }
        let mut line = std::mem::take(&mut self.0);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(line))
    }
}

pub(super) struct ChunkHeader {
    pub(super) size: u64,
    pub(super) signature: Option<[u8; 32]>,
}

/// Reads `SIZE` or `SIZE;chunk-signature=HEX`, SIZE in hex.
pub(super) fn parse_chunk_header(line: &[u8]) -> Option<ChunkHeader> {
    let text = std::str::from_utf8(line).ok()?;
    let mut pieces = text.split(';');
    let size = pieces.next()?.trim();
    if size.is_empty() || size.len() > 16 || !size.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let size = u64::from_str_radix(size, 16).ok()?;
    let mut signature = None;
    for piece in pieces {
        if let Some(value) = piece.trim().strip_prefix("chunk-signature=") {
            signature = Some(hex::decode(value.as_bytes())?);
        }
    }
    Some(ChunkHeader { size, signature })
}

/// Reads `Name: value`; the name comes back in lower case.
pub(super) fn parse_trailer(line: &[u8]) -> Option<(String, String)> {
    let (name, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
    let name = name.trim().to_ascii_lowercase();
    (!name.is_empty()).then(|| (name, value.trim().to_string()))
}
