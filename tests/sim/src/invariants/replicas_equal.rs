//! After everything settled, every member holds the same, which is what the history gives, and nothing else. Reason:
//! a difference that no read has met yet is a loss that has not been noticed yet.

use crate::world::World;
use osd_object::ObjectId;
use osd_object::model::{Model, ModelObject};
use osd_pg::names::is_internal;
use placement_map::PgId;
use std::collections::BTreeMap;

impl World {
    /// Compares every member's disk with what the history gives.
    pub(crate) fn check_members(&self, pg: PgId, expected: &Model) {
        let row = self.monitors.state().row(pg).expect("a row");
        let map = self.monitors.state().map();
        let wanted: BTreeMap<&ObjectId, &ModelObject> = expected.objects.iter().collect();
        for osd in &row.in_sync {
            let osd = &self.osds[osd];
            let mine = |(o, _): &(&ObjectId, &ModelObject)| map.pg_of(o.pool, o.hash) == Some(pg);
            let (internal, held): (BTreeMap<_, _>, BTreeMap<_, _>) =
                osd.disk.durable.objects.iter().filter(mine).partition(|(o, _)| is_internal(o));
            if held != wanted {
                let differ: Vec<_> = held
                    .keys()
                    .chain(wanted.keys())
                    .filter(|o| held.get(*o) != wanted.get(*o))
                    .map(|o| (o.to_string(), held.get(o), wanted.get(o)))
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
