//! Pools get more PGs while everything goes on, and what the judge has to know of it: which PG came of which.

use crate::world::World;
use placement_map::ids::parent_seed;
use placement_map::{ClusterMap, ClusterState, Command, PgId, placement_due};
use std::collections::BTreeMap;

/// PGs of one pool, at most.
const PGS_MAX: u32 = 9;

/// Which PG each was divided off, and in which interval it began.
#[derive(Debug, Default)]
pub(crate) struct Families(BTreeMap<PgId, (PgId, u64)>);

/// A PG and all that it came of, the nearest first; each with the interval before which it is meant.
pub(crate) type Line = Vec<(PgId, u64)>;

impl Families {
    /// A commit made `new` of what had `old` as its map.
    pub(crate) fn note(&mut self, old: &ClusterMap, new: &ClusterState) {
        for (id, pool) in &new.map().pools {
            let from = old.pool(*id).map_or(pool.pg_num, |old| old.pg_num);
            for seed in from..pool.pg_num {
                let parent = PgId { pool: *id, seed: parent_seed(seed, from) };
                let child = PgId { pool: *id, seed };
                let began = new.row(child).expect("a row for each PG").interval;
                self.0.insert(child, (parent, began));
            }
        }
    }

    /// Where a PG's writes stand, and how far back.
    pub(crate) fn line(&self, pg: PgId) -> Line {
        let mut line = vec![(pg, u64::MAX)];
        while let Some(next) = self.0.get(&line.last().expect("never empty").0) {
            line.push(*next);
        }
        line
    }

    /// Whether a PG is another one, or came of it.
    pub(crate) fn came_of(&self, pg: PgId, other: PgId) -> bool {
        self.line(pg).iter().any(|(at, _)| *at == other)
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
