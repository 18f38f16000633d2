//! Repair: a shard that its holder could not read is rebuilt from others, whole chunks of it.

use super::gather::{Gather, GatherFor};
use crate::machine::Pg;
use erasure::ChunkSet;
use osd_object::{ObjectId, ObjectRead, Version};
use placement_map::OsdId;

/// Repairs under way at once; what is beyond is found again by the next read.
const REPAIRS_MAX: usize = 8;

impl Pg {
    /// A range of these shards of an object could not be read.
    pub(crate) fn shards_bad(
        &mut self,
        object: &ObjectId,
        version: Version,
        (low, high): (u64, u64),
        bad: ChunkSet,
        view: &dyn ObjectRead,
    ) {
        let Some(unit) = self.shape.as_ref().map(|shape| shape.unit()) else { return };
        // Whole chunks, so that nothing of what is there has to be read to write them.
        let range = (low / unit * unit, high.div_ceil(unit) * unit);
        let holders: Vec<(OsdId, usize)> = self
            .row
            .in_sync
            .iter()
            .filter_map(|osd| Some((*osd, usize::from(*self.row.shards.get(osd)?))))
            .filter(|(_, shard)| bad.contains(*shard))
            .collect();
        for (of, _) in &holders {
            self.note_damage(object, *of);
        }
        for (of, shard) in holders {
            if self.gathers.values().filter(|g| g.is_repair()).count() >= REPAIRS_MAX {
                return;
            }
            let wanted = ChunkSet::from_iter([shard]);
            let gather = Gather::new(object.clone(), version, range, wanted, GatherFor::Repair { of });
            let ticket = self.durability.ticket();
            self.gather(ticket, gather.without(bad), view);
        }
    }
}
