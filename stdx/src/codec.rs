//! Little-endian encoding with bounds: what disk and wire formats are written in.
//!
//! Every length is checked against what is left of the input before anything is allocated, so a
//! decoder's memory is bounded by a small multiple of its input. Structs that may grow are written in a
//! versioned envelope `{version u8, compat u8, length u32}` (Ceph's ENCODE_START idea): an old reader
//! skips a new tail, and refuses what says it cannot be understood.

mod impls;
#[macro_use]
mod macros;

use bytes::{BufMut, Bytes, BytesMut};

/// Why bytes could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The input ends before the value does.
    Truncated {
        /// Bytes the value needed.
        wanted: usize,
        /// Bytes that were left.
        left: usize,
    },
    /// A tag, length or value that no writer makes.
    Invalid(&'static str),
    /// Written by a newer version that says older readers must not guess.
    TooNew {
        /// The least version a reader must know.
        compat: u8,
        /// The version this reader knows.
        known: u8,
    },
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DecodeError::Truncated { wanted, left } => {
                write!(f, "input ends early: {wanted} bytes wanted, {left} left")
            }
            DecodeError::Invalid(what) => write!(f, "invalid {what}"),
            DecodeError::TooNew { compat, known } => {
                write!(
                    f,
                    "written by a newer version (needs {compat}, this build knows {known}); upgrade this daemon"
                )
            }
        }
    }
}

impl std::error::Error for DecodeError {}

/// Grows a buffer of encoded values.
#[derive(Debug)]
pub struct Writer {
    /// What lies before `buf`, in order.
    done: Vec<Part>,
    done_bytes: usize,
    buf: BytesMut,
    /// `Bytes` values of at least this length are taken along instead of copied.
    share_from: usize,
}

#[derive(Debug)]
enum Part {
    Own(BytesMut),
    Shared(Bytes),
}

impl Default for Writer {
    fn default() -> Writer {
        Writer { done: Vec::new(), done_bytes: 0, buf: BytesMut::new(), share_from: usize::MAX }
    }
}

impl Writer {
    /// An empty writer.
    pub fn new() -> Writer {
        Writer::default()
    }
    /// An empty writer with room for `n` bytes.
    pub fn with_capacity(n: usize) -> Writer {
        Writer { buf: BytesMut::with_capacity(n), ..Writer::default() }
    }
    /// An empty writer that takes `Bytes` values of `share_from` bytes and more along as they are, for who can
    /// write from several places at once (see `finish_parts`).
    pub fn sharing(share_from: usize) -> Writer {
        // Enough for most messages beside their data: each time it grows costs a copy.
        Writer { share_from: share_from.max(1), ..Writer::with_capacity(512) }
    }
    /// Appends raw bytes, without a length.
    pub fn raw(&mut self, data: &[u8]) {
        self.buf.put_slice(data);
    }
    /// Appends a length (u32) and the bytes.
    pub fn bytes(&mut self, data: &[u8]) {
        self.length_of(data);
        self.buf.put_slice(data);
    }
    /// The same bytes as `bytes` appends, without copying them if this writer shares values of that length.
    pub fn shared(&mut self, data: &Bytes) {
        self.length_of(data);
        if data.len() < self.share_from {
            self.buf.put_slice(data);
            return;
        }
        // Never empty: the length was just written. So a later part never takes the index of this one.
        let own = self.buf.split();
        self.done_bytes += own.len() + data.len();
        self.done.push(Part::Own(own));
        self.done.push(Part::Shared(data.clone()));
    }
    fn length_of(&mut self, data: &[u8]) {
        let len = u32::try_from(data.len()).expect("a single value stays below 4 GiB");
        self.buf.put_u32_le(len);
    }
    /// Appends one encodable value.
    pub fn put<T: Encode + ?Sized>(&mut self, value: &T) {
        value.encode(self);
    }
    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.done_bytes + self.buf.len()
    }
    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Writes an envelope `{version, compat, length}` around what `body` writes.
    pub fn versioned(&mut self, version: u8, compat: u8, body: impl FnOnce(&mut Writer)) {
        self.buf.put_u8(version);
        self.buf.put_u8(compat);
        let (part, at) = (self.done.len(), self.buf.len());
        self.buf.put_u32_le(0);
        let start = self.len();
        body(self);
        let len = u32::try_from(self.len() - start).expect("a single struct stays below 4 GiB");
        // The body may have moved the buffer that holds the length to the parts that are done.
        let holder = match self.done.get_mut(part) {
            None => &mut self.buf,
            Some(Part::Own(own)) => own,
            Some(Part::Shared(_)) => unreachable!("the part with the length in it is our own"),
        };
        holder[at..at + 4].copy_from_slice(&len.to_le_bytes());
    }
    /// The bytes written.
    pub fn finish(self) -> Bytes {
        if self.done.is_empty() {
            return self.buf.freeze();
        }
        let mut whole = BytesMut::with_capacity(self.len());
        self.finish_parts().iter().for_each(|p| whole.put_slice(p));
        whole.freeze()
    }
    /// The bytes written, as pieces that follow each other; more than one only from a sharing writer.
    pub fn finish_parts(self) -> Vec<Bytes> {
        let done = self.done.into_iter().map(|p| match p {
            Part::Own(own) => own.freeze(),
            Part::Shared(shared) => shared,
        });
        done.chain([self.buf.freeze()]).filter(|p| !p.is_empty()).collect()
    }
}

/// Takes values off the front of a buffer; byte strings are shared, not copied.
///
/// Positions move and the buffer stays: numbers and envelopes cost no count of references, only byte strings that
/// are handed out do.
#[derive(Debug, Clone)]
pub struct Reader {
    whole: Bytes,
    at: usize,
    /// Where the value (or the envelope being read) ends; at most `whole.len()`.
    end: usize,
}

impl Reader {
    /// Reads from the front of `data`.
    pub fn new(data: Bytes) -> Reader {
        Reader { at: 0, end: data.len(), whole: data }
    }
    /// Bytes left.
    pub fn left(&self) -> usize {
        self.end - self.at
    }
    /// Passes over `n` bytes. Where they begin.
    fn take(&mut self, n: usize) -> Result<usize, DecodeError> {
        if n > self.left() {
            return Err(DecodeError::Truncated { wanted: n, left: self.left() });
        }
        let start = self.at;
        self.at += n;
        Ok(start)
    }
    /// Takes exactly `n` bytes.
    pub fn raw(&mut self, n: usize) -> Result<Bytes, DecodeError> {
        let start = self.take(n)?;
        Ok(self.whole.slice(start..start + n))
    }
    /// Takes a fixed array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let start = self.take(N)?;
        let mut out = [0; N];
        out.copy_from_slice(&self.whole[start..start + N]);
        Ok(out)
    }
    /// Takes a length (u32) and that many bytes.
    pub fn bytes(&mut self) -> Result<Bytes, DecodeError> {
        let n = u32::from_le_bytes(self.array()?) as usize;
        self.raw(n)
    }
    /// Takes one value.
    pub fn get<T: Decode>(&mut self) -> Result<T, DecodeError> {
        T::decode(self)
    }
    /// Takes a count of elements, refusing one that the rest of the input cannot hold
    /// (`least` is the smallest encoding of one element, in bytes).
    pub fn count(&mut self, least: usize) -> Result<usize, DecodeError> {
        let n = u32::from_le_bytes(self.array()?) as usize;
        let wanted = n.saturating_mul(least.max(1));
        if wanted > self.left() {
            return Err(DecodeError::Truncated { wanted, left: self.left() });
        }
        Ok(n)
    }
    /// Reads an envelope that `Writer::versioned` wrote; a tail that `body` leaves unread is skipped.
    pub fn versioned<T>(
        &mut self,
        known: u8,
        body: impl FnOnce(&mut Reader, u8) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let [version, compat] = self.array()?;
        if compat > known {
            return Err(DecodeError::TooNew { compat, known });
        }
        let length = u32::from_le_bytes(self.array()?) as usize;
        let start = self.take(length)?;
        // The body sees the envelope and nothing behind it; whatever it did, reading goes on behind.
        let (behind, end) = (self.at, self.end);
        (self.at, self.end) = (start, behind);
        let value = body(self, version);
        (self.at, self.end) = (behind, end);
        value
    }
    /// Succeeds only if nothing is left.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.left() == 0 { Ok(()) } else { Err(DecodeError::Invalid("trailing bytes")) }
    }
}

/// A value with one byte form.
pub trait Encode {
    /// Appends the value's bytes.
    fn encode(&self, w: &mut Writer);
}

/// A value that can be read back from its byte form.
pub trait Decode: Sized {
    /// Takes the value off the front of `r`.
    fn decode(r: &mut Reader) -> Result<Self, DecodeError>;
}

/// The byte form of one value.
pub fn to_bytes<T: Encode + ?Sized>(value: &T) -> Bytes {
    let mut w = Writer::new();
    value.encode(&mut w);
    w.finish()
}

/// Reads one value that must fill `data` exactly.
pub fn from_bytes<T: Decode>(data: Bytes) -> Result<T, DecodeError> {
    let mut r = Reader::new(data);
    let value = T::decode(&mut r)?;
    r.finish()?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Debug, PartialEq, Clone)]
    struct Point {
        x: u32,
        tags: Vec<String>,
    }
    codec_versioned!(Point, 1 { x, tags });

    #[derive(Debug, PartialEq, Clone)]
    enum Shape {
        Empty,
        Dot(Point),
        Line { from: Point, to: Option<Point> },
    }
    codec_enum!(Shape { 0 => Empty, 1 => Dot(a), 2 => Line { from, to } });

    fn sample() -> Vec<Shape> {
        let p = Point { x: 9, tags: vec!["a".into(), String::new()] };
        vec![Shape::Empty, Shape::Dot(p.clone()), Shape::Line { from: p.clone(), to: Some(p) }]
    }

    #[test]
    fn values_come_back_and_every_cut_is_an_error() {
        let whole = to_bytes(&sample());
        assert_eq!(from_bytes::<Vec<Shape>>(whole.clone()).unwrap(), sample());
        for n in 0..whole.len() {
            assert!(from_bytes::<Vec<Shape>>(whole.slice(..n)).is_err(), "cut at {n}");
        }
    }

    #[test]
    fn a_sharing_writer_writes_the_same_bytes_and_does_not_copy_long_ones() {
        let long = Bytes::from(vec![7u8; 100]);
        let short = Bytes::from_static(b"short");
        let write = |w: &mut Writer| {
            w.versioned(1, 1, |w| {
                w.put(&short);
                w.versioned(2, 1, |w| {
                    w.put(&long);
                    w.put(&long);
                });
                w.versioned(3, 1, |w| w.put(&1u8));
            });
        };
        let (mut plain, mut sharing) = (Writer::new(), Writer::sharing(100));
        write(&mut plain);
        write(&mut sharing);
        assert_eq!(plain.len(), sharing.len());
        let parts = sharing.finish_parts();
        assert_eq!(parts.iter().filter(|p| p.as_ptr() == long.as_ptr()).count(), 2);
        assert_eq!(parts.concat(), plain.finish());
        let mut again = Writer::sharing(100);
        write(&mut again);
        assert_eq!(again.finish(), parts.concat());
    }

    #[test]
    fn a_huge_count_is_refused_before_allocation() {
        let mut w = Writer::new();
        w.put(&u32::MAX);
        assert!(from_bytes::<Vec<u64>>(w.finish()).is_err());
    }

    #[test]
    fn a_newer_tail_is_skipped_and_a_newer_compat_refused() {
        let mut w = Writer::new();
        w.versioned(2, 1, |w| {
            w.put(&7u32);
            w.put(&Vec::<String>::new());
            w.put(&99u64);
        });
        assert_eq!(from_bytes::<Point>(w.finish()).unwrap(), Point { x: 7, tags: vec![] });
        let mut w = Writer::new();
        w.versioned(2, 2, |w| w.put(&7u32));
        assert_eq!(from_bytes::<Point>(w.finish()), Err(DecodeError::TooNew { compat: 2, known: 1 }));
    }

    #[test]
    fn an_envelope_ends_where_it_says_whatever_its_body_read() {
        let mut w = Writer::new();
        w.versioned(1, 1, |w| w.put(&7u32));
        w.put(&9u32);
        let mut r = Reader::new(w.finish());
        let greedy = r.clone().versioned(1, |r, _| Ok((r.get::<u32>()?, r.get::<u32>().is_err(), r.left())));
        assert_eq!(greedy, Ok((7, true, 0)));
        assert!(r.versioned(1, |r, _| r.get::<u64>()).is_err());
        assert_eq!((r.left(), r.get::<u32>()), (4, Ok(9)));
    }

    #[test]
    fn maps_must_be_sorted_so_that_one_value_has_one_form() {
        let m: BTreeMap<u32, String> = [(1, "a".to_string()), (2, "b".to_string())].into();
        assert_eq!(from_bytes::<BTreeMap<u32, String>>(to_bytes(&m)).unwrap(), m);
        let mut w = Writer::new();
        w.put(&2u32);
        for k in [2u32, 1] {
            w.put(&k);
            w.put(&String::new());
        }
        assert!(from_bytes::<BTreeMap<u32, String>>(w.finish()).is_err());
    }
}
