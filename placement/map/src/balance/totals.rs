//! The sums over all pools: an OSD may be within one PG in each pool and still hold ten too many in all.

use super::ONE_PG;
use super::index::Index;
use super::seats::{Seat, Seats};
use super::shape::Shape;
use std::collections::BTreeMap;

/// Rounds over all OSDs.
const ROUNDS_MAX: usize = 16;
/// Takers looked at for one seat, and seats for one needy OSD.
const LOOKS_MAX: usize = 1 << 10;

/// Brings every OSD within one PG of its ideal over all pools, without taking it further than one PG from its ideal
/// in any pool.
pub(super) fn even_out(seats: &mut Seats, room: &mut usize) {
    if seats.pools.len() < 2 {
        return; // the sum of one pool is that pool
    }
    // Pools of one rule and size share a shape, and so an index: the first of them stands for all.
    let first =
        |at: usize| seats.pools.iter().position(|pool| pool.like == seats.pools[at].like).unwrap_or(at);
    let like: Vec<usize> = (0..seats.pools.len()).map(first).collect();
    let key = |osd| seats.movable(osd).then(|| (seats.total(osd), 0));
    let shapes = like.iter().filter_map(|at| Some((*at, seats.pools[*at].shape.as_ref()?)));
    let shapes: BTreeMap<usize, &Shape> = shapes.collect();
    let indexes = shapes.into_iter().map(|(at, shape)| (at, Index::new(shape, key))).collect();
    let mut work = Work { seats, indexes, like, room };
    for _ in 0..ROUNDS_MAX {
        let mut by_total: Vec<(i64, u32)> = (0..work.seats.osds())
            .filter(|osd| work.seats.movable(*osd))
            .map(|osd| (work.seats.total(osd), osd))
            .collect();
        by_total.sort_unstable();
        let mut moved = false;
        for (_, osd) in by_total.iter().rev() {
            while *work.room > 0 && work.seats.total(*osd) > ONE_PG && work.push(*osd) {
                moved = true;
            }
        }
        for (_, osd) in &by_total {
            while *work.room > 0 && work.seats.total(*osd) < -ONE_PG && work.pull(*osd) {
                moved = true;
            }
        }
        if !moved {
            return;
        }
    }
}

struct Work<'a> {
    seats: &'a mut Seats,
    /// By the first pool of each shape.
    indexes: BTreeMap<usize, Index>,
    /// The first pool of each pool's shape.
    like: Vec<usize>,
    room: &'a mut usize,
}

impl Work<'_> {
    /// Whether one seat more or less leaves an OSD within one PG in a pool, or brings it nearer.
    fn harmless(&self, pool: usize, osd: u32, change: i64) -> bool {
        let now = self.seats.deviation(pool, osd);
        (now + change * ONE_PG).abs() <= now.abs().max(ONE_PG)
    }

    /// The neediest OSD in total that may take a seat.
    fn taker(&self, seat: Seat, limit: i64) -> Option<(i64, u32)> {
        let pool = &self.seats.pools[seat.pool];
        let shape = pool.shape.as_ref()?;
        let now = &self.seats.pg(seat).now;
        let spot = shape.spot(now[seat.place].0)?;
        let others: Vec<usize> = (now.iter().enumerate())
            .filter(|(place, _)| *place != seat.place)
            .filter_map(|(_, osd)| Some(shape.spot(osd.0)?.domain))
            .collect();
        let index = self.indexes.get(&self.like[seat.pool])?;
        let mut candidates = index
            .candidates(spot.arena, (limit, i64::MIN), |domain| others.contains(&domain))
            .take(LOOKS_MAX);
        let good = |osd| self.seats.fits(seat, osd) && self.harmless(seat.pool, osd, 1);
        candidates.find(|(_, osd)| good(*osd)).map(|((total, _), osd)| (total, osd))
    }

    fn push(&mut self, osd: u32) -> bool {
        let limit = self.seats.total(osd) - ONE_PG;
        let mut best: Option<((isize, i64), Seat, u32)> = None;
        for seat in self.seats.held(osd) {
            if !self.harmless(seat.pool, osd, -1) {
                continue;
            }
            let Some((total, to)) = self.taker(*seat, limit) else { continue };
            let rank = (self.seats.cost(*seat, to), total);
            if best.is_none_or(|(least, _, _)| rank < least) {
                best = Some((rank, *seat, to));
            }
        }
        if let Some((_, seat, to)) = best {
            self.exchange(seat, to);
        }
        best.is_some()
    }

    fn pull(&mut self, osd: u32) -> bool {
        let limit = self.seats.total(osd) + ONE_PG;
        let mut found = None;
        let mut looks = 0;
        for index in self.indexes.values().filter(|index| index.key(osd).is_some()) {
            for (_, from) in index.fullest().take_while(|(key, _)| key.0 > limit) {
                let good = |seat: &&Seat| {
                    self.seats.fits(**seat, osd)
                        && self.harmless(seat.pool, osd, 1)
                        && self.harmless(seat.pool, from, -1)
                };
                found = self.seats.held(from).iter().find(good).copied();
                looks += 1;
                if found.is_some() || looks > LOOKS_MAX {
                    break;
                }
            }
            if found.is_some() {
                break;
            }
        }
        if let Some(seat) = found {
            self.exchange(seat, osd);
        }
        found.is_some()
    }

    fn exchange(&mut self, seat: Seat, to: u32) {
        let from = self.seats.pg(seat).now[seat.place].0;
        let cost = self.seats.cost(seat, to);
        self.seats.exchange(seat, to);
        *self.room = self.room.saturating_add_signed(-cost);
        for (pool, index) in &mut self.indexes {
            let Some(shape) = &self.seats.pools[*pool].shape else { continue };
            for osd in [from, to] {
                if index.key(osd).is_some() {
                    index.set(shape, osd, (self.seats.total(osd), 0));
                }
            }
        }
    }
}
