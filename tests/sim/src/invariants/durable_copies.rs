//! At least `min_size` disks hold a write when its acknowledgement leaves. Reason: the acknowledgement is the promise
//! that so many failures at once, less one, lose nothing.

use super::log_of;
use crate::world::World;
use osd_object::{ObjectRead, Version};
use osd_pg::names::meta_object;
use placement_map::PgId;
use stdx::codec::from_bytes;
use wire_codec::OsdOpReply;
use wire_codec::pg::LogEntry;

impl World {
    /// A write's acknowledgement leaves an OSD.
    pub(crate) fn check_copies(&self, pg: PgId, reply: &OsdOpReply, version: Version) {
        let mut key = b"l".to_vec();
        key.extend(version.seq.to_be_bytes());
        let meta = meta_object(pg);
        let holds = |store: &osd_object::model::Model| {
            let row = store.omap_get(&meta, &key).expect("a model reads");
            row.is_some_and(|r| from_bytes::<LogEntry>(r).expect("an entry").version == version)
        };
        let copies = self.osds.values().filter(|osd| holds(&osd.disk.durable)).count();
        let wanted = self.min_size_least[&pg.pool] as usize;
        if copies < wanted {
            let logs: Vec<_> = self
                .osds
                .values()
                .map(|osd| (osd.id, log_of(&osd.disk.durable, pg).last_key_value().map(|(_, e)| e.version)))
                .collect();
            panic!(
                "{:?} at {version} of {pg} is acknowledged with {copies} copies; logs end at {logs:?}",
                reply.request
            );
        }
    }
}
