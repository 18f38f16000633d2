//! Writing again what was bad. The bytes are those of a version that the object still has, so nothing of it goes into
//! the log, and it does no harm twice, late, or never.

use crate::durability::Then;
use crate::machine::Pg;
use bytes::Bytes;
use osd_object::{Mutation, ObjectId, ObjectRead, Transaction, Version};
use placement_map::OsdId;
use wire_codec::PgMessage;

impl Pg {
    /// What should be in a member's copy or shard is known again.
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
            self.shard_repaired(of, &object);
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
        let len = data.len() as u64;
        // A store that takes no more could only stop.
        let room = !self.full.contains(&self.me);
        let fits = !changing && room && self.holds(object, version, offset, len, view);
        if fits {
            // The old units go first: they may not be read, and their place on the disk may be the trouble.
            let zero = Mutation::Zero { object: object.clone(), offset, len };
            let write = Mutation::Write { object: object.clone(), offset, data };
            self.store(Transaction { mutations: vec![zero, write] });
            self.repaired += 1;
        }
        fits
    }

    /// A member wrote again what it could not read.
    pub(crate) fn shard_repaired(&mut self, of: OsdId, object: &ObjectId) {
        if let Some(p) = self.primary.as_mut() {
            p.damage.repaired(object, of);
            if of == self.me {
                p.unreadable.remove(object);
            }
        }
    }
}
