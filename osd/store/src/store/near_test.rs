//! Objects of which it is known how large they become.

use super::Store;
use super::store_test::{make, object, open, read_now};
use crate::device::memory::MemoryDevice;
use crate::index::map::MapDisk;
use bytes::Bytes;
use osd_object::hint::HINT_XATTR;
use osd_object::{AllocHint, Mutation, Transaction};
use stdx::Rng;

/// 64 units of two objects at once, in any order, 4 KiB at a time.
fn scattered(hint: Option<AllocHint>) -> (Store, usize) {
    let (mut device, disk) = (MemoryDevice::new(48 << 20), MapDisk::new());
    make(&mut device, &disk);
    let mut store = open(&device, &disk);
    let mut rng = Rng::new(3);
    let mut order: Vec<u64> = (0..128).collect();
    for i in (1..order.len()).rev() {
        order.swap(i, rng.below(i as u64 + 1) as usize);
    }
    for (n, unit) in order.into_iter().enumerate() {
        let (o, offset) = (object(1 + unit % 2), unit / 2 * 4096);
        let mut mutations = Vec::new();
        if let Some(hint) = hint.filter(|_| n < 20) {
            let (name, value) = (HINT_XATTR.to_string(), hint.to_value());
            mutations.push(Mutation::SetXattr { object: o.clone(), name, value });
        }
        let data = Bytes::from(vec![unit as u8 + 1; 4096]);
        mutations.push(Mutation::Write { object: o, offset, data });
        store.submit(n as u64, Transaction { mutations }).unwrap();
    }
    store.drain().unwrap();
    let mut pieces = 0;
    for n in [1, 2] {
        let read = read_now(&mut store, &object(n), 0, 0).unwrap();
        for (i, unit) in read.chunks(4096).enumerate() {
            assert!(unit.iter().all(|b| *b == (i as u64 * 2 + n) as u8), "unit {i} of object {n}");
        }
        pieces += store.pieces_of(&object(n));
    }
    assert!(store.fsck().unwrap().is_clean());
    (store, pieces)
}

#[test]
fn what_is_known_to_become_large_lies_together_whatever_the_order() {
    let hint = AllocHint { expected_object_bytes: 256 << 10, ..AllocHint::default() };
    assert_eq!(scattered(Some(hint)).1, 2, "one run each");
    assert!(scattered(None).1 > 20, "without it they lie as they came");
}
