//! The monitors lose their leader for moments or, as a minority, for seconds; one of them is cut off from the others
//! and goes on telling its subscribers of a map that is no longer the newest.

use crate::agenda::Happening;
use crate::monitors::{MONITORS, Monitors};
use crate::world::World;
use std::time::Duration;
use stdx::Time;

fn without_leader(world: &mut World, ms: u64) -> bool {
    if !world.monitors.has_leader(world.now) {
        return false;
    }
    let until = world.now + Duration::from_millis(ms);
    world.monitors.lose_leader(until);
    true
}

/// An election.
pub(super) fn leaderless(world: &mut World) -> bool {
    let ms = 100 + world.rng.below(1500);
    without_leader(world, ms)
}

/// No majority is up.
pub(super) fn minority(world: &mut World) -> bool {
    let ms = 2000 + world.rng.below(5000);
    without_leader(world, ms)
}

/// One is cut off from the others, or finds them again.
pub(super) fn isolated(world: &mut World) -> bool {
    let mon = world.rng.below(u64::from(MONITORS)) as u32;
    let isolated = !world.monitors.is_isolated(mon);
    world.monitors.isolate(mon, isolated);
    if !isolated {
        let upto = world.monitors.commits();
        world.at(Duration::from_millis(5), Happening::MonApplies { mon, upto });
    }
    true
}

impl Monitors {
    /// All of them are back, under a leader.
    pub(crate) fn heal(&mut self, now: Time) {
        self.lead_from(now);
        (0..MONITORS).for_each(|mon| self.isolate(mon, false));
    }
}
