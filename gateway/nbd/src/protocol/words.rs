//! The numbers of the protocol.

/// What the server says first: "NBDMAGIC".
pub const GREETING: u64 = 0x4e42_444d_4147_4943;
/// "IHAVEOPT": the fixed newstyle handshake, and each option.
pub const OPTION_MAGIC: u64 = 0x4948_4156_454f_5054;
/// Opens each reply to an option.
pub const OPTION_REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
/// Opens each request.
pub const REQUEST_MAGIC: u32 = 0x2560_9513;
/// Opens a simple reply.
pub const SIMPLE_REPLY_MAGIC: u32 = 0x6744_6698;
/// Opens a chunk of a structured reply.
pub const CHUNK_MAGIC: u32 = 0x668e_33ef;

/// Opens each request with extended headers.
pub const EXTENDED_REQUEST_MAGIC: u32 = 0x21e4_1c71;
/// Opens each chunk of a reply with extended headers.
pub const EXTENDED_CHUNK_MAGIC: u32 = 0x6e8a_278c;

/// Handshake flag of both sides: options can be refused one by one.
pub const FIXED_NEWSTYLE: u16 = 1;
/// Handshake flag of both sides: no 124 zeros after EXPORT_NAME.
pub const NO_ZEROES: u16 = 2;

/// Options of the handshake.
pub mod option {
    /// Use an export, without a way to refuse.
    pub const EXPORT_NAME: u32 = 1;
    /// Goodbye.
    pub const ABORT: u32 = 2;
    /// Which exports there are.
    pub const LIST: u32 = 3;
    /// TLS from here on; everything agreed on before is void.
    pub const STARTTLS: u32 = 5;
    /// What an export is like.
    pub const INFO: u32 = 6;
    /// Use an export.
    pub const GO: u32 = 7;
    /// Replies in chunks from here on.
    pub const STRUCTURED_REPLY: u32 = 8;
    /// Which kinds of block status there are.
    pub const LIST_META_CONTEXT: u32 = 9;
    /// Which of them are wanted.
    pub const SET_META_CONTEXT: u32 = 10;
    /// Requests and replies with headers of 32 bytes and lengths of 64 bits from here on.
    pub const EXTENDED_HEADERS: u32 = 11;
}

/// Replies to options.
pub mod option_reply {
    /// Done.
    pub const ACK: u32 = 1;
    /// An export's name.
    pub const SERVER: u32 = 2;
    /// A fact about an export.
    pub const INFO: u32 = 3;
    /// A kind of block status.
    pub const META_CONTEXT: u32 = 4;
    const ERROR: u32 = 1 << 31;
    /// This server does not know the option.
    pub const ERR_UNSUP: u32 = ERROR | 1;
    /// Not permitted now: the image is in use elsewhere.
    pub const ERR_POLICY: u32 = ERROR | 2;
    /// The option makes no sense.
    pub const ERR_INVALID: u32 = ERROR | 3;
    /// Not without TLS.
    pub const ERR_TLS_REQD: u32 = ERROR | 5;
    /// There is no such export.
    pub const ERR_UNKNOWN: u32 = ERROR | 6;
    /// The server cannot serve it at the moment.
    pub const ERR_SHUTDOWN: u32 = ERROR | 7;
    /// The option is too long.
    pub const ERR_TOO_BIG: u32 = ERROR | 9;
    /// Not with the extended headers that were agreed on.
    pub const ERR_EXT_HEADER_REQD: u32 = ERROR | 10;
}

/// Kinds of facts in `INFO`.
pub mod info {
    /// Size and transmission flags.
    pub const EXPORT: u16 = 0;
    /// Its name.
    pub const NAME: u16 = 1;
    /// Least, preferred and most bytes of a request.
    pub const BLOCK_SIZE: u16 = 3;
}

/// What an export can, as transmission flags.
pub mod can {
    /// Always set.
    pub const HAS_FLAGS: u16 = 1;
    /// Writes are refused.
    pub const READ_ONLY: u16 = 1 << 1;
    /// FLUSH.
    pub const FLUSH: u16 = 1 << 2;
    /// The flag FUA.
    pub const FUA: u16 = 1 << 3;
    /// TRIM.
    pub const TRIM: u16 = 1 << 5;
    /// WRITE_ZEROES.
    pub const WRITE_ZEROES: u16 = 1 << 6;
    /// The flag DF.
    pub const DF: u16 = 1 << 7;
    /// A flush on one connection covers what was answered on all.
    pub const MULTI_CONN: u16 = 1 << 8;
    /// CACHE.
    pub const CACHE: u16 = 1 << 10;
    /// The flag FAST_ZERO.
    pub const FAST_ZERO: u16 = 1 << 11;
}

/// Commands.
pub mod command {
    /// Read.
    pub const READ: u16 = 0;
    /// Write.
    pub const WRITE: u16 = 1;
    /// Goodbye.
    pub const DISCONNECT: u16 = 2;
    /// What was answered is durable.
    pub const FLUSH: u16 = 3;
    /// What is there need not be kept.
    pub const TRIM: u16 = 4;
    /// Will be read soon.
    pub const CACHE: u16 = 5;
    /// Zeros.
    pub const WRITE_ZEROES: u16 = 6;
    /// What is stored and what is not.
    pub const BLOCK_STATUS: u16 = 7;
}

/// Flags of commands.
pub mod flag {
    /// Durable before it is answered.
    pub const FUA: u16 = 1;
    /// Zeros that take space.
    pub const NO_HOLE: u16 = 1 << 1;
    /// The answer in one piece.
    pub const DF: u16 = 1 << 2;
    /// One extent only.
    pub const REQ_ONE: u16 = 1 << 3;
    /// Zeros only if that is faster than writing them.
    pub const FAST_ZERO: u16 = 1 << 4;
    /// With extended headers: the length is that of a payload.
    pub const PAYLOAD_LEN: u16 = 1 << 5;
}

/// Kinds of chunks of structured replies.
pub mod chunk {
    /// No content.
    pub const NONE: u16 = 0;
    /// Bytes at an offset.
    pub const OFFSET_DATA: u16 = 1;
    /// A hole at an offset.
    pub const OFFSET_HOLE: u16 = 2;
    /// Extents.
    pub const BLOCK_STATUS: u16 = 5;
    /// Extents with lengths and flags of 64 bits.
    pub const BLOCK_STATUS_EXT: u16 = 6;
    /// A failure.
    pub const ERROR: u16 = (1 << 15) | 1;
    /// Flag: the last of its reply.
    pub const DONE: u16 = 1;
}

/// Flags of extents in base:allocation.
pub mod allocation {
    /// Takes no space.
    pub const HOLE: u32 = 1;
    /// Reads as zeros.
    pub const ZERO: u32 = 2;
}

/// Flags of extents in the contexts of differences; those of QEMU's dirty bitmaps.
pub mod difference {
    /// May have been changed since the snapshot.
    pub const CHANGED: u32 = 1;
}

/// The block status of every export: what is stored and what is not.
pub const BASE_ALLOCATION: &str = "base:allocation";
/// The number it goes by.
pub const BASE_ALLOCATION_ID: u32 = 1;
/// What begins the names of our own contexts.
pub const OWN_CONTEXTS: &str = "nacre:";
/// With a snapshot's name behind it: what was changed since that snapshot of the image.
pub const DIFFERENCE: &str = "nacre:diff:";
/// The number that goes by; one can be chosen at a time.
pub const DIFFERENCE_ID: u32 = 2;

/// The most bytes of a read or write, and so of a payload.
pub const REQUEST_BYTES_MAX: u32 = 32 << 20;
/// The longest name or query, bytes.
pub const STRING_BYTES_MAX: usize = 4096;
/// The longest option that is looked at, bytes.
pub const OPTION_BYTES_MAX: u32 = 64 << 10;
/// The longest option that is read past to refuse it; a longer one ends the connection.
pub const OPTION_SKIP_MAX: u32 = 1 << 20;
