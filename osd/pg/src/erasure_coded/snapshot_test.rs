//! Snapshots on shards against the model store: each shard of a clone is a clone of the shard, whatever happens to the
//! object, and a write that never became certain leaves nothing.

use super::shape::{EcSpec, Shape};
use super::sidecar::{Prepared, PreparedWrites, sidecar};
use super::tag::Logical;
use super::write_plan::{Aside, WritePlan};
use crate::names::{is_internal, meta_object};
use bytes::Bytes;
use erasure::{ChunkSet, Profile};
use osd_class::Registry;
use osd_class::snapped::{Snapped, execute_snapped, trim};
use osd_object::model::Model;
use osd_object::{Mutation, ObjectId, ObjectName, ObjectRead, Op, SnapContext, SnapId, Transaction, Version};
use placement_map::{PgId, PoolId};
use std::collections::BTreeMap;
use stdx::time::WallTime;
use stdx::{Errno, Rng};

const PG: PgId = PgId { pool: PoolId(3), seed: 0 };

fn head() -> ObjectId {
    ObjectId::head(PG.pool, 0, ObjectName::new("o"))
}

fn ops(rng: &mut Rng, span: u64, live: &[u64]) -> Vec<Op> {
    let (offset, mut data) = (rng.below(span), vec![0; 1 + rng.below(span / 2) as usize]);
    rng.fill(&mut data);
    let data: Bytes = data.into();
    match rng.below(11) {
        0 => vec![Op::Delete],
        1 => vec![Op::WriteFull { data }],
        2 => vec![Op::Truncate { size: offset }],
        3 => vec![Op::SetXattr { name: "x".into(), value: data.slice(..data.len().min(3)) }],
        4 => vec![Op::Create { exclusive: false }, Op::Zero { offset, len: span / 3 }],
        5 | 6 if !live.is_empty() => {
            let snap = SnapId(live[rng.below(live.len() as u64) as usize]);
            let back = Op::Rollback { snap };
            let set = Op::SetXattr { name: "y".into(), value: data.slice(..1) };
            if rng.chance(1, 2) { vec![back] } else { vec![set, back] }
        }
        7 => vec![Op::Append { data }],
        _ => vec![Op::Write { offset, data }],
    }
}

/// A range of an object out of those shards that are there.
fn read(shape: &mut Shape, shards: &[Model], id: &ObjectId, range: (u64, u64), there: ChunkSet) -> Bytes {
    let (low, high, wanted) = shape.span(range.0, range.1);
    let reads = shape.reads(wanted, there).expect("enough are there");
    let got = reads.iter().map(|p| (p, shards[p].read(id, low, high - low).expect("it is there"))).collect();
    let rebuilt = shape.rebuild(wanted, &got).expect("as planned");
    shape.assemble(range.0, range.1, low, &rebuilt)
}

fn check(shape: &mut Shape, shards: &[Model], model: &Model, rng: &mut Rng) {
    for shard in shards {
        let ids: Vec<_> = shard.objects.keys().filter(|id| !is_internal(id)).collect();
        let meta = shard.objects.get(&meta_object(PG));
        assert!(meta.is_none_or(|meta| meta.omap.is_empty()), "a record is left");
        assert_eq!(ids, model.objects.keys().collect::<Vec<_>>(), "the same clones, and nothing beside them");
    }
    for (id, object) in &model.objects {
        for shard in shards {
            assert_eq!(Logical(shard).meta(id), Ok(Some(object.meta)), "{id}");
            assert_eq!(Logical(shard).xattrs(id).as_ref(), Ok(&object.xattrs), "{id}");
        }
        let mut there = ChunkSet::first(shape.shards());
        for _ in 0..shape.shards() - shape.fewest() {
            there.remove(rng.below(shape.shards() as u64) as usize);
        }
        if object.meta.size > 0 {
            assert_eq!(read(shape, shards, id, (0, object.meta.size), there), object.data, "{id}");
        }
    }
}

/// What happens next: its effects, with the stamp that the model gets.
fn next(
    rng: &mut Rng,
    model: &Model,
    shard: &Model,
    span: u64,
    (given, live): (u64, &mut Vec<u64>),
    stamp: (Version, WallTime),
) -> Option<(Transaction, Transaction)> {
    let object = head();
    if !live.is_empty() && rng.chance(1, 5) {
        let gone = SnapId(live.remove(rng.below(live.len() as u64) as usize));
        let on_shard = trim(&Logical(shard), &object, |snap| snap == gone).expect("a model reads");
        let mut on_model = trim(model, &object, |snap| snap == gone).expect("a model reads");
        assert_eq!(on_shard, on_model);
        if on_model.exists && !on_model.transaction.mutations.is_empty() {
            let mtime = model.objects[&object].meta.mtime;
            on_model.transaction.push(Mutation::Stamp { object, version: stamp.0, mtime });
        }
        return (!on_shard.transaction.mutations.is_empty())
            .then_some((on_shard.transaction, on_model.transaction));
    }
    let ops = ops(rng, span, live);
    let context = SnapContext { seq: given, snaps: live.iter().rev().copied().map(SnapId).collect() };
    let run = |view: &dyn ObjectRead| {
        execute_snapped(view, &object, &ops, stamp.1, &Registry::standard(), &context)
    };
    let (on_shard, mut on_model) = (run(&Logical(shard)), run(model));
    assert_eq!((&on_shard.outcome, &on_shard.clones), (&on_model.outcome, &on_model.clones));
    assert_eq!(on_shard.transaction, on_model.transaction, "{ops:?}");
    on_model.changed.then(|| (on_shard.transaction, on_model.stamped(&object, stamp.0, stamp.1)))
}

#[test]
fn clones_of_shards_are_shards_of_clones() {
    for (k, m) in [(2, 1), (4, 2), (8, 3)] {
        let profile = Profile::isa(k, m).expect("a code that there is");
        let mut shape = Shape::new(EcSpec { profile, stripe_unit: 32 }).expect("stripes");
        let (width, all) = (shape.width(), ChunkSet::first(shape.shards()));
        let mut rng = Rng::new(k as u64);
        let (mut clones, mut records) = (0, 0);
        for _ in 0..50 {
            let (mut model, mut shards) = (Model::new(), vec![Model::new(); shape.shards()]);
            let (mut given, mut live) = (0, Vec::new());
            for seq in 1..20 {
                if rng.chance(1, 3) {
                    given += 1;
                    live.push(given);
                }
                let stamp = (Version { interval: 1, seq }, WallTime(seq));
                let of = (given, &mut live);
                let Some((effects, whole)) = next(&mut rng, &model, &shards[0], width * 3, of, stamp) else {
                    continue;
                };
                let size_of = |id: &ObjectId| -> Result<Option<u64>, Errno> {
                    Ok(Logical(&shards[0]).meta(id)?.map(|meta| meta.size))
                };
                let before = size_of(&head()).expect("a model reads");
                let plan =
                    WritePlan::of(&shape, before, &effects.mutations, all, &size_of).expect("it can be had");
                let mut old = BTreeMap::new();
                for (index, piece) in plan.reads() {
                    let one = |p: usize| shards[p].read(&head(), piece.low, piece.high - piece.low);
                    let got = piece.old.iter().map(|p| (p, one(p).expect("it is there"))).collect();
                    old.insert(index, got);
                }
                let aside = Aside { pg: PG, version: stamp.0, records: rng.chance(3, 4) };
                let mtime = whole.mutations.iter().find_map(|m| match m {
                    Mutation::Stamp { mtime, .. } => Some(*mtime),
                    _ => None,
                });
                let stamp = (stamp.0, mtime.unwrap_or(stamp.1));
                let parts = plan.effects(&shape, &head(), aside, stamp, &old);
                let undone = rng.chance(1, 5);
                let untouched = shards.clone();
                for (shard, effects) in shards.iter_mut().zip(&parts) {
                    let mut writes = PreparedWrites::default();
                    let prepared = Prepared::of(PG, stamp.0, &head(), effects).expect("it was just made");
                    records += u64::from(prepared.as_ref().is_some_and(Prepared::is_record));
                    writes.note(stamp.0, prepared);
                    shard.apply(effects);
                    let mut t = Transaction::new();
                    if undone {
                        writes.drop(PG, &mut t, |_| true);
                    } else {
                        assert!(!writes.apply(PG, &mut t, u64::MAX, |_| true));
                    }
                    shard.apply(&t);
                }
                if undone {
                    let objects = |shard: &Model| {
                        let objects = shard.objects.clone().into_iter();
                        objects
                            .filter(|(id, o)| *id != meta_object(PG) || !o.omap.is_empty())
                            .collect::<Vec<_>>()
                    };
                    let same = shards.iter().zip(&untouched).all(|(a, b)| objects(a) == objects(b));
                    assert!(same, "an undone write leaves nothing");
                    continue;
                }
                model.apply(&whole);
                check(&mut shape, &shards, &model, &mut rng);
                clones += Snapped::of(&model, &head()).expect("a model reads").set.clones.len();
            }
        }
        assert!(clones > 200 && records > 200, "there were clones: {clones}, and records: {records}");
    }
}

#[test]
fn what_nobody_understands_is_not_taken() {
    let object = sidecar(PG, Version { interval: 1, seq: 1 });
    let beside = |value: &'static [u8]| Transaction {
        mutations: vec![Mutation::SetXattr {
            object: object.clone(),
            name: "\0beside".into(),
            value: Bytes::from_static(value),
        }],
    };
    let of = |effects: &Transaction| Prepared::of(PG, Version { interval: 1, seq: 1 }, &head(), effects);
    assert!(of(&beside(b"\xff\xff")).is_err());
    assert_eq!(of(&Transaction::new()), Ok(None));
    let missing = |_: &ObjectId| Ok(None);
    let profile = Profile::isa(2, 1).expect("a code that there is");
    let shape = Shape::new(EcSpec { profile, stripe_unit: 32 }).expect("stripes");
    let back = Mutation::Clone { from: ObjectId { snap: SnapId(2), ..head() }, to: head() };
    let refused = WritePlan::of(&shape, Some(5), &[back], ChunkSet::first(3), &missing)
        .expect_err("there is no such clone");
    assert_eq!(refused, Errno::EIO);
}
