//! The fixed newstyle handshake as a state machine: options in, questions to the exports and replies out.

use super::option_bytes::{context_request, error, info_request, invalid, reply};
use super::words::{
    BASE_ALLOCATION, BASE_ALLOCATION_ID, DIFFERENCE, DIFFERENCE_ID, FIXED_NEWSTYLE, GREETING, NO_ZEROES,
    OPTION_MAGIC, OWN_CONTEXTS, REQUEST_BYTES_MAX, STRING_BYTES_MAX, can, info, option, option_reply,
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
    /// Bytes that came in clear where TLS was to begin: somebody on the way may have put them there.
    #[error("the client sent something between asking for TLS and beginning it")]
    BeforeTls,
}

/// What an option comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this and wait for the next option.
    Send(Vec<u8>),
    /// Send this and end.
    Close(Vec<u8>),
    /// Send this, then TLS begins, and `Handshake::under_tls` goes on.
    StartTls(Vec<u8>),
    /// Ask the exports, and go on with the matching `answer_...`.
    List,
    /// The same: about one export, to use it if `go`.
    Info {
        /// Its name.
        name: String,
        /// Whether it is to be used.
        go: bool,
    },
    /// The same: which snapshots an export can be compared with.
    Contexts {
        /// The option that asks.
        option: u32,
        /// The export's name.
        name: String,
        /// What is asked for.
        queries: Vec<String>,
    },
    /// The same: use it; there is no way to refuse but to end.
    ExportName {
        /// Its name.
        name: String,
    },
}

/// How requests and replies look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Headers {
    /// Simple replies.
    #[default]
    Simple,
    /// Replies that have content come in chunks.
    Structured,
    /// All replies come in chunks; lengths have 64 bits.
    Extended,
}

/// What was agreed on, once an export is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// How requests and replies look.
    pub headers: Headers,
    /// base:allocation was chosen for the export.
    pub allocation: bool,
    /// What changed since a snapshot was chosen for the export.
    pub difference: bool,
}

/// The contexts that were chosen.
#[derive(Debug)]
struct Chosen {
    /// For this export.
    export: String,
    allocation: bool,
    /// What changed since this snapshot.
    since: Option<String>,
}

/// What a connection may do as far as encryption goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// There is none.
    #[default]
    Absent,
    /// The client may ask for it.
    Offered,
    /// Nothing goes without it.
    Required,
    /// It has begun.
    Begun,
}

/// The handshake of one connection.
#[derive(Debug, Default)]
pub struct Handshake {
    no_zeroes: bool,
    tls: Tls,
    headers: Headers,
    chosen: Option<Chosen>,
}

impl Handshake {
    /// Begins with the client's flags.
    pub fn begin(flags: u32, tls: Tls) -> Result<Handshake, HandshakeError> {
        let known = u32::from(FIXED_NEWSTYLE | NO_ZEROES);
        if flags & !known != 0 || flags & u32::from(FIXED_NEWSTYLE) == 0 {
            return Err(HandshakeError::Flags(flags));
        }
        Ok(Handshake { no_zeroes: flags & u32::from(NO_ZEROES) != 0, tls, ..Handshake::default() })
    }

    /// Goes on under TLS. What was agreed on in clear is forgotten: it may have been somebody else's wish.
    pub fn under_tls(self) -> Handshake {
        Handshake { no_zeroes: self.no_zeroes, tls: Tls::Begun, ..Handshake::default() }
    }

    /// Whether something that says anything about exports waits for TLS.
    fn needs_tls(&self) -> bool {
        self.tls == Tls::Required
    }

    /// An option that was too big to be looked at.
    pub fn refuse_big(&self, option: u32) -> Vec<u8> {
        error(option, option_reply::ERR_TOO_BIG, "the option is too long")
    }

    /// One option with its data.
    pub fn option(&mut self, option: u32, data: &[u8]) -> Step {
        match option {
            option::ABORT => Step::Close(reply(option, option_reply::ACK, &[])),
            option::STARTTLS => self.start_tls(data),
            // This one has no way to be told why.
            option::EXPORT_NAME if self.needs_tls() || self.headers == Headers::Extended => {
                Step::Close(Vec::new())
            }
            _ if self.needs_tls() => {
                Step::Send(error(option, option_reply::ERR_TLS_REQD, "this server wants TLS first"))
            }
            option::EXPORT_NAME => match std::str::from_utf8(data) {
                Ok(name) if data.len() <= STRING_BYTES_MAX => Step::ExportName { name: name.to_string() },
                _ => Step::Close(Vec::new()),
            },
            option::LIST if data.is_empty() => Step::List,
            option::INFO | option::GO => match info_request(data) {
                Some(name) => Step::Info { name, go: option == option::GO },
                None => Step::Send(invalid(option)),
            },
            option::STRUCTURED_REPLY | option::EXTENDED_HEADERS if data.is_empty() => {
                Step::Send(self.choose_headers(option))
            }
            option::LIST_META_CONTEXT | option::SET_META_CONTEXT => self.contexts(option, data),
            option::LIST | option::STRUCTURED_REPLY | option::EXTENDED_HEADERS => Step::Send(invalid(option)),
            _ => Step::Send(error(option, option_reply::ERR_UNSUP, "this server does not have that option")),
        }
    }

    fn start_tls(&self, data: &[u8]) -> Step {
        let option = option::STARTTLS;
        match self.tls {
            _ if !data.is_empty() => Step::Send(invalid(option)),
            Tls::Absent => {
                Step::Send(error(option, option_reply::ERR_UNSUP, "this server has no certificate"))
            }
            Tls::Begun => Step::Send(error(option, option_reply::ERR_INVALID, "TLS has begun already")),
            Tls::Offered | Tls::Required => Step::StartTls(reply(option, option_reply::ACK, &[])),
        }
    }

    fn choose_headers(&mut self, option: u32) -> Vec<u8> {
        match (option, self.headers) {
            (option::STRUCTURED_REPLY, Headers::Extended) => {
                let text = "extended headers have been agreed on already";
                return error(option, option_reply::ERR_EXT_HEADER_REQD, text);
            }
            (option::STRUCTURED_REPLY, _) => self.headers = Headers::Structured,
            _ => self.headers = Headers::Extended,
        }
        reply(option, option_reply::ACK, &[])
    }

    fn contexts(&mut self, option: u32, data: &[u8]) -> Step {
        let set = option == option::SET_META_CONTEXT;
        if set {
            // Each choice replaces the one before, also when it is refused.
            self.chosen = None;
            if self.headers == Headers::Simple {
                let text = "block status needs structured replies";
                return Step::Send(error(option, option_reply::ERR_INVALID, text));
            }
        }
        let Some((name, queries)) = context_request(data) else { return Step::Send(invalid(option)) };
        let queries: Vec<String> = queries.into_iter().map(str::to_string).collect();
        // Only our own need to be asked about.
        if queries.iter().any(|q| q.starts_with(OWN_CONTEXTS)) || (!set && queries.is_empty()) {
            return Step::Contexts { option, name, queries };
        }
        Step::Send(self.answer_contexts(option, &name, &queries, &Ok(Vec::new())))
    }

    /// Which contexts there are, or which are chosen, for an export that can be compared with these snapshots.
    pub fn answer_contexts(
        &mut self,
        option: u32,
        name: &str,
        queries: &[String],
        snapshots: &Result<Vec<String>, ExportError>,
    ) -> Vec<u8> {
        let set = option == option::SET_META_CONTEXT;
        let snapshots = match snapshots {
            Ok(snapshots) => snapshots,
            Err(e) => return error(option, refusal(e), &e.to_string()),
        };
        let asked = |context: &str| queries.iter().any(|q| q == context);
        let listed = |context: &str, folders: &[&str]| {
            !set && (queries.is_empty()
                || queries.iter().any(|q| folders.contains(&q.as_str()) && context.starts_with(q)))
        };
        let allocation = asked(BASE_ALLOCATION) || listed(BASE_ALLOCATION, &["base:"]);
        let differences = snapshots.iter().map(|snap| (format!("{DIFFERENCE}{snap}"), snap));
        let differences: Vec<(String, &String)> = differences
            .filter(|(context, _)| context.len() <= STRING_BYTES_MAX)
            .filter(|(context, _)| asked(context) || listed(context, &[OWN_CONTEXTS, DIFFERENCE]))
            .take(if set { 1 } else { usize::MAX })
            .collect();
        let mut out = Vec::new();
        let mut tell = |id: u32, context: &str| {
            let id = if set { id } else { 0 };
            let body = [&id.to_be_bytes()[..], context.as_bytes()].concat();
            out.extend(reply(option, option_reply::META_CONTEXT, &body));
        };
        if allocation {
            tell(BASE_ALLOCATION_ID, BASE_ALLOCATION);
        }
        differences.iter().for_each(|(context, _)| tell(DIFFERENCE_ID, context));
        if set {
            let since = differences.first().map(|(_, snap)| (*snap).clone());
            self.chosen = Some(Chosen { export: name.to_string(), allocation, since });
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
        let chosen = self.chosen.as_ref().filter(|c| c.export == name);
        Session {
            headers: self.headers,
            allocation: chosen.is_some_and(|c| c.allocation),
            difference: chosen.is_some_and(|c| c.since.is_some()),
        }
    }

    /// The snapshot since which changes are told, for the export that is used.
    pub fn since(&self, name: &str) -> Option<String> {
        self.chosen.as_ref().filter(|c| c.export == name)?.since.clone()
    }

    fn flags(&self, facts: &Facts) -> u16 {
        let mut flags = can::HAS_FLAGS | can::FLUSH | can::FUA | can::MULTI_CONN | can::CACHE;
        flags |= match facts.read_only {
            true => can::READ_ONLY,
            false => can::TRIM | can::WRITE_ZEROES | can::FAST_ZERO,
        };
        if self.headers == Headers::Simple { flags } else { flags | can::DF }
    }
}

fn refusal(error: &ExportError) -> u32 {
    match error {
        ExportError::Unknown(_) => option_reply::ERR_UNKNOWN,
        ExportError::InUse(_) => option_reply::ERR_POLICY,
        ExportError::Unavailable(_) => option_reply::ERR_SHUTDOWN,
    }
}
