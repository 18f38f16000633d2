//! After everything settled, every member holds the same (of an erasure-coded pool: its shard of the same), which is what
//! the history gives, and nothing else. Reason:
//! a difference that no read has met yet is a loss that has not been noticed yet.

use crate::shards::Coding;
use crate::world::World;
use osd_object::ObjectId;
use osd_object::model::{Model, ModelObject};
use osd_pg::names::is_internal;
use placement_map::{PgId, Pool};
use std::collections::BTreeMap;
use stdx::checksum::crc32c;

impl World {
    /// Compares every member's disk with what the history gives.
    pub(crate) fn check_members(&self, pg: PgId, expected: &Model) {
        let row = self.monitors.state().row(pg).expect("a row");
        let map = self.monitors.state().map();
        let coding = map.pool(pg.pool).and_then(Pool::ec_profile).map(|profile| Coding::of(&profile));
        for osd in &row.in_sync {
            let shard = coding.as_ref().zip(row.shards.get(osd));
            let shards = shard.map(|(coding, shard)| coding.shard_of_all(expected, *shard));
            let wanted: BTreeMap<&ObjectId, &ModelObject> =
                shards.as_ref().unwrap_or(expected).objects.iter().collect();
            let osd = &self.osds[osd];
            let mine = |(o, _): &(&ObjectId, &ModelObject)| map.pg_of(o.pool, o.hash) == Some(pg);
            let (internal, held): (BTreeMap<_, _>, BTreeMap<_, _>) =
                osd.disk.durable.objects.iter().filter(mine).partition(|(o, _)| is_internal(o));
            if held != wanted {
                let brief = |o: Option<&&ModelObject>| {
                    o.map(|o| format!("{:?} {:x} {:?} {:?}", o.meta, crc32c(&o.data), o.xattrs, o.omap))
                };
                let differ: Vec<_> = held
                    .keys()
                    .chain(wanted.keys())
                    .filter(|o| held.get(*o) != wanted.get(*o))
                    .map(|o| (o.to_string(), brief(held.get(o)), brief(wanted.get(o))))
                    .collect();
                panic!("{} holds of {pg} what no history gives (object, held, wanted): {differ:?}", osd.id);
            }
            assert_eq!(internal.len(), 1, "{}: {pg} left something beside its objects: {internal:?}", osd.id);
        }
        let heads: Vec<_> =
            row.in_sync.iter().filter_map(|o| self.osds[o].status(pg)).map(|s| s.log_head).collect();
        assert!(heads.windows(2).all(|w| w[0] == w[1]), "{pg}: logs end differently: {heads:?}");
    }
}
