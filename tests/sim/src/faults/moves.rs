//! An operator (or the balancer) moves data: OSDs in and out, added, reweighted, pools resized.

use super::{running_osd, some_osd};
use crate::world::World;
use placement_map::{Command, OsdId, WEIGHT_ONE};

fn known(world: &mut World) -> Option<OsdId> {
    let osd = some_osd(world);
    world.monitors.state().map().osd(osd).is_some().then_some(osd)
}

/// One is drained.
pub(super) fn out(world: &mut World) -> bool {
    let Some(osd) = known(world) else { return false };
    world.command(Command::MarkOut { osds: vec![osd], automatic: false });
    true
}

/// One gets data again.
pub(super) fn back_in(world: &mut World) -> bool {
    let Some(osd) = known(world) else { return false };
    world.command(Command::MarkIn { osds: vec![osd] });
    true
}

/// One gets another share.
pub(super) fn reweight(world: &mut World) -> bool {
    let Some(osd) = known(world) else { return false };
    let weight = (1 + world.rng.below(4)) as u32 * (WEIGHT_ONE / 4);
    world.command(Command::OsdReweight { osd, weight });
    true
}

/// One that never was there boots.
pub(super) fn add(world: &mut World) -> bool {
    let strange = |id: &&OsdId| world.monitors.state().map().osd(**id).is_none() && !world.osds[id].running();
    let Some(osd) = world.osds.keys().find(strange).copied() else { return false };
    world.start_osd(osd);
    true
}

/// One becomes more or less inclined to be primary.
pub(super) fn affinity(world: &mut World) -> bool {
    let Some(osd) = running_osd(world).filter(|osd| world.monitors.state().map().osd(*osd).is_some()) else {
        return false;
    };
    let affinity = (world.rng.below(3) * 0x8000) as u32;
    world.command(Command::PrimaryAffinity { osd, affinity });
    true
}

/// A pool keeps another number of copies.
pub(super) fn resize(world: &mut World) -> bool {
    let (pool, _) = &world.pools[world.rng.below(world.pools.len() as u64) as usize];
    let map = world.monitors.state().map();
    let Some(pool) = map.pool(*pool) else { return false };
    let (name, most) = (pool.name.clone(), u64::from(world.settings.osds.min(4)));
    let size = 2 + world.rng.below(most - 1);
    world.command(Command::PoolSet { name, key: "size".into(), value: size.to_string() });
    true
}
