//! Every object behaves as if its operations happened one after the other, each at a moment between its beginning and
//! its answer. Reason: it is what clients rely on without knowing it, and it contains nearly all other promises: no
//! lost write, no stale read, nothing done twice.
//!
//! Versions say in which order writes happened, so no search is needed: the history is replayed in that order on the
//! model store, every write must give the outcome that its client got, and every read must find a place between
//! writes that gives its outcome, not before anything that was answered before it began.

use super::Timeline;
use crate::history::Record;
use crate::workload::registry;
use osd_class::{Executed, execute};
use osd_object::model::Model;
use osd_object::op::OpOutcome;
use osd_object::{ObjectId, Version};
use std::collections::BTreeMap;
use stdx::Time;

fn run(model: &Model, record: &Record) -> (OpOutcome, Executed) {
    let mut executed = execute(model, &record.object, &record.ops, record.mtime, &registry());
    for read in std::mem::take(&mut executed.data_reads) {
        let data = model.read(&record.object, read.offset, read.len).expect("it exists");
        executed.fill(read, data);
    }
    (executed.outcome.clone(), executed)
}

/// Replays what was written, in the order of versions.
pub(crate) fn replay(answered: &[&Record], resolved: &[Record]) -> (Model, BTreeMap<ObjectId, Timeline>) {
    let mut writes: Vec<&Record> = answered.iter().copied().filter(|r| r.wrote()).chain(resolved).collect();
    writes.sort_by_key(|r| r.version.seq);
    for pair in writes.windows(2) {
        let (a, b) = (pair[0].version, pair[1].version);
        assert!(a.seq < b.seq, "one place for two writes:\n{:?}\n{:?}", pair[0], pair[1]);
        assert!(a.interval <= b.interval, "{a} before {b}");
    }
    let mut model = Model::new();
    let mut timelines: BTreeMap<ObjectId, Timeline> = BTreeMap::new();
    for w in writes {
        let (outcome, mut executed) = run(&model, w);
        assert_eq!(outcome, w.outcome, "a write's outcome is not what its place in the order gives: {w:?}");
        model.apply(&executed.stamped(&w.object, w.version, w.mtime));
        let state = model.objects.get(&w.object).cloned();
        timelines.entry(w.object.clone()).or_default().insert(w.version.seq, state);
    }
    (model, timelines)
}

/// Gives every operation on one object the earliest place it can have, in order of beginning, so that what ended
/// before is placed already.
pub(crate) fn check(answered: &[&Record], resolved: &[Record], timelines: &BTreeMap<ObjectId, Timeline>) {
    let mut by_object: BTreeMap<&ObjectId, Vec<&Record>> = BTreeMap::new();
    for r in answered.iter().copied().chain(resolved) {
        by_object.entry(&r.object).or_default().push(r);
    }
    let empty = Timeline::new();
    for (object, mut records) in by_object {
        let timeline = timelines.get(object).unwrap_or(&empty);
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
    let base = timeline.range(..=floor).next_back().map_or((0, &None), |(seq, state)| (*seq, state));
    let later = timeline.range(floor + 1..).map(|(seq, state)| (*seq, state));
    for (seq, state) in std::iter::once(base).chain(later) {
        if state.as_ref().map_or(Version::ZERO, |o| o.meta.version) != r.version {
            continue;
        }
        let mut model = Model::new();
        if let Some(state) = state {
            model.objects.insert(r.object.clone(), state.clone());
        }
        if run(&model, r).0 == r.outcome {
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
            let (_, timelines) = replay(&records, &[]);
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
