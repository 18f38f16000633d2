//! What must come before what: each rule with the one sequence of events that breaks it, and the proof that
//! breaking it is noticed.

use super::crash_test::{World, fails};
use super::store_test::{object, read_now};
use super::{Limits, StoreError};
use crate::device::faulty::{CrashMode, Step};
use crate::layout::WAL_OFFSET;
use crate::sabotage::Sabotage;
use osd_object::{Mutation, ObjectRead, Transaction};

/// A batch whose fresh data was lost is cut; the same data written again to the same place must not bring
/// the rest of that batch back.
fn a_cut_batch_stays_cut() -> Result<(), String> {
    let mut world = World::new(3);
    world.limits = Limits::new(256 << 20, true);
    let is_log = |offset| (WAL_OFFSET..WAL_OFFSET + (1 << 20)).contains(&offset);
    let write = || Mutation::Write { object: object(1), offset: 0, data: vec![1; 64 << 10].into() };
    let issue = |world: &World, mutations: Vec<Mutation>| {
        let mut store = world.open().map_err(|e| e.to_string())?;
        for (ticket, m) in (1..).zip(mutations) {
            store.submit(ticket, Transaction { mutations: vec![m] }).map_err(|e| e.to_string())?;
        }
        store.poll().map_err(|e| e.to_string())
    };
    issue(&world, vec![write(), Mutation::Touch { object: object(2) }])?;
    world.disk.crash_keeping(CrashMode::KeepAll, is_log);
    if world.open().map_err(|e| e.to_string())?.durable_lsn() != 0 {
        return Err("a batch without its data was accepted".to_string());
    }
    world.disk.crash(CrashMode::KeepAll);
    issue(&world, vec![write()])?;
    world.disk.crash_keeping(CrashMode::KeepAll, |offset| !is_log(offset));
    let store = world.open().map_err(|e| e.to_string())?;
    match store.meta(&object(2)) {
        Ok(None) => Ok(()),
        other => Err(format!("object 2, cut before, is {other:?}")),
    }
}

#[test]
fn a_cut_batch_never_comes_back() {
    assert_eq!(a_cut_batch_stays_cut(), Ok(()));
    assert!(fails(|| Sabotage::KeepIncarnation.during(a_cut_batch_stays_cut)));
}

/// A unit whose trimmed state was superseded before it was written in place: the log must not be trimmed
/// until the record that superseded it is durable.
fn a_superseded_state_stays_in_the_log() -> Result<(), String> {
    let mut world = World::new(4);
    world.limits = Limits::new(256 << 20, true);
    let mut store = world.open().map_err(|e| e.to_string())?;
    let write = |b: u8| Transaction {
        mutations: vec![Mutation::Write { object: object(1), offset: 0, data: vec![b; 4096].into() }],
    };
    let mut go = || -> Result<(), StoreError> {
        store.submit(1, write(1))?;
        store.flush_index()?;
        store.submit(2, write(2))?;
        store.drain()?;
        store.begin_checkpoint(false)?;
        world.disk.hold(WAL_OFFSET..WAL_OFFSET + (1 << 20));
        store.submit(3, write(3))?;
        (0..100).try_for_each(|_| store.poll())
    };
    go().map_err(|e| e.to_string())?;
    drop(store);
    world.disk.crash(CrashMode::LoseAll);
    world.index.crash(true);
    let mut store = world.open().map_err(|e| e.to_string())?;
    let read = read_now(&mut store, &object(1), 0, 1);
    if store.durable_lsn() == 2 && read == Ok(vec![2].into()) { Ok(()) } else { Err(format!("{read:?}")) }
}

#[test]
fn the_log_keeps_what_was_superseded_until_its_successor_is_durable() {
    assert_eq!(a_superseded_state_stays_in_the_log(), Ok(()));
    assert!(fails(|| Sabotage::TrimWithoutBarrier.during(a_superseded_state_stays_in_the_log)));
}

/// Power failures at every effect of a superblock update, in which only one copy of a pair arrives, each
/// followed by another such failure at every effect of the recovery.
fn torn_superblocks_are_survived() -> Result<(), String> {
    let one_of_each_pair = |offset| offset != 64 << 10 && offset != 192 << 10;
    for (first, second) in (0..9).flat_map(|n| (0..16).map(move |m| (n, m))) {
        let mut world = World::new(5);
        world.limits = Limits::new(256 << 20, true);
        let mut store = world.open().map_err(|e| e.to_string())?;
        let touch = Mutation::Touch { object: object(1) };
        store
            .submit(1, Transaction { mutations: vec![touch] })
            .and_then(|()| store.drain())
            .map_err(|e| e.to_string())?;
        world.disk.fail_power_after(first);
        let cut = store.flush_index();
        drop(store);
        world.disk.crash_keeping(CrashMode::KeepAll, one_of_each_pair);
        if cut.is_ok() {
            break;
        }
        // Behind the reads of opening: 4 superblocks, the log's two batches and the look ahead.
        world.disk.fail_power_after(4 + second);
        drop(world.open());
        world.disk.crash_keeping(CrashMode::KeepAll, one_of_each_pair);
        let store = world.open().map_err(|e| format!("failures after {first} and {second}: {e}"))?;
        if store.meta(&object(1)).is_ok_and(|m| m.is_none()) {
            return Err("an acknowledged object is gone".to_string());
        }
    }
    Ok(())
}

#[test]
fn no_sequence_of_torn_superblocks_loses_the_store() {
    assert_eq!(torn_superblocks_are_survived(), Ok(()));
    assert!(fails(|| Sabotage::OverwriteSuperblockInForce.during(torn_superblocks_are_survived)));
}

/// The process dies with a batch written but not flushed; then the power fails at each effect of the recovery,
/// and takes the batch with it, but not what recovery wrote in place.
fn replay_does_not_outlive_the_log() -> Result<(), String> {
    let write = |b: u8, len: usize| Transaction {
        mutations: vec![Mutation::Write { object: object(1), offset: 0, data: vec![b; len].into() }],
    };
    let data = WAL_OFFSET + (1 << 20);
    for effects in 0..30 {
        let mut world = World::new(6);
        world.limits = Limits::new(256 << 20, true);
        let go = || -> Result<(), StoreError> {
            let mut store = world.open()?;
            store.submit(1, write(1, 4096))?;
            store.flush_index()?;
            world.disk.fail_power_after(1);
            store.submit(2, write(2, 4096))?;
            store.drain()
        };
        if !matches!(go(), Err(StoreError::Device(_))) {
            return Err("the flush should have failed".to_string());
        }
        world.disk.crash(CrashMode::Kill);
        world.disk.fail_power_after(effects);
        drop(world.open());
        world.disk.crash_keeping(CrashMode::KeepAll, |offset| offset >= data);
        let mut store = world.open().map_err(|e| e.to_string())?;
        let read = read_now(&mut store, &object(1), 0, 1);
        if read != Ok(vec![1].into()) && read != Ok(vec![2].into()) {
            return Err(format!("after {effects} effects: {read:?}"));
        }
    }
    Ok(())
}

#[test]
fn replay_flushes_what_it_found_before_it_acts_on_it() {
    assert_eq!(replay_does_not_outlive_the_log(), Ok(()));
    assert!(fails(|| Sabotage::ReplayUnflushed.during(replay_does_not_outlive_the_log)));
}

/// A durable batch holds fresh data and, later, a logged unit of it, which is then written in place: a crash
/// must not take the batch for incomplete because that unit no longer is what the fresh data was.
fn overwritten_fresh_data_counts() -> Result<(), String> {
    let mut world = World::new(7);
    world.limits = Limits::new(256 << 20, true);
    let write = |b: u8, len: usize| Transaction {
        mutations: vec![Mutation::Write { object: object(1), offset: 0, data: vec![b; len].into() }],
    };
    let go = || -> Result<(), StoreError> {
        let mut store = world.open()?;
        store.submit(1, write(1, 64 << 10))?;
        store.submit(2, write(2, 4096))?;
        store.drain()?;
        store.apply_all()
    };
    go().map_err(|e| e.to_string())?;
    world.disk.crash(CrashMode::KeepAll);
    let store = world.open().map_err(|e| e.to_string())?;
    if store.durable_lsn() == 2 { Ok(()) } else { Err(format!("only LSN {} is there", store.durable_lsn())) }
}

#[test]
fn fresh_data_that_was_overwritten_since_is_not_missed() {
    assert_eq!(overwritten_fresh_data_counts(), Ok(()));
    assert!(fails(|| Sabotage::CompareOverwrittenFreshData.during(overwritten_fresh_data_counts)));
}

/// Between the write of a log batch and the acknowledgement of what it holds lies a flush that began
/// after the write was done; fresh data is covered by the same flush.
#[test]
fn each_acknowledgement_follows_a_flush_that_follows_its_writes() {
    let mut world = World::new(1);
    // Roomy, so that no checkpoint and no in-place write comes in between.
    world.limits = Limits::new(256 << 20, true);
    let mut store = world.open().unwrap();
    let log_end = WAL_OFFSET + store.geometry().wal_bytes;
    let (mut log_writes, mut data_writes) = (0, 0);
    for ticket in 1..=40u64 {
        let from = world.disk.steps().len();
        let len = if ticket % 2 == 0 { 64 << 10 } else { 4096 };
        let m = Mutation::Write { object: object(ticket), offset: 0, data: vec![1; len].into() };
        store.submit(ticket, Transaction { mutations: vec![m] }).unwrap();
        while world.acknowledged < ticket {
            store.poll().unwrap();
            world.note(&mut store);
        }
        let steps = world.disk.steps()[from..].to_vec();
        let acknowledged = steps.iter().position(|s| *s == Step::Acknowledged(ticket)).unwrap();
        let flush_done =
            steps[..acknowledged].iter().rposition(|s| matches!(s, Step::FlushDone { .. })).unwrap();
        let Step::FlushDone { operation } = steps[flush_done] else { unreachable!() };
        let flush_begun = steps.iter().position(|s| *s == Step::FlushBegun { operation }).unwrap();
        for step in &steps[..flush_done] {
            if let Step::WriteBegun { operation, offset, .. } = step {
                let done =
                    steps.iter().position(|s| *s == Step::WriteDone { operation: *operation }).unwrap();
                assert!(done < flush_begun, "ticket {ticket}: {steps:?}");
                if *offset < log_end { log_writes += 1 } else { data_writes += 1 }
            }
        }
    }
    assert!(log_writes >= 40 && data_writes >= 20, "{log_writes} {data_writes}");
}

#[test]
fn a_failed_write_or_flush_stops_the_store_for_good() {
    for kind in ["write", "flush"] {
        let mut world = World::new(2);
        let mut store = world.open().unwrap();
        let touch = || Transaction { mutations: vec![Mutation::Touch { object: object(1) }] };
        store.submit(1, touch()).unwrap();
        world.disk.fail_next(kind);
        let failure = loop {
            match store.poll() {
                Ok(()) => assert_eq!(store.next_completion(), None, "nothing is acknowledged"),
                Err(e) => break e,
            }
        };
        assert!(matches!(failure, StoreError::Device(_)) && failure.to_string().contains("check the disk"));
        assert!(matches!(store.poll(), Err(StoreError::Stopped)));
        assert!(matches!(store.submit(2, touch()), Err(StoreError::Stopped)));
        assert!(matches!(store.shutdown(), Err(StoreError::Stopped)));
        assert_eq!(store.next_completion(), None);
        world.note(&mut store);
    }
}
