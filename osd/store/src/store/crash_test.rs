//! Crashes at random effects, with any part of what was not flushed lost or torn. After each: what was
//! acknowledged is there, what is there was issued, in order and without gaps, and nothing leaks.

use super::store_test::{IDENTITY, assert_same, object, open_map, random_transaction, read_now, small_limits};
use super::{Completion, Limits, Store};
use crate::device::faulty::{CrashMode, FaultyDevice, FaultyDisk, Step};
use crate::error::StoreError;
use crate::index::map::MapDisk;
use crate::layout::WAL_OFFSET;
use crate::sabotage::Sabotage;
use osd_object::model::Model;
use osd_object::{Mutation, ObjectRead, Transaction};
use std::path::Path;
use stdx::{Errno, Rng};

/// One machine with a disk and an index that forget, and what its client knows.
struct World {
    rng: Rng,
    disk: FaultyDisk,
    index: MapDisk,
    limits: Limits,
    /// The model after the last recovery, and its LSN.
    base: (u64, Model),
    /// Every transaction accepted since.
    issued: Vec<Transaction>,
    /// The model after all of `issued`.
    model: Model,
    /// The last acknowledged LSN.
    acknowledged: u64,
}

impl World {
    fn new(seed: u64) -> World {
        let mut rng = Rng::new(seed);
        let disk = FaultyDisk::new(16 << 20, rng.next_u64());
        let index = MapDisk::new();
        index.set_slowness(rng.below(6) as u32);
        let mut device = FaultyDevice::new(&disk);
        Store::mkfs_on(&mut device, || open_map(&index), IDENTITY, Path::new("faulty")).unwrap();
        let mut limits = small_limits();
        limits.index_dirty_bytes_max = 4 << rng.below(14);
        limits.overlay_bytes_max = 4096 << rng.below(7);
        World { rng, disk, index, limits, base: (0, Model::new()), issued: Vec::new(), model: Model::new(), acknowledged: 0 }
    }

    fn last_issued(&self) -> u64 {
        self.base.0 + self.issued.len() as u64
    }

    fn open(&self) -> Result<Store, StoreError> {
        let device = Box::new(FaultyDevice::new(&self.disk));
        Store::open_on(device, || open_map(&self.index), self.limits, Path::new("faulty"))
    }

    fn note(&mut self, store: &mut Store) {
        while let Some(c) = store.next_completion() {
            if let Completion::Durable { ticket } = c {
                assert_eq!(ticket, self.acknowledged + 1, "acknowledged in order");
                self.acknowledged = ticket;
                self.disk.acknowledged(ticket);
            }
        }
    }

    /// Issues transactions until the power fails, or `most` are issued.
    fn live(&mut self, store: &mut Store, most: u64) -> Result<(), StoreError> {
        for _ in 0..most {
            let t = random_transaction(&mut self.rng, &self.model, 8);
            let ticket = self.last_issued() + 1;
            match store.submit(ticket, t.clone()) {
                Ok(()) => {
                    self.model.apply(&t);
                    self.issued.push(t);
                }
                Err(e) if e.is_refusal() => {}
                // Whether it was accepted before the power failed cannot be known.
                Err(e) => {
                    self.issued.push(t);
                    return Err(e);
                }
            }
            if self.rng.chance(1, 20) {
                store.flush_index()?;
            }
            let o = object(self.rng.below(8));
            store.read(u64::MAX, &o, self.rng.below(100_000), self.rng.below(100_000));
            for _ in 0..self.rng.below(6) {
                store.poll()?;
                self.note(store);
            }
        }
        Ok(())
    }

    fn crash(&mut self) {
        use CrashMode::{KeepAll, Kill, LoseAll, Sectors, Writes};
        self.disk.crash([LoseAll, KeepAll, Writes, Sectors, Kill][self.rng.below(5) as usize]);
        self.index.crash(self.rng.chance(1, 2));
    }

    /// A byte of the data area goes bad: what is read is right or an error.
    fn rot(&mut self, store: &mut Store) -> Result<(), String> {
        let geometry = store.geometry();
        let unit = 1 + self.rng.below(geometry.data_units / 4);
        let offset = geometry.unit_offset(unit) + self.rng.below(4096);
        self.disk.rot(offset);
        for (id, o) in &self.model.objects {
            match read_now(store, id, 0, 0) {
                Ok(got) if got == o.data => {}
                Err(Errno::EIO) => {}
                other => return Err(format!("{id}: rot in unit {unit} led to {other:?}")),
            }
        }
        self.disk.rot(offset);
        Ok(())
    }

    /// Opens after a crash, and holds what is there against what was promised.
    fn recover(&mut self) -> Result<Store, String> {
        let mut opened = Err(StoreError::Stopped);
        for attempt in 0..4 {
            // Recovery is cut short too.
            if attempt < 3 && self.rng.chance(1, 2) {
                self.disk.fail_power_after(self.rng.below(60));
            }
            opened = self.open();
            match &opened {
                Ok(_) => break,
                Err(StoreError::Device(_)) => self.crash(),
                Err(e) => return Err(format!("it does not open: {e}")),
            }
        }
        let mut store = opened.map_err(|e| format!("it does not open: {e}"))?;
        // The power holds from here on until the next life says otherwise.
        self.disk.fail_power_after(u64::MAX);
        let recovered = store.durable_lsn();
        if recovered < self.acknowledged {
            return Err(format!("LSN {} was acknowledged, {recovered} is there", self.acknowledged));
        }
        if recovered > self.last_issued() {
            return Err(format!("LSN {recovered} is there, {} were issued", self.last_issued()));
        }
        let (base_lsn, mut model) = std::mem::take(&mut self.base);
        self.issued.drain(..).take((recovered - base_lsn) as usize).for_each(|t| model.apply(&t));
        self.acknowledged = recovered;
        self.base = (recovered, model.clone());
        self.model = model;
        assert_same(&mut store, &self.model);
        if self.rng.chance(1, 4) {
            self.rot(&mut store)?;
        }
        if self.rng.chance(1, 2) {
            let report = store.fsck().map_err(|e| e.to_string())?;
            if !report.is_clean() {
                return Err(format!("{report:?}"));
            }
        }
        Ok(store)
    }
}

fn run(seed: u64, lives: u64, sabotage: impl Fn(&World)) -> Result<(), String> {
    let mut world = World::new(seed);
    let mut store = world.open().map_err(|e| e.to_string())?;
    for _ in 0..lives {
        sabotage(&world);
        if world.rng.chance(3, 4) {
            world.disk.fail_power_after(world.rng.below(800));
        }
        let most = 1 + world.rng.below(60);
        match world.live(&mut store, most) {
            Ok(()) | Err(StoreError::Device(_)) => {}
            Err(e) => return Err(format!("a life ended with: {e}")),
        }
        world.note(&mut store);
        drop(store);
        world.crash();
        store = world.recover()?;
    }
    let report = store.fsck().map_err(|e| e.to_string())?;
    if report.is_clean() { Ok(()) } else { Err(format!("{report:?}")) }
}

/// Whether a run ends with an error or a failed assertion.
fn fails(run: impl FnOnce() -> Result<(), String>) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).map_or(true, |outcome| outcome.is_err())
}

#[test]
fn acknowledged_is_recovered_and_recovered_was_issued_after_any_crash() {
    let (first, count) = (number("STORE_SEED", 0), number("STORE_SEEDS", 120));
    for seed in first..first + count {
        if let Err(e) = run(seed, 4, |_| {}) {
            panic!("seed {seed} (again with STORE_SEED={seed} STORE_SEEDS=1): {e}");
        }
    }
}

/// A number from the environment: more cases than a commit needs, or the one that failed.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |n| n.parse().expect("a number"))
}

/// Each seeded bug is noticed within a bounded number of random runs.
#[test]
fn every_sabotage_is_noticed() {
    let most = number("STORE_SEEDS", 300);
    let mut missed = Vec::new();
    for sabotage in Sabotage::BY_CHANCE {
        match (0..most).find(|seed| fails(|| sabotage.during(|| run(*seed, 4, |_| {})))) {
            Some(seed) => println!("{sabotage:?}: seed {seed}"),
            None => missed.push(sabotage),
        }
    }
    assert!(missed.is_empty(), "not noticed in {most} seeds: {missed:?}");
}

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
        store.submit(1, Transaction { mutations: vec![touch] }).and_then(|()| store.drain()).map_err(|e| e.to_string())?;
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
        let flush_done = steps[..acknowledged].iter().rposition(|s| matches!(s, Step::FlushDone { .. })).unwrap();
        let Step::FlushDone { operation } = steps[flush_done] else { unreachable!() };
        let flush_begun = steps.iter().position(|s| *s == Step::FlushBegun { operation }).unwrap();
        for step in &steps[..flush_done] {
            if let Step::WriteBegun { operation, offset, .. } = step {
                let done = steps.iter().position(|s| *s == Step::WriteDone { operation: *operation }).unwrap();
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
