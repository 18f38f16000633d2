//! The plans of the erasures at hand: while a disk is down, the same few are asked for again and again.

use crate::{ChunkSet, Code, Plan, Profile, TooManyLost};
use std::collections::BTreeMap;

/// A bounded cache of plans, of any codes; what was not used for longest goes first.
#[derive(Clone, Debug)]
pub struct Plans {
    kept: BTreeMap<Erasure, Kept>,
    plans_max: usize,
    uses: u64,
}

/// The code, the wanted chunks, the available ones.
type Erasure = (Profile, ChunkSet, ChunkSet);

#[derive(Clone, Debug)]
struct Kept {
    plan: Plan,
    last_use: u64,
}

impl Plans {
    /// Keeps at most `plans_max` plans (1 or more) of at most 4 KiB each.
    pub fn new(plans_max: usize) -> Plans {
        assert!(plans_max > 0, "a cache that keeps nothing");
        Plans { kept: BTreeMap::new(), plans_max, uses: 0 }
    }

    /// [`Code::plan`], from the cache when it is there.
    pub fn plan(&mut self, code: &Code, wanted: ChunkSet, available: ChunkSet) -> Result<&Plan, TooManyLost> {
        self.uses += 1;
        let erasure = (code.profile(), wanted, available);
        if !self.kept.contains_key(&erasure) {
            let plan = code.plan(wanted, available)?;
            if self.kept.len() >= self.plans_max {
                self.drop_oldest();
            }
            self.kept.insert(erasure, Kept { plan, last_use: 0 });
        }
        let kept = self.kept.get_mut(&erasure).expect("it was there or was put there");
        kept.last_use = self.uses;
        Ok(&kept.plan)
    }

    fn drop_oldest(&mut self) {
        let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.last_use).map(|(erasure, _)| *erasure);
        if let Some(erasure) = oldest {
            self.kept.remove(&erasure);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_is_used_and_no_more_than_it_may() {
        let (small, large) = (Code::new(Profile::isa(4, 2).unwrap()), Code::new(Profile::isa(8, 3).unwrap()));
        let mut plans = Plans::new(4);
        let all = ChunkSet::first(11);
        for lost in [0, 1, 0, 2, 0, 3, 0, 4] {
            let lost = ChunkSet::from_iter([lost]);
            for code in [&small, &large] {
                let kept = plans.plan(code, lost, all - lost).cloned();
                assert_eq!(kept, code.plan(lost, all - lost));
            }
            assert!(plans.kept.len() <= 4);
        }
        let often = (small.profile(), ChunkSet::first(1), all - ChunkSet::first(1));
        assert!(plans.kept.contains_key(&often), "the one that is used between all others stays");
        assert!(plans.plan(&small, all, ChunkSet::first(3)).is_err());
        assert_eq!(plans.kept.len(), 4, "what cannot be done drives nothing out");
    }
}
