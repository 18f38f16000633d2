//! Repair: a shard that its holder could not read is rebuilt from others and written again, whole chunks of it.

use super::gather::{Gather, GatherFor};
use crate::durability::Then;
use crate::machine::Pg;
use bytes::Bytes;
use erasure::ChunkSet;
use osd_object::{Mutation, ObjectId, ObjectRead, Transaction, Version};
use placement_map::OsdId;
use wire_codec::PgMessage;

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
        let Some(p) = self.primary.as_mut() else { return };
        p.damaged.insert(object.clone());
        // Whole chunks, so that nothing of what is there has to be read to write them.
        let range = (low / unit * unit, high.div_ceil(unit) * unit);
        let holders: Vec<(OsdId, usize)> = self
            .row
            .in_sync
            .iter()
            .filter_map(|osd| Some((*osd, usize::from(*self.row.shards.get(osd)?))))
            .filter(|(_, shard)| bad.contains(*shard))
            .collect();
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

    /// What should be in a shard is known again.
    pub(crate) fn repair_shard(
        &mut self,
        of: OsdId,
        object: ObjectId,
        version: Version,
        (offset, data): (u64, Bytes),
        view: &dyn ObjectRead,
    ) {
        if of != self.me {
            let interval = self.interval;
            self.send(of, PgMessage::ShardRepair { interval, object, version, offset, data });
        } else if self.write_again(&object, version, offset, data, view) {
            self.shard_repaired(&object);
        }
    }

    /// The primary knows what our shard should hold. If the object is still of that version, the bytes are right,
    /// whenever they come.
    pub(crate) fn on_shard_repair(
        &mut self,
        from: OsdId,
        object: ObjectId,
        version: Version,
        (offset, data): (u64, Bytes),
        view: &dyn ObjectRead,
    ) {
        if self.may_apply() && self.write_again(&object, version, offset, data, view) {
            let interval = self.interval;
            self.durability.then(Then::Send(from, PgMessage::ShardRepaired { interval, object }));
        }
    }

    fn write_again(
        &mut self,
        object: &ObjectId,
        version: Version,
        offset: u64,
        data: Bytes,
        view: &dyn ObjectRead,
    ) -> bool {
        let changing = self.written_now.contains(object) || self.prepared.objects().any(|o| o == object);
        let fits = !changing && self.holds(object, version, offset, data.len() as u64, view);
        if fits {
            let write = Mutation::Write { object: object.clone(), offset, data };
            self.store(Transaction { mutations: vec![write] });
        }
        fits
    }

    /// A member wrote again what it could not read.
    pub(crate) fn shard_repaired(&mut self, object: &ObjectId) {
        if let Some(p) = self.primary.as_mut() {
            p.damaged.remove(object);
        }
    }
}
