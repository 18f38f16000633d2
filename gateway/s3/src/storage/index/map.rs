//! What this gateway believes of the shards: a cache that redirects correct, never the truth.

use crate::storage::types::BucketId;
use bytes::Bytes;
use osd_class::index::Header;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

/// So many buckets are remembered; beyond, everything is forgotten and learnt anew.
const BUCKETS_MAX: usize = 4096;

/// Where a call is aimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Aim {
    /// The shard.
    pub shard: u64,
    /// Its generation as far as known; `None` asks the shard for its header first.
    pub generation: Option<u64>,
}

#[derive(Clone, Debug)]
struct Range {
    to: Option<Bytes>,
    shard: u64,
    generation: u64,
}

/// Ranges by bucket and first key.
#[derive(Default)]
pub(crate) struct ShardMap {
    buckets: HashMap<BucketId, BTreeMap<Bytes, Range>>,
}

impl ShardMap {
    /// The shard of a key, if its range is known. A bucket never seen is taken for a new one: one shard.
    pub(crate) fn aim(&self, bucket: BucketId, key: &[u8]) -> Option<Aim> {
        let Some(ranges) = self.buckets.get(&bucket) else {
            return Some(Aim { shard: 0, generation: Some(FIRST_GENERATION) });
        };
        let upto = (Bound::Unbounded, Bound::Included(key));
        let (_, range) = ranges.range::<[u8], _>(upto).next_back()?;
        let holds = range.to.as_ref().is_none_or(|to| key < &to[..]);
        holds.then_some(Aim { shard: range.shard, generation: Some(range.generation) })
    }

    /// Takes in what a shard says of itself.
    pub(crate) fn learn(&mut self, header: &Header) {
        let bucket = BucketId(header.bucket);
        if self.buckets.len() >= BUCKETS_MAX && !self.buckets.contains_key(&bucket) {
            self.buckets.clear();
        }
        let ranges = self.buckets.entry(bucket).or_default();
        // Whatever overlaps it is older, or will correct itself.
        if let Some((_, before)) =
            ranges.range_mut::<Bytes, _>((Bound::Unbounded, Bound::Excluded(&header.from))).next_back()
            && before.to.as_ref().is_none_or(|to| *to > header.from)
        {
            before.to = Some(header.from.clone());
        }
        ranges.retain(|from, _| *from < header.from || header.to.as_ref().is_some_and(|to| from >= to));
        let range = Range { to: header.to.clone(), shard: header.shard, generation: header.generation };
        ranges.insert(header.from.clone(), range);
    }

    /// Whether more than one shard of a bucket is known.
    pub(crate) fn has_several(&self, bucket: BucketId) -> bool {
        self.buckets.get(&bucket).is_some_and(|ranges| ranges.len() > 1)
    }

    /// Forgets a bucket.
    pub(crate) fn forget(&mut self, bucket: BucketId) {
        self.buckets.remove(&bucket);
    }
}

/// The generation that a bucket's first shard is born with.
pub(crate) const FIRST_GENERATION: u64 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use osd_class::index::State;

    fn header(shard: u64, from: &'static str, to: Option<&'static str>, generation: u64) -> Header {
        Header {
            bucket: 7,
            shard,
            from: Bytes::from_static(from.as_bytes()),
            to: to.map(|t| Bytes::from_static(t.as_bytes())),
            right: None,
            generation,
            state: State::Active,
            splitting: None,
        }
    }

    #[test]
    fn newer_ranges_push_older_ones_aside() {
        let mut map = ShardMap::default();
        let b = BucketId(7);
        let at = |map: &ShardMap, key: &str| map.aim(b, key.as_bytes()).map(|a| a.shard);
        assert_eq!(at(&map, "zz"), Some(0), "a new bucket has one shard");
        map.learn(&header(0, "", None, 1));
        map.learn(&header(5, "m", None, 2));
        assert_eq!([at(&map, "a"), at(&map, "m"), at(&map, "z")], [Some(0), Some(5), Some(5)]);
        map.learn(&header(0, "", Some("f"), 3));
        assert_eq!([at(&map, "a"), at(&map, "g"), at(&map, "m")], [Some(0), None, Some(5)]);
        map.learn(&header(9, "f", Some("m"), 3));
        assert_eq!(at(&map, "g"), Some(9));
        map.forget(b);
        assert_eq!(at(&map, "g"), Some(0));
    }
}
