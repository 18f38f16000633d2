//! The judgement. Versions say in which order writes happened, so a history is checked by replaying it:
//!
//! * no two acknowledged writes have one place in the order (an acknowledged write was not lost and its
//!   place given away), and later intervals come later;
//! * replayed in that order on the model store, every write gives the outcome that its client got: nothing
//!   happened twice, nothing was skipped;
//! * every read finds a place between writes where it gives its outcome, not before anything that was
//!   answered before it began: no read is stale, none goes back;
//! * what every member holds at the end is what the replay holds;
//! * letting go of snapshots that are gone changes nothing of those that are there, and leaves nothing behind;
//! * at each acknowledgement at least `min_size` disks hold the write.

use crate::osd::registry;
use crate::shards::Coding;
use crate::world::World;
use osd_class::Access;
use osd_class::snapped::{Snapped, execute_snapped, resolve};
use osd_object::model::{Model, ModelObject};
use osd_object::op::{OpFailure, OpOutcome};
use osd_object::{ObjectId, ObjectRead, Op, SnapContext, SnapId, Transaction, Version};
use osd_pg::OWN_CLIENT;
use osd_pg::names::{is_internal, meta_object};
use placement_map::{PgId, PoolSnaps, SnapRuns};
use std::collections::BTreeMap;
use stdx::codec::from_bytes;
use stdx::time::WallTime;
use stdx::{Errno, Time};
use wire_codec::pg::LogEntry;
use wire_codec::{OpTarget, OsdOpReply, OsdOutcome};

/// One answered operation.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) pg: PgId,
    pub(crate) object: ObjectId,
    pub(crate) ops: Vec<Op>,
    pub(crate) mtime: WallTime,
    pub(crate) snaps: SnapContext,
    pub(crate) started: Time,
    pub(crate) ended: Time,
    pub(crate) version: Version,
    pub(crate) outcome: OpOutcome,
}

impl Record {
    /// Snapshots that it reads or goes back to.
    fn snapshots(&self) -> impl Iterator<Item = SnapId> + '_ {
        let back_to = |op: &Op| match op {
            Op::Rollback { snap } => Some(*snap),
            _ => None,
        };
        self.ops.iter().filter_map(back_to).chain([self.object.snap])
    }
    /// Going back to where an object was not yet, where it is not, changes nothing.
    fn wrote(&self) -> bool {
        self.outcome.is_ok() && self.version != Version::ZERO && registry().access(&self.ops) == Access::Write
    }
}

/// A write as some OSD put it into its log, of a pool that has had snapshots.
pub(crate) struct Logged {
    pub(crate) pg: PgId,
    pub(crate) entry: LogEntry,
    /// The entry before it there; none: no entry was.
    pub(crate) prev: Option<Version>,
    /// The snapshots that the OSD knew to be gone.
    pub(crate) removed: SnapRuns,
    /// Its effects on objects.
    pub(crate) effects: Transaction,
}

/// The history so far.
#[derive(Default)]
pub(crate) struct Oracle {
    records: Vec<Record>,
    logged: BTreeMap<(PgId, Version), Logged>,
}

impl Oracle {
    pub(crate) fn record(&mut self, record: Record) {
        self.records.push(record);
    }
    /// The first to log a write is who issued it.
    pub(crate) fn logged(&mut self, logged: Logged) {
        self.logged.entry((logged.pg, logged.entry.version)).or_insert(logged);
    }

    /// What the PG did by itself, as far as the log that ends so says that it happened.
    fn own_writes(&self, pg: PgId, mut end: Version) -> Vec<&Logged> {
        let mut own = Vec::new();
        while let Some(logged) = self.logged.get(&(pg, end)) {
            if logged.entry.request.client == OWN_CLIENT && logged.entry.changed {
                own.push(logged);
            }
            assert!(logged.prev.is_some() || end.seq == 1, "{pg} {end} has no entry before it");
            end = logged.prev.unwrap_or(Version::ZERO);
        }
        own
    }
}

/// An object's states, its clones included, by the sequence number of the write that made each; absent before the
/// first.
type Timeline = BTreeMap<u64, Model>;

/// The object without a snapshot.
fn whole(object: &ObjectId) -> ObjectId {
    ObjectId { snap: SnapId::HEAD, ..object.clone() }
}

/// An object with its clones.
fn state_of(model: &Model, head: &ObjectId) -> Model {
    let mine = model.objects.iter().filter(|(id, _)| whole(id) == *head);
    Model { objects: mine.map(|(id, object)| (id.clone(), object.clone())).collect() }
}

/// What a snapshot shows of an object.
fn seen_at(model: &Model, head: &ObjectId, snap: u64) -> Option<ModelObject> {
    let stored = resolve(model, &ObjectId { snap: SnapId(snap), ..head.clone() }).ok()?;
    let mut object = model.objects.get(&stored)?.clone();
    object.xattrs.retain(|name, _| !name.starts_with('\0'));
    object.meta = osd_object::ObjectMeta::default();
    Some(object)
}

fn run(model: &Model, record: &Record, removed: &SnapRuns) -> (OpOutcome, osd_class::Executed) {
    let object = match record.object.snap {
        SnapId::HEAD => Ok(record.object.clone()),
        _ => resolve(model, &record.object),
    };
    let object = match object {
        Ok(object) => object,
        Err(code) => {
            let failure = OpFailure { code, step: 0, detail: bytes::Bytes::new() };
            return (Err(failure), osd_class::Executed::refused(code, None));
        }
    };
    let snaps = record.snaps.snaps.iter().copied().filter(|snap| !removed.contains(snap.0)).collect();
    let context = SnapContext { seq: record.snaps.seq, snaps };
    let mut executed = match object.snap {
        SnapId::HEAD => execute_snapped(model, &object, &record.ops, record.mtime, &registry(), &context),
        _ => osd_class::execute(model, &object, &record.ops, record.mtime, &registry()),
    };
    for read in std::mem::take(&mut executed.data_reads) {
        let data = model.read(&object, read.offset, read.len).expect("it exists");
        executed.fill(read, data);
    }
    (executed.outcome.clone(), executed)
}

impl World {
    /// An answer leaves an OSD.
    pub(crate) fn check_at_reply(&self, reply: &OsdOpReply) {
        let OsdOutcome::Done { version, outcome: Ok(_) } = &reply.outcome else { return };
        let asked = self.clients[reply.request.client as usize].waits_for(reply.request);
        let Some(op) = asked else { return };
        let OpTarget::Object { ops, .. } = &op.target else { return };
        if registry().access(ops) != Access::Write || *version == Version::ZERO {
            return;
        }
        let mut key = b"l".to_vec();
        key.extend(version.seq.to_be_bytes());
        let meta = meta_object(op.pg);
        let holds = |model: &Model| {
            let row = model.omap_get(&meta, &key).expect("a model reads");
            row.is_some_and(|r| from_bytes::<LogEntry>(r).expect("an entry").version == *version)
        };
        let copies = self.osds.values().filter(|osd| holds(&osd.durable)).count();
        assert!(
            copies >= self.min_size(),
            "{:?} at {version} was acknowledged with {copies} copies",
            reply.request
        );
    }

    /// After everything healed.
    pub(crate) fn judge(&self) {
        for pg in self.pgs() {
            let records: Vec<&Record> = self.oracle.records.iter().filter(|r| r.pg == pg).collect();
            let head = self.monitors.row(pg).and_then(|row| row.in_sync.first().copied());
            let head = head.and_then(|osd| self.osds[&osd].status(pg)).map(|status| status.log_head);
            let (model, timelines) = self.replay(pg, head.unwrap_or(Version::ZERO), &records);
            let mut by_object: BTreeMap<ObjectId, Vec<&Record>> = BTreeMap::new();
            for r in records {
                by_object.entry(whole(&r.object)).or_default().push(r);
            }
            let empty = Timeline::new();
            let snaps = self.monitors.map().pool(self.pool).expect("the pool").snaps.clone();
            for (object, records) in by_object {
                check_order(records, timelines.get(&object).unwrap_or(&empty), &snaps);
            }
            self.check_members(pg, &model);
            self.check_trimmed(&model);
        }
    }

    fn check_members(&self, pg: PgId, expected: &Model) {
        let row = self.monitors.row(pg).expect("a row");
        let pool = self.monitors.map().pool(self.pool).expect("the pool");
        let coding = pool.ec_profile().map(|profile| Coding::of(&profile));
        for osd in &row.in_sync {
            let osd = &self.osds[osd];
            let mine = |(o, _): &(&ObjectId, &ModelObject)| self.pg_of(o) == Some(pg) && !is_internal(o);
            let held: BTreeMap<_, _> = osd.durable.objects.iter().filter(mine).collect();
            let shards: Model;
            let expected = match (&coding, row.shards.get(&osd.id)) {
                (Some(coding), Some(shard)) => {
                    shards = coding.shard_of_all(expected, *shard);
                    &shards
                }
                _ => expected,
            };
            let wanted: BTreeMap<_, _> = expected.objects.iter().collect();
            if held != wanted {
                let brief = |all: &BTreeMap<&ObjectId, &ModelObject>| -> Vec<String> {
                    let one = |(id, o): (&&ObjectId, &&ModelObject)| {
                        let sum = o
                            .data
                            .iter()
                            .fold(7u64, |sum, b| sum.wrapping_mul(31).wrapping_add(u64::from(*b)));
                        format!("{id} {:?} {sum:x} {:?} {:?}", o.meta, o.xattrs, o.omap)
                    };
                    all.iter().map(one).collect()
                };
                panic!(
                    "{} holds of {pg} what no history gives, {row:?}\nheld {:#?}\nwanted {:#?}",
                    osd.id,
                    brief(&held),
                    brief(&wanted)
                );
            }
            let internal = osd.durable.objects.keys().filter(|o| self.pg_of(o) == Some(pg) && is_internal(o));
            assert_eq!(internal.count(), 1, "{}: nothing but the log is left beside the objects", osd.id);
            let rows =
                osd.durable.objects.get(&meta_object(pg)).into_iter().flat_map(|meta| meta.omap.keys());
            let aside = rows.filter(|key| key[0] == b'w');
            assert_eq!(aside.count(), 0, "{}: nothing is left put aside", osd.id);
        }
        let heads: Vec<_> =
            row.in_sync.iter().filter_map(|o| self.osds[o].status(pg)).map(|s| s.log_head).collect();
        assert!(heads.windows(2).all(|w| w[0] == w[1]), "{pg}: logs end alike: {heads:?}");
    }
}

impl World {
    /// Carries out again what happened in a PG whose log ends so, in the order of the log.
    fn replay(&self, pg: PgId, end: Version, records: &[&Record]) -> (Model, BTreeMap<ObjectId, Timeline>) {
        let mut writes: Vec<&Record> = records.iter().filter(|r| r.wrote()).copied().collect();
        writes.sort_by_key(|r| r.version.seq);
        for pair in writes.windows(2) {
            let (a, b) = (pair[0].version, pair[1].version);
            assert!(a.seq < b.seq, "one place for two acknowledged writes:\n{:?}\n{:?}", pair[0], pair[1]);
            assert!(a.interval <= b.interval, "{a} before {b}");
        }
        let mut own: BTreeMap<u64, &Logged> =
            self.oracle.own_writes(pg, end).into_iter().map(|w| (w.entry.version.seq, w)).collect();
        let mut model = Model::new();
        let mut timelines: BTreeMap<ObjectId, Timeline> = BTreeMap::new();
        let none = SnapRuns::default();
        for w in writes {
            let later = own.split_off(&w.version.seq);
            for trim in std::mem::replace(&mut own, later).into_values() {
                self.replay_trim(trim, &mut model, &mut timelines);
            }
            let removed = self.oracle.logged.get(&(pg, w.version)).map_or(&none, |logged| &logged.removed);
            let (outcome, mut executed) = run(&model, w, removed);
            assert_eq!(
                outcome, w.outcome,
                "a write's outcome is not what its place in the order gives: {w:?}"
            );
            let transaction = executed.stamped(&w.object, w.version, w.mtime);
            model.apply(&transaction);
            let state = state_of(&model, &w.object);
            timelines.entry(w.object.clone()).or_default().insert(w.version.seq, state);
        }
        for trim in own.into_values() {
            self.replay_trim(trim, &mut model, &mut timelines);
        }
        (model, timelines)
    }

    /// What was let go was of no snapshot that is there.
    fn replay_trim(&self, trim: &Logged, model: &mut Model, timelines: &mut BTreeMap<ObjectId, Timeline>) {
        let head = &trim.entry.object;
        let snaps = &self.monitors.map().pool(self.pool).expect("the pool").snaps;
        let live = || (1..=snaps.seq).filter(|snap| snaps.is_live(*snap));
        let see = |model: &Model| -> Vec<_> { live().map(|snap| seen_at(model, head, snap)).collect() };
        let before = see(model);
        model.apply(&trim.effects);
        assert_eq!(before, see(model), "a snapshot that is there lost something at {}", trim.entry.version);
        timelines.entry(head.clone()).or_default().insert(trim.entry.version.seq, state_of(model, head));
    }

    /// At the end nothing is kept for snapshots that are gone, and each clone is one that its object knows of.
    fn check_trimmed(&self, model: &Model) {
        let snaps = &self.monitors.map().pool(self.pool).expect("the pool").snaps;
        for id in model.objects.keys() {
            let set = Snapped::of(model, &whole(id)).expect("a model reads").set;
            let kept = set.clones.iter().flat_map(|clone| &clone.snaps);
            assert!(kept.clone().all(|snap| snaps.is_live(snap.0)), "{id} keeps {set:?} of {snaps:?}");
            assert!(
                id.snap == SnapId::HEAD || set.clones.iter().any(|clone| clone.id == id.snap),
                "{id} is nobody's clone: {set:?}"
            );
        }
    }
}

/// Gives every operation on one object the earliest place it can have; in order of beginning, so that what
/// ended before is placed already.
fn check_order(mut records: Vec<&Record>, timeline: &Timeline, snaps: &PoolSnaps) {
    records.sort_by_key(|r| r.started);
    let mut placed: Vec<(Time, u64)> = Vec::new();
    for r in records {
        let floor =
            placed.iter().filter(|(ended, _)| *ended < r.started).map(|(_, at)| *at).max().unwrap_or(0);
        let at = if r.wrote() {
            assert!(
                r.version.seq > floor,
                "a write before {floor}, which was answered before it began: {r:?}"
            );
            r.version.seq
        } else if r.outcome.as_ref().is_err_and(|failure| failure.code == Errno::ESTALE) {
            // Whether the OSD knew already that the snapshot was gone is its own affair.
            assert!(r.snapshots().any(|snap| snaps.removed.contains(snap.0)), "it is there: {r:?}");
            floor
        } else {
            place_read(r, floor, timeline)
        };
        placed.push((r.ended, at));
    }
}

fn place_read(r: &Record, floor: u64, timeline: &Timeline) -> u64 {
    let absent = Model::new();
    let base = timeline.range(..=floor).next_back().map_or((0, &absent), |(seq, state)| (*seq, state));
    let later = timeline.range(floor + 1..).map(|(seq, state)| (*seq, state));
    for (seq, state) in std::iter::once(base).chain(later) {
        let (outcome, executed) = run(state, r, &SnapRuns::default());
        let version = executed.before.map_or(Version::ZERO, |m| m.version);
        if version == r.version && outcome == r.outcome {
            return seq.max(floor);
        }
    }
    let near: Vec<_> = timeline.range(r.version.seq.saturating_sub(9)..).take(4).collect();
    panic!("no place at or after {floor} gives this: {r:?}\nstates from about there on: {near:?}");
}
