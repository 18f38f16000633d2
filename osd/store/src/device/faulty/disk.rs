//! The platters of the simulated disk and what is on the way to them.

use super::fault::{Fault, Injection};
use super::pages::Pages;
use super::{CrashMode, SECTOR, Step};
use crate::device::DeviceError;
use bytes::Bytes;
use std::cell::{Ref, RefCell};
use std::io;
use std::ops::Range;
use std::rc::Rc;
use stdx::Rng;

/// The platters and the recorder: shared between devices and the test, and outliving both.
#[derive(Clone)]
pub struct FaultyDisk {
    pub(super) state: Rc<RefCell<State>>,
}

pub(super) struct State {
    pub(super) stable: Pages,
    /// What reads see.
    pub(super) visible: Pages,
    /// Writes not yet covered by a flush, in the order they were handed over.
    pub(super) unflushed: Vec<Write>,
    pub(super) pending: Vec<Pending>,
    pub(super) steps: Vec<Step>,
    pub(super) rng: Rng,
    operations: u64,
    /// Operations that are to go wrong.
    injections: Vec<Injection>,
    /// Bytes that are not what the store wrote there.
    damaged: Vec<Range<u64>>,
    /// Failures that were reported, or are going to be.
    failures: u64,
    /// Flushes do nothing, though they say so: what a lying cache does.
    drop_flushes: bool,
    /// Writes are on stable storage once they are complete: a cache with power-loss protection.
    pub(super) write_through: bool,
    /// Discards are taken: what is discarded is garbage, durably, at any time from then on.
    pub(super) takes_discards: bool,
    /// The power fails after so many more effects; from then on everything fails.
    effects_left: Option<u64>,
    /// It has failed, and something was told so.
    power_is_gone: bool,
    effects: u64,
    /// Whether new operations tend to overtake old ones.
    pub(super) newest_first: bool,
    /// Writes in this range of offsets do not complete.
    pub(super) held: Range<u64>,
}

pub(super) struct Write {
    pub(super) operation: u64,
    pub(super) offset: u64,
    pub(super) data: Bytes,
    pub(super) done: bool,
    /// It is to be reported as failed.
    pub(super) fails: bool,
    /// It lands elsewhere, where the store may be writing too.
    pub(super) astray: bool,
}

impl Write {
    pub(super) fn covers(&self, offset: u64, len: u64) -> bool {
        self.offset < offset + len && offset < self.offset + self.data.len() as u64
    }
}

pub(super) struct Pending {
    pub(super) operation: u64,
    pub(super) tag: u64,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Write,
    /// A write whose flush, which covers no other write, begins when it is done.
    WriteDurably,
    Read {
        offset: u64,
        len: usize,
    },
    /// The writes that were done when it was handed over.
    Flush {
        covers: Vec<u64>,
    },
    Discard {
        offset: u64,
        len: u64,
    },
}

impl State {
    pub(super) fn begin(&mut self, tag: u64, kind: Kind) -> u64 {
        self.operations += 1;
        self.pending.push(Pending { operation: self.operations, tag, kind });
        self.operations
    }

    /// Begins a flush of every write that is done, or of `only` one of them.
    pub(super) fn begin_flush(&mut self, tag: u64, only: Option<u64>) {
        let is_covered = |w: &&Write| w.done && only.is_none_or(|only| w.operation == only);
        let covered = self.unflushed.iter().filter(|w| is_covered(w) && !self.drop_flushes);
        let covers = covered.map(|w| w.operation).collect();
        let operation = self.begin(tag, Kind::Flush { covers });
        self.steps.push(Step::FlushBegun { operation });
    }

    pub(super) fn begin_write(&mut self, tag: u64, offset: u64, data: Bytes, kind: Kind) {
        let operation = self.begin(tag, kind);
        let len = data.len() as u64;
        let clash =
            |writes: &[Write], at: u64| writes.iter().any(|w| !w.done && !w.astray && w.covers(at, len));
        assert!(!clash(&self.unflushed, offset), "two writes to the same place at once: either may win");
        self.steps.push(Step::WriteBegun { operation, offset, len });
        let mut write = Write { operation, offset, data, done: false, fails: false, astray: false };
        if self.power_is_gone {
            // Begun after the store saw an error of it: nothing of this can reach the disk.
            write.data = Bytes::new();
        }
        match self.injected(|i| i.hits_write(offset)) {
            Some(Fault::FailWrite) => write.fails = true,
            Some(Fault::MisdirectWrite { to }) => {
                // Where it would meet another write it is lost instead.
                let to = to.min(self.stable.len() - len);
                self.damaged.push(offset..offset + len);
                if clash(&self.unflushed, to) || write.covers(to, len) {
                    write.data = Bytes::new();
                } else {
                    self.damaged.push(to..to + len);
                    write.offset = to;
                    write.astray = true;
                }
            }
            Some(Fault::LoseWrite) => {
                self.damaged.push(offset..offset + len);
                write.data = Bytes::new();
            }
            Some(Fault::FailFlush | Fault::FailRead) => unreachable!("no write"),
            None => {}
        }
        // A read that does not wait for the write may see any part of it.
        for (i, sector) in write.data.chunks(SECTOR).enumerate() {
            if self.rng.chance(1, 2) {
                self.visible.write(write.offset + (i * SECTOR) as u64, sector);
            }
        }
        self.unflushed.push(write);
    }

    /// The write is complete; false if it failed.
    pub(super) fn finish_write(&mut self, operation: u64) -> bool {
        let i = self.unflushed.iter().position(|w| w.operation == operation);
        let i = i.expect("a write stays until a flush that came after it");
        let write = &mut self.unflushed[i];
        if write.fails {
            return false;
        }
        write.done = true;
        self.visible.write(write.offset, &write.data);
        self.steps.push(Step::WriteDone { operation });
        if self.write_through {
            let write = self.unflushed.remove(i);
            self.stable.write(write.offset, &write.data);
        }
        true
    }

    /// The flush is complete; false if it failed. Of what a failed flush covered any part is lost for good: a later one
    /// that succeeds says nothing of it.
    pub(super) fn finish_flush(&mut self, operation: u64, covers: &[u64]) -> bool {
        let fails = self.injected(|i| i.fault == Fault::FailFlush).is_some();
        for write in self.unflushed.extract_if(.., |w| covers.contains(&w.operation)) {
            if !fails || self.rng.chance(1, 2) {
                self.stable.write(write.offset, &write.data);
            }
        }
        if !fails {
            self.steps.push(Step::FlushDone { operation });
        }
        !fails
    }

    /// What was discarded means nothing any more: zeros, garbage, or what it was.
    pub(super) fn discard(&mut self, offset: u64, len: u64) {
        for at in (offset..offset + len).step_by(SECTOR) {
            let sector = match self.rng.below(3) {
                0 => continue,
                1 => [0; SECTOR],
                _ => [0xdd; SECTOR],
            };
            self.stable.write(at, &sector);
            self.visible.write(at, &sector);
        }
    }

    pub(super) fn read_fails(&mut self) -> bool {
        self.injected(|i| i.fault == Fault::FailRead).is_some()
    }

    /// The fault that the operation at hand meets, if one was ordered that `hits` it.
    fn injected(&mut self, hits: impl Fn(&Injection) -> bool) -> Option<Fault> {
        let i = self.injections.iter().position(hits)?;
        if self.injections[i].skip > 0 {
            self.injections[i].skip -= 1;
            return None;
        }
        let fault = self.injections.remove(i).fault;
        self.failures += u64::from(!fault.is_silent());
        Some(fault)
    }

    /// Counts an effect; an error once the power is gone.
    pub(super) fn effect(&mut self) -> Result<(), DeviceError> {
        self.effects += 1;
        match &mut self.effects_left {
            Some(0) => {
                self.power_is_gone = true;
                Err(DeviceError::new("power", 0, 0, io::Error::other("the power failed")))
            }
            Some(n) => {
                *n -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl FaultyDisk {
    /// `size_bytes` zeros; all chance comes from `seed`.
    pub fn new(size_bytes: u64, seed: u64) -> FaultyDisk {
        FaultyDisk::of(Pages::zeros(size_bytes), seed)
    }

    /// Another disk that holds what is on stable storage here, with nothing under way and no fault ordered.
    pub fn copy(&self, seed: u64) -> FaultyDisk {
        FaultyDisk::of(self.state.borrow().stable.clone(), seed)
    }

    fn of(stable: Pages, seed: u64) -> FaultyDisk {
        let state = State {
            visible: stable.clone(),
            stable,
            unflushed: Vec::new(),
            pending: Vec::new(),
            steps: Vec::new(),
            rng: Rng::new(seed),
            operations: 0,
            injections: Vec::new(),
            damaged: Vec::new(),
            failures: 0,
            drop_flushes: false,
            write_through: false,
            takes_discards: false,
            effects_left: None,
            power_is_gone: false,
            effects: 0,
            newest_first: false,
            held: 0..0,
        };
        FaultyDisk { state: Rc::new(RefCell::new(state)) }
    }

    /// The power fails and comes back: every operation under way ends, and of what was not flushed only what
    /// `mode` spares is there. As each write may be there or not whatever came before or after it, this is also what a
    /// device leaves that writes its cache back in any order.
    pub fn crash(&self, mode: CrashMode) {
        self.crash_keeping(mode, |_| true);
    }

    /// A crash in which of the unflushed writes only those at certain offsets have a chance.
    pub fn crash_keeping(&self, mode: CrashMode, keep: impl Fn(u64) -> bool) {
        let state = &mut *self.state.borrow_mut();
        for pending in std::mem::take(&mut state.pending) {
            if let Kind::Discard { offset, len } = pending.kind
                && state.rng.chance(1, 2)
            {
                state.discard(offset, len);
            }
        }
        state.steps.clear();
        state.injections.clear();
        state.effects_left = None;
        state.power_is_gone = false;
        state.effects = 0;
        state.held = 0..0;
        state.newest_first = state.rng.chance(1, 2);
        if mode == CrashMode::Kill {
            // Also what a failed flush lost is no longer seen.
            state.visible = state.stable.clone();
            for write in &mut state.unflushed {
                write.done = true;
                write.fails = false;
                state.visible.write(write.offset, &write.data);
            }
            return;
        }
        for write in std::mem::take(&mut state.unflushed) {
            let keep_write = match mode {
                CrashMode::LoseAll => false,
                CrashMode::KeepAll | CrashMode::Sectors | CrashMode::Kill => true,
                CrashMode::Writes => state.rng.chance(1, 2),
            };
            let keep_write = keep_write && keep(write.offset);
            for (i, sector) in write.data.chunks(SECTOR).enumerate() {
                if keep_write && (mode != CrashMode::Sectors || state.rng.chance(1, 2)) {
                    state.stable.write(write.offset + (i * SECTOR) as u64, sector);
                }
            }
        }
        state.visible = state.stable.clone();
    }

    /// Flips bits of one byte behind everyone's back; doing it twice undoes it.
    pub fn rot(&self, offset: u64) {
        let state = &mut *self.state.borrow_mut();
        for pages in [&mut state.stable, &mut state.visible] {
            let mut byte = [0];
            pages.read(offset, &mut byte);
            pages.write(offset, &[byte[0] ^ 0x55]);
        }
        state.damaged.push(offset..offset + 1);
    }

    /// The power fails after `effects` more completions and blocking reads: every operation after that is an
    /// error, until `crash` says what is left.
    pub fn fail_power_after(&self, effects: u64) {
        self.state.borrow_mut().effects_left = Some(effects);
    }
    /// The power holds from here on, and effects are counted anew.
    pub fn restart_count(&self) {
        let state = &mut *self.state.borrow_mut();
        (state.effects_left, state.effects) = (None, 0);
        state.power_is_gone = false;
    }
    /// Whether the power has failed.
    pub fn power_failed(&self) -> bool {
        self.state.borrow().effects_left == Some(0)
    }
    /// Completions and blocking reads since the last crash.
    pub fn effects(&self) -> u64 {
        self.state.borrow().effects
    }

    /// Orders a fault, until it has happened or the next crash.
    pub fn inject(&self, injection: Injection) {
        self.state.borrow_mut().injections.push(injection);
    }
    /// The next write, read or flush fails.
    pub fn fail_next(&self, fault: Fault) {
        self.inject(Injection { fault, area: 0..u64::MAX, skip: 0 });
    }
    /// Where lost writes, misdirected writes and rot have left bytes that the store did not write there; parts may have
    /// been overwritten since.
    pub fn damaged(&self) -> Vec<Range<u64>> {
        self.state.borrow().damaged.clone()
    }
    /// How many operations were made to fail.
    pub fn failures(&self) -> u64 {
        self.state.borrow().failures
    }

    /// Writes to these offsets stay under way until the next crash.
    pub fn hold(&self, offsets: Range<u64>) {
        self.state.borrow_mut().held = offsets;
    }
    /// From now on flushes report success and do nothing.
    pub fn drop_flushes(&self) {
        self.state.borrow_mut().drop_flushes = true;
    }
    /// From now on a write is on stable storage once it is complete.
    pub fn set_write_through(&self) {
        self.state.borrow_mut().write_through = true;
    }
    /// From now on it asks to be told of space that holds nothing.
    pub fn announce_discards(&self) {
        self.state.borrow_mut().takes_discards = true;
    }
    /// What reads see, without asking a device.
    pub fn peek(&self, offset: u64, out: &mut [u8]) {
        self.state.borrow().visible.read(offset, out);
    }
    /// Notes an acknowledgement among the steps.
    pub fn acknowledged(&self, ticket: u64) {
        self.state.borrow_mut().steps.push(Step::Acknowledged(ticket));
    }
    /// What happened since the last crash.
    pub fn steps(&self) -> Ref<'_, [Step]> {
        Ref::map(self.state.borrow(), |s| &s.steps[..])
    }
}
