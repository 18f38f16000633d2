//! Snapshots in the workload: the pool's are made and removed all the time, clients write under contexts that are new or
//! old, read what was, and go back to it. And what the judge has to know of the OSDs for it: what each knew to be removed
//! when it wrote, and what it let go of by itself.

use crate::world::World;
use bytes::Bytes;
use osd_class::snapped::SNAPSET;
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
    /// A write of a PG, or of the one of its `line` that issued it: of those that it came of, the one that was there in the
    /// interval. Children store their parents' writes as well, when members are brought level, and then with the view
    /// of a later time and without effects.
    fn of(&self, line: &[(PgId, u64)], version: Version) -> Option<&Logged> {
        let (issuer, _) = line.iter().rfind(|(_, before)| version.interval < *before)?;
        self.0.get(&(*issuer, version))
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
        let own = entry.request.client == OWN_CLIENT && entry.changed;
        let aside = |m: &&Mutation| is_internal(m.object()) && *m.object() != meta;
        let effects = if !own {
            Transaction::new()
        } else if transaction.mutations.iter().any(|m| aside(&m)) {
            put_in_place(&entry, transaction.mutations.iter().filter(aside))
        } else {
            let on_objects = transaction.mutations.iter().filter(|m| !is_internal(m.object()));
            Transaction { mutations: on_objects.cloned().collect() }
        };
        all.push(Logged { entry, prev, removed: snaps.removed.clone(), effects });
    }
    all
}

/// What letting go of snapshots comes to, of an object in shards, where it is put `aside` first: clones go, and the object
/// tells of those that are left, or goes too.
fn put_in_place<'a>(entry: &LogEntry, aside: impl Iterator<Item = &'a Mutation>) -> Transaction {
    let object = || entry.object.clone();
    let clones = entry.clones.iter().map(|snap| ObjectId { snap: *snap, ..object() });
    let mut mutations: Vec<Mutation> = clones.map(|object| Mutation::Remove { object }).collect();
    let before = mutations.len();
    mutations.extend(aside.filter_map(|m| match m {
        Mutation::SetXattr { name, value, .. } if name == SNAPSET => {
            Some(Mutation::SetXattr { object: object(), name: name.clone(), value: value.clone() })
        }
        Mutation::Stamp { version, mtime, .. } => {
            Some(Mutation::Stamp { object: object(), version: *version, mtime: *mtime })
        }
        _ => None,
    }));
    if mutations.len() == before {
        mutations.push(Mutation::Remove { object: object() });
    }
    Transaction { mutations }
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

/// Something about a snapshot: it is read, listed, or gone back to. Objects in shards have no omap.
pub(crate) fn ops(rng: &mut Rng, snaps: &PoolSnaps, only_reads: bool, shards: bool) -> (SnapId, Vec<Op>) {
    let snap = SnapId(1 + rng.below(snaps.seq));
    match rng.below(if only_reads { 4 } else { 7 }) {
        0 => (SnapId::HEAD, vec![Op::ListSnaps]),
        1 if shards => (snap, vec![Op::Stat]),
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

#[cfg(test)]
mod tests {
    use super::*;
    use osd_object::{ObjectName, RequestId};
    use placement_map::PoolId;

    #[test]
    fn who_issued_a_write_is_asked_and_not_a_child_that_copied_it_later() {
        let [parent, child] = [0, 1].map(|seed| PgId { pool: PoolId(1), seed });
        let version = Version { interval: 2, seq: 7 };
        let object = ObjectId::head(PoolId(1), 1, ObjectName::new("o"));
        let effects = Transaction { mutations: vec![Mutation::Remove { object: object.clone() }] };
        let request = RequestId { client: OWN_CLIENT, seq: version.seq };
        let (told, outcome, clones) = (version, Ok(Vec::new()), Vec::new());
        let entry = LogEntry { version, object, request, changed: true, told, outcome, clones };
        let gone = |snap| {
            let mut runs = SnapRuns::default();
            runs.insert(snap);
            runs
        };
        let issued = Logged { entry, prev: None, removed: gone(1), effects: effects.clone() };
        let mut logged = LoggedWrites::default();
        logged.note(parent, issued.clone());
        // A member of the child that lacked it, brought level when another snapshot was gone as well.
        logged.note(child, Logged { removed: gone(3), effects: Transaction::new(), ..issued.clone() });
        let line = [(child, u64::MAX), (parent, 5)];
        assert_eq!(logged.removed(&line, version), gone(1));
        let own = logged.own(&line, version, |_| true);
        assert_eq!(own.into_values().map(|own| &own.effects).collect::<Vec<_>>(), [&effects]);
        // What the child wrote since is its own.
        let since = Version { interval: 5, seq: 8 };
        let entry = LogEntry { version: since, ..issued.entry.clone() };
        logged.note(parent, Logged { entry: entry.clone(), removed: gone(4), ..issued.clone() });
        logged.note(child, Logged { entry, removed: gone(6), prev: Some(version), ..issued });
        assert_eq!(logged.removed(&line, since), gone(6));
        assert_eq!(logged.own(&line, since, |_| true).len(), 2);
    }
}
