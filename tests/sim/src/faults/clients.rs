//! A client ends in the middle of what it asked, and another one begins.

use crate::world::World;

/// Only where the log remembers everything: it has to tell what came of the operations nobody waits for any more.
pub(super) fn restart(world: &mut World) -> bool {
    if world.settings.give_up_percent == 0 {
        return false;
    }
    let client = world.rng.below(world.clients.len() as u64) as u32;
    world.restart_client(client);
    true
}
