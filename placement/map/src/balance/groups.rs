//! Rules that choose groups (two hosts in each of two racks): whole groups move, since a single member may not leave.

use super::ONE_PG;
use super::seats::{Seat, Seats};
use super::shape::Shape;
use std::collections::{BTreeMap, BTreeSet};

/// Moves of groups in one pool; each makes the sum of squares smaller, so this is only a stop for the unforeseen.
const MOVES_MAX: usize = 1 << 17;

/// Brings every arena of `pool` within one group of its ideal. Does nothing for rules that choose no groups.
pub(super) fn even_out(seats: &mut Seats, pool: usize, room: &mut usize) {
    let Some(shape) = &seats.pools[pool].shape else { return };
    if (0..shape.blocks()).all(|block| shape.group_size(block) == 0) {
        return;
    }
    let mut arenas = Arenas::of(seats, pool, shape);
    let mut stuck = BTreeSet::new();
    for _ in 0..MOVES_MAX {
        let Some(arena) = arenas.fullest(&stuck) else { return };
        if *room == 0 {
            return;
        }
        match arenas.relocation(seats, pool, arena) {
            Some(moves) if moves.len() <= *room => {
                let to = arenas.apply(seats, pool, &moves, room);
                stuck.remove(&to);
            }
            _ => {
                stuck.insert(arena);
            }
        }
    }
}

/// Seats and ideals of each arena.
struct Arenas {
    deviation: Vec<i64>,
    block: Vec<usize>,
    osds: Vec<Vec<u32>>,
    group: Vec<usize>,
}

impl Arenas {
    fn of(seats: &Seats, pool: usize, shape: &Shape) -> Arenas {
        let mut arenas = Arenas {
            deviation: vec![0; shape.arenas],
            block: vec![0; shape.arenas],
            osds: vec![Vec::new(); shape.arenas],
            group: vec![0; shape.arenas],
        };
        for (osd, spot) in shape.osds() {
            arenas.deviation[spot.arena] += seats.deviation(pool, osd);
            arenas.block[spot.arena] = spot.block;
            arenas.group[spot.arena] = shape.group_size(spot.block);
            arenas.osds[spot.arena].push(osd);
        }
        arenas
    }

    /// The fullest arena that is more than half a group too full: moving one group then makes things better.
    fn fullest(&self, stuck: &BTreeSet<usize>) -> Option<usize> {
        let over = |arena: &usize| self.deviation[*arena] * 2 > self.group[*arena] as i64 * ONE_PG;
        let full = (0..self.deviation.len()).filter(|arena| self.group[*arena] > 0 && !stuck.contains(arena));
        full.filter(over).max_by_key(|arena| self.deviation[*arena])
    }

    /// One group's way from `arena` to the emptiest arena that can take it: (seat, new OSD) for each member.
    fn relocation(&self, seats: &Seats, pool: usize, arena: usize) -> Option<Vec<(Seat, u32)>> {
        let shape = seats.pools[pool].shape.as_ref()?;
        let step = self.group[arena] as i64 * ONE_PG;
        let mut targets: Vec<usize> = (0..self.deviation.len())
            .filter(|other| *other != arena && self.block[*other] == self.block[arena])
            .filter(|other| self.deviation[*other] + step < self.deviation[arena])
            .collect();
        targets.sort_by_key(|other| self.deviation[*other]);
        for target in targets {
            let mut takers: Vec<u32> =
                self.osds[target].iter().copied().filter(|osd| seats.movable(*osd)).collect();
            takers.sort_by_key(|osd| (seats.deviation(pool, *osd), *osd));
            let mut givers = self.osds[arena].clone();
            givers.sort_by_key(|osd| (-seats.deviation(pool, *osd), *osd));
            for giver in givers {
                let held = seats.held(giver).iter().filter(|seat| seat.pool == pool);
                if let Some(moves) =
                    held.filter_map(|seat| group_moves(seats, shape, *seat, arena, target, &takers)).next()
                {
                    return Some(moves);
                }
            }
        }
        None
    }

    /// Carries a relocation out; returns the arena it went to.
    fn apply(&mut self, seats: &mut Seats, pool: usize, moves: &[(Seat, u32)], room: &mut usize) -> usize {
        let mut target = 0;
        for (seat, to) in moves {
            let from = seats.pg(*seat).now[seat.place].0;
            let cost = seats.cost(*seat, *to);
            seats.exchange(*seat, *to);
            *room = room.saturating_add_signed(-cost);
            let shape = seats.pools[pool].shape.as_ref();
            let arena_of = |osd| shape.and_then(|shape| Some(shape.spot(osd)?.arena));
            if let (Some(old), Some(new)) = (arena_of(from), arena_of(*to)) {
                self.deviation[old] -= ONE_PG;
                self.deviation[new] += ONE_PG;
                target = new;
            }
        }
        target
    }
}

/// The exchanges that take the group of `seat`'s PG in `arena` to `target`; none where the PG is there already, an OSD
/// of it is down, or the target has not enough failure domains.
fn group_moves(
    seats: &Seats,
    shape: &Shape,
    seat: Seat,
    arena: usize,
    target: usize,
    takers: &[u32],
) -> Option<Vec<(Seat, u32)>> {
    let pg = seats.pg(seat);
    if pg.fixed {
        return None;
    }
    let mut used: BTreeMap<usize, u32> = BTreeMap::new();
    let mut moves = Vec::new();
    for (place, osd) in pg.now.iter().enumerate() {
        let Some(spot) = shape.spot(osd.0) else { continue };
        if spot.arena == target {
            return None;
        }
        if spot.arena != arena {
            continue;
        }
        let free = |taker: &&u32| {
            let domain = shape.spot(**taker).map(|spot| spot.domain);
            let crossed = pg.raw.iter().enumerate().any(|(other, raw)| other != place && raw.0 == **taker);
            domain.is_some_and(|domain| !used.contains_key(&domain)) && !crossed
        };
        let to = *takers.iter().find(free).filter(|_| seats.movable(osd.0))?;
        used.insert(shape.spot(to)?.domain, to);
        moves.push((Seat { place, ..seat }, to));
    }
    let after =
        pg.now.iter().enumerate().map(|(place, osd)| {
            moves.iter().find(|(seat, _)| seat.place == place).map_or(osd.0, |(_, to)| *to)
        });
    let members: Vec<u32> = after.filter(|osd| *osd != crate::OsdId::NONE.0).collect();
    (!moves.is_empty() && shape.holds(members.into_iter())).then_some(moves)
}
