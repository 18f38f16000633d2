//! Requests: their 28 bytes (32 with extended headers), and whether they make sense for the export.

use super::handshake::{Headers, Session};
use super::words::{EXTENDED_REQUEST_MAGIC, REQUEST_BYTES_MAX, REQUEST_MAGIC, command, flag};
use crate::export::{Facts, NbdError};

/// Bytes of a request's head at most.
pub const HEAD_BYTES_MAX: usize = 32;

/// Bytes of a request's head.
pub fn head_bytes(headers: Headers) -> usize {
    if headers == Headers::Extended { 32 } else { 28 }
}

/// A request's head as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Flags of the command.
    pub flags: u16,
    /// The command.
    pub command: u16,
    /// What the client knows it by.
    pub cookie: u64,
    /// First byte.
    pub offset: u64,
    /// Bytes; up to 32 bits without extended headers.
    pub len: u64,
    /// Bytes that follow the head.
    pub payload_len: u64,
}

/// A request that can be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Read; in one piece if told so.
    Read {
        /// One chunk.
        whole: bool,
    },
    /// Write the payload.
    Write,
    /// Nothing more will come.
    Disconnect,
    /// What was answered is durable.
    Flush,
    /// Give space back.
    Trim,
    /// Read soon: there is no cache to fill.
    Cache,
    /// Zeros.
    Zero {
        /// They are to take space.
        allocate: bool,
    },
    /// Extents.
    Status {
        /// One only.
        one: bool,
    },
}

/// The bytes are no request: where the next one begins is unknown, so the connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a request begins with {0:#x}, which is not NBD")]
pub struct NotARequest(pub u32);

impl Request {
    /// Reads a head of `head_bytes`.
    pub fn parse(bytes: &[u8], headers: Headers) -> Result<Request, NotARequest> {
        assert_eq!(bytes.len(), head_bytes(headers), "the caller reads as much as a head has");
        let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let half = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let long = |at: usize| u64::from(word(at)) << 32 | u64::from(word(at + 4));
        let (magic, len) = match headers {
            Headers::Extended => (EXTENDED_REQUEST_MAGIC, long(24)),
            _ => (REQUEST_MAGIC, u64::from(word(24))),
        };
        if word(0) != magic {
            return Err(NotARequest(word(0)));
        }
        let (flags, command) = (half(4), half(6));
        // A write without the flag is against the rules with extended headers, but only one thing can be meant.
        let follows =
            command == command::WRITE || (headers == Headers::Extended && flags & flag::PAYLOAD_LEN != 0);
        let payload_len = if follows { len } else { 0 };
        Ok(Request { flags, command, cookie: long(8), offset: long(16), len, payload_len })
    }

    /// Whether what follows is too long even to be read past: the connection ends.
    pub fn hopeless(&self) -> bool {
        self.payload_len > u64::from(u32::MAX)
    }

    /// Bytes of memory that it takes while it is carried out.
    pub fn memory_bytes(&self) -> u32 {
        match self.command {
            command::READ | command::WRITE => self.len.min(u64::from(REQUEST_BYTES_MAX)) as u32,
            command::WRITE_ZEROES if self.flags & flag::NO_HOLE != 0 => 4 << 20,
            _ => 4096,
        }
    }

    /// Whether and how it is carried out.
    pub fn check(&self, facts: &Facts, session: &Session) -> Result<Command, NbdError> {
        let (command, flags) = match self.command {
            command::READ => {
                let df = if session.headers == Headers::Simple { 0 } else { flag::DF };
                (Command::Read { whole: self.flags & flag::DF != 0 }, df)
            }
            command::WRITE if session.headers == Headers::Extended => (Command::Write, flag::PAYLOAD_LEN),
            command::WRITE => (Command::Write, 0),
            command::DISCONNECT => return Ok(Command::Disconnect),
            command::FLUSH => (Command::Flush, 0),
            command::TRIM => (Command::Trim, 0),
            command::CACHE => (Command::Cache, 0),
            command::WRITE_ZEROES => {
                let allocate = self.flags & flag::NO_HOLE != 0;
                (Command::Zero { allocate }, flag::NO_HOLE | flag::FAST_ZERO)
            }
            command::BLOCK_STATUS if session.allocation || session.difference => {
                (Command::Status { one: self.flags & flag::REQ_ONE != 0 }, flag::REQ_ONE)
            }
            _ => return Err(NbdError::Invalid),
        };
        // FUA may come with any command, and means something with those that write.
        if self.flags & !(flags | flag::FUA) != 0 {
            return Err(NbdError::Invalid);
        }
        if matches!(command, Command::Flush) {
            return Ok(command);
        }
        let writes = matches!(command, Command::Write | Command::Trim | Command::Zero { .. });
        if writes && facts.read_only {
            return Err(NbdError::Forbidden);
        }
        if matches!(command, Command::Read { .. } | Command::Write) && self.len > u64::from(REQUEST_BYTES_MAX)
        {
            return Err(NbdError::TooLong);
        }
        if self.len == 0 && matches!(command, Command::Status { .. }) {
            return Err(NbdError::Invalid);
        }
        let inside = self.offset.checked_add(self.len).is_some_and(|end| end <= facts.size);
        match command {
            _ if inside => {}
            Command::Write | Command::Zero { .. } => return Err(NbdError::NoSpace),
            _ => return Err(NbdError::Invalid),
        }
        // Writing zeros out is no faster than the client's doing so.
        if self.flags & flag::FAST_ZERO != 0 && matches!(command, Command::Zero { allocate: true }) {
            return Err(NbdError::Unsupported);
        }
        Ok(command)
    }
}
