//! One pool evened out by itself: from the fullest OSD to the neediest that the rule allows.

use super::ONE_PG;
use super::index::{Index, Key};
use super::seats::{Seat, Seats};

/// Rounds over all OSDs; each round ends nearer to the goal, and two or three are enough.
const ROUNDS_MAX: usize = 32;
/// Seats looked at to fill one needy OSD.
const LOOKS_MAX: usize = 1 << 14;
/// Ways over a third OSD tried to relieve one that has no direct way.
const DETOURS_MAX: usize = 1 << 12;

/// Brings every OSD within one PG of its ideal in `pool`, as far as its rule and `room` (moves left) allow.
pub(super) fn even_out(seats: &mut Seats, pool: usize, room: &mut usize) {
    let Some(shape) = &seats.pools[pool].shape else { return };
    let key = |osd| seats.movable(osd).then(|| (seats.deviation(pool, osd), seats.total(osd)));
    let index = Index::new(shape, key);
    let mut work = Work { seats, pool, index, room };
    for _ in 0..ROUNDS_MAX {
        let full: Vec<u32> =
            work.index.fullest().take_while(|(key, _)| key.0 > ONE_PG).map(|(_, osd)| osd).collect();
        let mut moved = false;
        for osd in full {
            while *work.room > 0 && work.deviation(osd) > ONE_PG && (work.push(osd) || work.detour(osd)) {
                moved = true;
            }
        }
        let needy: Vec<u32> =
            work.index.neediest().take_while(|(key, _)| key.0 < -ONE_PG).map(|(_, osd)| osd).collect();
        for osd in needy {
            while *work.room > 0 && work.deviation(osd) < -ONE_PG && work.pull(osd) {
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
    pool: usize,
    index: Index,
    room: &'a mut usize,
}

impl Work<'_> {
    fn deviation(&self, osd: u32) -> i64 {
        self.index.key(osd).map_or(0, |key| key.0)
    }

    /// The seats of an OSD in this pool.
    fn seats_of(&self, osd: u32) -> Vec<Seat> {
        self.seats.held(osd).iter().copied().filter(|seat| seat.pool == self.pool).collect()
    }

    /// The neediest OSD below `limit` that may take a seat.
    fn taker(&self, seat: Seat, limit: Key) -> Option<(Key, u32)> {
        let shape = self.seats.pools[self.pool].shape.as_ref()?;
        let pg = self.seats.pg(seat);
        let spot = shape.spot(pg.now[seat.place].0)?;
        let others: Vec<usize> = (pg.now.iter().enumerate())
            .filter(|(place, _)| *place != seat.place)
            .filter_map(|(_, osd)| Some(shape.spot(osd.0)?.domain))
            .collect();
        let mut candidates = self.index.candidates(spot.arena, limit, |domain| others.contains(&domain));
        candidates.find(|(_, osd)| self.seats.fits(seat, *osd))
    }

    /// The best seat of an OSD to give away, and to whom: what comes home or was to move anyway first, then the
    /// neediest taker. Only takers that stay less full than the giver was are any good.
    fn best(&self, osd: u32, limit: Key) -> Option<(Seat, u32)> {
        let mut best: Option<((isize, Key), Seat, u32)> = None;
        for seat in self.seats_of(osd) {
            let pg = self.seats.pg(seat);
            if pg.fixed {
                continue; // its sets need not even be of one length
            }
            let home = pg.raw[seat.place].0;
            let comes_home = self.index.key(home).filter(|key| *key < limit && self.seats.fits(seat, home));
            let Some((key, to)) = comes_home.map(|key| (key, home)).or_else(|| self.taker(seat, limit))
            else {
                continue;
            };
            let rank = (self.seats.cost(seat, to) * 2 - isize::from(comes_home.is_some()), key);
            if best.is_none_or(|(least, _, _)| rank < least) {
                best = Some((rank, seat, to));
            }
        }
        best.map(|(_, seat, to)| (seat, to))
    }

    fn exchange(&mut self, seat: Seat, to: u32) {
        let from = self.seats.pg(seat).now[seat.place].0;
        let cost = self.seats.cost(seat, to);
        self.seats.exchange(seat, to);
        *self.room = self.room.saturating_add_signed(-cost);
        let Some(shape) = &self.seats.pools[self.pool].shape else { return };
        for osd in [from, to] {
            self.index.set(shape, osd, (self.seats.deviation(self.pool, osd), self.seats.total(osd)));
        }
    }

    /// Gives one seat of a full OSD away.
    fn push(&mut self, osd: u32) -> bool {
        let limit = (self.deviation(osd) - ONE_PG, i64::MIN);
        let found = self.best(osd, limit);
        if let Some((seat, to)) = found {
            self.exchange(seat, to);
        }
        found.is_some()
    }

    /// Gives one seat to an OSD that is as full as this one will be afterwards, which gives one of its own to a
    /// needier one: the way out where all needy OSDs stand in failure domains that this one's PGs have already.
    fn detour(&mut self, osd: u32) -> bool {
        let goal = (self.deviation(osd) - ONE_PG, i64::MIN);
        let mut looks = 0;
        for seat in self.seats_of(osd) {
            let between: Vec<u32> = (self.index.neediest().take_while(|(key, _)| key.0 < goal.0 + ONE_PG))
                .map(|(_, other)| other)
                .filter(|other| self.seats.fits(seat, *other))
                .take(64)
                .collect();
            for other in between {
                for onward in self.seats_of(other) {
                    looks += 1;
                    if looks > DETOURS_MAX {
                        return false;
                    }
                    let apart = onward.seed != seat.seed;
                    if let Some((_, to)) = self.taker(onward, goal).filter(|(_, to)| apart && *to != osd) {
                        self.exchange(onward, to);
                        self.exchange(seat, other);
                        return true;
                    }
                }
            }
        }
        false
    }

    /// Takes one seat for a needy OSD from the fullest that has one for it.
    fn pull(&mut self, osd: u32) -> bool {
        let limit = self.deviation(osd) + ONE_PG;
        let mut looks = 0;
        let mut found = None;
        'search: for (_, from) in self.index.fullest().take_while(|(key, _)| key.0 > limit) {
            for seat in self.seats.held(from).iter().filter(|seat| seat.pool == self.pool) {
                looks += 1;
                if looks > LOOKS_MAX {
                    break 'search;
                }
                if self.seats.fits(*seat, osd) {
                    found = Some(*seat);
                    break 'search;
                }
            }
        }
        if let Some(seat) = found {
            self.exchange(seat, osd);
        }
        found.is_some()
    }
}
