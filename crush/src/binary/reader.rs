//! Little-endian numbers from bytes that nobody vouches for.

use std::collections::BTreeMap;

use super::{DecodeError, DecodeFault};

/// A place in the bytes.
pub(super) struct Reader<'a> {
    whole: usize,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { whole: bytes.len(), rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn fault(&self, fault: DecodeFault) -> DecodeError {
        DecodeError { offset: self.whole - self.rest.len(), fault }
    }

    pub(super) fn bytes(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return Err(self.fault(DecodeFault::Cut(what)));
        };
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N, what)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        Ok(self.array::<1>(what)?[0])
    }

    pub(super) fn u16(&mut self, what: &'static str) -> Result<u16, DecodeError> {
        self.array(what).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn i32(&mut self, what: &'static str) -> Result<i32, DecodeError> {
        self.array(what).map(i32::from_le_bytes)
    }

    pub(super) fn i64(&mut self, what: &'static str) -> Result<i64, DecodeError> {
        self.array(what).map(i64::from_le_bytes)
    }

    /// A number of entries of at least `entry_bytes` each: one that the bytes left can hold.
    pub(super) fn count(&mut self, entry_bytes: usize, what: &'static str) -> Result<usize, DecodeError> {
        let before = self.rest;
        let count = self.u32(what)? as usize;
        if count.saturating_mul(entry_bytes) > self.left() {
            self.rest = before;
            return Err(self.fault(DecodeFault::Count { what, count: count as u64 }));
        }
        Ok(count)
    }

    pub(super) fn u32s(&mut self, count: usize, what: &'static str) -> Result<Vec<u32>, DecodeError> {
        let bytes = self.bytes(count.saturating_mul(4), what)?;
        Ok(bytes
            .chunks_exact(4)
            .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
            .collect())
    }

    pub(super) fn i32s(&mut self, count: usize, what: &'static str) -> Result<Vec<i32>, DecodeError> {
        Ok(self.u32s(count, what)?.into_iter().map(|word| word as i32).collect())
    }

    pub(super) fn string(&mut self, bytes: usize, what: &'static str) -> Result<&'a str, DecodeError> {
        let taken = self.bytes(bytes, what)?;
        std::str::from_utf8(taken).map_err(|_| self.fault(DecodeFault::Name(what)))
    }

    /// A table of ids and names.
    pub(super) fn names(&mut self, what: &'static str) -> Result<Vec<(i32, &'a str)>, DecodeError> {
        self.names_of(what, false)
    }

    /// The same, where Ceph once wrote 64-bit ids: an id followed by four zero bytes has its length after those.
    pub(super) fn old_names(&mut self, what: &'static str) -> Result<Vec<(i32, &'a str)>, DecodeError> {
        self.names_of(what, true)
    }

    fn names_of(&mut self, what: &'static str, old: bool) -> Result<Vec<(i32, &'a str)>, DecodeError> {
        let count = self.count(8, what)?;
        let mut names = Vec::with_capacity(count);
        for _ in 0..count {
            let id = self.i32(what)?;
            let mut bytes = self.u32(what)? as usize;
            if old && bytes == 0 {
                bytes = self.u32(what)? as usize;
            }
            names.push((id, self.string(bytes, what)?));
        }
        Ok(names)
    }

    /// A table of ids and ids.
    pub(super) fn pairs(&mut self, what: &'static str) -> Result<BTreeMap<i32, i32>, DecodeError> {
        let count = self.count(8, what)?;
        let mut pairs = BTreeMap::new();
        for _ in 0..count {
            pairs.insert(self.i32(what)?, self.i32(what)?);
        }
        Ok(pairs)
    }
}
