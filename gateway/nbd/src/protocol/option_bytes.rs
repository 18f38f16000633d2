//! What options carry and what their replies look like, byte by byte.

use super::handshake::HandshakeError;
use super::words::{
    OPTION_BYTES_MAX, OPTION_MAGIC, OPTION_REPLY_MAGIC, OPTION_SKIP_MAX, STRING_BYTES_MAX, option_reply,
};

/// The head of an option: 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionHead {
    /// Which.
    pub option: u32,
    /// Bytes that follow.
    pub len: u32,
}

impl OptionHead {
    /// Reads the head.
    pub fn parse(bytes: &[u8; 16]) -> Result<OptionHead, HandshakeError> {
        let magic = u64::from_be_bytes(*bytes.first_chunk().expect("16 bytes hold 8"));
        if magic != OPTION_MAGIC {
            return Err(HandshakeError::Magic(magic));
        }
        let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let head = OptionHead { option: word(8), len: word(12) };
        if head.len > OPTION_SKIP_MAX { Err(HandshakeError::TooLong(head.len)) } else { Ok(head) }
    }
    /// Whether the option is read past instead of looked at.
    pub fn too_big(self) -> bool {
        self.len > OPTION_BYTES_MAX
    }
}

/// One reply to an option.
pub(super) fn reply(option: u32, kind: u32, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(20 + body.len());
    out.extend(OPTION_REPLY_MAGIC.to_be_bytes());
    for word in [option, kind, body.len() as u32] {
        out.extend(word.to_be_bytes());
    }
    out.extend_from_slice(body);
    out
}

/// An error reply; its text may be cut to what a string may be long.
pub(super) fn error(option: u32, kind: u32, text: &str) -> Vec<u8> {
    let end = (0..=text.len().min(STRING_BYTES_MAX)).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    reply(option, kind, &text.as_bytes()[..end])
}

pub(super) fn invalid(option: u32) -> Vec<u8> {
    error(option, option_reply::ERR_INVALID, "the option's data make no sense")
}

/// Takes a length of 32 bits and a string of it.
fn string<'a>(data: &mut &'a [u8]) -> Option<&'a str> {
    let (len, rest) = data.split_first_chunk::<4>()?;
    let len = u32::from_be_bytes(*len) as usize;
    if len > STRING_BYTES_MAX {
        return None;
    }
    let (text, rest) = rest.split_at_checked(len)?;
    *data = rest;
    std::str::from_utf8(text).ok()
}

/// The name in INFO and GO. Which facts are asked for does not matter: all are given.
pub(super) fn info_request(mut data: &[u8]) -> Option<String> {
    let name = string(&mut data)?.to_string();
    let (count, rest) = data.split_first_chunk::<2>()?;
    (rest.len() == 2 * usize::from(u16::from_be_bytes(*count))).then_some(name)
}

/// The name and the queries of the two options about contexts.
pub(super) fn context_request(mut data: &[u8]) -> Option<(String, Vec<&str>)> {
    let name = string(&mut data)?.to_string();
    let (count, mut rest) = data.split_first_chunk::<4>()?;
    let count = u32::from_be_bytes(*count) as usize;
    // Each takes four bytes at least, so what is collected is bounded by what was sent.
    let mut queries = Vec::new();
    while queries.len() < count {
        queries.push(string(&mut rest)?);
    }
    rest.is_empty().then_some((name, queries))
}
