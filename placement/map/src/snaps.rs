//! What the map says of a pool's self-managed snapshots: how many ids were given out, and which are gone.

use std::sync::Arc;
use stdx::codec::{Decode, DecodeError, Encode, Reader, Writer};

/// A pool's snapshots. An id is given out once and for ever; a removed one never comes back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolSnaps {
    /// The newest id given out; 0: none ever, and then no object of the pool has clones.
    pub seq: u64,
    /// Ids whose snapshots are gone: what objects keep for them is let go.
    pub removed: SnapRuns,
}
stdx::codec_plain!(PoolSnaps { seq, removed });

impl PoolSnaps {
    /// Whether that snapshot was made and is still there.
    pub fn is_live(&self, snap: u64) -> bool {
        (1..=self.seq).contains(&snap) && !self.removed.contains(snap)
    }
}

/// A set of snapshot ids, as runs of consecutive ones: as small as the number of snapshots that are left between
/// them. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapRuns {
    /// First id and count; ascending, none empty, no two that touch.
    runs: Arc<Vec<(u64, u64)>>,
}

impl SnapRuns {
    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }
    /// How many ids are in it.
    pub fn count(&self) -> u64 {
        self.runs.iter().map(|(_, count)| count).sum()
    }
    /// The runs: first id and count.
    pub fn runs(&self) -> &[(u64, u64)] {
        &self.runs
    }
    /// Whether an id is in it.
    pub fn contains(&self, id: u64) -> bool {
        let at = self.runs.partition_point(|(first, _)| *first <= id);
        at > 0 && id - self.runs[at - 1].0 < self.runs[at - 1].1
    }
    /// Puts an id in; false if it was there.
    pub fn insert(&mut self, id: u64) -> bool {
        if self.contains(id) {
            return false;
        }
        let runs = Arc::make_mut(&mut self.runs);
        let at = runs.partition_point(|(first, _)| *first <= id);
        let joins_before = at > 0 && runs[at - 1].0 + runs[at - 1].1 == id;
        let joins_after = at < runs.len() && id.checked_add(1) == Some(runs[at].0);
        match (joins_before, joins_after) {
            (true, true) => {
                let (_, after) = runs.remove(at);
                runs[at - 1].1 += 1 + after;
            }
            (true, false) => runs[at - 1].1 += 1,
            (false, true) => runs[at] = (id, runs[at].1 + 1),
            (false, false) => runs.insert(at, (id, 1)),
        }
        true
    }
    /// What is in it and not in `other`.
    pub fn without(&self, other: &SnapRuns) -> SnapRuns {
        let mut left = Vec::new();
        for (first, count) in self.runs.iter() {
            let (mut at, end) = (*first, first + count);
            let from = other.runs.partition_point(|(f, c)| f + c <= at);
            for (their_first, their_count) in &other.runs[from..] {
                if *their_first >= end {
                    break;
                }
                if *their_first > at {
                    left.push((at, their_first - at));
                }
                at = their_first + their_count;
            }
            if at < end {
                left.push((at, end - at));
            }
        }
        SnapRuns { runs: Arc::new(left) }
    }
}

impl Encode for SnapRuns {
    fn encode(&self, w: &mut Writer) {
        w.put(&*self.runs);
    }
}

impl Decode for SnapRuns {
    fn decode(r: &mut Reader) -> Result<SnapRuns, DecodeError> {
        let runs: Vec<(u64, u64)> = r.get()?;
        let mut end = None;
        for (first, count) in &runs {
            let fits = end.is_none_or(|end| *first > end) && *count > 0;
            end = first.checked_add(*count);
            if !fits || end.is_none() {
                return Err(DecodeError::Invalid("runs of snapshots"));
            }
        }
        Ok(SnapRuns { runs: Arc::new(runs) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use stdx::Rng;
    use stdx::codec::{from_bytes, to_bytes};

    fn ids(runs: &SnapRuns) -> BTreeSet<u64> {
        runs.runs().iter().flat_map(|(first, count)| *first..first + count).collect()
    }

    #[test]
    fn runs_are_what_a_plain_set_says() {
        let mut rng = Rng::new(11);
        for _ in 0..500 {
            let mut random = || {
                let (mut runs, mut plain) = (SnapRuns::default(), BTreeSet::new());
                for _ in 0..rng.below(40) {
                    let id = rng.below(50);
                    assert_eq!(runs.insert(id), plain.insert(id));
                }
                (runs, plain)
            };
            let ((a, plain_a), (b, plain_b)) = (random(), random());
            assert_eq!(ids(&a), plain_a);
            assert_eq!(a.count() as usize, plain_a.len());
            assert!((0..52).all(|id| a.contains(id) == plain_a.contains(&id)));
            assert!(a.runs().windows(2).all(|w| w[0].0 + w[0].1 < w[1].0), "{a:?}");
            assert_eq!(ids(&a.without(&b)), plain_a.difference(&plain_b).copied().collect());
            assert_eq!(from_bytes(to_bytes(&a)), Ok(a));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [vec![(1u64, 0u64)], vec![(5, 2), (6, 1)], vec![(5, 1), (6, 1)], vec![(u64::MAX, 2)]] {
            assert!(from_bytes::<SnapRuns>(to_bytes(&bad)).is_err(), "{bad:?}");
        }
    }
}
