//! Every object behaves as if its operations happened one after the other, each at a moment between its beginning and
//! its answer. Reason: it is what clients rely on without knowing it, and it contains nearly all other promises: no
//! lost write, no stale read, nothing done twice.
//!
//! Versions say in which order writes happened, so no search is needed: the history is replayed in that order on the
//! model store, every write must give the outcome that its client got, and every read must find a place between
//! writes that gives its outcome, not before anything that was answered before it began.

use super::Timeline;
use crate::history::Record;
use crate::snapshots::{self, whole};
use crate::workload::registry;
use osd_class::snapped::{Snapped, execute_snapped, resolve};
use osd_class::{Executed, execute};
use osd_object::model::{Model, ModelObject};
use osd_object::op::{OpFailure, OpOutcome};
use osd_object::{ObjectId, SnapContext, SnapId, Version};
use placement_map::{PoolSnaps, SnapRuns};
use std::collections::BTreeMap;
use stdx::Time;

/// What the logs say besides what clients were told.
pub(crate) struct Logged<'a> {
    /// The snapshots that who issued a write knew to be gone.
    pub(crate) removed: &'a dyn Fn(Version) -> SnapRuns,
    /// What the PG did by itself.
    pub(crate) own: BTreeMap<u64, &'a snapshots::Logged>,
    /// The pool's snapshots at the end.
    pub(crate) snaps: &'a PoolSnaps,
}

fn run(model: &Model, record: &Record, removed: &SnapRuns) -> (OpOutcome, Executed) {
    let object = match record.object.snap {
        SnapId::HEAD => Ok(record.object.clone()),
        _ => resolve(model, &record.object),
    };
    let object = match object {
        Ok(object) => object,
        Err(code) => {
            let failure = OpFailure { code, step: 0, detail: bytes::Bytes::new() };
            return (Err(failure), Executed::refused(code, None));
        }
    };
    let snaps = record.snaps.snaps.iter().copied().filter(|snap| !removed.contains(snap.0)).collect();
    let context = SnapContext { seq: record.snaps.seq, snaps };
    let mut executed = match object.snap {
        SnapId::HEAD => execute_snapped(model, &object, &record.ops, record.mtime, &registry(), &context),
        _ => execute(model, &object, &record.ops, record.mtime, &registry()),
    };
    for read in std::mem::take(&mut executed.data_reads) {
        let data = model.read(&object, read.offset, read.len).expect("it exists");
        executed.fill(read, data);
    }
    (executed.outcome.clone(), executed)
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

/// What was let go of was of no snapshot that is there.
fn replay_own(
    own: &snapshots::Logged,
    snaps: &PoolSnaps,
    model: &mut Model,
    timelines: &mut BTreeMap<ObjectId, Timeline>,
) {
    let head = &own.entry.object;
    let live = || (1..=snaps.seq).filter(|snap| snaps.is_live(*snap));
    let see = |model: &Model| -> Vec<_> { live().map(|snap| seen_at(model, head, snap)).collect() };
    let before = see(model);
    model.apply(&own.effects);
    assert_eq!(before, see(model), "a snapshot that is there lost something at {}", own.entry.version);
    timelines.entry(head.clone()).or_default().insert(own.entry.version.seq, state_of(model, head));
}

/// At the end nothing is kept for snapshots that are gone, and each clone is one that its object knows of.
fn check_trimmed(model: &Model, snaps: &PoolSnaps) {
    for id in model.objects.keys() {
        let set = Snapped::of(model, &whole(id)).expect("a model reads").set;
        let kept = set.clones.iter().flat_map(|clone| &clone.snaps);
        assert!(kept.clone().all(|snap| snaps.is_live(snap.0)), "{id} keeps {set:?} of {snaps:?}");
        let known = id.snap == SnapId::HEAD || set.clones.iter().any(|clone| clone.id == id.snap);
        assert!(known, "{id} is nobody's clone: {set:?}");
    }
}

/// Replays what was written, in the order of versions.
pub(crate) fn replay(
    answered: &[&Record],
    resolved: &[Record],
    logged: Logged<'_>,
) -> (Model, BTreeMap<ObjectId, Timeline>) {
    let mut writes: Vec<&Record> = answered.iter().copied().filter(|r| r.wrote()).chain(resolved).collect();
    writes.sort_by_key(|r| r.version.seq);
    for pair in writes.windows(2) {
        let (a, b) = (pair[0].version, pair[1].version);
        assert!(a.seq < b.seq, "one place for two writes:\n{:?}\n{:?}", pair[0], pair[1]);
        assert!(a.interval <= b.interval, "{a} before {b}");
    }
    let mut model = Model::new();
    let mut timelines: BTreeMap<ObjectId, Timeline> = BTreeMap::new();
    let mut own = logged.own;
    for w in writes {
        let later = own.split_off(&w.version.seq);
        for trim in std::mem::replace(&mut own, later).into_values() {
            replay_own(trim, logged.snaps, &mut model, &mut timelines);
        }
        let (outcome, mut executed) = run(&model, w, &(logged.removed)(w.version));
        assert_eq!(outcome, w.outcome, "a write's outcome is not what its place in the order gives: {w:?}");
        model.apply(&executed.stamped(&w.object, w.version, w.mtime));
        let state = state_of(&model, &w.object);
        timelines.entry(w.object.clone()).or_default().insert(w.version.seq, state);
    }
    for trim in own.into_values() {
        replay_own(trim, logged.snaps, &mut model, &mut timelines);
    }
    check_trimmed(&model, logged.snaps);
    (model, timelines)
}

/// Gives every operation on one object the earliest place it can have, in order of beginning, so that what ended
/// before is placed already.
pub(crate) fn check(answered: &[&Record], resolved: &[Record], timelines: &BTreeMap<ObjectId, Timeline>) {
    let mut by_object: BTreeMap<ObjectId, Vec<&Record>> = BTreeMap::new();
    for r in answered.iter().copied().chain(resolved) {
        by_object.entry(whole(&r.object)).or_default().push(r);
    }
    let empty = Timeline::new();
    for (object, mut records) in by_object {
        let timeline = timelines.get(&object).unwrap_or(&empty);
        records.sort_by_key(|r| r.started);
        let mut placed: Vec<(Time, u64)> = Vec::new();
        for r in records.into_iter().filter(|r| !r.was_turned_away()) {
            let before = placed.iter().filter(|(ended, _)| *ended < r.started);
            let floor = before.map(|(_, at)| *at).max().unwrap_or(0);
            let at = if r.wrote() {
                let seq = r.version.seq;
                assert!(seq > floor, "a write before {floor}, which was answered before it began: {r:?}");
                seq
            } else {
                place_read(r, floor, timeline)
            };
            placed.push((r.ended, at));
        }
    }
}

fn place_read(r: &Record, floor: u64, timeline: &Timeline) -> u64 {
    let absent = Model::new();
    let base = timeline.range(..=floor).next_back().map_or((0, &absent), |(seq, state)| (*seq, state));
    let later = timeline.range(floor + 1..).map(|(seq, state)| (*seq, state));
    for (seq, state) in std::iter::once(base).chain(later) {
        let (outcome, executed) = run(state, r, &SnapRuns::default());
        if executed.before.map_or(Version::ZERO, |m| m.version) == r.version && outcome == r.outcome {
            return seq.max(floor);
        }
    }
    let near: Vec<_> = timeline.range(r.version.seq.saturating_sub(9)..).take(4).collect();
    panic!("no place at or after {floor} gives this: {r:?}\nstates from about there on: {near:?}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use osd_object::{ObjectName, Op, OpResult, RequestId};
    use placement_map::{PgId, PoolId};
    use stdx::time::WallTime;

    fn record(seq: u64, times: (u64, u64), version: u64, op: Op, result: OpResult) -> Record {
        Record {
            request: RequestId { client: 1, seq },
            pg: PgId { pool: PoolId(1), seed: 0 },
            object: ObjectId::head(PoolId(1), 7, ObjectName::new("a")),
            ops: vec![op],
            mtime: WallTime(1),
            snaps: SnapContext::default(),
            started: Time(times.0),
            ended: Time(times.1),
            version: Version { interval: 1, seq: version },
            outcome: Ok(vec![result]),
        }
    }
    fn append(seq: u64, times: (u64, u64), version: u64) -> Record {
        record(seq, times, version, Op::Append { data: Bytes::from_static(b"x") }, OpResult::Done)
    }
    fn read(seq: u64, times: (u64, u64), version: u64, data: &'static [u8]) -> Record {
        let result = OpResult::Data(Bytes::from_static(data));
        record(seq, times, version, Op::Read { offset: 0, len: 0 }, result)
    }
    fn judge(records: &[Record]) -> bool {
        let records: Vec<&Record> = records.iter().collect();
        std::panic::catch_unwind(|| {
            let snaps = PoolSnaps::default();
            let logged = Logged { removed: &|_| SnapRuns::default(), own: BTreeMap::new(), snaps: &snaps };
            let (_, timelines) = replay(&records, &[], logged);
            check(&records, &[], &timelines);
        })
        .is_ok()
    }

    #[test]
    fn what_has_an_order_passes_and_what_has_none_does_not() {
        let (a, b) = (append(1, (0, 10), 1), append(2, (20, 30), 2));
        assert!(judge(&[a.clone(), b.clone(), read(3, (40, 50), 2, b"xx")]));
        assert!(judge(&[a.clone(), b.clone(), read(3, (25, 50), 1, b"x")]), "it overlaps the second append");
        assert!(!judge(&[a.clone(), b.clone(), read(3, (40, 50), 1, b"x")]), "a stale read");
        assert!(!judge(&[a.clone(), b.clone(), read(3, (40, 50), 2, b"xxx")]), "an append happened twice");
        assert!(!judge(&[a.clone(), append(2, (20, 30), 1)]), "one place for two");
        assert!(!judge(&[append(1, (0, 10), 2), append(2, (20, 30), 1)]), "against the order of time");
        assert!(!judge(&[a, read(3, (40, 50), 2, b"xx")]), "a version that nobody wrote");
    }
}
