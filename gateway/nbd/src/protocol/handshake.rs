//! The fixed newstyle handshake as a state machine: options in, questions to the exports and replies out.

use super::words::{
    BASE_ALLOCATION, BASE_ALLOCATION_ID, FIXED_NEWSTYLE, GREETING, NO_ZEROES, OPTION_BYTES_MAX, OPTION_MAGIC,
    OPTION_REPLY_MAGIC, OPTION_SKIP_MAX, REQUEST_BYTES_MAX, STRING_BYTES_MAX, can, info, option,
    option_reply,
};
use crate::export::{ExportError, Facts};

/// What the server says first.
pub fn greeting() -> [u8; 18] {
    let mut out = [0; 18];
    out[..8].copy_from_slice(&GREETING.to_be_bytes());
    out[8..16].copy_from_slice(&OPTION_MAGIC.to_be_bytes());
    out[16..].copy_from_slice(&(FIXED_NEWSTYLE | NO_ZEROES).to_be_bytes());
    out
}

/// Why a connection ends before it served anything. Logged, not sent: such a peer may not speak NBD at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// Flags that this server did not offer, or an old client.
    #[error("the client asks for a handshake that this server does not have (flags {0:#x})")]
    Flags(u32),
    /// An option that does not begin as options do.
    #[error("an option begins with {0:#x}, which is not NBD")]
    Magic(u64),
    /// An option too long even to be read past.
    #[error("an option of {0} bytes")]
    TooLong(u32),
    /// EXPORT_NAME of something that cannot be served; that option has no way to say so.
    #[error("the client insists on an export that cannot be served")]
    Insists,
}

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

/// What an option comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this and wait for the next option.
    Send(Vec<u8>),
    /// Send this and end.
    Close(Vec<u8>),
    /// Ask the exports, and go on with the matching `answer_...`.
    List,
    /// The same: about one export, to use it if `go`.
    Info {
        /// Its name.
        name: String,
        /// Whether it is to be used.
        go: bool,
    },
    /// The same: use it; there is no way to refuse but to end.
    ExportName {
        /// Its name.
        name: String,
    },
}

/// What was agreed on, once an export is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// Replies come in chunks.
    pub structured: bool,
    /// base:allocation was chosen for the export.
    pub allocation: bool,
}

/// The handshake of one connection.
#[derive(Debug, Default)]
pub struct Handshake {
    no_zeroes: bool,
    structured: bool,
    /// The export for which base:allocation was chosen.
    context: Option<String>,
}

impl Handshake {
    /// Begins with the client's flags.
    pub fn begin(flags: u32) -> Result<Handshake, HandshakeError> {
        let known = u32::from(FIXED_NEWSTYLE | NO_ZEROES);
        if flags & !known != 0 || flags & u32::from(FIXED_NEWSTYLE) == 0 {
            return Err(HandshakeError::Flags(flags));
        }
        Ok(Handshake { no_zeroes: flags & u32::from(NO_ZEROES) != 0, ..Handshake::default() })
    }

    /// An option that was too big to be looked at.
    pub fn refuse_big(&self, option: u32) -> Vec<u8> {
        error(option, option_reply::ERR_TOO_BIG, "the option is too long")
    }

    /// One option with its data.
    pub fn option(&mut self, option: u32, data: &[u8]) -> Step {
        match option {
            option::EXPORT_NAME => match std::str::from_utf8(data) {
                Ok(name) if data.len() <= STRING_BYTES_MAX => Step::ExportName { name: name.to_string() },
                _ => Step::Close(Vec::new()),
            },
            option::ABORT => Step::Close(reply(option, option_reply::ACK, &[])),
            option::LIST if data.is_empty() => Step::List,
            option::INFO | option::GO => match info_request(data) {
                Some(name) => Step::Info { name, go: option == option::GO },
                None => Step::Send(invalid(option)),
            },
            option::STRUCTURED_REPLY if data.is_empty() => {
                self.structured = true;
                Step::Send(reply(option, option_reply::ACK, &[]))
            }
            option::LIST_META_CONTEXT | option::SET_META_CONTEXT => Step::Send(self.contexts(option, data)),
            option::LIST | option::STRUCTURED_REPLY => Step::Send(invalid(option)),
            _ => Step::Send(error(option, option_reply::ERR_UNSUP, "this server does not have that option")),
        }
    }

    fn contexts(&mut self, option: u32, data: &[u8]) -> Vec<u8> {
        let set = option == option::SET_META_CONTEXT;
        if set {
            // Each choice replaces the one before, also when it is refused.
            self.context = None;
            if !self.structured {
                return error(option, option_reply::ERR_INVALID, "block status needs structured replies");
            }
        }
        let Some((name, queries)) = context_request(data) else { return invalid(option) };
        let chosen = match set {
            true => queries.contains(&BASE_ALLOCATION),
            false => queries.is_empty() || queries.iter().any(|q| ["base:", BASE_ALLOCATION].contains(q)),
        };
        let mut out = Vec::new();
        if chosen {
            let id = if set { BASE_ALLOCATION_ID } else { 0 };
            let body = [&id.to_be_bytes()[..], BASE_ALLOCATION.as_bytes()].concat();
            out = reply(option, option_reply::META_CONTEXT, &body);
            if set {
                self.context = Some(name);
            }
        }
        out.extend(reply(option, option_reply::ACK, &[]));
        out
    }

    /// The names of the exports, or why they are not known.
    pub fn answer_list(&self, names: &Result<Vec<String>, ExportError>) -> Vec<u8> {
        let names = match names {
            Ok(names) => names,
            Err(e) => return error(option::LIST, refusal(e), &e.to_string()),
        };
        let mut out = Vec::new();
        for name in names.iter().filter(|n| n.len() <= STRING_BYTES_MAX) {
            let body = [&(name.len() as u32).to_be_bytes()[..], name.as_bytes()].concat();
            out.extend(reply(option::LIST, option_reply::SERVER, &body));
        }
        out.extend(reply(option::LIST, option_reply::ACK, &[]));
        out
    }

    /// What an export is like, or why it cannot be served.
    pub fn answer_info(&self, name: &str, go: bool, facts: &Result<Facts, ExportError>) -> Vec<u8> {
        let option = if go { option::GO } else { option::INFO };
        let facts = match facts {
            Ok(facts) => facts,
            Err(e) => return error(option, refusal(e), &e.to_string()),
        };
        let mut export = info::EXPORT.to_be_bytes().to_vec();
        export.extend(facts.size.to_be_bytes());
        export.extend(self.flags(facts).to_be_bytes());
        let mut sizes = info::BLOCK_SIZE.to_be_bytes().to_vec();
        for bytes in [facts.block_min, facts.block_preferred, REQUEST_BYTES_MAX] {
            sizes.extend(bytes.to_be_bytes());
        }
        let name = [&info::NAME.to_be_bytes()[..], name.as_bytes()].concat();
        let mut out = Vec::new();
        for body in [export, name, sizes] {
            out.extend(reply(option, option_reply::INFO, &body));
        }
        out.extend(reply(option, option_reply::ACK, &[]));
        out
    }

    /// The answer to EXPORT_NAME.
    pub fn answer_export_name(&self, facts: &Facts) -> Vec<u8> {
        let mut out = facts.size.to_be_bytes().to_vec();
        out.extend(self.flags(facts).to_be_bytes());
        if !self.no_zeroes {
            out.resize(out.len() + 124, 0);
        }
        out
    }

    /// What holds from here on, for the export that is used.
    pub fn session(&self, name: &str) -> Session {
        Session { structured: self.structured, allocation: self.context.as_deref() == Some(name) }
    }

    fn flags(&self, facts: &Facts) -> u16 {
        let mut flags = can::HAS_FLAGS | can::FLUSH | can::FUA | can::MULTI_CONN | can::CACHE;
        flags |= match facts.read_only {
            true => can::READ_ONLY,
            false => can::TRIM | can::WRITE_ZEROES | can::FAST_ZERO,
        };
        if self.structured { flags | can::DF } else { flags }
    }
}

fn refusal(error: &ExportError) -> u32 {
    match error {
        ExportError::Unknown(_) => option_reply::ERR_UNKNOWN,
        ExportError::InUse(_) => option_reply::ERR_POLICY,
        ExportError::Unavailable(_) => option_reply::ERR_SHUTDOWN,
    }
}

fn reply(option: u32, kind: u32, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(20 + body.len());
    out.extend(OPTION_REPLY_MAGIC.to_be_bytes());
    for word in [option, kind, body.len() as u32] {
        out.extend(word.to_be_bytes());
    }
    out.extend_from_slice(body);
    out
}

/// An error reply; its text may be cut to what a string may be long.
fn error(option: u32, kind: u32, text: &str) -> Vec<u8> {
    let end = (0..=text.len().min(STRING_BYTES_MAX)).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    reply(option, kind, &text.as_bytes()[..end])
}

fn invalid(option: u32) -> Vec<u8> {
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
fn info_request(mut data: &[u8]) -> Option<String> {
    let name = string(&mut data)?.to_string();
    let (count, rest) = data.split_first_chunk::<2>()?;
    (rest.len() == 2 * usize::from(u16::from_be_bytes(*count))).then_some(name)
}

fn context_request(mut data: &[u8]) -> Option<(String, Vec<&str>)> {
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
