//! A list of index changes, in the very bytes that the log carries and replays.

use super::{Family, IndexError};

const PUT: u8 = 0;
const DELETE: u8 = 1;
const DELETE_RANGE: u8 = 2;
/// `{op u8, family u8, first length u32, second length u32}`
const HEADER_BYTES: usize = 10;

/// Changes to the index that take effect together, in order.
/// Layout of each: op, family, two lengths, then the two byte strings (docs/formats/store.md).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexBatch {
    bytes: Vec<u8>,
}

/// One change, as read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexOp<'a> {
    /// The key has this value.
    Put(Family, &'a [u8], &'a [u8]),
    /// The key is gone.
    Delete(Family, &'a [u8]),
    /// All keys with `start <= key < end` are gone.
    DeleteRange(Family, &'a [u8], &'a [u8]),
}

impl IndexBatch {
    /// No changes yet.
    pub fn new() -> IndexBatch {
        IndexBatch::default()
    }
    /// No changes any more, with room for as many as there were.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }
    /// Sets a key.
    pub fn put(&mut self, family: Family, key: &[u8], value: &[u8]) {
        self.push(PUT, family, key, value);
    }
    /// Removes a key.
    pub fn delete(&mut self, family: Family, key: &[u8]) {
        self.push(DELETE, family, key, &[]);
    }
    /// Removes a range.
    pub fn delete_range(&mut self, family: Family, start: &[u8], end: &[u8]) {
        self.push(DELETE_RANGE, family, start, end);
    }
    fn push(&mut self, op: u8, family: Family, a: &[u8], b: &[u8]) {
        let len = |s: &[u8]| u32::try_from(s.len()).expect("a key or value stays below 4 GiB").to_le_bytes();
        self.bytes.reserve(HEADER_BYTES + a.len() + b.len());
        self.bytes.extend_from_slice(&[op, family as u8]);
        self.bytes.extend_from_slice(&len(a));
        self.bytes.extend_from_slice(&len(b));
        self.bytes.extend_from_slice(a);
        self.bytes.extend_from_slice(b);
    }
    /// The encoded changes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
    /// The changes in order.
    pub fn ops(&self) -> Ops<'_> {
        Ops { rest: &self.bytes }
    }
}

/// Reads changes off encoded bytes; ends after the first error.
pub struct Ops<'a> {
    rest: &'a [u8],
}

impl<'a> Ops<'a> {
    /// Over bytes that came from a log.
    pub fn new(bytes: &'a [u8]) -> Ops<'a> {
        Ops { rest: bytes }
    }

    fn take(&mut self) -> Option<IndexOp<'a>> {
        let (header, rest) = self.rest.split_first_chunk::<HEADER_BYTES>()?;
        let len = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]) as usize
        };
        let family = Family::from_u8(header[1])?;
        let (a, rest) = rest.split_at_checked(len(2))?;
        let (b, rest) = rest.split_at_checked(len(6))?;
        self.rest = rest;
        match header[0] {
            PUT => Some(IndexOp::Put(family, a, b)),
            DELETE if b.is_empty() => Some(IndexOp::Delete(family, a)),
            DELETE_RANGE => Some(IndexOp::DeleteRange(family, a, b)),
            _ => None,
        }
    }
}

impl<'a> Iterator for Ops<'a> {
    type Item = Result<IndexOp<'a>, IndexError>;
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let op = self.take();
        if op.is_none() {
            self.rest = &[];
        }
        Some(op.ok_or_else(|| IndexError::new("decode a logged change", "invalid bytes")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_come_back_in_order_and_every_cut_is_an_error() {
        let mut b = IndexBatch::new();
        b.put(Family::Objects, b"k", b"value");
        b.delete(Family::Rows, b"gone");
        b.delete_range(Family::Extents, b"a", b"b");
        let ops: Vec<_> = b.ops().map(|o| o.unwrap()).collect();
        assert_eq!(
            ops,
            [
                IndexOp::Put(Family::Objects, b"k", b"value"),
                IndexOp::Delete(Family::Rows, b"gone"),
                IndexOp::DeleteRange(Family::Extents, b"a", b"b"),
            ]
        );
        let whole = b.as_bytes();
        for n in 1..whole.len() {
            let read: Vec<_> = Ops::new(&whole[..n]).collect();
            let cut_between = read.iter().all(|r| r.is_ok());
            assert_eq!(cut_between, [16, 30].contains(&n), "cut at {n}");
        }
    }
}
