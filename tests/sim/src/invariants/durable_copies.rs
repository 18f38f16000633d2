//! At least `min_size` disks hold a write when its acknowledgement leaves; in an erasure-coded pool, so many different
//! shards of it. Reason: the acknowledgement is the promise that so many failures at once, less one (less the data
//! shards), lose nothing.

use super::log_of;
use crate::world::World;
use osd_object::{ObjectRead, Version};
use osd_pg::names::meta_object;
use placement_map::{OsdId, PgId};
use std::collections::BTreeSet;
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
        let holders = self.osds.values().filter(|osd| holds(&osd.disk.durable)).map(|osd| osd.id);
        // Of two with one shard one counts. Whoever left the row since has one of its own.
        let row = self.monitors.state().row(pg).expect("a row");
        let shard = |osd: OsdId| row.shards.get(&osd).map_or(Err(osd), |shard| Ok(*shard));
        let copies = holders.map(shard).collect::<BTreeSet<_>>().len();
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
