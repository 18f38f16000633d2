//! A disk dies: its OSD comes back with an empty store and a new uuid, where the others can do without the old one.

use super::some_osd;
use crate::agenda::Happening;
use crate::world::World;
use std::time::Duration;

pub(super) fn one(world: &mut World) -> bool {
    let osd = some_osd(world);
    if world.monitors.state().map().osd(osd).is_none() {
        return false;
    }
    world.crash_osd(osd);
    world.to_wipe.insert(osd);
    let after = Duration::from_millis(500 + world.rng.below(6000));
    world.at(after, Happening::Start { osd });
    true
}
