//! What must come before what: each rule with the one sequence of events that breaks it. Chance seldom finds these.

use super::{Machine, object, read_now};
use crate::device::faulty::{CrashMode, Fault, Injection};
use crate::error::StoreError;
use crate::layout::WAL_OFFSET;
use crate::sabotage::Sabotage;
use osd_object::{Mutation, ObjectRead, Transaction};

/// A sequence of events and what must come of it.
#[derive(Debug)]
pub struct Story {
    /// What it shows.
    pub name: &'static str,
    /// The rule whose breach it notices.
    pub notices: Sabotage,
    /// Runs it; the error says what went wrong.
    pub tell: fn() -> Result<(), String>,
}

/// All of them.
pub const STORIES: &[Story] = &[
    Story {
        name: "a cut batch never comes back",
        notices: Sabotage::KeepIncarnation,
        tell: a_cut_batch_stays_cut,
    },
    Story {
        name: "the log keeps what was superseded until its successor is durable",
        notices: Sabotage::TrimWithoutBarrier,
        tell: a_superseded_state_stays_in_the_log,
    },
    Story {
        name: "no sequence of torn superblocks loses the store",
        notices: Sabotage::OverwriteSuperblockInForce,
        tell: torn_superblocks_are_survived,
    },
    Story {
        name: "replay flushes what it found before it acts on it",
        notices: Sabotage::ReplayUnflushed,
        tell: replay_does_not_outlive_the_log,
    },
    Story {
        name: "fresh data that was overwritten since is not missed",
        notices: Sabotage::CompareOverwrittenFreshData,
        tell: overwritten_fresh_data_counts,
    },
    Story {
        name: "one lost write of a superblock copy loses nothing",
        notices: Sabotage::IgnoreLoneSuperblock,
        tell: lost_superblock_copies_are_survived,
    },
];

/// Length of the log of a store of 16 MiB.
const LOG_BYTES: u64 = 1 << 20;

/// A batch whose fresh data was lost is cut; the same data written again to the same place must not bring
/// the rest of that batch back.
fn a_cut_batch_stays_cut() -> Result<(), String> {
    let world = Machine::roomy(3);
    let is_log = |offset| (WAL_OFFSET..WAL_OFFSET + LOG_BYTES).contains(&offset);
    let write = || Mutation::Write { object: object(1), offset: 0, data: vec![1; 64 << 10].into() };
    let issue = |world: &Machine, mutations: Vec<Mutation>| {
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

/// A unit whose trimmed state was superseded before it was written in place: the log must not be trimmed
/// until the record that superseded it is durable.
fn a_superseded_state_stays_in_the_log() -> Result<(), String> {
    let world = Machine::roomy(4);
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
        world.disk.hold(WAL_OFFSET..WAL_OFFSET + LOG_BYTES);
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

/// Power failures at every effect of a superblock update, which leave both copies torn, each followed by another such
/// failure at every effect of the recovery.
fn torn_superblocks_are_survived() -> Result<(), String> {
    for (first, second) in (0..9).flat_map(|n| (0..16).map(move |m| (n, m))) {
        let world = Machine::roomy(5);
        let mut store = world.open().map_err(|e| e.to_string())?;
        let touch = Mutation::Touch { object: object(1) };
        store
            .submit(1, Transaction { mutations: vec![touch] })
            .and_then(|()| store.drain())
            .map_err(|e| e.to_string())?;
        world.disk.fail_power_after(first);
        let cut = store.flush_index();
        drop(store);
        world.disk.crash(CrashMode::Sectors);
        if cut.is_ok() {
            break;
        }
        // Behind the reads of opening: 4 superblocks, the log's two batches and the look ahead.
        world.disk.fail_power_after(4 + second);
        drop(world.open());
        world.disk.crash(CrashMode::Sectors);
        let store = world.open().map_err(|e| format!("failures after {first} and {second}: {e}"))?;
        if store.meta(&object(1)).is_ok_and(|m| m.is_none()) {
            return Err("an acknowledged object is gone".to_string());
        }
    }
    Ok(())
}

/// The process dies with a batch written but not flushed; then the power fails at each effect of the recovery,
/// and takes the batch with it, but not what recovery wrote in place.
fn replay_does_not_outlive_the_log() -> Result<(), String> {
    let write = |b: u8, len: usize| Transaction {
        mutations: vec![Mutation::Write { object: object(1), offset: 0, data: vec![b; len].into() }],
    };
    let data = WAL_OFFSET + LOG_BYTES;
    for effects in 0..30 {
        let world = Machine::roomy(6);
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

/// A durable batch holds fresh data and, later, a logged unit of it, which is then written in place: a crash
/// must not take the batch for incomplete because that unit no longer is what the fresh data was.
fn overwritten_fresh_data_counts() -> Result<(), String> {
    let world = Machine::roomy(7);
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

/// Each single write of a superblock copy in turn is lost by the device, which says that all went well. What was
/// acknowledged in the life that this copy began, or under the trim point that it moved, is there nonetheless.
fn lost_superblock_copies_are_survived() -> Result<(), String> {
    for skip in 0..4 {
        let mut world = Machine::roomy(8);
        let lose = Injection { fault: Fault::LoseWrite, area: 0..WAL_OFFSET, skip };
        world.disk.inject(lose);
        let go = || -> Result<(), StoreError> {
            let mut store = world.open()?;
            for ticket in 1..=3 {
                let touch = Mutation::Touch { object: object(ticket) };
                store.submit(ticket, Transaction { mutations: vec![touch] })?;
                store.drain()?;
                // The first two writes begin the life, the next two move the trim point.
                if ticket == 2 && skip >= 2 {
                    store.flush_index()?;
                }
            }
            Ok(())
        };
        go().map_err(|e| e.to_string())?;
        world.disk.crash(CrashMode::LoseAll);
        world.index.crash(false);
        world.acknowledged = 3;
        let store = world.open().map_err(|e| format!("write {skip}: {e}"))?;
        if store.durable_lsn() != world.acknowledged {
            return Err(format!("write {skip}: LSN {} is there", store.durable_lsn()));
        }
    }
    Ok(())
}
