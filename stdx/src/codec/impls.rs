//! Encodings of the standard types.

use super::{Decode, DecodeError, Encode, Reader, Writer};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

macro_rules! ints {
    ($($t:ty)*) => { $(
        impl Encode for $t { fn encode(&self, w: &mut Writer) { w.raw(&self.to_le_bytes()); } }
        impl Decode for $t {
            fn decode(r: &mut Reader) -> Result<Self, DecodeError> { Ok(<$t>::from_le_bytes(r.array()?)) }
        }
    )* };
}
ints!(u8 u16 u32 u64 u128 i32 i64);

impl Encode for bool {
    fn encode(&self, w: &mut Writer) {
        w.raw(&[u8::from(*self)]);
    }
}
impl Decode for bool {
    fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        match u8::decode(r)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Invalid("boolean")),
        }
    }
}

impl Encode for str {
    fn encode(&self, w: &mut Writer) {
        w.bytes(self.as_bytes());
    }
}
impl Encode for String {
    fn encode(&self, w: &mut Writer) {
        w.bytes(self.as_bytes());
    }
}
impl Decode for String {
    fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        let b = r.bytes()?;
        String::from_utf8(b.to_vec()).map_err(|_| DecodeError::Invalid("UTF-8 string"))
    }
}

impl Encode for Bytes {
    fn encode(&self, w: &mut Writer) {
        w.shared(self);
    }
}
impl Decode for Bytes {
    fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        r.bytes()
    }
}

impl<const N: usize> Encode for [u8; N] {
    fn encode(&self, w: &mut Writer) {
        w.raw(self);
    }
}
impl<const N: usize> Decode for [u8; N] {
    fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        r.array()
    }
}

impl<T: Encode> Encode for Option<T> {
    fn encode(&self, w: &mut Writer) {
        self.is_some().encode(w);
        if let Some(v) = self {
            v.encode(w);
        }
    }
}
impl<T: Decode> Decode for Option<T> {
    fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        if bool::decode(r)? { Ok(Some(T::decode(r)?)) } else { Ok(None) }
    }
}

/// How many elements are reserved ahead of reading them: a count from outside may lie about sizes in
/// memory by a factor, so only a little is taken on trust.
const RESERVE_MAX: usize = 256;

fn put_count(n: usize, w: &mut Writer) {
    u32::try_from(n).expect("a collection stays below 2^32 elements").encode(w);
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, w: &mut Writer) {
        self.as_slice().encode(w);
    }
}
impl<T: Encode> Encode for [T] {
    fn encode(&self, w: &mut Writer) {
        put_count(self.len(), w);
        for v in self {
            v.encode(w);
        }
    }
}
impl<T: Decode> Decode for Vec<T> {
    fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        let n = r.count(1)?;
        let mut out = Vec::with_capacity(n.min(RESERVE_MAX));
        for _ in 0..n {
            out.push(T::decode(r)?);
        }
        Ok(out)
    }
}

impl<K: Encode, V: Encode> Encode for BTreeMap<K, V> {
    fn encode(&self, w: &mut Writer) {
        put_count(self.len(), w);
        for (k, v) in self {
            k.encode(w);
            v.encode(w);
        }
    }
}
impl<K: Decode + Ord, V: Decode> Decode for BTreeMap<K, V> {
    fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        let n = r.count(1)?;
        let mut out = BTreeMap::new();
        for _ in 0..n {
            let k = K::decode(r)?;
            if out.last_key_value().is_some_and(|(last, _)| *last >= k) {
                return Err(DecodeError::Invalid("map: keys out of order"));
            }
            let v = V::decode(r)?;
            out.insert(k, v);
        }
        Ok(out)
    }
}

impl<T: Encode> Encode for BTreeSet<T> {
    fn encode(&self, w: &mut Writer) {
        put_count(self.len(), w);
        for v in self {
            v.encode(w);
        }
    }
}
impl<T: Decode + Ord> Decode for BTreeSet<T> {
    fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        let n = r.count(1)?;
        let mut out = BTreeSet::new();
        for _ in 0..n {
            let v = T::decode(r)?;
            if out.last().is_some_and(|last| *last >= v) {
                return Err(DecodeError::Invalid("set: values out of order"));
            }
            out.insert(v);
        }
        Ok(out)
    }
}

impl<A: Encode, B: Encode> Encode for (A, B) {
    fn encode(&self, w: &mut Writer) {
        self.0.encode(w);
        self.1.encode(w);
    }
}
impl<A: Decode, B: Decode> Decode for (A, B) {
    fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok((A::decode(r)?, B::decode(r)?))
    }
}
impl<A: Encode, B: Encode, C: Encode> Encode for (A, B, C) {
    fn encode(&self, w: &mut Writer) {
        self.0.encode(w);
        self.1.encode(w);
        self.2.encode(w);
    }
}
impl<A: Decode, B: Decode, C: Decode> Decode for (A, B, C) {
    fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok((A::decode(r)?, B::decode(r)?, C::decode(r)?))
    }
}

impl<A: Encode, B: Encode> Encode for Result<A, B> {
    fn encode(&self, w: &mut Writer) {
        self.is_ok().encode(w);
        match self {
            Ok(v) => v.encode(w),
            Err(e) => e.encode(w),
        }
    }
}
impl<A: Decode, B: Decode> Decode for Result<A, B> {
    fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        if bool::decode(r)? { Ok(Ok(A::decode(r)?)) } else { Ok(Err(B::decode(r)?)) }
    }
}

impl Encode for SocketAddr {
    fn encode(&self, w: &mut Writer) {
        match self.ip() {
            IpAddr::V4(v4) => {
                w.raw(&[4]);
                w.raw(&v4.octets());
            }
            IpAddr::V6(v6) => {
                w.raw(&[6]);
                w.raw(&v6.octets());
            }
        }
        self.port().encode(w);
    }
}
impl Decode for SocketAddr {
    fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        let ip: IpAddr = match u8::decode(r)? {
            4 => r.array::<4>()?.into(),
            6 => r.array::<16>()?.into(),
            _ => return Err(DecodeError::Invalid("address family")),
        };
        Ok(SocketAddr::new(ip, u16::decode(r)?))
    }
}

impl Encode for crate::Errno {
    fn encode(&self, w: &mut Writer) {
        self.0.encode(w);
    }
}
impl Decode for crate::Errno {
    fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(crate::Errno(i32::decode(r)?))
    }
}

impl Encode for crate::time::WallTime {
    fn encode(&self, w: &mut Writer) {
        self.0.encode(w);
    }
}
impl Decode for crate::time::WallTime {
    fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(crate::time::WallTime(u64::decode(r)?))
    }
}

impl Encode for std::time::Duration {
    fn encode(&self, w: &mut Writer) {
        u64::try_from(self.as_nanos()).unwrap_or(u64::MAX).encode(w);
    }
}
impl Decode for std::time::Duration {
    fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(std::time::Duration::from_nanos(u64::decode(r)?))
    }
}

impl<T: Encode> Encode for Box<T> {
    fn encode(&self, w: &mut Writer) {
        (**self).encode(w);
    }
}
impl<T: Decode> Decode for Box<T> {
    fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Box::new(T::decode(r)?))
    }
}
