//! Object names, and the identity and order that placement gives them.

use crate::snap::SnapId;
use placement_map::PoolId;
use std::cmp::Ordering;

/// The longest object name, locator key or namespace, in bytes (Ceph's default osd_max_object_name_len
/// is 2048).
pub const NAME_BYTES_MAX: usize = 2048;

/// An object's name within a pool, as a client says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// The namespace; empty for the default one.
    pub namespace: String,
    /// The locator key: hashed in place of the name when not empty, so that objects lie together.
    pub locator: String,
    /// The name proper.
    pub name: String,
}
stdx::codec_plain!(ObjectName { namespace, locator, name });

impl ObjectName {
    /// A name in the default namespace without a locator key.
    pub fn new(name: impl Into<String>) -> ObjectName {
        ObjectName { name: name.into(), ..ObjectName::default() }
    }
    /// What is hashed for placement: the locator key if there is one, else the name.
    pub fn hashed(&self) -> &str {
        if self.locator.is_empty() { &self.name } else { &self.locator }
    }
}

/// An object's full identity: pool, placement hash, name and snapshot, in Ceph's hobject order
/// (pool, then the hash with its bits reversed, then namespace, key and name, then snap), so that each PG
/// is one range of the order and splitting a PG splits the range.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ObjectId {
    /// The pool.
    pub pool: PoolId,
    /// Placement hash of (namespace, key or name), as `placement_map` computes it.
    pub hash: u32,
    /// Namespace, locator key, name.
    pub name: ObjectName,
    /// `SnapId::HEAD` or the newest snapshot that a clone holds.
    pub snap: SnapId,
}
stdx::codec_plain!(ObjectId { pool, hash, name, snap });

impl ObjectId {
    /// The live object of that name and hash.
    pub fn head(pool: PoolId, hash: u32, name: ObjectName) -> ObjectId {
        ObjectId { pool, hash, name, snap: SnapId::HEAD }
    }

    /// The position of this object in the pool's listing: the hash with its bits reversed.
    pub fn position(&self) -> u32 {
        self.hash.reverse_bits()
    }

    /// The bytes that sort as the order does: for keys of an ordered store.
    /// Layout: docs/formats/index.md. Strings are escaped (0x00 -> 0x00 0xff) and ended by 0x00 0x01, so
    /// that no name is a prefix of another's key.
    pub fn sort_key(&self) -> Vec<u8> {
        let n = &self.name;
        let mut key = Vec::with_capacity(32 + n.namespace.len() + n.locator.len() + n.name.len());
        key.extend(self.pool.0.to_be_bytes());
        key.extend(self.position().to_be_bytes());
        for part in [n.namespace.as_str(), n.hashed(), n.name.as_str()] {
            for b in part.bytes() {
                key.push(b);
                if b == 0 {
                    key.push(0xff);
                }
            }
            key.extend([0, 1]);
        }
        key.extend(self.snap.0.to_be_bytes());
        // Tells a name hashed by an equal locator key from one without a key.
        key.push(u8::from(!n.locator.is_empty()));
        key
    }

    /// Reads back what `sort_key` made; `None` for bytes it never makes.
    pub fn from_sort_key(key: &[u8]) -> Option<ObjectId> {
        let (pool, rest) = key.split_first_chunk::<8>()?;
        let (position, mut rest) = rest.split_first_chunk::<4>()?;
        let mut part = || -> Option<String> {
            let mut out = Vec::new();
            loop {
                let (b, tail) = rest.split_first()?;
                rest = tail;
                if *b != 0 {
                    out.push(*b);
                    continue;
                }
                let (mark, tail) = rest.split_first()?;
                rest = tail;
                match mark {
                    0xff => out.push(0),
                    1 => return String::from_utf8(out).ok(),
                    _ => return None,
                }
            }
        };
        let (namespace, hashed, name) = (part()?, part()?, part()?);
        let (snap, rest) = rest.split_first_chunk::<8>()?;
        let locator = match rest {
            [0] => String::new(),
            [1] => hashed,
            _ => return None,
        };
        Some(ObjectId {
            pool: PoolId(u64::from_be_bytes(*pool)),
            hash: u32::from_be_bytes(*position).reverse_bits(),
            name: ObjectName { namespace, locator, name },
            snap: SnapId(u64::from_be_bytes(*snap)),
        })
    }
}

impl Ord for ObjectId {
    fn cmp(&self, other: &ObjectId) -> Ordering {
        let by = |o: &ObjectId| (o.pool, o.position());
        by(self)
            .cmp(&by(other))
            .then_with(|| self.name.namespace.cmp(&other.name.namespace))
            .then_with(|| self.name.hashed().cmp(other.name.hashed()))
            .then_with(|| self.name.name.cmp(&other.name.name))
            .then_with(|| self.snap.cmp(&other.snap))
            .then_with(|| self.name.locator.cmp(&other.name.locator))
    }
}
impl PartialOrd for ObjectId {
    fn partial_cmp(&self, other: &ObjectId) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl std::fmt::Display for ObjectId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let n = &self.name;
        write!(f, "{}:{:08x}:{}:{}:{}", self.pool, self.position(), n.namespace, n.locator, n.name)?;
        if self.snap == SnapId::HEAD { f.write_str(":head") } else { write!(f, ":{:x}", self.snap.0) }
    }
}
impl std::fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stdx::Rng;

    fn random(rng: &mut Rng) -> ObjectId {
        let mut text = || {
            let n = rng.below(4) as usize;
            (0..n)
                .map(|_| ['\0', '\u{1}', 'a', 'b', 'é', '\u{ff}'][rng.below(6) as usize])
                .collect::<String>()
        };
        let name = ObjectName { namespace: text(), locator: text(), name: text() };
        let hash = [0, 1, 0x8000_0000, 7][rng.below(4) as usize];
        let snap = if rng.chance(1, 2) { SnapId::HEAD } else { SnapId(rng.below(3)) };
        ObjectId { pool: PoolId(rng.below(2)), hash, name, snap }
    }

    #[test]
    fn sort_keys_sort_as_objects_do_and_come_back() {
        let mut rng = Rng::new(1);
        for _ in 0..20_000 {
            let (a, b) = (random(&mut rng), random(&mut rng));
            assert_eq!(a.sort_key().cmp(&b.sort_key()), a.cmp(&b), "{a:?} {b:?}");
            assert_eq!(ObjectId::from_sort_key(&a.sort_key()), Some(a));
        }
    }

    #[test]
    fn a_pg_is_one_range_of_the_order() {
        let mut all: Vec<ObjectId> = (0..4096u32)
            .map(|i| ObjectId::head(PoolId(1), i.wrapping_mul(0x9e37_79b9), ObjectName::new(i.to_string())))
            .collect();
        all.sort();
        let seeds: Vec<u32> = all.iter().map(|o| o.hash & 7).collect();
        let changes = seeds.windows(2).filter(|w| w[0] != w[1]).count();
        assert_eq!(changes, 7, "eight PGs, each contiguous");
    }
}
