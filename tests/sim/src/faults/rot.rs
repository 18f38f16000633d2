//! The data of one object in one store cannot be read any more: its bits rotted, its write was lost or went elsewhere;
//! the store's checksum makes all of these one error. Never of an object that is damaged elsewhere as well, and only
//! while another member is in sync, so that whatever is lost is a mistake of ours; of an object in shards, only while more
//! sound ones are left than it takes to have it.

use crate::world::World;

pub(super) fn one(world: &mut World) -> bool {
    let Some((osd, object)) = world.something_to_spoil() else { return false };
    world.osds.get_mut(&osd).expect("it runs").disk.spoil(object, &mut world.rng);
    true
}
