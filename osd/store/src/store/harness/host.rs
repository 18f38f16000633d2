//! Lives of the store as production has it, a real file through io_uring and RocksDB, on a file system whose power fails.

use super::super::{Completion, Store};
use super::judge::compare;
use super::op::{Op, transaction};
use crate::compress::{Algorithm, Compression, PackWhich};
use crate::config::{CacheMode, StoreConfig};
use crate::error::StoreError;
use osd_object::Transaction;
use osd_object::model::Model;
use placement_map::PoolId;
use std::path::Path;
use stdx::Rng;

/// The power of the machine that a file system is on.
pub trait Power {
    /// After so many more changes and syncs every operation fails.
    fn fail_after(&self, operations: u64);
    /// Whether an operation failed for that.
    fn has_failed(&self) -> bool;
    /// The power comes back; of what was not synced any part is there. It holds until the next `fail_after`.
    fn restore(&self, seed: u64);
}

/// What happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostReport {
    /// Opens that went well, each followed by a comparison with the model.
    pub recoveries: u64,
    /// Of these, with transactions that the log had and the index had not.
    pub transactions: u64,
    /// Transactions acknowledged.
    pub acknowledged: u64,
    /// Power failures in the middle of mkfs, of an open, of a life.
    pub failures: [u64; 3],
}

const MKFS: usize = 0;
const OPEN: usize = 1;
const LIFE: usize = 2;

struct Host<'a> {
    config: StoreConfig,
    power: &'a dyn Power,
    rng: Rng,
    base: (u64, Model),
    issued: Vec<Transaction>,
    model: Model,
    acknowledged: u64,
    report: HostReport,
}

/// Makes a store below `path` and lets it live `lives` times; the error says which promise was broken.
pub fn live_on(path: &Path, power: &dyn Power, seed: u64, lives: u64) -> Result<HostReport, String> {
    let config = StoreConfig {
        path: path.join("osd.0"),
        device: None,
        size_bytes: 16 << 20,
        memory_target_bytes: 32 << 20,
        volatile_cache: CacheMode::Volatile,
    };
    let mut host = Host {
        config,
        power,
        rng: Rng::new(seed),
        base: (0, Model::new()),
        issued: Vec::new(),
        model: Model::new(),
        acknowledged: 0,
        report: HostReport::default(),
    };
    host.make()?;
    for life in 0..lives {
        let told = |e: String| format!("life {life}: {e}");
        let mut store = host.open().map_err(told)?;
        host.live(&mut store).map_err(told)?;
        // Whatever happens while it is dropped happens without power.
        host.power.fail_after(0);
        drop(store);
        host.restore();
    }
    drop(host.open()?);
    Ok(host.report)
}

impl Host<'_> {
    fn restore(&mut self) {
        self.power.restore(self.rng.next_u64());
    }

    /// mkfs, cut short a few times; once it says that it is done, it is.
    fn make(&mut self) -> Result<(), String> {
        for attempt in 0..4 {
            if attempt < 3 && self.rng.chance(2, 3) {
                self.power.fail_after(self.rng.below(120));
            }
            match Store::mkfs(&self.config, 7, [2; 16]) {
                Ok(_) => break,
                Err(_) if self.power.has_failed() => self.report.failures[MKFS] += 1,
                Err(e) => return Err(format!("mkfs: {e}")),
            }
            self.restore();
        }
        self.power.fail_after(0);
        self.restore();
        Ok(())
    }

    fn open(&mut self) -> Result<Store, String> {
        for attempt in 0..3 {
            if attempt < 2 && self.rng.chance(1, 3) {
                self.power.fail_after(self.rng.below(60));
            }
            match Store::open(&self.config) {
                // It went while the store opened, though nothing that the store waited for saw it: there is nobody left.
                Ok(_) if self.power.has_failed() => self.report.failures[OPEN] += 1,
                Ok(mut store) => {
                    self.settle(&mut store)?;
                    let packing = Compression {
                        which: PackWhich::All,
                        algorithm: Algorithm::Lz4,
                        required_ratio_permille: 875,
                    };
                    let packing = self.rng.chance(1, 2).then_some(packing);
                    store
                        .set_compressions(&packing.map(|c| (PoolId(1), c)).into_iter().collect())
                        .map_err(|e| e.to_string())?;
                    return Ok(store);
                }
                Err(_) if self.power.has_failed() => self.report.failures[OPEN] += 1,
                Err(e) => return Err(format!("it does not open: {e}")),
            }
            self.restore();
        }
        unreachable!("the last attempt has power, so it opens or ends in an error")
    }

    fn settle(&mut self, store: &mut Store) -> Result<(), String> {
        self.power.fail_after(u64::MAX);
        if store.is_damaged() {
            return Err(format!("it says that it lost writes: {:?}", store.log_damage()));
        }
        let recovered = store.durable_lsn();
        let (base, last) = (self.base.0, self.base.0 + self.issued.len() as u64);
        if recovered < self.acknowledged || recovered > last {
            let acknowledged = self.acknowledged;
            return Err(format!("LSN {recovered} is there, {acknowledged} acknowledged, {last} issued"));
        }
        let mut model = std::mem::take(&mut self.base.1);
        self.issued.drain(..).take((recovered - base) as usize).for_each(|t| model.apply(&t));
        self.acknowledged = recovered;
        self.base = (recovered, model.clone());
        self.model = model;
        compare(store, &self.model, false)?;
        self.report.recoveries += 1;
        if self.rng.chance(1, 3) {
            let report = store.fsck().map_err(|e| format!("fsck: {e}"))?;
            if !report.is_clean() {
                return Err(format!("fsck: {report:?}"));
            }
        }
        Ok(())
    }

    /// Transactions until the power fails, or there are enough.
    fn live(&mut self, store: &mut Store) -> Result<(), String> {
        if self.rng.chance(5, 6) {
            self.power.fail_after(self.rng.below(60));
        }
        for _ in 0..5 + self.rng.below(60) {
            let outcome = match self.rng.below(12) {
                0 => store.flush_index(),
                1..=3 => store.drain(),
                _ => self.submit(store),
            };
            let outcome = outcome.and_then(|()| store.poll());
            self.note(store)?;
            match outcome {
                Ok(()) => {}
                Err(_) if self.power.has_failed() => {
                    self.report.failures[LIFE] += 1;
                    return Ok(());
                }
                Err(e) => return Err(format!("the store stopped by itself: {e}")),
            }
        }
        Ok(())
    }

    fn submit(&mut self, store: &mut Store) -> Result<(), StoreError> {
        let ops: Vec<Op> = (0..1 + self.rng.below(3)).map(|_| Op::random(&mut self.rng)).collect();
        let t = transaction(&ops, self.model.objects.keys().cloned().collect());
        let ticket = self.base.0 + self.issued.len() as u64 + 1;
        match store.submit(ticket, t.clone()) {
            Ok(()) => {
                self.report.transactions += 1;
                self.model.apply(&t);
                self.issued.push(t);
                Ok(())
            }
            Err(StoreError::NoSpace { .. } | StoreError::TooLarge { .. }) => Ok(()),
            Err(StoreError::DamagedUnit { .. }) if self.power.has_failed() => Ok(()),
            // A part of it may have been done before the device said no.
            Err(e) => {
                self.issued.push(t);
                Err(e)
            }
        }
    }

    fn note(&mut self, store: &mut Store) -> Result<(), String> {
        while let Some(c) = store.next_completion() {
            if let Completion::Durable { ticket } = c {
                if ticket != self.acknowledged + 1 {
                    return Err(format!("{ticket} was acknowledged after {}", self.acknowledged));
                }
                self.acknowledged = ticket;
                self.report.acknowledged += 1;
            }
        }
        Ok(())
    }
}
