//! The monitors' time of day jumps, ahead or back. (Clients' times of day are always wrong. Monotonic clocks drift, and
//! do not jump: an OSD reads one that counts the time a machine slept, so a sleep is a process that stands still. Were a
//! member's clock to run ahead of real time by more than a lease's slack, leases would not hold.)

use crate::world::World;

pub(super) fn jump(world: &mut World) -> bool {
    world.time_of_day = world.rng.below(1 << 43);
    true
}
