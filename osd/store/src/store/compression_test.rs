//! Packed data: it takes less, reads the same, and never takes more than it would as it is.

use super::Store;
use super::scrub::{ScrubBudget, ScrubCursor};
use super::store_test::{make, object, open, random_transaction, read_now};
use crate::compress::{Algorithm, Compression, PackWhich};
use crate::device::memory::MemoryDevice;
use crate::index::map::MapDisk;
use bytes::Bytes;
use osd_object::model::Model;
use osd_object::{Mutation, Transaction};
use placement_map::PoolId;
use std::collections::BTreeMap;
use stdx::{Errno, Rng};

const BOTH: [Algorithm; 2] = [Algorithm::Lz4, Algorithm::Zstd];

fn packing(algorithm: Algorithm) -> Option<Compression> {
    Some(Compression { which: PackWhich::All, algorithm, required_ratio_permille: 875 })
}

fn fresh(algorithm: Algorithm) -> (MemoryDevice, MapDisk, Store) {
    let (mut device, disk) = (MemoryDevice::new(48 << 20), MapDisk::new());
    make(&mut device, &disk);
    let mut store = open(&device, &disk);
    store.set_compressions(&packing(algorithm).map(|c| (PoolId(1), c)).into_iter().collect()).unwrap();
    (device, disk, store)
}

fn text(len: usize) -> Bytes {
    (0..len / 8).flat_map(|i| format!("{i:8}").into_bytes()).collect()
}

fn noise(len: usize, seed: u64) -> Bytes {
    let mut out = vec![0; len];
    Rng::new(seed).fill(&mut out);
    out.into()
}

fn write(store: &mut Store, n: u64, offset: u64, data: &Bytes) {
    let m = Mutation::Write { object: object(n), offset, data: data.clone() };
    store.submit(n, Transaction { mutations: vec![m] }).unwrap();
    store.drain().unwrap();
}

#[test]
fn text_takes_less_reads_the_same_and_survives_a_new_open() {
    for algorithm in BOTH {
        let (device, disk, mut store) = fresh(algorithm);
        let data = text(4 << 20);
        write(&mut store, 1, 0, &data);
        let taken = store.usage().data_bytes;
        assert!(taken < 3 << 20, "{algorithm}: {taken} bytes for 4 MiB of text");
        let mut store = match store.shutdown() {
            Ok(()) => open(&device, &disk),
            Err(e) => panic!("{e}"),
        };
        let usage = store.usage();
        assert_eq!((usage.data_bytes, usage.compressed_bytes), (taken, taken));
        assert_eq!(usage.compressed_original_bytes, 4 << 20);
        assert_eq!(read_now(&mut store, &object(1), 0, 0).unwrap(), data);
        let mut rng = Rng::new(4);
        for _ in 0..200 {
            let (at, len) = (rng.below(4 << 20) as usize, 1 + rng.below(200_000) as usize);
            let end = (at + len).min(data.len());
            let read = read_now(&mut store, &object(1), at as u64, len as u64).unwrap();
            assert_eq!(read, data[at..end], "{algorithm}: {len} at {at}");
        }
        assert!(store.fsck().unwrap().is_clean());
    }
}

#[test]
fn noise_stays_as_it_is_and_so_does_a_pool_that_asks_for_nothing() {
    let (_, _, mut store) = fresh(Algorithm::Zstd);
    write(&mut store, 1, 0, &noise(1 << 20, 1));
    assert_eq!(store.usage().data_bytes, 1 << 20);
    store.set_compressions(&BTreeMap::new()).unwrap();
    write(&mut store, 2, 0, &text(1 << 20));
    assert_eq!(store.usage().data_bytes, 2 << 20);
    // One that is nearly noise packs too little for the ratio.
    let barely =
        Some(Compression { which: PackWhich::All, algorithm: Algorithm::Lz4, required_ratio_permille: 100 });
    store.set_compressions(&barely.map(|c| (PoolId(1), c)).into_iter().collect()).unwrap();
    write(&mut store, 3, 0, &text(1 << 20));
    assert_eq!(store.usage().data_bytes, 3 << 20);
}

#[test]
fn overwritten_bit_by_bit_it_never_takes_more_than_it_would_unpacked() {
    let (_, _, mut store) = fresh(Algorithm::Lz4);
    let mut expected = text(512 << 10).to_vec();
    write(&mut store, 1, 0, &expected.clone().into());
    let mut rng = Rng::new(5);
    let mut order: Vec<usize> = (0..128).collect();
    for i in (1..order.len()).rev() {
        order.swap(i, rng.below(i as u64 + 1) as usize);
    }
    for unit in order {
        let new = noise(4096, unit as u64);
        expected[unit * 4096..][..4096].copy_from_slice(&new);
        write(&mut store, 1, unit as u64 * 4096, &new);
        assert!(store.usage().data_bytes <= 512 << 10);
        assert_eq!(read_now(&mut store, &object(1), 0, 0).unwrap(), expected);
    }
    let usage = store.usage();
    assert_eq!((usage.data_bytes, usage.compressed_bytes), (512 << 10, 0));
    assert!(store.fsck().unwrap().is_clean());
}

#[test]
fn a_clone_keeps_what_it_shares_when_the_original_goes() {
    let (device, disk, mut store) = fresh(Algorithm::Zstd);
    let data = text(1 << 20);
    write(&mut store, 1, 0, &data);
    let alone = store.usage().data_bytes;
    let clone = Mutation::Clone { from: object(1), to: object(2) };
    store.submit(1, Transaction { mutations: vec![clone] }).unwrap();
    assert_eq!(store.usage().data_bytes, alone);
    let whole = 0..1 << 20;
    assert_eq!(store.overlap(&object(1), &object(2)).unwrap(), vec![whole]);
    write(&mut store, 1, 65_536, &noise(4096, 1));
    assert_eq!(store.overlap(&object(1), &object(2)).unwrap(), [0..65_536, 69_632..1 << 20]);
    store.submit(2, Transaction { mutations: vec![Mutation::Remove { object: object(1) }] }).unwrap();
    store.drain().unwrap();
    store.shutdown().unwrap();
    let mut store = open(&device, &disk);
    assert_eq!(read_now(&mut store, &object(2), 0, 0).unwrap(), data);
    assert!(store.fsck().unwrap().is_clean());
    store.submit(3, Transaction { mutations: vec![Mutation::Remove { object: object(2) }] }).unwrap();
    store.drain().unwrap();
    let usage = store.usage();
    assert_eq!((usage.data_bytes, usage.compressed_original_bytes), (0, 0));
}

#[test]
fn damage_within_is_an_error_and_every_check_names_it() {
    let (device, disk, mut store) = fresh(Algorithm::Lz4);
    write(&mut store, 1, 0, &text(256 << 10));
    store.shutdown().unwrap();
    // The first unit of the data area: the first window's.
    let place = store.geometry().unit_offset(1);
    device.damage(place + 9, b"?");
    let mut store = open(&device, &disk);
    assert_eq!(read_now(&mut store, &object(1), 0, 10), Err(Errno::EIO));
    assert_eq!(read_now(&mut store, &object(1), 65_536, 8).unwrap(), text(65_544)[65_536..]);
    let all = ScrubBudget { deep: true, bytes_max: u64::MAX, objects_max: usize::MAX };
    let page = store.scrub(PoolId(1), None, ScrubCursor::start(PoolId(1), None), all).unwrap();
    assert_eq!(page.objects[0].bad, (0..16).map(|unit| unit * 4096).collect::<Vec<u64>>());
    assert!(!store.fsck().unwrap().is_clean());
    let part = Mutation::Write { object: object(1), offset: 5, data: Bytes::from_static(b"x") };
    assert!(store.submit(9, Transaction { mutations: vec![part] }).is_err());
    // Overwritten as a whole it is sound again.
    write(&mut store, 1, 0, &text(65_536));
    assert_eq!(read_now(&mut store, &object(1), 0, 0).unwrap(), text(256 << 10));
    assert!(store.fsck().unwrap().is_clean());
}

/// Whatever is written, and whether it is packed: the model's bytes, the same digests, nothing leaks.
#[test]
fn random_lives_read_as_the_model_says() {
    for seed in 0..6 {
        let mut rng = Rng::new(seed);
        let (device, disk, mut packed) = fresh(BOTH[seed as usize % 2]);
        let (_, _, mut plain) = fresh(Algorithm::Lz4);
        plain.set_compressions(&BTreeMap::new()).unwrap();
        let mut model = Model::new();
        for i in 0..150 {
            let mut t = random_transaction(&mut rng, &model, 6);
            for m in &mut t.mutations {
                // Half of them can be packed.
                if let Mutation::Write { data, .. } = m
                    && rng.chance(1, 2)
                {
                    *data = text(data.len().next_multiple_of(8));
                }
            }
            packed.submit(i, t.clone()).unwrap();
            plain.submit(i, t.clone()).unwrap();
            model.apply(&t);
            if rng.chance(1, 9) {
                packed.drain().unwrap();
            }
        }
        for (id, o) in &model.objects {
            assert_eq!(read_now(&mut packed, id, 0, 0).unwrap(), o.data, "{id}");
        }
        let all = ScrubBudget { deep: true, bytes_max: u64::MAX, objects_max: usize::MAX };
        let scrub = |s: &mut Store| s.scrub(PoolId(1), None, ScrubCursor::start(PoolId(1), None), all);
        assert_eq!(scrub(&mut packed).unwrap().objects, scrub(&mut plain).unwrap().objects);
        packed.drain().unwrap();
        assert!(packed.fsck().unwrap().is_clean());
        let counted = packed.usage();
        packed.shutdown().unwrap();
        let found = open(&device, &disk).usage();
        let compressed = |u: super::Usage| (u.compressed_bytes, u.compressed_original_bytes);
        assert_eq!(compressed(found), compressed(counted));
    }
}
