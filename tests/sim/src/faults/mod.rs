//! What goes wrong: one file a kind. Each world draws which of them it knows and how often they come.

mod alarm;
mod between;
mod breaks;
mod clients;
mod clock;
mod crash;
mod demoted;
mod full;
mod monitors;
mod moves;
mod partition;
mod pause;
mod rot;
mod slow;
mod wipe;

use crate::agenda::Happening;
use crate::end::End;
use crate::world::World;
use placement_map::{Command, OsdId, WEIGHT_ONE};
use std::time::Duration;

/// One kind of fault.
pub(crate) struct Fault {
    /// Its name, as it is counted.
    pub(crate) name: &'static str,
    /// How often it comes, beside the others.
    pub(crate) weight: u32,
    /// Does it; false if it could not just now.
    pub(crate) act: fn(&mut World) -> bool,
}

/// All kinds.
pub(crate) const FAULTS: &[Fault] = &[
    Fault { name: "osd-crash", weight: 6, act: crash::one },
    Fault { name: "power-failure", weight: 1, act: crash::many },
    Fault { name: "osd-stopped-in-order", weight: 2, act: crash::in_order },
    Fault { name: "store-lost", weight: 2, act: wipe::one },
    Fault { name: "partition-one-way", weight: 3, act: partition::one_way },
    Fault { name: "partition-pair", weight: 3, act: partition::pair },
    Fault { name: "partition-group", weight: 2, act: partition::group },
    Fault { name: "island", weight: 4, act: partition::island },
    Fault { name: "demoted-unknowing", weight: 8, act: demoted::one },
    Fault { name: "client-loses-monitors", weight: 2, act: partition::client_from_monitors },
    Fault { name: "crash-while-filling", weight: 4, act: crash::while_filling },
    Fault { name: "osd-loses-monitors", weight: 2, act: partition::from_monitors },
    Fault { name: "monitors-leaderless", weight: 2, act: monitors::leaderless },
    Fault { name: "monitors-minority", weight: 1, act: monitors::minority },
    Fault { name: "monitor-isolated", weight: 2, act: monitors::isolated },
    Fault { name: "connections-broken", weight: 3, act: breaks::some },
    Fault { name: "osd-stands-still", weight: 4, act: pause::one },
    Fault { name: "time-of-day-jump", weight: 2, act: clock::jump },
    Fault { name: "slow-disk", weight: 2, act: slow::disk },
    Fault { name: "slow-links", weight: 2, act: slow::links },
    Fault { name: "object-unreadable", weight: 3, act: rot::one },
    Fault { name: "store-full", weight: 2, act: full::one },
    Fault { name: "false-alarm", weight: 2, act: alarm::one },
    Fault { name: "osd-out", weight: 2, act: moves::out },
    Fault { name: "osd-in", weight: 2, act: moves::back_in },
    Fault { name: "osd-reweighted", weight: 1, act: moves::reweight },
    Fault { name: "osd-added", weight: 2, act: moves::add },
    Fault { name: "primary-affinity", weight: 1, act: moves::affinity },
    Fault { name: "pool-resized", weight: 1, act: moves::resize },
    Fault { name: "client-restarted", weight: 1, act: clients::restart },
    Fault { name: "crash-between-effects", weight: 6, act: between::one },
    Fault { name: "parity-lost", weight: 3, act: between::as_many_as_parity },
];
/// The last so many are for erasure-coded pools.
pub(crate) const OF_SHARDS: usize = 2;

/// The next fault, and when the one after it comes.
pub(crate) fn next(world: &mut World) {
    if world.healing {
        return;
    }
    let weights = world.settings.weights.clone();
    let total: u32 = weights.iter().sum();
    let pause = Duration::from_millis(1 + world.rng.below(world.settings.fault_ms));
    world.at(pause, Happening::Fault);
    // Somebody always starts again what lies still.
    if world.rng.chance(1, 4) {
        let osd = some_osd(world);
        if world.monitors.state().map().osd(osd).is_some() {
            world.start_osd(osd);
        }
    }
    if total == 0 {
        return;
    }
    let mut at = world.rng.below(u64::from(total)) as u32;
    for (fault, weight) in FAULTS.iter().zip(weights) {
        if at < weight {
            if (fault.act)(world) {
                world.count(fault.name);
            }
            return;
        }
        at -= weight;
    }
}

/// The trouble is over: what was cut is mended, what stopped starts, what was damaged was repaired by somebody.
pub(crate) fn end_all(world: &mut World) {
    world.mend_all();
    world.monitors.heal(world.now);
    let ids: Vec<OsdId> = world.osds.keys().copied().collect();
    let spoilt = |world: &World, id: &OsdId| -> Vec<osd_object::ObjectId> {
        world.osds[id].disk.spoilt().cloned().collect()
    };
    // What nobody else has a sound copy of is not to be repaired: a person would bring it back, and here it reads
    // again. A primary that had noted that it cannot be read looks again when it is started. Starting one may leave another's
    // damage without its sound copy, so where one has to be, all damage goes.
    let hopeless =
        ids.iter().any(|id| spoilt(world, id).iter().any(|object| !world.has_sound_copy_beside(*id, object)));
    for id in &ids {
        let osd = world.osds.get_mut(id).expect("one of ours");
        osd.disk.slow_us = 0;
        osd.paused_until = stdx::Time::ZERO;
        osd.ends_after = None;
        let healed = if hopeless { spoilt(world, id) } else { Vec::new() };
        for object in &healed {
            world.osds.get_mut(id).expect("one of ours").disk.heal(object);
        }
        if !healed.is_empty() {
            world.crash_osd(*id);
        }
        world.with_osd(*id, |o, io| {
            if o.self_full {
                o.set_full(io, false);
            }
        });
        let known = world.monitors.state().map().osd(*id).is_some();
        if known {
            world.to_wipe.remove(id);
            world.start_osd(*id);
        }
    }
    for osd in
        ids.into_iter().filter(|id| world.monitors.state().map().osd(*id).is_some()).collect::<Vec<_>>()
    {
        // Whole again: with a part of its weight CRUSH may not find enough OSDs in so small a cluster.
        world.command(Command::OsdReweight { osd, weight: WEIGHT_ONE });
    }
    world.mons_catch_up();
    world.unstall();
}

/// Any OSD, running or not.
pub(crate) fn some_osd(world: &mut World) -> OsdId {
    OsdId(world.rng.below(world.osds.len() as u64) as u32)
}

/// An OSD that runs, if the one that was drawn does.
fn running_osd(world: &mut World) -> Option<OsdId> {
    let osd = some_osd(world);
    world.osds[&osd].running().then_some(osd)
}

/// Any end.
fn some_end(world: &mut World) -> End {
    let (osds, clients) = (world.osds.len() as u64, world.clients.len() as u64);
    let at = world.rng.below(osds + clients + u64::from(crate::monitors::MONITORS));
    if at < osds {
        End::Osd(OsdId(at as u32))
    } else if at < osds + clients {
        End::Client((at - osds) as u32)
    } else {
        End::Mon((at - osds - clients) as u32)
    }
}
