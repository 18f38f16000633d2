//! A log that lost acknowledged writes: the store opens as an earlier state of itself, says so durably, and
//! gives errors in place of what it lost.

use super::open::Opening;
use super::store_test::{open, open_map, random_transaction, read_now, small_limits};
use super::{Problem, Store};
use crate::device::memory::MemoryDevice;
use crate::index::map::MapDisk;
use crate::layout::WAL_OFFSET;
use osd_object::model::Model;
use osd_object::{ObjectRead, Version};
use placement_map::PoolId;
use std::path::Path;
use stdx::{Errno, Rng};

fn salvage(device: &MemoryDevice, disk: &MapDisk) -> Store {
    let mut open_index = || open_map(disk);
    let device = Box::new(device.clone());
    Store::open_as(Opening::Salvage, device, &mut open_index, small_limits(), Path::new("memory")).unwrap()
}

/// Everything but data is what the model says, and data is that or an error; returns how many objects have errors.
fn same_or_unreadable(store: &mut Store, model: &Model) -> usize {
    let listed = store.list(PoolId(1), None, usize::MAX).unwrap();
    assert_eq!(listed, model.objects.keys().cloned().collect::<Vec<_>>());
    let mut unreadable = 0;
    for (id, o) in &model.objects {
        assert_eq!(store.meta(id).unwrap(), Some(o.meta), "{id}");
        assert_eq!(store.xattrs(id).unwrap(), o.xattrs, "{id}");
        match read_now(store, id, 0, 0) {
            Ok(data) => assert!(data == o.data, "{id}: wrong bytes"),
            Err(e) => {
                assert_eq!(e, Errno::EIO);
                unreadable += 1;
            }
        }
    }
    unreadable
}

#[test]
fn a_store_that_lost_writes_is_an_earlier_state_of_itself_and_says_so_until_it_is_heard() {
    let (mut lost, mut ahead, mut errors) = (0, 0, 0);
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let (mut device, disk) = (MemoryDevice::new(24 << 20), MapDisk::new());
        super::store_test::make(&mut device, &disk);
        let mut store = open(&device, &disk);
        // The state after each LSN, and where each batch begins.
        let (mut states, mut model, mut batches) = (vec![Model::new()], Model::new(), Vec::new());
        let first_lsn = store.next_lsn;
        for ticket in 0..40 {
            let t = random_transaction(&mut rng, &model, 8);
            batches.push(store.ring.head.at);
            store.submit(ticket, t.clone()).unwrap();
            model.apply(&t);
            states.push(model.clone());
            store.drain().unwrap();
            if rng.chance(1, 4) {
                store.apply(store.durable_lsn);
            }
            if rng.chance(1, 12) {
                // An index on disk that is ahead of the trim point, as between the steps of a checkpoint.
                store.index.flush_wait(store.durable_lsn).unwrap();
            }
        }
        let index_lsn = store.index.persisted_lsn().unwrap();
        let (ring, tail) = (store.ring.bytes, store.ring.tail.at);
        drop(store);
        let hit = rng.below(batches.len() as u64 - 1) as usize;
        if batches[hit] < tail {
            continue;
        }
        device.damage(WAL_OFFSET + batches[hit] % ring + 20, b"rot");
        let left = first_lsn + hit as u64 - 1;
        let want = left.max(index_lsn);
        let mut store = salvage(&device, &disk);
        assert!(store.is_damaged() && store.log_damage().is_some(), "seed {seed}");
        assert_eq!(store.durable_lsn(), want, "seed {seed}");
        let state = &states[(want + 1 - first_lsn) as usize];
        let unreadable = same_or_unreadable(&mut store, state);
        drop(store);
        // Not told yet, so it is said again, also by a strict open, which finds nothing wrong with the log any more.
        let mut store = open(&device, &disk);
        assert!(store.is_damaged() && store.log_damage().is_none());
        assert_eq!(same_or_unreadable(&mut store, state), unreadable);
        let report = store.fsck().unwrap();
        assert_eq!(report.problems[0], Problem::LostWrites);
        assert!(report.problems[1..].iter().all(|p| p.kind() == "bad-unit"), "seed {seed}: {report:?}");
        assert_eq!(store.distrust_damaged_objects().unwrap() as usize, unreadable);
        for id in state.objects.keys() {
            let readable = read_now(&mut store, id, 0, 0).is_ok();
            let version = store.meta(id).unwrap().unwrap().version;
            assert_eq!(version, if readable { state.objects[id].meta.version } else { Version::ZERO });
        }
        store.clear_damaged().unwrap();
        drop(store);
        assert!(!open(&device, &disk).is_damaged());
        lost += 1;
        ahead += usize::from(index_lsn > left);
        errors += usize::from(unreadable > 0);
    }
    assert!(lost > 20 && ahead > 3 && errors > 3, "the cases were met: {lost} {ahead} {errors}");
}
