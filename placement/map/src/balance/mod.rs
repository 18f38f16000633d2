//! The balancer: which PGs should lie elsewhere so that every OSD holds what its weight asks for.
//!
//! [`plan`] looks at a map and answers with changes of its `pg_upmap_items`; nothing else moves. First what became
//! invalid or useless goes ([`clean`]), then each pool is evened out by itself ([`pools`]; where a rule spreads over
//! groups, such as two hosts in each of two racks, whole groups first, [`groups`]), and last the sums over all pools
//! ([`totals`]). One exchange touches the numbers of two OSDs, so ten thousand OSDs take seconds.
//!
//! An exchange is made only where the rule's own structure stays as it is: the new OSD lies below the same `take`,
//! device class included, in the same group, and in a failure domain that no other member has ([`shape`]).

mod clean;
mod groups;
mod index;
mod pools;
mod seats;
mod shape;
mod totals;

#[cfg(test)]
mod plan_test;
#[cfg(test)]
mod worlds;

use crate::cluster_map::ClusterMap;
use crate::command::Command;
use crate::delta::Delta;
use crate::ids::{OsdId, PgId, PoolId};
use seats::Seats;

/// One PG, in the fixed-point numbers that deviations are counted in.
pub(crate) const ONE_PG: i64 = 1 << 20;

/// What a plan may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most PG members that come to lie elsewhere. Pairs that are wrong go in any case.
    pub moves_max: usize,
}

impl Default for Limits {
    /// No limit.
    fn default() -> Limits {
        Limits { moves_max: usize::MAX }
    }
}

/// How far a map is from its ideal, in PGs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evenness {
    /// The farthest that any OSD is from its ideal in any one pool.
    pub pool_max: f64,
    /// The farthest that any OSD is from its ideal over all pools.
    pub total_max: f64,
    /// The standard deviation over all OSDs and pools.
    pub total_spread: f64,
}

/// The answer of [`plan`].
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What changes in [`ClusterMap::pg_upmap_items`].
    pub changes: Delta<PgId, Vec<(OsdId, OsdId)>>,
    /// Members of PGs that lie elsewhere afterwards: what has to be copied.
    pub moves: usize,
    /// The map as it is.
    pub before: Evenness,
    /// The map with the changes.
    pub after: Evenness,
    /// Pools that were left as they are: their rule is none the balancer understands.
    pub skipped: Vec<PoolId>,
}

impl Plan {
    /// Whether nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The command that carries it out; `map` is the one that was planned for.
    pub fn command(&self, map: &ClusterMap) -> Command {
        let set = self.changes.set.iter().map(|(pg, pairs)| (*pg, pairs.clone()));
        let gone = self.changes.gone.iter().map(|pg| (*pg, Vec::new()));
        Command::Upmaps { planned_for: map.epoch, items: set.chain(gone).collect() }
    }
}

/// Plans exchanges that bring every OSD within one PG of its ideal, in each pool and in total, as far as the rules
/// allow it. The ideal is Ceph's: a pool's members shared out by CRUSH weight times reweight below the rule's `take`.
/// OSDs that are down are left alone. The same map gives the same plan.
///
/// Costs one CRUSH computation a PG, and a few microseconds for each exchange.
pub fn plan(map: &ClusterMap, limits: Limits) -> Plan {
    let mut seats = Seats::of(map);
    let before = seats.evenness();
    clean::clean(map, &mut seats);
    let mut room = limits.moves_max;
    for pool in 0..seats.pools.len() {
        groups::even_out(&mut seats, pool, &mut room);
        pools::even_out(&mut seats, pool, &mut room);
    }
    totals::even_out(&mut seats, &mut room);
    let after = seats.evenness();
    let next = seats.upmap_items(map);
    let skipped = seats.pools.iter().filter(|pool| pool.shape.is_none()).map(|pool| pool.id).collect();
    Plan { changes: Delta::between(&map.pg_upmap_items, &next), moves: seats.moves(), before, after, skipped }
}

/// How far a map is from its ideal, with nothing planned.
pub fn evenness(map: &ClusterMap) -> Evenness {
    Seats::of(map).evenness()
}
