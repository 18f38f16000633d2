//! Ceph's plain encodings: little-endian numbers, counted tables, and the versioned envelope around what may grow.
//!
//! Source: Ceph's `src/include/encoding.h` (16.2). Every count is checked against the bytes left before anything is
//! made room for, so what a reader allocates stays within a small multiple of its input.

use super::error::{OsdMapError, OsdMapFault};
use std::collections::{BTreeMap, BTreeSet};

/// A place in bytes that nobody vouches for.
pub(super) struct Reader<'a> {
    whole: &'a [u8],
    at: usize,
    /// Reads stop here: the end of the innermost envelope.
    end: usize,
    part: &'static str,
}

impl<'a> Reader<'a> {
    pub(super) fn new(whole: &'a [u8]) -> Self {
        Self { whole, at: 0, end: whole.len(), part: "the header" }
    }

    /// Names what is read next, for errors.
    pub(super) fn part(&mut self, part: &'static str) -> &mut Self {
        self.part = part;
        self
    }

    pub(super) fn offset(&self) -> usize {
        self.at
    }

    pub(super) fn left(&self) -> usize {
        self.end - self.at
    }

    pub(super) fn fault(&self, fault: OsdMapFault) -> OsdMapError {
        OsdMapError { offset: self.at, part: self.part, fault }
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], OsdMapError> {
        if count > self.left() {
            return Err(self.fault(OsdMapFault::Cut { wanted: count, left: self.left() }));
        }
        let taken = &self.whole[self.at..self.at + count];
        self.at += count;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], OsdMapError> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    pub(super) fn read<T: Wire>(&mut self) -> Result<T, OsdMapError> {
        T::read(self)
    }

    /// A number of entries of at least `entry_bytes` each: one that the bytes left can hold.
    pub(super) fn count(&mut self, entry_bytes: usize) -> Result<usize, OsdMapError> {
        let start = self.fault(OsdMapFault::Count { count: 0, left: 0 });
        let count: u32 = self.read()?;
        let left = self.left();
        if (count as usize).saturating_mul(entry_bytes) > left {
            return Err(OsdMapError { fault: OsdMapFault::Count { count, left }, ..start });
        }
        Ok(count as usize)
    }

    /// An envelope of version `least` or later that a reader of `known` may read. What `fields` leaves unread is the
    /// tail that a newer Ceph added, kept to be written back.
    pub(super) fn envelope<T>(
        &mut self,
        least: u8,
        known: u8,
        fields: impl FnOnce(&mut Self, u8) -> Result<T, OsdMapError>,
    ) -> Result<(T, Envelope), OsdMapError> {
        let start = self.fault(OsdMapFault::Order);
        let (version, compat): (u8, u8) = (self.read()?, self.read()?);
        if compat > known {
            return Err(OsdMapError { fault: OsdMapFault::TooNew { compat, known }, ..start });
        }
        if version < least {
            return Err(OsdMapError { fault: OsdMapFault::TooOld { version, least }, ..start });
        }
        let length = self.count(1)?;
        let outer = std::mem::replace(&mut self.end, self.at + length);
        let value = fields(self, version)?;
        let tail = self.bytes(self.left())?.to_vec();
        self.end = outer;
        Ok((value, Envelope { version, compat, tail }))
    }
}

/// The version a part was written with, and what a newer Ceph put behind the fields known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Decides which fields there are.
    pub version: u8,
    /// The least version that a reader must know.
    pub compat: u8,
    /// Bytes of fields that are not known here; written back as they were.
    pub tail: Vec<u8>,
}

impl Envelope {
    pub(super) fn new(version: u8, compat: u8) -> Self {
        Self { version, compat, tail: Vec::new() }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>, fields: impl FnOnce(&mut Vec<u8>)) {
        out.extend([self.version, self.compat]);
        let length_at = out.len();
        out.extend([0; 4]);
        fields(out);
        out.extend(&self.tail);
        let length = (out.len() - length_at - 4) as u32;
        out[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
    }
}

/// A part whose inside is of no interest here, kept as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opaque(pub Envelope);

impl Opaque {
    pub(super) fn new(version: u8, compat: u8, body: &[u8]) -> Self {
        Self(Envelope { version, compat, tail: body.to_vec() })
    }
}

impl Wire for Opaque {
    const BYTES_MIN: usize = 6;
    fn read(r: &mut Reader<'_>) -> Result<Self, OsdMapError> {
        // Whatever its version: nothing in it is interpreted.
        r.envelope(0, u8::MAX, |_, _| Ok(())).map(|((), envelope)| Self(envelope))
    }
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out, |_| ());
    }
}

/// A value with one encoding.
pub(super) trait Wire: Sized {
    /// The fewest bytes it takes.
    const BYTES_MIN: usize;
    fn read(r: &mut Reader<'_>) -> Result<Self, OsdMapError>;
    fn write(&self, out: &mut Vec<u8>);
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Wire for $number {
            const BYTES_MIN: usize = size_of::<$number>();
            fn read(r: &mut Reader<'_>) -> Result<Self, OsdMapError> {
                r.array().map(<$number>::from_le_bytes)
            }
            fn write(&self, out: &mut Vec<u8>) {
                out.extend(self.to_le_bytes());
            }
        }
    )*};
}
numbers!(u8, u16, u32, u64, i32, i64, f32);

fn write_count(count: usize, out: &mut Vec<u8>) {
    assert!(u32::try_from(count).is_ok(), "{count} entries do not fit the format");
    (count as u32).write(out);
}

impl Wire for String {
    const BYTES_MIN: usize = 4;
    fn read(r: &mut Reader<'_>) -> Result<Self, OsdMapError> {
        let count = r.count(1)?;
        let start = r.fault(OsdMapFault::Text);
        let bytes = r.bytes(count)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| start)
    }
    fn write(&self, out: &mut Vec<u8>) {
        write_count(self.len(), out);
        out.extend(self.as_bytes());
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    const BYTES_MIN: usize = A::BYTES_MIN + B::BYTES_MIN;
    fn read(r: &mut Reader<'_>) -> Result<Self, OsdMapError> {
        Ok((r.read()?, r.read()?))
    }
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
    }
}

impl<T: Wire> Wire for Vec<T> {
    const BYTES_MIN: usize = 4;
    fn read(r: &mut Reader<'_>) -> Result<Self, OsdMapError> {
        let count = r.count(T::BYTES_MIN)?;
        (0..count).map(|_| r.read()).collect()
    }
    fn write(&self, out: &mut Vec<u8>) {
        write_count(self.len(), out);
        self.iter().for_each(|item| item.write(out));
    }
}

impl<K: Wire + Ord, V: Wire> Wire for BTreeMap<K, V> {
    const BYTES_MIN: usize = 4;
    fn read(r: &mut Reader<'_>) -> Result<Self, OsdMapError> {
        let mut map = BTreeMap::new();
        for _ in 0..r.count(K::BYTES_MIN + V::BYTES_MIN)? {
            let start = r.fault(OsdMapFault::Order);
            let key: K = r.read()?;
            if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return Err(start);
            }
            map.insert(key, r.read()?);
        }
        Ok(map)
    }
    fn write(&self, out: &mut Vec<u8>) {
        write_count(self.len(), out);
        for (key, value) in self {
            key.write(out);
            value.write(out);
        }
    }
}

impl<K: Wire + Ord> Wire for BTreeSet<K> {
    const BYTES_MIN: usize = 4;
    fn read(r: &mut Reader<'_>) -> Result<Self, OsdMapError> {
        let start = r.fault(OsdMapFault::Order);
        let list: Vec<K> = r.read()?;
        if !list.is_sorted_by(|a, b| a < b) {
            return Err(start);
        }
        Ok(list.into_iter().collect())
    }
    fn write(&self, out: &mut Vec<u8>) {
        write_count(self.len(), out);
        self.iter().for_each(|item| item.write(out));
    }
}

/// A struct that is its fields in a row.
macro_rules! wire_struct {
    ($name:ident { $($field:ident: $kind:ty),+ $(,)? }) => {
        impl Wire for $name {
            const BYTES_MIN: usize = 0 $(+ <$kind as Wire>::BYTES_MIN)+;
            fn read(r: &mut Reader<'_>) -> Result<Self, OsdMapError> {
                Ok($name { $($field: r.read()?),+ })
            }
            fn write(&self, out: &mut Vec<u8>) {
                $(self.$field.write(out);)+
            }
        }
    };
}
pub(super) use wire_struct;

/// The fields of an enveloped struct, in order, each group with the version it came with: one table for both ways.
macro_rules! versioned_fields {
    ($name:ident { $($since:literal => $($field:ident),+);+ $(;)? }) => {
        impl $name {
            fn read_fields(r: &mut Reader<'_>, version: u8) -> Result<Self, OsdMapError> {
                let mut fields = Self::default();
                $(if version >= $since {
                    $(fields.$field = r.part(stringify!($field)).read()?;)+
                })+
                Ok(fields)
            }
            fn write_fields(&self, out: &mut Vec<u8>) {
                $(if self.envelope.version >= $since {
                    $(self.$field.write(out);)+
                })+
            }
        }
    };
}
pub(super) use versioned_fields;
