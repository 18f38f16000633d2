//! What is meant for writes in two steps: an OSD ends between two effects on its store, whatever they belong to; and as
//! many OSDs as there are parity shards end at once, their stores being lost where the others can do without.

use super::{running_osd, some_osd};
use crate::agenda::Happening;
use crate::world::World;
use placement_map::OsdId;
use std::time::Duration;

/// One ends right after one of its next few effects: nothing that follows, not even of the same decision, is carried out.
pub(super) fn one(world: &mut World) -> bool {
    let Some(osd) = running_osd(world) else { return false };
    let effects = world.rng.below(8) as u32;
    world.osds.get_mut(&osd).expect("it runs").ends_after = Some(effects);
    true
}

/// As many as parity allows for.
pub(super) fn as_many_as_parity(world: &mut World) -> bool {
    let parity = world.settings.pools.iter().filter_map(|pool| pool.shards).map(|(_, m)| m).max();
    let Some(parity) = parity else { return false };
    let lost = world.rng.chance(1, 2);
    let first = some_osd(world).0;
    let osds = world.osds.len() as u32;
    for osd in (0..parity).map(|n| OsdId((first + n) % osds)) {
        if !world.osds[&osd].running() {
            continue;
        }
        world.crash_osd(osd);
        if lost {
            world.to_wipe.insert(osd);
        }
        let after = Duration::from_millis(1 + world.rng.below(8000));
        world.at(after, Happening::Start { osd });
    }
    true
}
