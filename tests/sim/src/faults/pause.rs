//! A process stands still, often for longer than a lease, and goes on as if nothing had been.

use super::running_osd;
use crate::world::World;
use std::time::Duration;

pub(super) fn one(world: &mut World) -> bool {
    let Some(osd) = running_osd(world) else { return false };
    let lease = world.settings.pg.lease.as_millis() as u64;
    let most = [lease / 2, 2 * lease, 8000][world.rng.below(3) as usize];
    let how_long = Duration::from_millis(10 + world.rng.below(most));
    world.pause_osd(osd, how_long);
    true
}
