//! Who sits where: every member of every PG, what CRUSH says of it, and how far each OSD is from its ideal.

use super::shape::Shape;
use super::{Evenness, ONE_PG};
use crate::cluster_map::ClusterMap;
use crate::ids::{OsdId, PgId, PoolId};
use crate::placement::Placer;
use std::collections::BTreeMap;

/// One place in one PG.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seat {
    /// Index into [`Seats::pools`].
    pub(super) pool: usize,
    /// The PG.
    pub(super) seed: u32,
    /// The position in its set.
    pub(super) place: usize,
}

/// One PG's sets, all of the same length.
#[derive(Clone, Debug)]
pub(super) struct PgSeats {
    /// What CRUSH says.
    pub(super) raw: Vec<OsdId>,
    /// Where the PG lies as the map stands.
    pub(super) first: Vec<OsdId>,
    /// Where it is planned to lie.
    pub(super) now: Vec<OsdId>,
    /// Not to be touched: pinned by a whole upmap, or by pairs that are not of the plain kind.
    pub(super) fixed: bool,
}

/// One pool.
#[derive(Clone, Debug)]
pub(super) struct PoolSeats {
    pub(super) id: PoolId,
    /// Rule and size: pools with the same have the same shape.
    pub(super) like: (u32, u32),
    /// None: left alone.
    pub(super) shape: Option<Shape>,
    pub(super) pgs: Vec<PgSeats>,
    /// Members in each part of the rule.
    block_seats: Vec<u64>,
}

impl PoolSeats {
    /// An OSD's ideal number of seats here, in [`ONE_PG`]ths; 0 where the rule never leads.
    pub(super) fn target(&self, osd: u32) -> i64 {
        let Some((shape, spot)) = self.shape.as_ref().and_then(|shape| Some((shape, shape.spot(osd)?)))
        else {
            return 0;
        };
        let seats = u128::from(self.block_seats[spot.block]) * ONE_PG as u128;
        let share = seats * spot.weight / shape.block_weight(spot.block);
        i64::try_from(share).unwrap_or(i64::MAX)
    }
}

/// One past the highest OSD number that is looked at. Numbers are given out from 0 up; a map from outside whose numbers
/// lie far apart costs no more memory than one of as many OSDs.
fn osds_max(map: &ClusterMap) -> usize {
    let limit = map.osds.len().saturating_mul(16).saturating_add(1 << 16).min(crush::DEVICES_MAX as usize);
    let mut known = map.osds.keys().map(|id| id.0 as usize).filter(|id| *id < limit);
    known.next_back().map_or(0, |last| last + 1)
}

/// All pools, and what each OSD holds.
#[derive(Debug)]
pub(super) struct Seats {
    pub(super) pools: Vec<PoolSeats>,
    /// By OSD number.
    held: Vec<Vec<Seat>>,
    /// Held less ideal over all pools the balancer understands, by OSD number.
    total: Vec<i64>,
    /// Whether an OSD is up and in, by number: only between such are PGs exchanged.
    movable: Vec<bool>,
}

impl Seats {
    pub(super) fn of(map: &ClusterMap) -> Seats {
        let mut placer = Placer::new(map);
        let mut shapes: BTreeMap<(u32, u32), Option<Shape>> = BTreeMap::new();
        let mut pools = Vec::new();
        let osds = osds_max(map);
        for (id, pool) in &map.pools {
            let shape = shapes
                .entry((pool.crush_rule, pool.size))
                .or_insert_with(|| Shape::of(map, pool.crush_rule, pool.size as usize, osds as u32))
                .clone();
            let one = |seed| {
                let pg = PgId { pool: *id, seed };
                let (raw, first) = placer.raw_and_upmapped(pg, pool);
                let fixed = map.pg_upmap.contains_key(&pg) || first.len() != raw.len();
                PgSeats { raw, now: first.clone(), first, fixed }
            };
            let pgs = (0..pool.pg_num).map(one).collect();
            let like = (pool.crush_rule, pool.size);
            pools.push(PoolSeats { id: *id, like, shape, pgs, block_seats: Vec::new() });
        }
        let mut movable = vec![false; osds];
        for (id, osd) in map.osds.iter().take_while(|(id, _)| (id.0 as usize) < osds) {
            movable[id.0 as usize] = osd.up && osd.weight > 0;
        }
        let mut seats = Seats { pools, held: vec![Vec::new(); osds], total: vec![0; osds], movable };
        seats.count();
        seats
    }

    /// Counts everything anew.
    pub(super) fn count(&mut self) {
        self.held.iter_mut().for_each(Vec::clear);
        self.total.fill(0);
        for (at, pool) in self.pools.iter_mut().enumerate() {
            let blocks = pool.shape.as_ref().map_or(0, Shape::blocks);
            pool.block_seats = vec![0; blocks];
            for (seed, pg) in (0u32..).zip(&pool.pgs) {
                for (place, osd) in pg.now.iter().enumerate() {
                    let Some(held) = self.held.get_mut(osd.0 as usize) else { continue };
                    held.push(Seat { pool: at, seed, place });
                    let Some(shape) = &pool.shape else { continue };
                    self.total[osd.0 as usize] += ONE_PG;
                    if let Some(spot) = shape.spot(osd.0) {
                        pool.block_seats[spot.block] += 1;
                    }
                }
            }
        }
        for pool in &self.pools {
            for (osd, _) in pool.shape.iter().flat_map(Shape::osds) {
                if let Some(total) = self.total.get_mut(osd as usize) {
                    *total -= pool.target(osd);
                }
            }
        }
    }

    /// OSD numbers are below this.
    pub(super) fn osds(&self) -> u32 {
        self.held.len() as u32
    }

    /// Whether PGs may be exchanged with an OSD.
    pub(super) fn movable(&self, osd: u32) -> bool {
        self.movable.get(osd as usize).copied().unwrap_or(false)
    }

    /// The seats of an OSD, all pools.
    pub(super) fn held(&self, osd: u32) -> &[Seat] {
        &self.held[osd as usize]
    }

    /// Held less ideal in one pool.
    pub(super) fn deviation(&self, pool: usize, osd: u32) -> i64 {
        let held = self.held[osd as usize].iter().filter(|seat| seat.pool == pool).count();
        held as i64 * ONE_PG - self.pools[pool].target(osd)
    }

    /// Held less ideal over all pools.
    pub(super) fn total(&self, osd: u32) -> i64 {
        self.total[osd as usize]
    }

    pub(super) fn pg(&self, seat: Seat) -> &PgSeats {
        &self.pools[seat.pool].pgs[seat.seed as usize]
    }

    /// Whether `to` may take a seat: same part and arena, a failure domain of its own, and pairs that stay plain (no
    /// OSD that CRUSH itself has elsewhere in the set, so that the order of pairs never matters).
    pub(super) fn fits(&self, seat: Seat, to: u32) -> bool {
        let Some(shape) = &self.pools[seat.pool].shape else { return false };
        let pg = self.pg(seat);
        let from = pg.now[seat.place].0;
        let (Some(old), Some(new)) = (shape.spot(from), shape.spot(to)) else { return false };
        if pg.fixed || old.arena != new.arena || !self.movable(to) {
            return false;
        }
        let others = pg.now.iter().zip(&pg.raw).enumerate().filter(|(place, _)| *place != seat.place);
        from != to
            && others.into_iter().all(|(_, (now, raw))| {
                now.0 != to && raw.0 != to && shape.spot(now.0).is_none_or(|spot| spot.domain != new.domain)
            })
    }

    /// Gives a seat to `to`.
    pub(super) fn exchange(&mut self, seat: Seat, to: u32) {
        let pg = &mut self.pools[seat.pool].pgs[seat.seed as usize];
        let from = pg.now[seat.place].0 as usize;
        pg.now[seat.place] = OsdId(to);
        let at = self.held[from].iter().position(|held| *held == seat);
        self.held[from].swap_remove(at.expect("a seat is held by the OSD that the PG names"));
        self.held[to as usize].push(seat);
        self.total[from] -= ONE_PG;
        self.total[to as usize] += ONE_PG;
    }

    /// What one exchange adds to what has to be copied: 1, 0, or -1 where the member comes home.
    pub(super) fn cost(&self, seat: Seat, to: u32) -> isize {
        let pg = self.pg(seat);
        isize::from(pg.first[seat.place].0 != to) - isize::from(pg.first[seat.place] != pg.now[seat.place])
    }

    /// Members that are planned to lie elsewhere.
    pub(super) fn moves(&self) -> usize {
        let pgs = self.pools.iter().flat_map(|pool| &pool.pgs);
        pgs.map(|pg| pg.now.iter().filter(|osd| !pg.first.contains(osd)).count()).sum()
    }

    /// The table of pairs that makes the plan true.
    pub(super) fn upmap_items(&self, map: &ClusterMap) -> BTreeMap<PgId, Vec<(OsdId, OsdId)>> {
        let mut items = BTreeMap::new();
        for pool in &self.pools {
            for (seed, pg) in (0u32..).zip(&pool.pgs) {
                let id = PgId { pool: pool.id, seed };
                let pairs: Vec<(OsdId, OsdId)> = if pg.fixed {
                    map.pg_upmap_items.get(&id).cloned().unwrap_or_default()
                } else {
                    let both = pg.raw.iter().zip(&pg.now);
                    both.filter(|(raw, now)| raw != now).map(|(raw, now)| (*raw, *now)).collect()
                };
                if !pairs.is_empty() {
                    items.insert(id, pairs);
                }
            }
        }
        items
    }

    /// How far everything is from its ideal.
    pub(super) fn evenness(&self) -> Evenness {
        let mut pool_max = 0;
        for (at, pool) in self.pools.iter().enumerate() {
            for (osd, _) in pool.shape.iter().flat_map(Shape::osds) {
                pool_max = pool_max.max(self.deviation(at, osd).abs());
            }
        }
        let in_pgs = |value: i64| value as f64 / ONE_PG as f64;
        let of: Vec<f64> =
            (0..self.osds()).filter(|osd| self.movable(*osd)).map(|osd| in_pgs(self.total(osd))).collect();
        let squares: f64 = of.iter().map(|value| value * value).sum();
        Evenness {
            pool_max: in_pgs(pool_max),
            total_max: of.iter().fold(0.0, |max, value| value.abs().max(max)),
            total_spread: (squares / of.len().max(1) as f64).sqrt(),
        }
    }
}
