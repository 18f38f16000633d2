//! The nouns that name things in a cluster, each its own type so that none is passed for another.

use std::fmt;
use std::str::FromStr;
use stdx::codec_plain;

/// A version of the cluster map; grows by one with each change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u32);
stdx::codec_newtype!(Epoch);

/// The number of an OSD, as in `osd.3`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OsdId(pub u32);
stdx::codec_newtype!(OsdId);

impl OsdId {
    /// A hole in a set of shards: nobody holds this position (Ceph's CRUSH_ITEM_NONE). Never in a replicated pool.
    pub const NONE: OsdId = OsdId(0x7fff_ffff);
}

/// The number of a pool; never reused within a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolId(pub u64);
stdx::codec_newtype!(PoolId);

/// A placement group: a pool and a seed below its pg_num. Printed as Ceph does: pool decimal, seed hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PgId {
    /// The pool.
    pub pool: PoolId,
    /// The seed, below the pool's pg_num.
    pub seed: u32,
}
codec_plain!(PgId { pool, seed });

impl OsdId {
    /// The number alone, as sets of a PG show it; `NONE` for a hole.
    pub fn short(&self) -> String {
        if *self == OsdId::NONE { "NONE".to_owned() } else { self.0.to_string() }
    }
}

impl fmt::Display for OsdId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == OsdId::NONE { f.write_str("NONE") } else { write!(f, "osd.{}", self.0) }
    }
}
impl fmt::Debug for OsdId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl fmt::Display for PgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:x}", self.pool.0, self.seed)
    }
}
impl fmt::Debug for PgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl fmt::Display for PoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Text that is not `POOL.SEED`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPgId(pub String);
impl fmt::Display for BadPgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a PG id; write POOL.SEED, for example 2.1f", self.0)
    }
}
impl std::error::Error for BadPgId {}

impl FromStr for PgId {
    type Err = BadPgId;
    fn from_str(s: &str) -> Result<PgId, BadPgId> {
        let bad = || BadPgId(s.to_string());
        let (pool, seed) = s.split_once('.').ok_or_else(bad)?;
        Ok(PgId {
            pool: PoolId(pool.parse().map_err(|_| bad())?),
            seed: u32::from_str_radix(seed, 16).map_err(|_| bad())?,
        })
    }
}

/// Ceph's `ceph_stable_mod`: the bucket of `x` among `b`, such that growing `b` towards the next power
/// of two (`bmask + 1`) moves only what must move.
pub fn stable_mod(x: u32, b: u32, bmask: u32) -> u32 {
    if x & bmask < b { x & bmask } else { x & (bmask >> 1) }
}

/// The mask `stable_mod` wants for `pg_num` groups: one less than the next power of two.
pub fn pg_num_mask(pg_num: u32) -> u32 {
    assert!(pg_num > 0, "a pool has at least one PG");
    u32::MAX.checked_shr((pg_num - 1).leading_zeros()).unwrap_or(0)
}

/// The seed, below `from`, of the PG that held what a PG of seed `child` holds once there are more than `from`. Hashes
/// of one PG never come from two when the number grows, whatever the two numbers are.
pub fn parent_seed(child: u32, from: u32) -> u32 {
    stable_mod(child, from, pg_num_mask(from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hash_of_a_child_was_its_parents() {
        let seed = |hash, pg_num| stable_mod(hash, pg_num, pg_num_mask(pg_num));
        for from in 1..20u32 {
            for to in from..40 {
                for hash in (0..3000u32).map(|i| i.wrapping_mul(0x9e37_79b9)) {
                    let (before, after) = (seed(hash, from), seed(hash, to));
                    assert_eq!(before, parent_seed(after, from), "{hash} from {from} to {to}");
                    assert!(after == before || after >= from, "what stays, stays where it is");
                }
            }
        }
    }

    #[test]
    fn pg_ids_print_and_parse_as_ceph_prints_them() {
        let pg = PgId { pool: PoolId(12), seed: 0x1f };
        assert_eq!(pg.to_string(), "12.1f");
        assert_eq!("12.1f".parse(), Ok(pg));
        assert!("12".parse::<PgId>().is_err());
    }

    #[test]
    fn masks_of_pg_num() {
        let masks: Vec<u32> = [1, 2, 3, 4, 5, 8, 9, 128].map(pg_num_mask).into();
        assert_eq!(masks, [0, 1, 3, 3, 7, 7, 15, 127]);
    }

    #[test]
    fn growing_moves_only_into_the_new_groups() {
        for x in 0..10_000u32 {
            let (old, new) = (stable_mod(x, 12, 15), stable_mod(x, 13, 15));
            assert!(new == old || new == 12);
        }
    }
}
