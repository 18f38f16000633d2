//! A store takes no more for a while: writes that take space are refused, deletes and reads go on.

use super::running_osd;
use crate::agenda::{Happening, Undo};
use crate::world::World;
use std::time::Duration;

pub(super) fn one(world: &mut World) -> bool {
    let Some(osd) = running_osd(world) else { return false };
    world.with_osd(osd, |o, io| o.set_full(io, true));
    let after = Duration::from_millis(100 + world.rng.below(4000));
    world.at(after, Happening::Undo(Undo::Full(osd)));
    true
}
