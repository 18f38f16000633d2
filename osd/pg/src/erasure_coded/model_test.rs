//! Shards against the model store: whatever is written, any k of the shards give the object back.

use super::shape::{EcSpec, Shape};
use super::sidecar::{Prepared, PreparedWrites};
use super::tag::{Logical, Tag};
use super::write_plan::{Aside, WritePlan};
use crate::names::{is_internal, meta_object};
use bytes::Bytes;
use erasure::{ChunkSet, Profile, Technique};
use osd_object::model::Model;
use osd_object::{Mutation, ObjectId, ObjectName, ObjectRead, Version};
use placement_map::{PgId, PoolId};
use std::collections::BTreeMap;
use stdx::Rng;
use stdx::time::WallTime;

const PG: PgId = PgId { pool: PoolId(3), seed: 0 };

fn object() -> ObjectId {
    ObjectId::head(PG.pool, 0, ObjectName::new("o"))
}

fn no_clones(_: &ObjectId) -> Result<Option<u64>, stdx::Errno> {
    Ok(None)
}

fn effects(rng: &mut Rng, span: u64) -> Vec<Mutation> {
    let mut all = Vec::new();
    for _ in 0..1 + rng.below(3) {
        let object = object();
        let (offset, len) = (rng.below(span), 1 + rng.below(span / 2));
        all.push(match rng.below(10) {
            0 => Mutation::Touch { object },
            1 => Mutation::Truncate { object, size: offset },
            2 => Mutation::Remove { object },
            3 => Mutation::Zero { object, offset, len },
            4 => Mutation::SetXattr { object, name: "x".into(), value: Bytes::from(vec![offset as u8; 3]) },
            5 => Mutation::RmXattr { object, name: "x".into() },
            _ => {
                let mut data = vec![0; len as usize];
                rng.fill(&mut data);
                Mutation::Write { object, offset, data: data.into() }
            }
        });
    }
    all
}

/// What a draft would have made of it: no effects on what is not there, and zeros only within.
fn sane(model: &Model, effects: Vec<Mutation>) -> Vec<Mutation> {
    let mut now = model.clone();
    let mut kept = Vec::new();
    for mut effect in effects {
        let size = now.objects.get(&object()).map(|o| o.meta.size);
        match (&mut effect, size) {
            (
                Mutation::Zero { .. }
                | Mutation::SetXattr { .. }
                | Mutation::RmXattr { .. }
                | Mutation::Remove { .. },
                None,
            ) => continue,
            (Mutation::Zero { offset, len, .. }, Some(size)) => {
                *len = (*len).min(size.saturating_sub(*offset));
                if *len == 0 {
                    continue;
                }
            }
            _ => {}
        }
        now.apply(&osd_object::Transaction { mutations: vec![effect.clone()] });
        kept.push(effect);
    }
    kept
}

/// A range of the wanted shards out of those in `available`.
fn read(shape: &mut Shape, shards: &[Model], offset: u64, len: u64, available: ChunkSet) -> Bytes {
    let (low, high, wanted) = shape.span(offset, len);
    let reads = shape.reads(wanted, available).expect("enough are there");
    let got: BTreeMap<usize, Bytes> =
        reads.iter().map(|p| (p, shards[p].read(&object(), low, high - low).expect("it exists"))).collect();
    let rebuilt = shape.rebuild(wanted, &got).expect("what the plan wants is there");
    shape.assemble(offset, len, low, &rebuilt)
}

fn check(shape: &mut Shape, shards: &[Model], model: &Model, rng: &mut Rng) {
    let wanted = model.objects.get(&object());
    for (position, shard) in shards.iter().enumerate() {
        let left = shard.objects.keys().filter(|id| !is_internal(id));
        assert_eq!(left.count(), usize::from(wanted.is_some()), "nothing is left beside the object");
        let meta = shard.objects.get(&meta_object(PG));
        assert!(meta.is_none_or(|meta| meta.omap.is_empty()), "nor of what was put aside");
        let meta = Logical(shard).meta(&object()).expect("it reads");
        assert_eq!(meta, wanted.map(|o| o.meta));
        assert_eq!(
            Logical(shard).xattrs(&object()).unwrap(),
            wanted.map_or(BTreeMap::new(), |o| o.xattrs.clone())
        );
        if let Some(o) = wanted {
            let tag = Tag::of(shard, &object()).unwrap().unwrap();
            assert_eq!((tag.size, usize::from(tag.shard)), (o.meta.size, position));
            assert_eq!(shard.objects[&object()].meta.size, shape.shard_bytes(o.meta.size));
        }
    }
    let Some(o) = wanted.filter(|o| o.meta.size > 0) else { return };
    let mut available = ChunkSet::first(shape.shards());
    for _ in 0..shape.shards() - shape.fewest() {
        available.remove(rng.below(shape.shards() as u64) as usize);
    }
    assert_eq!(read(shape, shards, 0, o.meta.size, available), o.data, "from {available}");
    let offset = rng.below(o.meta.size);
    let len = 1 + rng.below(o.meta.size - offset);
    let part = read(shape, shards, offset, len, available);
    assert_eq!(part, o.data[offset as usize..(offset + len) as usize]);
    // The padding and all parity are those of the object: rebuilding any shard gives what is stored.
    let lost = rng.below(shape.shards() as u64) as usize;
    let bytes = shape.shard_bytes(o.meta.size);
    let others: BTreeMap<usize, Bytes> = (0..shape.shards())
        .filter(|p| *p != lost)
        .map(|p| (p, shards[p].read(&object(), 0, bytes).unwrap()))
        .collect();
    let rebuilt = shape.rebuild(ChunkSet::from_iter([lost]), &others).unwrap();
    assert_eq!(rebuilt[&lost], shards[lost].read(&object(), 0, bytes).unwrap());
}

#[test]
fn any_shards_that_are_enough_give_the_object_after_any_writes() {
    let local = Profile::new(Technique::Local { l: 3 }, 4, 2).unwrap();
    for (profile, unit) in [(Profile::isa(2, 1).unwrap(), 32), (Profile::isa(4, 2).unwrap(), 32), (local, 64)]
    {
        let mut shape = Shape::new(EcSpec { profile, stripe_unit: unit }).unwrap();
        let span = shape.width() * 4;
        let mut rng = Rng::new(profile.chunks() as u64);
        let mut deltas = 0;
        for _ in 0..60 {
            let (mut model, mut shards) = (Model::new(), vec![Model::new(); shape.shards()]);
            for seq in 1..12 {
                let before = model.objects.get(&object()).map(|o| o.meta.size);
                let mut mutations = sane(&model, effects(&mut rng, span));
                // Sometimes shards cannot be read, and what is wanted of them is rebuilt.
                let mut available = ChunkSet::first(shape.shards());
                for _ in 0..rng.below(shape.spec.profile.m() as u64 + 1) {
                    available.remove(rng.below(shape.shards() as u64) as usize);
                }
                let plan = WritePlan::of(&shape, before, &mutations, available, &no_clones).unwrap();
                let mut old = BTreeMap::new();
                for (index, piece) in plan.reads() {
                    deltas += u64::from(piece.delta);
                    let reads = shape.reads(piece.old, available).expect("enough are there");
                    let one = |p: usize| shards[p].read(&object(), piece.low, piece.high - piece.low);
                    let got = reads.iter().map(|p| (p, one(p).expect("it exists"))).collect();
                    old.insert(index, shape.rebuild(piece.old, &got).expect("what the plan wants is there"));
                }
                let (version, mtime) = (Version { interval: 1, seq }, WallTime(seq));
                let aside = Aside { pg: PG, version, records: rng.chance(3, 4) };
                let parts = plan.effects(&shape, &object(), aside, (version, mtime), &old);
                let untouched = shards.clone();
                let mut prepared: Vec<PreparedWrites> = Vec::new();
                for (shard, effects) in shards.iter_mut().zip(&parts) {
                    let mut writes = PreparedWrites::default();
                    writes.note(version, Prepared::of(PG, version, &object(), effects).unwrap());
                    shard.apply(effects);
                    let unchanged = untouched[prepared.len()].objects.get(&object());
                    assert_eq!(shard.objects.get(&object()), unchanged, "nothing in place changes");
                    prepared.push(writes);
                }
                let undone = rng.chance(1, 4);
                for (shard, writes) in shards.iter_mut().zip(&mut prepared) {
                    assert_eq!(writes.objects().count(), 1);
                    let mut t = osd_object::Transaction::new();
                    if undone {
                        writes.drop(PG, &mut t, |_| true);
                    } else {
                        assert!(!writes.apply(PG, &mut t, u64::MAX, |v| v.seq <= seq));
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
                let exists = {
                    let mut now = model.clone();
                    now.apply(&osd_object::Transaction { mutations: mutations.clone() });
                    now.objects.contains_key(&object())
                };
                if exists {
                    mutations.push(Mutation::Stamp { object: object(), version, mtime });
                }
                model.apply(&osd_object::Transaction { mutations });
                check(&mut shape, &shards, &model, &mut rng);
            }
        }
        assert!(deltas > 20 || shape.shards() != 6, "{deltas} pieces went by deltas");
    }
}

fn write(offset: u64, len: usize) -> Mutation {
    Mutation::Write { object: object(), offset, data: vec![7; len].into() }
}

#[test]
fn a_write_reads_only_the_columns_that_it_changes_in_part() {
    let shape = Shape::new(EcSpec { profile: Profile::isa(4, 2).unwrap(), stripe_unit: 32 }).unwrap();
    let reads = |before, effects: &[Mutation]| {
        let plan = WritePlan::of(&shape, before, effects, ChunkSet::first(6), &no_clones).unwrap();
        plan.reads().map(|(_, p)| (p.low, p.high, p.old.to_string(), p.delta)).collect::<Vec<_>>()
    };
    let read = |low, high, old: &str, delta| (low, high, old.to_string(), delta);
    assert_eq!(reads(None, &[write(5, 1000)]), []);
    assert_eq!(reads(Some(1280), &[write(128, 256)]), [], "whole stripes");
    // The last chunk of stripe 0 from its column 4 on, and the same of stripe 2.
    assert_eq!(
        reads(Some(1280), &[write(100, 256)]),
        [read(4, 32, "0,1,2", false), read(64, 96, "3", false)],
        "three others, or itself and two parities: the same, and the others it is"
    );
    assert_eq!(reads(Some(1280), &[write(100, 10)]), [read(4, 14, "0,1,2", false)]);
    assert_eq!(
        reads(Some(1280), &[write(28, 8)]),
        [read(0, 4, "0,2,3", false), read(28, 32, "1,2,3", false)]
    );
    assert_eq!(reads(Some(200), &[write(200, 10)]), [read(40, 50, "0,1", false)], "behind the end are zeros");
    assert_eq!(reads(Some(256), &[write(256, 10)]), []);
    assert_eq!(
        reads(Some(300), &[Mutation::Truncate { object: object(), size: 270 }]),
        [read(64, 76, "0", false)]
    );
    assert_eq!(reads(Some(300), &[Mutation::Truncate { object: object(), size: 256 }]), []);
    assert_eq!(reads(Some(300), &[Mutation::Remove { object: object() }, write(3, 3)]), []);
    let far: Vec<Mutation> = (0..600_000).map(|i| write(i * 200, 1)).collect();
    let all = ChunkSet::first(6);
    assert!(WritePlan::of(&shape, None, &far[..1000], all, &no_clones).is_ok());
    assert_eq!(WritePlan::of(&shape, None, &far, all, &no_clones).unwrap_err(), stdx::Errno::E2BIG);
    let rows = Mutation::OmapSet { object: object(), rows: vec![] };
    assert_eq!(WritePlan::of(&shape, None, &[rows], all, &no_clones).unwrap_err(), stdx::Errno::EOPNOTSUPP);
}

#[test]
fn parity_comes_from_what_reads_less() {
    let shape = Shape::new(EcSpec { profile: Profile::isa(8, 3).unwrap(), stripe_unit: 32 }).unwrap();
    let reads = |len, lost: &[usize]| {
        let available = ChunkSet::first(11) - lost.iter().copied().collect();
        let plan = WritePlan::of(&shape, Some(2560), &[write(256 + 64, len)], available, &no_clones).unwrap();
        plan.reads().map(|(_, p)| (p.old.to_string(), p.delta)).collect::<Vec<_>>()
    };
    let read = |old: &str, delta| vec![(old.to_string(), delta)];
    assert_eq!(reads(32, &[]), read("2,8,9,10", true), "one chunk: itself and three parities");
    assert_eq!(reads(64, &[]), read("2,3,8,9,10", true));
    assert_eq!(reads(96, &[]), read("0,1,5,6,7", false), "three chunks: the other five");
    assert_eq!(reads(32, &[9]), read("0,1,3,4,5,6,7", false), "a parity is lost: rather the other data");
    assert_eq!(reads(32, &[5]), read("2,8,9,10", true), "other data is lost");
    assert_eq!(reads(32, &[2]), read("0,1,3,4,5,6,7", false), "the chunk itself is lost, and new altogether");
    assert_eq!(reads(10, &[2]), read("0,1,3,4,5,6,7", false));
}
