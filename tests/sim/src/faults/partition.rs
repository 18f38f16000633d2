//! Ways that nothing passes for a while: one way, both ways, between groups, or between an OSD and the monitors.

use super::{running_osd, some_end};
use crate::agenda::{Happening, Undo};
use crate::end::End;
use crate::monitors::MONITORS;
use crate::world::World;
use placement_map::Command;
use std::time::Duration;

/// Not for longer than the log remembers requests: past that a replay would run again.
const LONGEST_MS: u64 = 6000;

fn cut_for_a_while(world: &mut World, ways: Vec<(End, End)>) -> bool {
    // Mostly one at a time: a world in which nobody reaches anybody shows little.
    if world.network.has_cuts() && world.rng.chance(3, 4) {
        return false;
    }
    let most = if world.rng.chance(1, 3) { 800 } else { LONGEST_MS };
    for_a_while(world, ways, most)
}

fn for_a_while(world: &mut World, ways: Vec<(End, End)>, most: u64) -> bool {
    for (from, to) in &ways {
        world.cut(*from, *to);
    }
    let after = Duration::from_millis(50 + world.rng.below(most));
    world.at(after, Happening::Undo(Undo::Cuts(ways)));
    true
}

/// One end does not reach another one, and hears it.
pub(super) fn one_way(world: &mut World) -> bool {
    let (a, b) = (some_end(world), some_end(world));
    a != b && cut_for_a_while(world, vec![(a, b)])
}

/// Two ends do not reach each other.
pub(super) fn pair(world: &mut World) -> bool {
    let (a, b) = (some_end(world), some_end(world));
    a != b && cut_for_a_while(world, vec![(a, b), (b, a)])
}

/// Everybody is on one of two sides; clients and monitors may be on either.
pub(super) fn group(world: &mut World) -> bool {
    let osds = world.osds.keys().map(|id| End::Osd(*id));
    let clients = (0..world.clients.len() as u32).map(End::Client);
    let ends: Vec<End> = osds.chain(clients).chain((0..MONITORS).map(End::Mon)).collect();
    let sides: Vec<bool> = ends.iter().map(|_| world.rng.chance(1, 3)).collect();
    let mut ways = Vec::new();
    for (a, one) in ends.iter().zip(&sides) {
        for (b, other) in ends.iter().zip(&sides) {
            if one != other {
                ways.push((*a, *b));
            }
        }
    }
    cut_for_a_while(world, ways)
}

/// An OSD and some clients see only each other, long enough for the others to go on without them.
pub(super) fn island(world: &mut World) -> bool {
    let Some(osd) = running_osd(world) else { return false };
    if world.network.has_cuts() {
        return false;
    }
    let clients: Vec<u32> = (0..world.clients.len() as u32).filter(|_| world.rng.chance(1, 2)).collect();
    let mut inside: Vec<End> = clients.into_iter().map(End::Client).collect();
    inside.push(End::Osd(osd));
    let osds = world.osds.keys().map(|id| End::Osd(*id));
    let clients = (0..world.clients.len() as u32).map(End::Client);
    let ends = osds.chain(clients).chain((0..MONITORS).map(End::Mon));
    let outside: Vec<End> = ends.filter(|end| !inside.contains(end)).collect();
    let ways = inside.iter().flat_map(|a| outside.iter().flat_map(|b| [(*a, *b), (*b, *a)])).collect();
    // The monitors hear at once that it is gone, in half of them: then its leases last longest.
    if world.rng.chance(1, 2) {
        world.command(Command::MarkDown { osds: vec![(osd, None)] });
    }
    for_a_while(world, ways, LONGEST_MS)
}

/// A client goes by an old map.
pub(super) fn client_from_monitors(world: &mut World) -> bool {
    let client = End::Client(world.rng.below(world.clients.len() as u64) as u32);
    let ways = (0..MONITORS).map(End::Mon).flat_map(|mon| [(client, mon), (mon, client)]).collect();
    for_a_while(world, ways, LONGEST_MS)
}

/// An OSD sees its peers and clients, and no monitor.
pub(super) fn from_monitors(world: &mut World) -> bool {
    let Some(osd) = running_osd(world).map(End::Osd) else { return false };
    let ways = (0..MONITORS).map(End::Mon).flat_map(|mon| [(osd, mon), (mon, osd)]).collect();
    cut_for_a_while(world, ways)
}
