//! Two replicas that came by the same objects in different ways say the same, in steps of any size.

use super::Store;
use super::scrub::{ScrubBudget, ScrubCursor, ScrubObject};
use super::store_test::{make, object, open, random_transaction};
use crate::device::memory::MemoryDevice;
use crate::index::map::MapDisk;
use bytes::Bytes;
use osd_object::model::Model;
use osd_object::{Mutation, ObjectId, Transaction};
use placement_map::PoolId;
use stdx::Rng;

fn fresh() -> (MemoryDevice, Store) {
    let (mut device, disk) = (MemoryDevice::new(48 << 20), MapDisk::new());
    make(&mut device, &disk);
    let store = open(&device, &disk);
    (device, store)
}

fn scrub(store: &mut Store, budget: ScrubBudget) -> (Vec<ScrubObject>, usize) {
    let (mut found, mut steps) = (Vec::new(), 0);
    let mut cursor = Some(ScrubCursor::start(PoolId(1), None));
    while let Some(at) = cursor {
        let page = store.scrub(PoolId(1), None, at, budget).unwrap();
        assert!(page.objects.len() <= budget.objects_max);
        found.extend(page.objects);
        cursor = page.next;
        steps += 1;
    }
    (found, steps)
}

const ALL: ScrubBudget = ScrubBudget { deep: true, bytes_max: u64::MAX, objects_max: usize::MAX };

/// What recovery does: whole objects, zeros written out where the other has holes.
fn copy(model: &Model) -> Transaction {
    let mut t = Transaction::new();
    for (id, o) in &model.objects {
        t.push(Mutation::Touch { object: id.clone() });
        for (i, piece) in o.data.chunks(50_000).enumerate() {
            let data = Bytes::copy_from_slice(piece);
            t.push(Mutation::Write { object: id.clone(), offset: i as u64 * 50_000, data });
        }
        for (name, value) in &o.xattrs {
            t.push(Mutation::SetXattr { object: id.clone(), name: name.clone(), value: value.clone() });
        }
        let rows = o.omap.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        t.push(Mutation::OmapSet { object: id.clone(), rows });
        t.push(Mutation::Stamp { object: id.clone(), version: o.meta.version, mtime: o.meta.mtime });
    }
    t
}

#[test]
fn replicas_that_hold_the_same_say_the_same_whatever_the_steps() {
    for seed in 0..8 {
        let mut rng = Rng::new(seed);
        let ((_, mut a), (_, mut b), mut model) = (fresh(), fresh(), Model::new());
        for i in 0..120 {
            let t = random_transaction(&mut rng, &model, 10);
            a.submit(i, t.clone()).unwrap();
            model.apply(&t);
        }
        for (i, m) in copy(&model).mutations.into_iter().enumerate() {
            b.submit(i as u64, Transaction { mutations: vec![m] }).unwrap();
            b.poll().unwrap();
        }
        let (all, _) = scrub(&mut a, ALL);
        assert!(all.iter().map(|o| (&o.id, o.meta)).eq(model.objects.iter().map(|(id, o)| (id, o.meta))));
        assert!(all.iter().all(|o| o.bad.is_empty()));
        assert!(all.iter().zip(model.objects.values()).all(|(o, m)| o.omap_rows == m.omap.len() as u64));
        let bytes_max = 1 + rng.below(300_000);
        for (deep, objects_max) in [(false, 1), (true, 3), (true, usize::MAX)] {
            let (stepped, steps) = scrub(&mut b, ScrubBudget { deep, bytes_max, objects_max });
            assert_eq!(stepped, all, "seed {seed}");
            assert!(objects_max > 1 || steps >= all.len());
        }
        let (_, steps) = scrub(&mut b, ScrubBudget { deep: true, bytes_max: 1, objects_max: 100 });
        assert!(steps > 2 * all.len(), "steps within objects: {steps}");
    }
}

#[test]
fn any_difference_shows_and_damage_is_named_by_its_offset() {
    let (device, mut store) = fresh();
    let b = |s: &str| Bytes::copy_from_slice(s.as_bytes());
    let go = |store: &mut Store, m: Mutation| {
        store.submit(0, Transaction { mutations: vec![m] }).unwrap();
        store.flush_index().unwrap();
        scrub(store, ALL).0
    };
    let o = || object(1);
    let mut seen =
        vec![go(&mut store, Mutation::Write { object: o(), offset: 0, data: vec![7; 40 << 10].into() })];
    let changes = [
        Mutation::Write { object: o(), offset: 5000, data: b("x") },
        Mutation::Truncate { object: o(), size: 39 << 10 },
        Mutation::SetXattr { object: o(), name: "a".into(), value: b("1") },
        Mutation::SetXattr { object: o(), name: "a".into(), value: b("2") },
        Mutation::OmapSet { object: o(), rows: vec![(b("k"), b("v"))] },
        Mutation::OmapSet { object: o(), rows: vec![(b("kv"), b(""))] },
        Mutation::OmapRm { object: o(), keys: vec![b("k")] },
    ];
    for change in changes {
        let now = go(&mut store, change.clone());
        assert!(!seen.contains(&now), "{change:?} does not show");
        seen.push(now);
    }
    let before = seen.pop().unwrap();
    let image = device.image();
    let at = image.windows(4096).step_by(4096).rposition(|w| w == [7; 4096]).unwrap() as u64 * 4096;
    device.damage(at + 9, &[8]);
    let deep = scrub(&mut store, ALL).0;
    let [ScrubObject { bad, .. }] = &deep[..] else { panic!("{deep:?}") };
    assert_eq!(bad.len(), 1);
    assert!(bad[0].is_multiple_of(4096) && bad[0] < 36 << 10);
    let shallow = scrub(&mut store, ScrubBudget { deep: false, ..ALL }).0;
    assert_eq!(shallow, before, "shallow reads no data");
}

#[test]
fn an_object_that_changes_between_steps_is_begun_again_and_one_that_goes_is_left_out() {
    let (_, mut store) = fresh();
    let ids: Vec<ObjectId> = {
        let mut ids: Vec<ObjectId> = (1..4).map(object).collect();
        ids.sort();
        ids
    };
    let write = |id: &ObjectId, b: u8| Mutation::Write {
        object: id.clone(),
        offset: 0,
        data: vec![b; 1 << 20].into(),
    };
    for id in &ids {
        store.submit(0, Transaction { mutations: vec![write(id, 1)] }).unwrap();
    }
    let budget = ScrubBudget { deep: true, bytes_max: 1, objects_max: 10 };
    let first = ScrubCursor::start(PoolId(1), Some(&ids[0]));
    let page = store.scrub(PoolId(1), Some(&ids[2]), first, budget).unwrap();
    assert!(page.objects.is_empty(), "a megabyte takes more than one step");
    // The first becomes another object of the same name and size, the second goes.
    let mutations = vec![
        Mutation::Remove { object: ids[0].clone() },
        write(&ids[0], 2),
        Mutation::Remove { object: ids[1].clone() },
    ];
    store.submit(1, Transaction { mutations }).unwrap();
    let mut want = scrub(&mut store, ALL).0;
    want.truncate(1);
    let (mut found, mut cursor) = (Vec::new(), page.next);
    while let Some(at) = cursor {
        let page = store.scrub(PoolId(1), Some(&ids[2]), at, budget).unwrap();
        found.extend(page.objects);
        cursor = page.next;
    }
    assert_eq!(found, want, "up to the end that was given");
}
