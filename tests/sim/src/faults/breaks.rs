//! Connections break for no reason that anybody sees.

use crate::world::World;

pub(super) fn some(world: &mut World) -> bool {
    let standing = world.network.standing();
    let one_in = 1 + world.rng.below(8);
    for id in standing {
        if world.rng.chance(1, one_in) {
            world.break_conn(id);
        }
    }
    true
}
