//! A disk or some links become slow for a while.

use super::{running_osd, some_end};
use crate::agenda::{Happening, Undo};
use crate::world::World;
use std::time::Duration;

/// Every transaction and read of one OSD takes up to a third of a second longer.
pub(super) fn disk(world: &mut World) -> bool {
    let Some(osd) = running_osd(world) else { return false };
    let us = 1000 + world.rng.below(300_000);
    world.osds.get_mut(&osd).expect("it runs").disk.slow_us = us;
    let after = Duration::from_millis(100 + world.rng.below(4000));
    world.at(after, Happening::Undo(Undo::SlowDisk(osd)));
    true
}

/// Some ways take up to a second.
pub(super) fn links(world: &mut World) -> bool {
    for _ in 0..1 + world.rng.below(6) {
        let (a, b) = (some_end(world), some_end(world));
        let us = 1000 + world.rng.below(1_000_000);
        world.network.slow_down(a, b, us);
    }
    let after = Duration::from_millis(100 + world.rng.below(4000));
    world.at(after, Happening::Undo(Undo::SlowLinks));
    true
}
