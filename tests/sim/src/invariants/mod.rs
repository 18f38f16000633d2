//! What must hold, one file each with its reason.

mod durable_copies;
mod linearizable;
mod logs_agree;
mod no_write_lost;
mod one_primary;
mod replicas_equal;
mod scrubbed;
mod settles;
mod versions_forward;

pub(crate) use one_primary::Granted;
pub(crate) use settles::BOUND;
pub(crate) use versions_forward::Seen;

use crate::history::Record;
use crate::world::World;
use osd_object::model::Model;
use osd_object::{ObjectId, ObjectRead, OmapRange};
use osd_pg::names::{is_internal, meta_object};
use placement_map::{OsdId, PgId};
use std::collections::BTreeMap;
use stdx::codec::from_bytes;
use wire_codec::pg::LogEntry;
use wire_codec::{OsdOpReply, OsdOutcome};

/// An object's states, its clones included, by the sequence number of the write that made each; absent before the first.
pub(crate) type Timeline = BTreeMap<u64, Model>;

/// A PG's log as a store has it, by sequence number.
pub(crate) fn log_of(store: &Model, pg: PgId) -> BTreeMap<u64, LogEntry> {
    let range = OmapRange { rows_max: u32::MAX, bytes_max: u32::MAX, ..OmapRange::prefix(b"l") };
    let page = store.omap_range(&meta_object(pg), &range).expect("a model reads");
    let entry = |value: bytes::Bytes| from_bytes::<LogEntry>(value).expect("a machine wrote it");
    page.rows.into_iter().map(|(_, value)| entry(value)).map(|e| (e.version.seq, e)).collect()
}

impl World {
    /// An answer leaves an OSD.
    pub(crate) fn check_reply(&self, osd: OsdId, pg: PgId, interval: Option<u64>, reply: &OsdOpReply) {
        let OsdOutcome::Done { version, outcome: Ok(_) } = &reply.outcome else { return };
        if *version == osd_object::Version::ZERO {
            return;
        }
        if let Some(interval) = interval {
            self.check_is_granted(osd, pg, interval);
        }
        let asked = self.clients.iter().find_map(|c| c.waits_for(reply.request));
        if asked.is_some_and(|ops| crate::workload::registry().access(ops) == osd_class::Access::Write) {
            self.check_copies(pg, reply, *version);
        }
    }

    /// A client was answered.
    pub(crate) fn answered(&mut self, record: Record) {
        self.seen.check(&record);
        self.history.answered.push(record);
    }

    /// After everything has settled.
    pub(crate) fn judge(&self) {
        self.check_logs_agree();
        let map = self.monitors.state().map();
        // By where its object is in the end: what was done before a division stands in the logs of all that came of it.
        let in_pg = |r: &&Record, pg| {
            let here = map.pg_of(r.object.pool, r.object.hash) == Some(pg);
            assert!(!here || self.families.came_of(pg, r.pg), "{pg} did not come of where it was: {r:?}");
            here
        };
        let all = self.history.answered.iter().chain(&self.history.unknown);
        let asked = all.map(|r| r.request).collect();
        for pg in self.pgs() {
            let row = self.monitors.state().row(pg).expect("a row for each PG");
            let primary = row.primary.expect("it settled");
            let log = log_of(&self.osds[&primary].disk.durable, pg);
            let answered: Vec<&Record> = self.history.answered.iter().filter(|r| in_pg(r, pg)).collect();
            let unknown: Vec<&Record> = self.history.unknown.iter().filter(|r| in_pg(r, pg)).collect();
            no_write_lost::check(pg, &log, &answered, &asked);
            let resolved = no_write_lost::resolve(&log, &unknown);
            let end = log.last_key_value().map_or(osd_object::Version::ZERO, |(_, entry)| entry.version);
            let snaps = self.snaps_of(pg.pool);
            let line = self.families.line(pg);
            let own = |object: &ObjectId| map.pg_of(object.pool, object.hash) == Some(pg);
            let logged = linearizable::Logged {
                removed: &|version| self.logged.removed(&line, version),
                own: self.logged.own(&line, end, own),
                snaps: &snaps,
            };
            let (model, timelines) = linearizable::replay(&answered, &resolved, logged);
            linearizable::check(&answered, &resolved, &timelines);
            self.check_members(pg, &model);
            self.check_scrubbed(pg);
        }
    }

    /// Whether an object is a PG's own or one of a client's in it.
    pub(crate) fn is_ours(&self, object: &ObjectId, pg: PgId) -> bool {
        let named = |(pool, names): &(placement_map::PoolId, Vec<String>)| {
            *pool == object.pool && names.contains(&object.name.name)
        };
        let now = self.monitors.state().map().pg_of(object.pool, object.hash);
        // Or it was, before that PG was divided.
        now.is_some_and(|now| self.families.came_of(now, pg))
            && (is_internal(object) || self.pools.iter().any(named))
    }

    pub(crate) fn pgs(&self) -> Vec<PgId> {
        self.monitors.state().map().pgs().collect()
    }
}
