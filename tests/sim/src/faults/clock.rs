//! A clock goes ahead at once, as after a machine slept. (That clocks drift is part of every world; clients' times of
//! day are always wrong.)

use super::running_osd;
use crate::world::World;
use std::time::Duration;

pub(super) fn jump(world: &mut World) -> bool {
    let Some(osd) = running_osd(world) else { return false };
    let by = Duration::from_millis(world.rng.below(5000));
    world.with_osd(osd, |o, _| o.clock.jump(by));
    true
}
