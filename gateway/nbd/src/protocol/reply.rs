//! Replies, as pieces to be sent one after the other: data are passed on, not copied.

use super::handshake::Headers;
use super::words::{
    BASE_ALLOCATION_ID, CHUNK_MAGIC, DIFFERENCE_ID, EXTENDED_CHUNK_MAGIC, SIMPLE_REPLY_MAGIC, allocation,
    chunk, difference,
};
use crate::export::NbdError;
use bytes::{Bytes, BytesMut};
use gateway_block::{Extent, ReadExtent, Span};

/// A reply's bytes, in order.
pub type Reply = Vec<Bytes>;

/// To whom a reply goes, and how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct To {
    /// How replies look on this connection.
    pub headers: Headers,
    /// What the client knows the request by.
    pub cookie: u64,
    /// The request's first byte.
    pub offset: u64,
}

/// What one context tells of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The number it goes by.
    pub context: u32,
    /// Lengths and flags.
    pub extents: Vec<(u64, u32)>,
}

impl Status {
    /// base:allocation.
    pub fn allocation(extents: &[Extent]) -> Status {
        let flags = |e: &Extent| if e.hole { allocation::HOLE | allocation::ZERO } else { 0 };
        Status { context: BASE_ALLOCATION_ID, extents: extents.iter().map(|e| (e.len, flags(e))).collect() }
    }
    /// nacre:diff:SNAPSHOT.
    pub fn difference(spans: &[Span]) -> Status {
        let flags = |s: &Span| if s.changed { difference::CHANGED } else { 0 };
        Status { context: DIFFERENCE_ID, extents: spans.iter().map(|s| (s.len, flags(s))).collect() }
    }
}

impl To {
    /// Done, without content.
    pub fn done(self) -> Reply {
        match self.headers {
            Headers::Extended => vec![self.chunk(chunk::NONE, true, 0, &[])],
            _ => vec![self.simple(None)],
        }
    }

    /// A failure. `in_chunks`: a success would have come in chunks (of structured replies).
    pub fn failed(self, error: NbdError, in_chunks: bool) -> Reply {
        match self.headers {
            Headers::Simple => vec![self.simple(Some(error))],
            Headers::Structured if !in_chunks => vec![self.simple(Some(error))],
            _ => {
                let mut fixed = error.code().to_be_bytes().to_vec();
                fixed.extend([0, 0]);
                vec![self.chunk(chunk::ERROR, true, 0, &fixed)]
            }
        }
    }

    /// What was read. In chunks: one of data or hole for each extent, or one of data in all if `whole`. Behind a
    /// simple head holes are spelled out.
    pub fn read(self, extents: Vec<ReadExtent>, whole: bool) -> Reply {
        match self.headers {
            Headers::Simple => std::iter::once(self.simple(None)).chain(spelled_out(extents)).collect(),
            _ if extents.is_empty() => vec![self.chunk(chunk::NONE, true, 0, &[])],
            _ if whole => {
                let len = extents.iter().map(ReadExtent::len).sum::<u64>() as usize;
                let head = self.chunk(chunk::OFFSET_DATA, true, len, &self.offset.to_be_bytes());
                std::iter::once(head).chain(spelled_out(extents)).collect()
            }
            _ => self.chunks(extents),
        }
    }

    fn chunks(self, extents: Vec<ReadExtent>) -> Reply {
        let (mut out, mut at, last) = (Vec::new(), self.offset, extents.len() - 1);
        for (i, extent) in extents.into_iter().enumerate() {
            let len = extent.len();
            match extent {
                ReadExtent::Data(data) => {
                    out.push(self.chunk(chunk::OFFSET_DATA, i == last, data.len(), &at.to_be_bytes()));
                    out.push(data);
                }
                ReadExtent::Hole(len) => {
                    let len = u32::try_from(len).expect("a hole is bounded by its request");
                    let fixed = [&at.to_be_bytes()[..], &len.to_be_bytes()].concat();
                    out.push(self.chunk(chunk::OFFSET_HOLE, i == last, 0, &fixed));
                }
            }
            at += len;
        }
        out
    }

    /// The status of a range in some contexts, not none: of each what it tells, not nothing.
    pub fn status(self, contexts: &[Status]) -> Reply {
        let wide = self.headers == Headers::Extended;
        let kind = if wide { chunk::BLOCK_STATUS_EXT } else { chunk::BLOCK_STATUS };
        let mut out = Vec::with_capacity(contexts.len());
        for (i, status) in contexts.iter().enumerate() {
            let mut fixed = status.context.to_be_bytes().to_vec();
            if wide {
                fixed.extend((status.extents.len() as u32).to_be_bytes());
            }
            for (len, flags) in &status.extents {
                if wide {
                    fixed.extend(len.to_be_bytes());
                    fixed.extend(u64::from(*flags).to_be_bytes());
                } else {
                    let len = u32::try_from(*len).expect("an extent is bounded by its request");
                    fixed.extend(len.to_be_bytes());
                    fixed.extend(flags.to_be_bytes());
                }
            }
            out.push(self.chunk(kind, i + 1 == contexts.len(), 0, &fixed));
        }
        out
    }

    fn simple(self, error: Option<NbdError>) -> Bytes {
        let mut out = Vec::with_capacity(16);
        out.extend(SIMPLE_REPLY_MAGIC.to_be_bytes());
        out.extend(error.map_or(0, NbdError::code).to_be_bytes());
        out.extend(self.cookie.to_be_bytes());
        out.into()
    }

    /// A chunk's head and `fixed`, behind which `len` bytes follow.
    fn chunk(self, kind: u16, done: bool, len: usize, fixed: &[u8]) -> Bytes {
        let wide = self.headers == Headers::Extended;
        let mut out = Vec::with_capacity(32 + fixed.len());
        out.extend(if wide { EXTENDED_CHUNK_MAGIC } else { CHUNK_MAGIC }.to_be_bytes());
        out.extend(if done { chunk::DONE } else { 0 }.to_be_bytes());
        out.extend(kind.to_be_bytes());
        out.extend(self.cookie.to_be_bytes());
        let len = fixed.len() + len;
        if wide {
            out.extend(self.offset.to_be_bytes());
            out.extend((len as u64).to_be_bytes());
        } else {
            out.extend(u32::try_from(len).expect("a chunk is bounded by its request").to_be_bytes());
        }
        out.extend_from_slice(fixed);
        out.into()
    }
}

fn spelled_out(extents: Vec<ReadExtent>) -> impl Iterator<Item = Bytes> {
    extents.into_iter().map(|e| match e {
        ReadExtent::Data(data) => data,
        ReadExtent::Hole(len) => BytesMut::zeroed(len as usize).freeze(),
    })
}
