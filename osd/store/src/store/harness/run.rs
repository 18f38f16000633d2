//! Runs a case: lives, crashes, recoveries, and after each of them the promises of the store.
//!
//! - What was acknowledged is there, what is there was issued, in order and without gaps.
//! - Nothing leaks, and a full check finds nothing wrong that no fault explains.
//! - A read gives the right bytes, or EIO where something was damaged.
//! - After a failed write or flush nothing more is done, nor said.
//! - A log that is broken below what was durable is reported, never cut.

use super::super::{Completion, Store};
use super::case::{Case, Crash, Life, Step};
use super::judge::{compare, contradiction};
use super::machine::{IDENTITY, Machine, object};
use super::op::transaction;
use crate::device::faulty::CrashMode;
use crate::error::StoreError;
use bytes::Bytes;
use osd_object::model::Model;
use osd_object::{Mutation, ObjectId, Transaction};
use stdx::Errno;

/// What happened in a case that held, or in many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Effects of the first life.
    pub life_effects: u64,
    /// Effects of the recovery after the first life.
    pub recovery_effects: u64,
    /// Transactions accepted.
    pub transactions: u64,
    /// Transactions refused.
    pub refusals: u64,
    /// Crashes, of lives and recoveries.
    pub crashes: u64,
    /// Crashes of recoveries.
    pub recoveries_cut: u64,
    /// Writes, flushes and reads that the device said had failed.
    pub failures: u64,
    /// Cases with lost or misdirected writes or rot.
    pub damaged: u64,
    /// Opens that refused the store as damaged.
    pub refused_opens: u64,
    /// Recovered stores in which data read as EIO.
    pub eio: u64,
}

impl Report {
    /// Adds the counts of another.
    pub fn add(&mut self, other: &Report) {
        self.life_effects += other.life_effects;
        self.recovery_effects += other.recovery_effects;
        self.transactions += other.transactions;
        self.refusals += other.refusals;
        self.crashes += other.crashes;
        self.recoveries_cut += other.recoveries_cut;
        self.failures += other.failures;
        self.damaged += other.damaged;
        self.refused_opens += other.refused_opens;
        self.eio += other.eio;
    }
}

/// A read under way, and what it may answer: the state when it was asked for, or any later one.
struct Asked {
    ticket: u64,
    object: ObjectId,
    offset: u64,
    len: u64,
    answers: Vec<Result<Bytes, Errno>>,
}

struct World {
    machine: Machine,
    /// The model after the last recovery, and its LSN.
    base: (u64, Model),
    /// Every transaction accepted since.
    issued: Vec<Transaction>,
    /// The model after all of `issued`.
    model: Model,
    asked: Vec<Asked>,
    reads: u64,
    /// Something could not be read when it was overwritten in part.
    spoilt: bool,
    report: Report,
}

/// Runs a case to its end. The error says which promise was broken; a failed assertion of the store panics.
pub fn run(case: &Case) -> Result<Report, String> {
    let config = &case.config;
    let mut machine = Machine::small(config.data_units, case.chance);
    machine.index.set_slowness(config.index_slowness);
    machine.limits.index_dirty_bytes_max = config.index_dirty_bytes;
    machine.limits.overlay_bytes_max = config.overlay_units * crate::layout::UNIT;
    machine.limits.volatile_cache = config.volatile_cache;
    machine.packing = config.packing;
    if config.discards {
        machine.disk.announce_discards();
    }
    if !config.volatile_cache {
        machine.disk.set_write_through();
    }
    let mut world = World {
        machine,
        base: (0, Model::new()),
        issued: Vec::new(),
        model: Model::new(),
        asked: Vec::new(),
        reads: 0,
        spoilt: false,
        report: Report::default(),
    };
    let mut store = world.machine.open().map_err(|e| format!("a new store does not open: {e}"))?;
    world.machine.disk.restart_count();
    for (n, life) in case.lives.iter().enumerate() {
        let told = |e: String| format!("life {}: {e}", n + 1);
        if let Some(effects) = life.crash.after {
            world.machine.disk.fail_power_after(effects);
        }
        if !world.live(&mut store, life).map_err(told)? {
            world.must_be_stopped(&mut store).map_err(told)?;
        }
        world.collect(&mut store).map_err(told)?;
        if n == 0 {
            world.report.life_effects = world.machine.disk.effects();
        }
        drop(store);
        world.crash(&life.crash);
        life.rot.iter().for_each(|at| world.machine.disk.rot(*at));
        store = match world.recover(life, n == 0).map_err(|e| format!("after life {}: {e}", n + 1))? {
            Some(store) => store,
            None => return Ok(world.finish()),
        };
    }
    world.empty(&mut store)?;
    Ok(world.finish())
}

impl World {
    fn finish(mut self) -> Report {
        self.report.failures = self.machine.disk.failures();
        self.report.damaged = u64::from(self.is_damaged());
        self.report
    }

    fn is_damaged(&self) -> bool {
        !self.machine.disk.damaged().is_empty()
    }

    /// Whether the device gave a reason to fail.
    fn has_excuse(&self) -> bool {
        self.machine.disk.power_failed() || self.machine.disk.failures() > 0
    }

    fn last_issued(&self) -> u64 {
        self.base.0 + self.issued.len() as u64
    }

    /// Carries out the steps of a life; false when the device stopped the store.
    fn live(&mut self, store: &mut Store, life: &Life) -> Result<bool, String> {
        for step in &life.steps {
            let outcome = match step {
                Step::Submit(ops) => {
                    self.submit(store, transaction(ops, self.model.objects.keys().cloned().collect()))?
                }
                Step::Read { o, offset, len } => {
                    self.ask(store, object(*o), *offset, *len);
                    Ok(())
                }
                Step::Poll(times) => self.poll(store, *times)?,
                Step::Checkpoint => store.flush_index(),
                Step::Fault(injection) => {
                    self.machine.disk.inject(injection.clone());
                    Ok(())
                }
            };
            match outcome {
                Ok(()) => {}
                Err(StoreError::Device(_)) if self.has_excuse() => return Ok(false),
                Err(e) => return Err(format!("the store stopped by itself: {e}")),
            }
        }
        // A living store is checked too, at times: what leaked would be found again by the next open.
        if life.fsck && life.crash.after.is_none() {
            match self.check(store, false)? {
                Ok(()) => {}
                Err(StoreError::Device(_)) if self.has_excuse() => return Ok(false),
                Err(e) => return Err(format!("fsck: {e}")),
            }
        }
        Ok(true)
    }

    fn submit(&mut self, store: &mut Store, t: Transaction) -> Result<Result<(), StoreError>, String> {
        let ticket = self.last_issued() + 1;
        let failures = self.machine.disk.failures();
        let submitted = store.submit(ticket, t.clone());
        // A unit that could not be read when it was overwritten in part stays what cannot be read.
        self.spoilt |= self.machine.disk.failures() > failures;
        match submitted {
            Ok(()) => {
                self.model.apply(&t);
                self.issued.push(t);
                self.report.transactions += 1;
                for read in &mut self.asked {
                    read.answers.push(self.model.read(&read.object, read.offset, read.len));
                }
                Ok(Ok(()))
            }
            Err(e @ (StoreError::NoSpace { .. } | StoreError::TooLarge { .. })) => {
                let frees = |m: &Mutation| matches!(m, Mutation::Remove { .. });
                if t.mutations.iter().all(frees) {
                    return Err(format!("a delete was refused: {e}"));
                }
                self.report.refusals += 1;
                Ok(Ok(()))
            }
            Err(StoreError::DamagedUnit { .. }) if self.is_damaged() || self.has_excuse() => {
                self.report.refusals += 1;
                Ok(Ok(()))
            }
            Err(e) if e.is_refusal() => Err(format!("a sound transaction was refused: {e}")),
            Err(e) => Ok(Err(e)),
        }
    }

    fn ask(&mut self, store: &mut Store, object: ObjectId, offset: u64, len: u64) {
        self.reads += 1;
        let ticket = u64::MAX - self.reads;
        store.read(ticket, &object, offset, len);
        let answers = vec![self.model.read(&object, offset, len)];
        self.asked.push(Asked { ticket, object, offset, len, answers });
    }

    fn poll(&mut self, store: &mut Store, times: u64) -> Result<Result<(), StoreError>, String> {
        for _ in 0..times {
            if let Err(e) = store.poll() {
                return Ok(Err(e));
            }
            self.collect(store)?;
        }
        Ok(Ok(()))
    }

    /// Takes what the store finished, and checks it.
    fn collect(&mut self, store: &mut Store) -> Result<(), String> {
        for completion in self.machine.note(store)? {
            let Completion::Read { ticket, result } = completion else { continue };
            let i = self.asked.iter().position(|a| a.ticket == ticket).ok_or("a read was answered twice")?;
            let asked = self.asked.swap_remove(i);
            let eio = result == Err(Errno::EIO) && (self.is_damaged() || self.has_excuse());
            if !eio && !asked.answers.contains(&result) {
                let what = result.map_or_else(|e| format!("{e:?}"), |_| "wrong bytes".to_string());
                return Err(format!("read of {} {}+{}: {what}", asked.object, asked.offset, asked.len));
            }
        }
        if self.machine.acknowledged > self.last_issued() {
            return Err(format!("{} was acknowledged and never issued", self.machine.acknowledged));
        }
        Ok(())
    }

    /// After an error of the device everything is refused, and nothing more is acknowledged.
    fn must_be_stopped(&mut self, store: &mut Store) -> Result<(), String> {
        self.collect(store)?;
        let before = self.machine.acknowledged;
        let touch = Transaction { mutations: vec![Mutation::Touch { object: object(0) }] };
        let answers = [
            store.poll(),
            store.submit(self.last_issued() + 1, touch),
            store.flush_index(),
            store.shutdown(),
        ];
        self.collect(store)?;
        let stopped = answers.iter().all(|a| matches!(a, Err(StoreError::Stopped)));
        if stopped && self.machine.acknowledged == before {
            return Ok(());
        }
        Err(format!("after an error of the device it goes on: {answers:?}"))
    }

    fn crash(&mut self, crash: &Crash) {
        self.machine.disk.crash(crash.mode);
        self.machine.index.crash(crash.index_finishes);
        self.asked.clear();
        self.report.crashes += 1;
    }

    /// Opens after a crash, several times if recovery is cut short, and holds what is there against what was promised.
    /// `None`: damage was found and reported.
    fn recover(&mut self, life: &Life, first: bool) -> Result<Option<Store>, String> {
        for interrupt in &life.interrupts {
            if let Some(effects) = interrupt.after {
                self.machine.disk.fail_power_after(effects);
            }
            let opened = self.machine.open();
            self.count_recovery(first);
            match opened {
                Ok(store) => self.settle(&store)?,
                Err(StoreError::Device(_)) if self.has_excuse() => {}
                Err(e) => return self.refused(e),
            }
            self.report.recoveries_cut += 1;
            self.crash(interrupt);
        }
        let mut store = match self.machine.open() {
            Ok(store) => store,
            Err(e) => return self.refused(e),
        };
        self.count_recovery(first);
        self.settle(&store)?;
        let eio = compare(&mut store, &self.model, self.is_damaged() || self.spoilt)?;
        self.report.eio += u64::from(eio);
        if life.fsck {
            self.check(&mut store, eio)?.map_err(|e| format!("fsck: {e}"))?;
        }
        // The next life's effects count from here.
        self.machine.disk.restart_count();
        Ok(Some(store))
    }

    fn count_recovery(&mut self, first: bool) {
        if first {
            let effects = self.machine.disk.effects();
            self.report.recovery_effects = self.report.recovery_effects.max(effects);
        }
    }

    fn refused<T>(&mut self, e: StoreError) -> Result<Option<T>, String> {
        let names_damage = matches!(
            e,
            StoreError::DamagedLog { .. }
                | StoreError::DamagedSuperblock { .. }
                | StoreError::DamagedIndex { .. }
        );
        if !names_damage || !self.is_damaged() {
            return Err(format!("it does not open: {e}"));
        }
        self.report.refused_opens += 1;
        if let StoreError::DamagedLog { .. } = e {
            self.salvage()?;
        }
        Ok(None)
    }

    /// A damaged log can be gone on with: as an earlier state, which says so, with errors in place of what is lost.
    fn salvage(&mut self) -> Result<(), String> {
        self.machine.disk.restart_count();
        let mut store = self.machine.salvage().map_err(|e| format!("it cannot be salvaged: {e}"))?;
        if !store.is_damaged() {
            return Err("a salvaged store does not say that it lost writes".to_string());
        }
        self.settle(&store)?;
        let eio = compare(&mut store, &self.model, true)?;
        self.check(&mut store, eio)?.map_err(|e| format!("fsck: {e}"))?;
        drop(store);
        self.machine.disk.crash(CrashMode::LoseAll);
        self.machine.index.crash(false);
        let mut store = self.machine.open().map_err(|e| format!("a salvaged store does not open: {e}"))?;
        if !store.is_damaged() {
            return Err("a salvaged store forgot that it lost writes".to_string());
        }
        self.settle(&store)?;
        compare(&mut store, &self.model, true)?;
        Ok(())
    }

    /// The store was opened: acknowledged is contained in recovered, recovered in issued.
    fn settle(&mut self, store: &Store) -> Result<(), String> {
        let (recovered, acknowledged) = (store.durable_lsn(), self.machine.acknowledged);
        if store.log_damage().is_some() {
            // Told already.
        } else if self.is_damaged() {
            let before = store.superblock.incarnation - 1;
            let found = contradiction(&self.machine.disk, &IDENTITY.uuid, before, recovered);
            found.map_or(Ok(()), Err)?;
        } else if recovered < acknowledged {
            return Err(format!("LSN {acknowledged} was acknowledged, {recovered} is there"));
        }
        if recovered < self.base.0 || recovered > self.last_issued() {
            let (base, last) = (self.base.0, self.last_issued());
            return Err(format!("LSN {recovered} is there, {base} were before and {last} issued"));
        }
        let (base, mut model) = std::mem::take(&mut self.base);
        self.issued.drain(..).take((recovered - base) as usize).for_each(|t| model.apply(&t));
        self.machine.acknowledged = recovered;
        self.base = (recovered, model.clone());
        self.model = model;
        Ok(())
    }

    /// A full check finds nothing, or only what damage explains, and then also everything that reads as EIO.
    fn check(&mut self, store: &mut Store, eio: bool) -> Result<Result<(), StoreError>, String> {
        let report = match store.fsck() {
            Ok(report) => report,
            Err(e) => return Ok(Err(e)),
        };
        let excused = self.is_damaged() || self.has_excuse();
        let expected = report.is_clean() || (excused && report.leaked_units == 0);
        if !expected || (eio && report.problems.is_empty()) {
            return Err(format!("fsck (some data reads as EIO: {eio}): {report:?}"));
        }
        Ok(Ok(()))
    }

    /// Deletes always work, and afterwards nothing is left.
    fn empty(&mut self, store: &mut Store) -> Result<(), String> {
        let mutations = self.model.objects.keys().map(|id| Mutation::Remove { object: id.clone() }).collect();
        store
            .submit(self.last_issued() + 1, Transaction { mutations })
            .map_err(|e| format!("deleting: {e}"))?;
        let report = store.fsck().map_err(|e| format!("fsck: {e}"))?;
        if !report.is_clean() || (report.objects, report.units, report.rows) != (0, 0, 0) {
            return Err(format!("everything was deleted: {report:?}"));
        }
        Ok(())
    }
}
