//! Snapshots in the workload: the pool's are made and removed all the time, clients write under contexts that are new or
//! old, read what was, and go back to it. And what the judge has to know of the OSDs for it: what each knew to be removed
//! when it wrote, and what it let go of by itself.

use crate::world::World;
use bytes::Bytes;
use osd_object::{Mutation, ObjectId, ObjectRead, OmapRange, Op, SnapContext, SnapId, Transaction, Version};
use osd_pg::OWN_CLIENT;
use osd_pg::names::{is_internal, meta_object};
use placement_map::{Command, PgId, PoolSnaps, SnapRuns};
use std::collections::BTreeMap;
use stdx::Rng;
use stdx::codec::from_bytes;
use wire_codec::pg::LogEntry;

/// Snapshots of a pool at once, at most.
const LIVE_MAX: usize = 6;

/// A write as an OSD put it into its log, of a pool that has had snapshots.
#[derive(Clone, Debug)]
pub(crate) struct Logged {
    pub(crate) entry: LogEntry,
    /// The entry before it there; none: there was none.
    pub(crate) prev: Option<Version>,
    /// The snapshots that the OSD knew to be gone.
    pub(crate) removed: SnapRuns,
    /// Its effects on objects, if it was the PG's own.
    pub(crate) effects: Transaction,
}

/// All that were ever logged; of each version, what who issued it said.
#[derive(Debug, Default)]
pub(crate) struct LoggedWrites(BTreeMap<(PgId, Version), Logged>);

impl LoggedWrites {
    pub(crate) fn note(&mut self, pg: PgId, logged: Logged) {
        let known = self.0.entry((pg, logged.entry.version)).or_insert_with(|| logged.clone());
        // Who was given its log from there on does not know what came before; others do.
        known.prev = known.prev.or(logged.prev);
    }
    /// What who issued a write knew to be gone.
    pub(crate) fn removed(&self, line: &[(PgId, u64)], version: Version) -> SnapRuns {
        self.of(line, version).map(|logged| logged.removed.clone()).unwrap_or_default()
    }
    /// A write of a PG, or of one that it was divided off: the nearest of them in `line` that had that version.
    fn of(&self, line: &[(PgId, u64)], version: Version) -> Option<&Logged> {
        let mut meant = line.iter().filter(|(_, before)| version.interval < *before);
        meant.find_map(|(pg, _)| self.0.get(&(*pg, version)))
    }
    /// What the PG did by itself, by sequence number, as far as the log that ends so says that it happened.
    pub(crate) fn own(
        &self,
        line: &[(PgId, u64)],
        mut end: Version,
        mine: impl Fn(&ObjectId) -> bool,
    ) -> BTreeMap<u64, &Logged> {
        let mut own = BTreeMap::new();
        while let Some(logged) = self.of(line, end) {
            let entry = &logged.entry;
            if entry.request.client == OWN_CLIENT && entry.changed && mine(&entry.object) {
                own.insert(end.seq, logged);
            }
            end = logged.prev.unwrap_or(Version::ZERO);
        }
        own
    }
}

/// The writes that a transaction logs, seen by an OSD whose store is as `view` shows before it.
pub(crate) fn logged_by(
    pg: PgId,
    transaction: &Transaction,
    view: &dyn ObjectRead,
    snaps: &PoolSnaps,
) -> Vec<Logged> {
    let meta = meta_object(pg);
    let rows = |m: &Mutation| match m {
        Mutation::OmapSet { object, rows } if *object == meta => rows.clone(),
        _ => Vec::new(),
    };
    let mut before: Option<Version> = None;
    let mut all = Vec::new();
    for (key, value) in transaction.mutations.iter().flat_map(rows).filter(|(key, _)| key[0] == b'l') {
        let entry: LogEntry = from_bytes(value).expect("a machine wrote it");
        let mut key = key.to_vec();
        key[1..].copy_from_slice(&(entry.version.seq - 1).to_be_bytes());
        let row = view.omap_get(&meta, &key).expect("a model reads");
        let stored = row.map(|row| from_bytes::<LogEntry>(row).expect("a machine wrote it").version);
        let prev = before.filter(|v| v.seq + 1 == entry.version.seq).or(stored);
        before = Some(entry.version);
        let own = entry.request.client == OWN_CLIENT;
        let effects = transaction.mutations.iter().filter(|m| own && !is_internal(m.object()));
        let effects = Transaction { mutations: effects.cloned().collect() };
        all.push(Logged { entry, prev, removed: snaps.removed.clone(), effects });
    }
    all
}

/// What a client that goes by this map says with a write: mostly all snapshots that are there; now and then those of
/// some time ago, or none.
pub(crate) fn context(rng: &mut Rng, snaps: &PoolSnaps) -> SnapContext {
    let seq = match rng.below(10) {
        0 => 0,
        1 => rng.below(snaps.seq + 1),
        _ => snaps.seq,
    };
    let live = (1..=seq).rev().filter(|snap| snaps.is_live(*snap));
    SnapContext { seq, snaps: live.map(SnapId).collect() }
}

/// Something about a snapshot: it is read, listed, or gone back to.
pub(crate) fn ops(rng: &mut Rng, snaps: &PoolSnaps, only_reads: bool) -> (SnapId, Vec<Op>) {
    let snap = SnapId(1 + rng.below(snaps.seq));
    match rng.below(if only_reads { 4 } else { 7 }) {
        0 => (SnapId::HEAD, vec![Op::ListSnaps]),
        1 => (snap, vec![Op::Stat, Op::OmapGetRange { range: OmapRange::all() }]),
        2 | 3 => (snap, vec![Op::Read { offset: 0, len: 0 }, Op::GetXattrs]),
        4 | 5 => (SnapId::HEAD, vec![Op::Rollback { snap }]),
        _ => {
            let value = Bytes::from(vec![b'y'; rng.below(5) as usize]);
            (SnapId::HEAD, vec![Op::SetXattr { name: "y".into(), value }, Op::Rollback { snap }])
        }
    }
}

/// The object without a snapshot.
pub(crate) fn whole(object: &ObjectId) -> ObjectId {
    ObjectId { snap: SnapId::HEAD, ..object.clone() }
}

impl World {
    /// Now and then a snapshot of some pool is made or removed.
    pub(crate) fn turn_of_snapshots(&mut self) {
        if !self.settings.snapshots || self.healing || !self.rng.chance(1, 3) {
            return;
        }
        let pool = self.pools[self.rng.below(self.pools.len() as u64) as usize].0;
        if self.data_shards(pool).is_some() {
            // They have none yet.
            return;
        }
        let snaps = self.snaps_of(pool);
        let live: Vec<u64> = (1..=snaps.seq).filter(|snap| snaps.is_live(*snap)).collect();
        let remove = live.len() >= LIVE_MAX || (!live.is_empty() && self.rng.chance(2, 5));
        let command = match remove {
            true => Command::SnapRemove { pool, snap: live[self.rng.below(live.len() as u64) as usize] },
            false => Command::SnapCreate { pool },
        };
        self.command(command);
    }

    /// A pool's snapshots, as the monitors have them.
    pub(crate) fn snaps_of(&self, pool: placement_map::PoolId) -> PoolSnaps {
        self.monitors.state().map().pool(pool).map(|pool| pool.snaps.clone()).unwrap_or_default()
    }
}
