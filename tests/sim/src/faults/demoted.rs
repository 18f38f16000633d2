//! A primary is replaced and does not hear of it, nor do some clients: it goes on answering them for as long as its
//! leases last. Sometimes what its members promised it comes late, or one of them restarts and has to remember that it
//! promised.

use crate::agenda::{Happening, Undo};
use crate::end::End;
use crate::monitors::MONITORS;
use crate::world::World;
use placement_map::Command;
use std::time::Duration;

pub(super) fn one(world: &mut World) -> bool {
    let pgs = world.pgs();
    let pg = pgs[world.rng.below(pgs.len() as u64) as usize];
    let Some(row) = world.monitors.state().row(pg).cloned() else { return false };
    let Some(primary) = row.primary.filter(|_| row.activated && row.in_sync.len() > 1) else { return false };
    if world.network.has_cuts() || !world.monitors.has_leader(world.now) {
        return false;
    }
    let mut deaf = vec![End::Osd(primary)];
    for client in 0..world.clients.len() as u32 {
        let reader = client < world.settings.readers;
        if world.rng.chance(if reader { 4 } else { 2 }, 5) {
            deaf.push(End::Client(client));
        }
    }
    let kind = world.rng.below(4);
    let mons = || (0..MONITORS).map(End::Mon);
    let mut ways: Vec<(End, End)> =
        deaf.iter().flat_map(|end| mons().flat_map(|m| [(*end, m), (m, *end)])).collect();
    if kind == 1 || kind == 2 {
        // Its peers cannot tell it either.
        let peers = world.osds.keys().filter(|osd| **osd != primary).map(|osd| End::Osd(*osd));
        ways.extend(peers.flat_map(|peer| [(End::Osd(primary), peer), (peer, End::Osd(primary))]));
    }
    for (from, to) in &ways {
        world.cut(*from, *to);
    }
    let lease = world.settings.pg.lease.as_millis() as u64;
    let after = Duration::from_millis(lease + world.rng.below(lease + 2500));
    world.at(after, Happening::Undo(Undo::Cuts(ways)));
    let others: Vec<_> = row.in_sync.iter().copied().filter(|osd| *osd != primary).collect();
    let other = others[world.rng.below(others.len() as u64) as usize];
    match kind {
        0 => {
            let us = 1000 * (1 + world.rng.below(lease));
            for other in others {
                world.network.slow_down(End::Osd(other), End::Osd(primary), us);
                world.network.slow_down(End::Osd(primary), End::Osd(other), us);
            }
            world.at(after, Happening::Undo(Undo::SlowLinks));
        }
        1 => {
            world.crash_osd(other);
            let back = Duration::from_millis(1 + world.rng.below(30));
            world.at(back, Happening::Start { osd: other });
        }
        _ => {}
    }
    let delay = Duration::from_millis(world.rng.below(lease));
    let command = Box::new(Command::MarkDown { osds: vec![(primary, None)] });
    world.at(delay, Happening::Commit { command, life: None });
    true
}
