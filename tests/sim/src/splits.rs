//! Pools get more PGs while everything goes on, and what the judge has to know of it: which PG came of which.

use crate::world::World;
use placement_map::ids::parent_seed;
use placement_map::{ClusterMap, Command, PgId, placement_due};
use std::collections::BTreeMap;

/// PGs of one pool, at most.
const PGS_MAX: u32 = 9;

/// Which PG each was divided off.
#[derive(Debug, Default)]
pub(crate) struct Families(BTreeMap<PgId, PgId>);

impl Families {
    /// A commit made `new` of `old`.
    pub(crate) fn note(&mut self, old: &ClusterMap, new: &ClusterMap) {
        for (id, pool) in &new.pools {
            let from = old.pool(*id).map_or(pool.pg_num, |old| old.pg_num);
            for seed in from..pool.pg_num {
                let parent = PgId { pool: *id, seed: parent_seed(seed, from) };
                self.0.insert(PgId { pool: *id, seed }, parent);
            }
        }
    }

    /// A PG and all that it came of, the nearest first.
    pub(crate) fn line(&self, pg: PgId) -> Vec<PgId> {
        std::iter::successors(Some(pg), |pg| self.0.get(pg).copied()).collect()
    }
}

impl World {
    /// Now and then a pool gets more PGs; and they are spread when that is due, or at some other time.
    pub(crate) fn turn_of_splits(&mut self) {
        if !self.settings.splits || self.healing || !self.rng.chance(1, 4) {
            return;
        }
        let id = self.pools[self.rng.below(self.pools.len() as u64) as usize].0;
        let state = self.monitors.state();
        let due = placement_due(state);
        let Some(pool) = state.map().pool(id) else { return };
        let (name, pg_num) = (pool.name.clone(), pool.pg_num);
        let set = |key: &str, value: u64| Command::PoolSet {
            name: name.clone(),
            key: key.into(),
            value: value.to_string(),
        };
        match self.rng.below(4) {
            0 => {
                let places = 1 + self.rng.below(u64::from(pg_num));
                self.command(set("pgp_num", places));
            }
            1 => due.into_iter().for_each(|command| self.command(command)),
            _ if pg_num < PGS_MAX => {
                let more = 1 + self.rng.below(u64::from((PGS_MAX - pg_num).min(pg_num * 2)));
                self.command(set("pg_num", u64::from(pg_num) + more));
                self.count("pg-num-grown");
            }
            _ => {}
        }
    }
}
