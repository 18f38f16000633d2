//! Crashes at random effects, with any part of what was not flushed lost or torn. After each: what was
//! acknowledged is there, what is there was issued, in order and without gaps, and nothing leaks.

use super::store_test::{
    IDENTITY, assert_same, object, open_map, random_transaction, read_now, small_limits,
};
use super::{Completion, Limits, Store};
use crate::device::faulty::{CrashMode, FaultyDevice, FaultyDisk};
use crate::error::StoreError;
use crate::index::map::MapDisk;
use crate::sabotage::Sabotage;
use osd_object::Transaction;
use osd_object::model::Model;
use std::path::Path;
use stdx::{Errno, Rng};

/// One machine with a disk and an index that forget, and what its client knows.
pub(super) struct World {
    rng: Rng,
    pub(super) disk: FaultyDisk,
    pub(super) index: MapDisk,
    pub(super) limits: Limits,
    /// The model after the last recovery, and its LSN.
    base: (u64, Model),
    /// Every transaction accepted since.
    issued: Vec<Transaction>,
    /// The model after all of `issued`.
    model: Model,
    /// The last acknowledged LSN.
    pub(super) acknowledged: u64,
}

impl World {
    pub(super) fn new(seed: u64) -> World {
        let mut rng = Rng::new(seed);
        let disk = FaultyDisk::new(16 << 20, rng.next_u64());
        let index = MapDisk::new();
        index.set_slowness(rng.below(6) as u32);
        let mut device = FaultyDevice::new(&disk);
        Store::mkfs_on(&mut device, || open_map(&index), IDENTITY, Path::new("faulty")).unwrap();
        let mut limits = small_limits();
        limits.index_dirty_bytes_max = 4 << rng.below(14);
        limits.overlay_bytes_max = 4096 << rng.below(7);
        World {
            rng,
            disk,
            index,
            limits,
            base: (0, Model::new()),
            issued: Vec::new(),
            model: Model::new(),
            acknowledged: 0,
        }
    }

    fn last_issued(&self) -> u64 {
        self.base.0 + self.issued.len() as u64
    }

    pub(super) fn open(&self) -> Result<Store, StoreError> {
        let device = Box::new(FaultyDevice::new(&self.disk));
        Store::open_on(device, || open_map(&self.index), self.limits, Path::new("faulty"))
    }

    pub(super) fn note(&mut self, store: &mut Store) {
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

fn run(seed: u64, lives: u64) -> Result<(), String> {
    let mut world = World::new(seed);
    let mut store = world.open().map_err(|e| e.to_string())?;
    for _ in 0..lives {
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
pub(super) fn fails(run: impl FnOnce() -> Result<(), String>) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).map_or(true, |outcome| outcome.is_err())
}

#[test]
fn acknowledged_is_recovered_and_recovered_was_issued_after_any_crash() {
    let (first, count) = (number("STORE_SEED", 0), number("STORE_SEEDS", 120));
    for seed in first..first + count {
        if let Err(e) = run(seed, 4) {
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
        match (0..most).find(|seed| fails(|| sabotage.during(|| run(*seed, 4)))) {
            Some(seed) => println!("{sabotage:?}: seed {seed}"),
            None => missed.push(sabotage),
        }
    }
    assert!(missed.is_empty(), "not noticed in {most} seeds: {missed:?}");
}
