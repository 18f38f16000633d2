//! Processes end: one, many at once, or one in order.

use super::{running_osd, some_osd};
use crate::agenda::{Happening, Undo};
use crate::end::End;
use crate::world::World;
use placement_map::OsdId;
use std::time::Duration;

/// One OSD ends without a word; mostly it comes back by itself.
pub(super) fn one(world: &mut World) -> bool {
    let Some(osd) = running_osd(world) else { return false };
    world.crash_osd(osd);
    comes_back(world, osd, 8000);
    true
}

/// Several end together, all of them now and then, and come back one by one.
pub(super) fn many(world: &mut World) -> bool {
    let all = world.rng.chance(1, 3);
    for osd in world.osds.keys().copied().collect::<Vec<_>>() {
        if (all || world.rng.chance(1, 2)) && world.osds[&osd].running() {
            world.crash_osd(osd);
            comes_back(world, osd, 3000);
        }
    }
    true
}

/// A primary that fills a joiner is cut off from its other members for a moment, and then ends, or the joiner does: so
/// that what was pushed is sometimes what nobody else ever had.
pub(super) fn while_filling(world: &mut World) -> bool {
    let filling = world.pgs().into_iter().find_map(|pg| {
        let row = world.monitors.state().row(pg)?;
        let primary = row.primary?;
        let status = world.osds[&primary].status(pg)?;
        let joiner = status.joiners.iter().min_by_key(|j| j.backfill)?.osd;
        let others = row.in_sync.iter().copied().filter(|osd| *osd != primary).collect::<Vec<_>>();
        Some((primary, joiner, others))
    });
    let Some((primary, joiner, others)) = filling else { return false };
    if world.rng.chance(1, 3) {
        // Or their connection breaks again and again: what the joiner misses comes later, or not at all.
        for _ in 0..4 {
            let after = Duration::from_micros(world.rng.below(100_000));
            world.at(after, Happening::Break { conn: (End::Osd(primary), End::Osd(joiner)) });
        }
        return true;
    }
    let ways: Vec<(End, End)> = others.into_iter().map(|o| (End::Osd(primary), End::Osd(o))).collect();
    for (from, to) in &ways {
        world.cut(*from, *to);
    }
    let after = Duration::from_millis(1 + world.rng.below(150));
    world.at(after, Happening::Undo(Undo::Cuts(ways)));
    let osd = if world.rng.chance(2, 3) { primary } else { joiner };
    let life = world.osds[&osd].life();
    world.at(after, Happening::Stop { osd, life });
    comes_back(world, osd, 6000);
    true
}

fn comes_back(world: &mut World, osd: OsdId, within_ms: u64) {
    if world.rng.chance(3, 4) {
        // Often sooner than anybody noticed.
        let most = if world.rng.chance(1, 3) { 200 } else { within_ms };
        let after = Duration::from_millis(1 + world.rng.below(most));
        world.at(after, Happening::Start { osd });
    }
}

/// One resigns, tells the monitors, and stops soon after: before or after they have noted it.
pub(super) fn in_order(world: &mut World) -> bool {
    let osd = some_osd(world);
    if !world.osds[&osd].running() || world.osds[&osd].resigned() {
        return false;
    }
    world.with_osd(osd, |o, _| o.resign());
    world.with_osd(osd, |o, io| o.say_goodbye(io));
    let life = world.osds[&osd].life();
    let after = Duration::from_millis(1 + world.rng.below(100));
    world.at(after, Happening::Stop { osd, life });
    comes_back(world, osd, 5000);
    true
}
