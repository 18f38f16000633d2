//! The monitors mark an OSD down although it lives and serves.

use super::running_osd;
use crate::world::World;
use placement_map::Command;

pub(super) fn one(world: &mut World) -> bool {
    let Some(osd) = running_osd(world) else { return false };
    world.command(Command::MarkDown { osds: vec![(osd, None)] });
    true
}
