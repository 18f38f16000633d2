//! An OSD's clock: an origin of its own, and a drift.

use std::time::Duration;
use stdx::{Rng, Time};

/// One process's monotonic clock.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    origin: u64,
    ppm: i64,
}

impl Clock {
    pub(crate) fn new(rng: &mut Rng, drift_ppm: i64) -> Clock {
        let span = 2 * drift_ppm as u64 + 1;
        Clock { origin: 1 << 41, ppm: rng.below(span) as i64 - drift_ppm }
    }

    /// What it shows.
    pub(crate) fn now(&self, world: Time) -> Time {
        let drift = i128::from(world.0) * i128::from(self.ppm) / 1_000_000;
        let base = i128::from(self.origin) + i128::from(world.0) + drift;
        Time(base as u64)
    }

    /// How long it takes until it shows `time`; not less.
    pub(crate) fn until(&self, world: Time, time: Time) -> Duration {
        let left = time.since(self.now(world)).as_nanos() as i128;
        let real = left * 1_000_000 / i128::from(1_000_000 + self.ppm);
        Duration::from_nanos(real as u64 + 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_never_comes_early() {
        let mut rng = Rng::new(3);
        for _ in 0..1000 {
            let clock = Clock::new(&mut rng, 20_000);
            let world = Time(rng.below(1 << 40));
            let wanted = clock.now(world) + Duration::from_nanos(rng.below(10_000_000_000));
            let at = world + clock.until(world, wanted);
            assert!(clock.now(at) >= wanted, "{clock:?}");
        }
    }
}
