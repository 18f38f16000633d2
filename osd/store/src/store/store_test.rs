//! The store over a device in memory and the map index: what it accepts is what the model holds.

use super::harness::compare;
pub(super) use super::harness::{IDENTITY, object, open_map, read_now, small_limits};
use super::{Completion, Store};
use crate::config::Identity;
use crate::device::memory::MemoryDevice;
use crate::error::StoreError;
use crate::index::map::MapDisk;
use bytes::Bytes;
use osd_object::model::Model;
use osd_object::{Mutation, ObjectId, ObjectRead, OmapRange, Transaction, Version};
use placement_map::PoolId;
use std::collections::BTreeSet;
use std::path::Path;
use stdx::time::WallTime;
use stdx::{Errno, Rng};

pub(crate) fn make(device: &mut MemoryDevice, disk: &MapDisk) {
    Store::mkfs_on(device, || open_map(disk), IDENTITY, Path::new("memory")).unwrap();
}

pub(crate) fn open(device: &MemoryDevice, disk: &MapDisk) -> Store {
    Store::open_on(Box::new(device.clone()), || open_map(disk), small_limits(), Path::new("memory")).unwrap()
}

fn fresh(bytes: u64) -> (MemoryDevice, MapDisk, Store) {
    let (mut device, disk) = (MemoryDevice::new(bytes), MapDisk::new());
    make(&mut device, &disk);
    let store = open(&device, &disk);
    (device, disk, store)
}

fn data(rng: &mut Rng, max: u64) -> Bytes {
    let mut out = vec![0; 1 + rng.below(max) as usize];
    rng.fill(&mut out);
    out.into()
}

/// A transaction that a PG could issue, biased towards edges of units, chunks and write kinds.
pub(crate) fn random_transaction(rng: &mut Rng, model: &Model, objects: u64) -> Transaction {
    let mut t = Transaction::new();
    let mut present: BTreeSet<ObjectId> = model.objects.keys().cloned().collect();
    for _ in 0..1 + rng.below(4) {
        let o = object(rng.below(objects));
        let offset = match rng.below(4) {
            0 => rng.below(3) * 4096,
            1 => rng.below(600 << 10),
            2 => rng.below(12 << 10),
            _ => 62 * 4096 + rng.below(3) * 4096,
        };
        let key = |rng: &mut Rng| Bytes::from(format!("k{}", rng.below(90)));
        let m = match rng.below(20) {
            0..=3 => Mutation::Write { object: o, offset, data: data(rng, 9000) },
            4..=5 => Mutation::Write {
                object: o,
                offset: offset / 4096 * 4096,
                data: vec![rng.below(256) as u8; 4096].into(),
            },
            6..=7 => Mutation::Write { object: o, offset, data: data(rng, 150_000) },
            8 => Mutation::Zero { object: o, offset, len: rng.below(100_000) },
            9 => Mutation::Truncate { object: o, size: rng.below(300_000) },
            10 => Mutation::Remove { object: o },
            11 => Mutation::SetXattr { object: o, name: format!("x{}", rng.below(5)), value: data(rng, 60) },
            12 => Mutation::RmXattr { object: o, name: format!("x{}", rng.below(5)) },
            13 => {
                let rows = (0..1 + rng.below(80)).map(|_| (key(rng), data(rng, 30))).collect();
                Mutation::OmapSet { object: o, rows }
            }
            14 => Mutation::OmapRm { object: o, keys: (0..rng.below(5)).map(|_| key(rng)).collect() },
            15 => {
                let end = if rng.chance(1, 3) { None } else { Some(key(rng)) };
                Mutation::OmapRmRange { object: o, start: key(rng), end }
            }
            16..=17 => {
                let to = object(rng.below(objects));
                if !present.contains(&o) {
                    continue;
                }
                if o != to && rng.chance(1, 2) {
                    Mutation::Rename { from: o, to }
                } else {
                    Mutation::Clone { from: o, to }
                }
            }
            18 => Mutation::Touch { object: o },
            _ => {
                let version = Version { interval: rng.below(5), seq: rng.below(1000) };
                Mutation::Stamp { object: o, version, mtime: WallTime(rng.below(1 << 40)) }
            }
        };
        match &m {
            Mutation::Remove { object } => present.remove(object),
            Mutation::Rename { from, to } => present.remove(from) && present.insert(to.clone()),
            m => present.insert(m.object().clone()),
        };
        t.push(m);
    }
    t
}

/// Everything the store says must be what the model says.
pub(crate) fn assert_same(store: &mut Store, model: &Model) {
    assert_eq!(compare(store, model, false), Ok(false));
}

#[test]
fn random_transactions_leave_what_the_model_holds_across_reopens() {
    for seed in 0..12 {
        let mut rng = Rng::new(seed);
        let (device, disk, mut store) = fresh(48 << 20);
        disk.set_slowness(rng.below(4) as u32);
        let mut model = Model::new();
        for i in 0..300 {
            let t = random_transaction(&mut rng, &model, 12);
            store.submit(i, t.clone()).unwrap();
            model.apply(&t);
            if rng.chance(1, 2) {
                store.poll().unwrap();
            }
            if rng.chance(1, 8) {
                let o = object(rng.below(12));
                let (offset, len) = (rng.below(400_000), rng.below(200_000));
                assert_eq!(read_now(&mut store, &o, offset, len), model.read(&o, offset, len));
                let mut range = OmapRange::all().after(format!("k{}", rng.below(90)).as_bytes()).limit(5);
                range.reverse = rng.chance(1, 2);
                assert_eq!(store.omap_range(&o, &range), model.omap_range(&o, &range));
            }
            if rng.chance(1, 60) {
                match rng.below(3) {
                    0 => store.shutdown().unwrap(),
                    1 => store.drain().unwrap(),
                    _ => store.flush_index().unwrap(),
                }
                drop(store);
                store = open(&device, &disk);
                assert_same(&mut store, &model);
            }
        }
        store.drain().unwrap();
        assert_same(&mut store, &model);
        let report = store.fsck().unwrap();
        assert!(report.is_clean(), "seed {seed}: {report:?}");
    }
}

#[test]
fn acknowledgements_come_in_order_and_only_once() {
    let (_, _, mut store) = fresh(16 << 20);
    for i in 0..100 {
        let size = if i % 7 == 0 { 100_000 } else { 4096 };
        let m = Mutation::Write { object: object(i % 5), offset: 0, data: vec![1; size].into() };
        store.submit(i, Transaction { mutations: vec![m] }).unwrap();
        store.poll().unwrap();
    }
    store.drain().unwrap();
    let tickets: Vec<Completion> = std::iter::from_fn(|| store.next_completion()).collect();
    assert_eq!(tickets, (0..100).map(|ticket| Completion::Durable { ticket }).collect::<Vec<_>>());
}

#[test]
fn damage_is_an_error_and_never_wrong_bytes() {
    let (device, disk, mut store) = fresh(16 << 20);
    let write = |len| Mutation::Write { object: object(1), offset: 0, data: vec![7; len].into() };
    store.submit(0, Transaction { mutations: vec![write(40 << 10)] }).unwrap();
    store.flush_index().unwrap();
    let image = device.image();
    let at = image.windows(4096).step_by(4096).rposition(|w| w == [7; 4096]).unwrap() as u64 * 4096;
    device.damage(at + 100, &[8]);
    assert_eq!(read_now(&mut store, &object(1), 0, 0), Err(Errno::EIO));
    assert_eq!(read_now(&mut store, &object(1), 0, 4096), Ok(vec![7; 4096].into()));
    assert_eq!(read_now(&mut store, &object(2), 0, 4096), Err(Errno::ENOENT));
    // What is written to other parts of the unit does not make it sound, however it is written, also not twice.
    let part = |offset, len| Mutation::Write { object: object(1), offset, data: vec![1; len].into() };
    let parts = [
        part((40 << 10) - 10, 5),
        part((40 << 10) - 10, 5),
        part((40 << 10) - 100, 40 << 10),
        Mutation::Zero { object: object(1), offset: 36 << 10, len: 9 },
        Mutation::Truncate { object: object(1), size: (40 << 10) - 1 },
    ];
    for (n, m) in parts.into_iter().enumerate() {
        store.submit(1 + n as u64, Transaction { mutations: vec![m] }).unwrap();
        assert_eq!(read_now(&mut store, &object(1), 36 << 10, 10), Err(Errno::EIO), "after {n}");
        assert_eq!(read_now(&mut store, &object(1), 0, 36 << 10), Ok(vec![7; 36 << 10].into()));
    }
    // Not even if the device gives back what was there: that lacks what was written since.
    device.damage(at + 100, &[7]);
    assert_eq!(read_now(&mut store, &object(1), 36 << 10, 10), Err(Errno::EIO));
    store.drain().unwrap();
    drop(store);
    let mut store = open(&device, &disk);
    assert_eq!(read_now(&mut store, &object(1), 36 << 10, 10), Err(Errno::EIO), "nor after a crash");
    assert_eq!(store.fsck().unwrap().problems.len(), 1);
    // Overwriting the whole unit repairs it.
    store.submit(2, Transaction { mutations: vec![write(40 << 10)] }).unwrap();
    assert_eq!(read_now(&mut store, &object(1), 0, 0), Ok(vec![7; 40 << 10].into()));
    assert!(store.fsck().unwrap().is_clean());
}

#[test]
fn a_full_store_refuses_writes_but_reads_and_deletes_go_on() {
    let (device, disk, mut store) = fresh(16 << 20);
    let write = |n, len| Transaction {
        mutations: vec![Mutation::Write { object: object(n), offset: 0, data: vec![n as u8; len].into() }],
    };
    let mut kept = 0;
    let refusal = loop {
        match store.submit(kept, write(kept, 200 << 10)) {
            Ok(()) => kept += 1,
            Err(e) => break e,
        }
        store.poll().unwrap();
    };
    assert!(matches!(refusal, StoreError::NoSpace { .. }) && refusal.errno() == Errno::ENOSPC);
    assert!(kept > 50 && store.usage().available_bytes < 200 << 10, "{:?}", store.usage());
    let before = store.usage();
    assert!(store.submit(900, write(900, 200 << 10)).unwrap_err().is_refusal());
    assert_eq!((store.usage(), store.meta(&object(900))), (before, Ok(None)), "a refusal changes nothing");
    assert_eq!(read_now(&mut store, &object(5), 0, 0), Ok(vec![5; 200 << 10].into()));
    let note = Mutation::OmapSet {
        object: object(1001),
        rows: vec![(Bytes::from_static(b"k"), Bytes::from_static(b"v"))],
    };
    store.submit(901, Transaction { mutations: vec![note] }).unwrap();
    let large = (0..20).map(|i| (Bytes::from(format!("k{i}")), Bytes::from(vec![0; 5000]))).collect();
    let large = Mutation::OmapSet { object: object(1001), rows: large };
    let available = store.usage().available_bytes;
    let refused = store.submit(902, Transaction { mutations: vec![large] }).is_err();
    assert_eq!(refused, available < 100_000, "{available}");
    for n in 0..kept / 2 {
        let rows = vec![(Bytes::from(format!("gc{n}")), Bytes::from_static(b"entry"))];
        let mutations =
            vec![Mutation::Remove { object: object(n) }, Mutation::OmapSet { object: object(1000), rows }];
        store.submit(n, Transaction { mutations }).unwrap();
        store.poll().unwrap();
    }
    // What was deleted can be written again, without waiting for a checkpoint by chance.
    for n in 0..kept / 2 - 1 {
        store.submit(n, write(n, 200 << 10)).unwrap();
        store.poll().unwrap();
    }
    assert!(store.fsck().unwrap().is_clean());
    drop(store);
    assert!(open(&device, &disk).fsck().unwrap().is_clean());
}

#[test]
fn invalid_and_oversized_transactions_are_refused_whole() {
    let (_, _, mut store) = fresh(16 << 20);
    let touch = Mutation::Touch { object: object(1) };
    let of = |m| Transaction { mutations: vec![touch.clone(), m] };
    let clone = Mutation::Clone { from: object(8), to: object(9) };
    let far = Mutation::Write { object: object(1), offset: u64::MAX - 1, data: vec![1; 10].into() };
    let long = Mutation::Truncate { object: object(1), size: 1 << 40 };
    for m in [clone, far, long] {
        let refused = store.submit(0, of(m)).unwrap_err();
        assert!(matches!(refused, StoreError::Invalid(_)) && refused.errno() == Errno::EINVAL);
    }
    let rows = (0..200u32).map(|i| (Bytes::from(i.to_string()), Bytes::from(vec![0; 4096]))).collect();
    let large = store.submit(0, of(Mutation::OmapSet { object: object(1), rows }));
    assert!(matches!(large, Err(StoreError::TooLarge { .. })));
    assert_eq!(store.meta(&object(1)), Ok(None));
    assert!(store.fsck().unwrap().is_clean());
}

#[test]
fn clones_share_units_until_they_are_written() {
    let (_, _, mut store) = fresh(32 << 20);
    let mut model = Model::new();
    let mut go = |store: &mut Store, mutations: Vec<Mutation>| {
        let t = Transaction { mutations };
        model.apply(&t);
        store.submit(0, t).unwrap();
        assert_same(store, &model);
        store.fsck().unwrap()
    };
    let write = |offset, len, b| Mutation::Write { object: object(1), offset, data: vec![b; len].into() };
    go(&mut store, vec![write(0, 1 << 20, 1)]);
    let report =
        go(&mut store, vec![Mutation::Clone { from: object(1), to: object(3) }, write(4096, 4096, 2)]);
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.units, report.shared_units), (257, 255));
    let report = go(&mut store, vec![Mutation::Remove { object: object(3) }]);
    assert!(report.is_clean());
    assert_eq!((report.units, report.shared_units), (256, 0));
}

#[test]
fn mkfs_leaves_its_own_store_and_refuses_anything_else() {
    let (mut device, disk, mut store) = fresh(16 << 20);
    store.submit(0, Transaction { mutations: vec![Mutation::Touch { object: object(1) }] }).unwrap();
    store.shutdown().unwrap();
    assert!(matches!(store.poll(), Err(StoreError::Stopped)));
    drop(store);
    let again = Identity { uuid: [9; 16], ..IDENTITY };
    let made = Store::mkfs_on(&mut device, || panic!("not made twice"), again, Path::new("memory"));
    assert_eq!(made.unwrap(), IDENTITY.uuid);
    let other = Identity { fsid: [9; 16], ..IDENTITY };
    let made = Store::mkfs_on(&mut device, || panic!("not made twice"), other, Path::new("memory"));
    assert!(matches!(made, Err(StoreError::Foreign { .. })));
    let foreign_index = || {
        let mut device = MemoryDevice::new(16 << 20);
        let disk = MapDisk::new();
        let identity = Identity { uuid: [8; 16], ..IDENTITY };
        Store::mkfs_on(&mut device, || open_map(&disk), identity, Path::new("memory")).unwrap();
        open_map(&disk)
    };
    let opened = Store::open_on(Box::new(device.clone()), foreign_index, small_limits(), Path::new("memory"));
    assert!(matches!(opened, Err(StoreError::DamagedIndex { .. })));
    let empty_index = || open_map(&MapDisk::new());
    let opened = Store::open_on(Box::new(device.clone()), empty_index, small_limits(), Path::new("memory"));
    assert!(matches!(opened, Err(StoreError::DamagedIndex { .. })));
    // Two damaged copies are survived, three are not.
    device.damage(0, &[1; 64]);
    device.damage(64 << 10, &[1; 64]);
    assert_eq!(open(&device, &disk).meta(&object(1)).map(|m| m.is_some()), Ok(true));
    for copy in 0..3 {
        device.damage(copy * (64 << 10), &[1; 64]);
    }
    let opened =
        Store::open_on(Box::new(device.clone()), || open_map(&disk), small_limits(), Path::new("memory"));
    assert!(matches!(opened, Err(StoreError::DamagedSuperblock { .. })));
    let made =
        Store::mkfs_on(&mut device, || panic!("not over a damaged one"), IDENTITY, Path::new("memory"));
    assert!(matches!(made, Err(StoreError::NotEmpty { .. })));
    let blank = MemoryDevice::new(16 << 20);
    let opened = Store::open_on(Box::new(blank), || open_map(&disk), small_limits(), Path::new("memory"));
    assert!(matches!(opened, Err(StoreError::Blank { .. })));
}

#[test]
fn a_hole_in_the_durable_log_is_reported() {
    let (device, disk, mut store) = fresh(16 << 20);
    for i in 0..10 {
        store.submit(i, Transaction { mutations: vec![Mutation::Touch { object: object(i) }] }).unwrap();
        store.drain().unwrap();
    }
    let first = store.ring.tail.at;
    drop(store);
    let at = crate::layout::WAL_OFFSET + first + 4 * 4096;
    let saved = device.image()[at as usize..at as usize + 8].to_vec();
    device.damage(at, b"rot rot ");
    let opened =
        Store::open_on(Box::new(device.clone()), || open_map(&disk), small_limits(), Path::new("memory"));
    assert!(matches!(opened, Err(StoreError::DamagedLog { .. })));
    device.damage(at, &saved);
    assert_eq!(open(&device, &disk).list(PoolId(1), None, 100).unwrap().len(), 10);
}

/// What is discarded is garbage at once: nothing that is read, now or after any reopen, may lie there.
#[test]
fn freed_space_is_discarded_only_when_no_pointer_leads_there_and_given_out_only_afterwards() {
    let mut discarded = 0;
    for seed in 0..6 {
        let mut rng = Rng::new(seed);
        let (mut device, disk) = (MemoryDevice::new(48 << 20), MapDisk::new());
        device.announce_discards();
        make(&mut device, &disk);
        let reopened = || {
            let mut store = open(&device, &disk);
            store.set_discard(crate::config::DiscardMode::Auto);
            store
        };
        let (mut store, mut model) = (reopened(), Model::new());
        for i in 0..250 {
            let t = random_transaction(&mut rng, &model, 12);
            store.submit(i, t.clone()).unwrap();
            model.apply(&t);
            if rng.chance(2, 3) {
                store.poll().unwrap();
            }
            if rng.chance(1, 20) {
                store.flush_index().unwrap();
            }
            if rng.chance(1, 50) {
                store.drain().unwrap();
                drop(store);
                store = reopened();
                assert_same(&mut store, &model);
            }
        }
        store.flush_index().unwrap();
        let freed = store.usage().freed_bytes;
        store.set_discard(crate::config::DiscardMode::Off);
        assert!(store.usage().freed_bytes <= freed.min(16 << 20), "what waited is free");
        assert_same(&mut store, &model);
        let report = store.fsck().unwrap();
        assert!(report.is_clean(), "seed {seed}: {report:?}");
        let data = store.geometry().unit_offset(1);
        assert!(device.discards().iter().all(|(at, len)| *at >= data && *len >= 64 << 10));
        discarded += device.discards().len();
    }
    assert!(discarded > 20, "{discarded}");
}

#[test]
fn a_device_that_announces_nothing_is_told_nothing_and_waiting_discards_give_way_to_writes() {
    let (device, _, mut store) = fresh(16 << 20);
    store.set_discard(crate::config::DiscardMode::Auto);
    assert!(!store.space.discards.is_on() && device.discards().is_empty());

    let (mut device, disk) = (MemoryDevice::new(16 << 20), MapDisk::new());
    device.announce_discards();
    make(&mut device, &disk);
    let mut store = open(&device, &disk);
    store.set_discard(crate::config::DiscardMode::Auto);
    let write = |n: u64| Transaction {
        mutations: vec![Mutation::Write {
            object: object(n),
            offset: 0,
            data: vec![n as u8; 4 << 20].into(),
        }],
    };
    for n in 0..3 {
        store.submit(n, write(n)).unwrap();
    }
    // Deleted and written again at once, many times: never refused for space that only waits.
    for round in 1..8u64 {
        for n in 0..3 {
            let mutations = vec![Mutation::Remove { object: object(n) }];
            store.submit(n, Transaction { mutations }).unwrap();
        }
        for n in 0..3 {
            store.submit(round, write(n)).unwrap_or_else(|e| panic!("round {round}: {e}"));
        }
        store.poll().unwrap();
    }
    assert!(store.fsck().unwrap().is_clean() && !device.discards().is_empty());
}

#[test]
fn the_overlap_of_a_clone_is_what_nobody_wrote_since() {
    for seed in 0..20 {
        let mut rng = Rng::new(seed);
        let (_, _, mut store) = fresh(32 << 20);
        let go = |store: &mut Store, mutations: Vec<Mutation>| {
            store.submit(0, Transaction { mutations }).unwrap();
            store.poll().unwrap();
        };
        let write = |at: u64, data: Bytes| Mutation::Write { object: object(1), offset: at, data };
        go(&mut store, vec![write(0, vec![1; 900_000].into()), write(2_000_000, vec![2; 100_000].into())]);
        go(&mut store, vec![Mutation::Clone { from: object(1), to: object(3) }]);
        let all = store.overlap(&object(1), &object(3)).unwrap();
        assert!(all.len() == 1 && all[0] == (0..2_100_000), "{all:?}");
        let mut written = vec![false; 2_100_000usize.div_ceil(4096)];
        for _ in 0..1 + rng.below(6) {
            let (at, data) = (rng.below(2_000_000), data(&mut rng, 60_000));
            let units = at as usize / 4096..(at as usize + data.len()).div_ceil(4096);
            written[units].fill(true);
            go(&mut store, vec![write(at, data)]);
        }
        let overlap = store.overlap(&object(3), &object(1)).unwrap();
        let within = |at: u64| overlap.iter().any(|r| r.contains(&at));
        for (unit, written) in written.iter().enumerate() {
            assert_eq!(within(unit as u64 * 4096), !written, "seed {seed}, unit {unit}");
        }
        assert!(overlap.windows(2).all(|w| w[0].end < w[1].start));
        go(&mut store, vec![Mutation::Truncate { object: object(1), size: 5000 }]);
        assert!(store.overlap(&object(1), &object(3)).unwrap().iter().all(|r| r.end <= 5000));
        assert_eq!(store.overlap(&object(1), &object(77)), Err(Errno::ENOENT));
    }
}

#[test]
fn what_a_pg_lets_through_the_log_is_taken() {
    let one =
        |o: u64, len: usize, offset| Mutation::Write { object: object(o), offset, data: vec![7; len].into() };
    let row = |n: u32, len: usize| (Bytes::from(format!("row {n:05}")), Bytes::from(vec![1; len]));
    let shapes: [&dyn Fn(u32) -> Mutation; 5] = [
        &|n| one(1, 1, u64::from(n) * 8192),
        &|n| one(2, 5000, 3 + u64::from(n) * 20_000),
        &|n| one(u64::from(n), 100, 4000),
        &|n| Mutation::OmapSet { object: object(3), rows: vec![row(n, 3000)] },
        &|n| one(5, 40_000, 5 + u64::from(n) * 50_000),
    ];
    for (number, shape) in shapes.into_iter().enumerate() {
        let (_device, _disk, mut store) = fresh(64 << 20);
        let most = store.logged_bytes_max();
        let mut t = Transaction::new();
        for n in 0.. {
            t.push(shape(n));
            if t.logged_bytes_most(32 << 10) > most || t.payload_bytes() > 16 << 20 {
                t.mutations.pop();
                break;
            }
        }
        assert!(t.mutations.len() > 10, "shape {number}: {} fit {most} bytes", t.mutations.len());
        store.submit(1, t).unwrap_or_else(|e| panic!("shape {number}: {e}"));
    }
}
