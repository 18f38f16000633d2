//! The judgement. Versions say in which order writes happened, so a history is checked by replaying it:
//!
//! * no two acknowledged writes have one place in the order (an acknowledged write was not lost and its
//!   place given away), and later intervals come later;
//! * replayed in that order on the model store, every write gives the outcome that its client got: nothing
//!   happened twice, nothing was skipped;
//! * every read finds a place between writes where it gives its outcome, not before anything that was
//!   answered before it began: no read is stale, none goes back;
//! * what every member holds at the end is what the replay holds;
//! * at each acknowledgement at least `min_size` disks hold the write.

use crate::osd::registry;
use crate::world::World;
use osd_class::{Access, execute};
use osd_object::model::{Model, ModelObject};
use osd_object::op::OpOutcome;
use osd_object::{ObjectId, ObjectRead, Op, Version};
use osd_pg::names::{is_internal, meta_object};
use placement_map::PgId;
use std::collections::BTreeMap;
use stdx::Time;
use stdx::codec::from_bytes;
use stdx::time::WallTime;
use wire_codec::pg::LogEntry;
use wire_codec::{OpTarget, OsdOpReply, OsdOutcome};

/// One answered operation.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) pg: PgId,
    pub(crate) object: ObjectId,
    pub(crate) ops: Vec<Op>,
    pub(crate) mtime: WallTime,
    pub(crate) started: Time,
    pub(crate) ended: Time,
    pub(crate) version: Version,
    pub(crate) outcome: OpOutcome,
}

impl Record {
    fn wrote(&self) -> bool {
        self.outcome.is_ok() && registry().access(&self.ops) == Access::Write
    }
}

/// The history so far.
#[derive(Default)]
pub(crate) struct Oracle {
    records: Vec<Record>,
}

impl Oracle {
    pub(crate) fn record(&mut self, record: Record) {
        self.records.push(record);
    }
}

/// An object's states by the sequence number of the write that made each; absent before the first.
type Timeline = BTreeMap<u64, Option<ModelObject>>;

fn run(model: &Model, record: &Record) -> (OpOutcome, osd_class::Executed) {
    let mut executed = execute(model, &record.object, &record.ops, record.mtime, &registry());
    for read in std::mem::take(&mut executed.data_reads) {
        let data = model.read(&record.object, read.offset, read.len).expect("it exists");
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
        if registry().access(ops) != Access::Write {
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
            let (model, timelines) = replay(&records);
            let mut by_object: BTreeMap<&ObjectId, Vec<&Record>> = BTreeMap::new();
            for r in records {
                by_object.entry(&r.object).or_default().push(r);
            }
            let empty = Timeline::new();
            for (object, records) in by_object {
                check_order(records, timelines.get(object).unwrap_or(&empty));
            }
            self.check_members(pg, &model);
        }
    }

    fn check_members(&self, pg: PgId, expected: &Model) {
        let row = self.monitors.row(pg).expect("a row");
        let coding = self.coding();
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
        }
        let heads: Vec<_> =
            row.in_sync.iter().filter_map(|o| self.osds[o].status(pg)).map(|s| s.log_head).collect();
        assert!(heads.windows(2).all(|w| w[0] == w[1]), "{pg}: logs end alike: {heads:?}");
    }
}

fn replay(records: &[&Record]) -> (Model, BTreeMap<ObjectId, Timeline>) {
    let mut writes: Vec<&Record> = records.iter().filter(|r| r.wrote()).copied().collect();
    writes.sort_by_key(|r| r.version.seq);
    for pair in writes.windows(2) {
        let (a, b) = (pair[0].version, pair[1].version);
        assert!(a.seq < b.seq, "one place for two acknowledged writes:\n{:?}\n{:?}", pair[0], pair[1]);
        assert!(a.interval <= b.interval, "{a} before {b}");
    }
    let mut model = Model::new();
    let mut timelines: BTreeMap<ObjectId, Timeline> = BTreeMap::new();
    for w in writes {
        let (outcome, mut executed) = run(&model, w);
        assert_eq!(outcome, w.outcome, "a write's outcome is not what its place in the order gives: {w:?}");
        let transaction = executed.stamped(&w.object, w.version, w.mtime);
        model.apply(&transaction);
        let state = model.objects.get(&w.object).cloned();
        timelines.entry(w.object.clone()).or_default().insert(w.version.seq, state);
    }
    (model, timelines)
}

/// Gives every operation on one object the earliest place it can have; in order of beginning, so that what
/// ended before is placed already.
fn check_order(mut records: Vec<&Record>, timeline: &Timeline) {
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
        } else {
            place_read(r, floor, timeline)
        };
        placed.push((r.ended, at));
    }
}

fn place_read(r: &Record, floor: u64, timeline: &Timeline) -> u64 {
    let base = timeline.range(..=floor).next_back().map_or((0, None), |(seq, state)| (*seq, state.clone()));
    let later = timeline.range(floor + 1..).map(|(seq, state)| (*seq, state.clone()));
    for (seq, state) in std::iter::once(base).chain(later) {
        let mut model = Model::new();
        let version = state.as_ref().map_or(Version::ZERO, |o| o.meta.version);
        if let Some(state) = state {
            model.objects.insert(r.object.clone(), state);
        }
        if version == r.version && run(&model, r).0 == r.outcome {
            return seq.max(floor);
        }
    }
    let near: Vec<_> = timeline.range(r.version.seq.saturating_sub(9)..).take(4).collect();
    panic!("no place at or after {floor} gives this: {r:?}\nstates from about there on: {near:?}");
}
