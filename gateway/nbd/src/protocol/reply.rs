//! Replies, as pieces to be sent one after the other: data are passed on, not copied.

use super::words::{BASE_ALLOCATION_ID, CHUNK_MAGIC, SIMPLE_REPLY_MAGIC, allocation, chunk};
use crate::export::NbdError;
use bytes::{Bytes, BytesMut};
use gateway_block::{Extent, ReadExtent};

/// A reply's bytes, in order.
pub type Reply = Vec<Bytes>;

/// A reply without content.
pub fn simple(cookie: u64, error: Option<NbdError>) -> Reply {
    vec![simple_head(cookie, error)]
}

fn simple_head(cookie: u64, error: Option<NbdError>) -> Bytes {
    let mut out = Vec::with_capacity(16);
    out.extend(SIMPLE_REPLY_MAGIC.to_be_bytes());
    out.extend(error.map_or(0, NbdError::code).to_be_bytes());
    out.extend(cookie.to_be_bytes());
    out.into()
}

fn chunk_head(cookie: u64, kind: u16, done: bool, len: usize, fixed: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(20 + fixed.len());
    out.extend(CHUNK_MAGIC.to_be_bytes());
    out.extend(if done { chunk::DONE } else { 0 }.to_be_bytes());
    out.extend(kind.to_be_bytes());
    out.extend(cookie.to_be_bytes());
    out.extend(u32::try_from(fixed.len() + len).expect("a chunk is bounded by its request").to_be_bytes());
    out.extend_from_slice(fixed);
    out.into()
}

/// A failure in chunks.
pub fn failed(cookie: u64, error: NbdError) -> Reply {
    let mut fixed = error.code().to_be_bytes().to_vec();
    fixed.extend([0, 0]);
    vec![chunk_head(cookie, chunk::ERROR, true, 0, &fixed)]
}

/// What was read, as bytes behind a simple head: holes are spelled out.
pub fn read_simple(cookie: u64, extents: Vec<ReadExtent>) -> Reply {
    let mut out = vec![simple_head(cookie, None)];
    out.extend(spelled_out(extents));
    out
}

/// What was read, in chunks: one of data or hole for each extent, or one of data in all if `whole`.
pub fn read_chunks(cookie: u64, offset: u64, extents: Vec<ReadExtent>, whole: bool) -> Reply {
    if extents.is_empty() {
        return vec![chunk_head(cookie, chunk::NONE, true, 0, &[])];
    }
    if whole {
        let len = extents.iter().map(ReadExtent::len).sum::<u64>() as usize;
        let mut out = vec![chunk_head(cookie, chunk::OFFSET_DATA, true, len, &offset.to_be_bytes())];
        out.extend(spelled_out(extents));
        return out;
    }
    let (mut out, mut at, last) = (Vec::new(), offset, extents.len() - 1);
    for (i, extent) in extents.into_iter().enumerate() {
        let len = extent.len();
        match extent {
            ReadExtent::Data(data) => {
                let fixed = at.to_be_bytes();
                out.push(chunk_head(cookie, chunk::OFFSET_DATA, i == last, data.len(), &fixed));
                out.push(data);
            }
            ReadExtent::Hole(len) => {
                let len = u32::try_from(len).expect("a hole is bounded by its request");
                let fixed = [&at.to_be_bytes()[..], &len.to_be_bytes()].concat();
                out.push(chunk_head(cookie, chunk::OFFSET_HOLE, i == last, 0, &fixed));
            }
        }
        at += len;
    }
    out
}

fn spelled_out(extents: Vec<ReadExtent>) -> impl Iterator<Item = Bytes> {
    extents.into_iter().map(|e| match e {
        ReadExtent::Data(data) => data,
        ReadExtent::Hole(len) => BytesMut::zeroed(len as usize).freeze(),
    })
}

/// Extents of base:allocation.
pub fn status(cookie: u64, extents: &[Extent]) -> Reply {
    let mut fixed = BASE_ALLOCATION_ID.to_be_bytes().to_vec();
    for extent in extents {
        let flags = if extent.hole { allocation::HOLE | allocation::ZERO } else { 0 };
        let len = u32::try_from(extent.len).expect("an extent is bounded by its request");
        fixed.extend(len.to_be_bytes());
        fixed.extend(flags.to_be_bytes());
    }
    vec![chunk_head(cookie, chunk::BLOCK_STATUS, true, 0, &fixed)]
}
