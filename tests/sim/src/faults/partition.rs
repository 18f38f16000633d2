//! Ways that nothing passes for a while: one way, both ways, between groups, or between an OSD and the monitors.

use super::{running_osd, some_end};
use crate::agenda::{Happening, Undo};
use crate::end::End;
use crate::monitors::MONITORS;
use crate::world::World;
use std::time::Duration;

/// Not for longer than the log remembers requests: past that a replay would run again.
const LONGEST_MS: u64 = 6000;

fn cut_for_a_while(world: &mut World, ways: Vec<(End, End)>) -> bool {
    // Mostly one at a time: a world in which nobody reaches anybody shows little.
    if world.network.has_cuts() && world.rng.chance(3, 4) {
        return false;
    }
    for (from, to) in &ways {
        world.cut(*from, *to);
    }
    let most = if world.rng.chance(1, 3) { 800 } else { LONGEST_MS };
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

/// An OSD sees its peers and clients, and no monitor.
pub(super) fn from_monitors(world: &mut World) -> bool {
    let Some(osd) = running_osd(world).map(End::Osd) else { return false };
    let ways = (0..MONITORS).map(End::Mon).flat_map(|mon| [(osd, mon), (mon, osd)]).collect();
    cut_for_a_while(world, ways)
}
