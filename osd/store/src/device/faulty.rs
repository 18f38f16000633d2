//! A device that loses, tears and reorders what was not flushed, and fails on demand: for crash tests.
//!
//! It keeps three views: what is on stable storage, what reads see, and what happened in which order.

use super::{Device, DeviceError, Event, lower, new_event_fd, raise};
use crate::buf::{AlignedBuf, is_direct};
use bytes::Bytes;
use std::cell::{Ref, RefCell};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use stdx::Rng;

/// The unit that a write can tear into, bytes.
const SECTOR: usize = 512;

/// What happened, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A write was handed over.
    WriteBegun {
        /// Number of the operation.
        operation: u64,
        /// Byte offset.
        offset: u64,
        /// Bytes.
        len: u64,
    },
    /// A write was reported complete.
    WriteDone {
        /// Number of the operation.
        operation: u64,
    },
    /// A flush was handed over.
    FlushBegun {
        /// Number of the operation.
        operation: u64,
    },
    /// A flush was reported complete.
    FlushDone {
        /// Number of the operation.
        operation: u64,
    },
    /// The test notes that something was acknowledged.
    Acknowledged(u64),
}

/// How unflushed writes fare in a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashMode {
    /// None of them is there.
    LoseAll,
    /// All of them are there.
    KeepAll,
    /// Each is there or not.
    Writes,
    /// Each sector of each is there or not.
    Sectors,
    /// Only the process died: what was written is in the cache, neither lost nor safe.
    Kill,
}

/// The platters and the recorder: shared between devices and the test, and outliving both.
#[derive(Clone)]
pub struct FaultyDisk {
    state: Rc<RefCell<State>>,
}

struct State {
    stable: Vec<u8>,
    visible: Vec<u8>,
    /// Writes not yet covered by a flush, in the order they were handed over.
    unflushed: Vec<Write>,
    pending: Vec<Pending>,
    steps: Vec<Step>,
    rng: Rng,
    operations: u64,
    /// The next operation of this kind fails.
    fail_next: Option<&'static str>,
    /// Flushes do nothing, though they say so: what a lying cache does.
    drop_flushes: bool,
    /// The power fails after so many more effects; from then on everything fails.
    effects_left: Option<u64>,
    /// Whether new operations tend to overtake old ones.
    newest_first: bool,
    /// Writes in this range of offsets do not complete.
    held: std::ops::Range<u64>,
}

impl State {
    fn begin(&mut self, tag: u64, kind: Kind) -> u64 {
        self.operations += 1;
        self.pending.push(Pending { operation: self.operations, tag, kind });
        self.operations
    }

    /// Begins a flush of every write that is done, or of `only` one of them.
    fn begin_flush(&mut self, tag: u64, only: Option<u64>) {
        let is_covered = |w: &&Write| w.done && only.is_none_or(|only| w.operation == only);
        let covered = self.unflushed.iter().filter(|w| is_covered(w) && !self.drop_flushes);
        let covers = covered.map(|w| w.operation).collect();
        let operation = self.begin(tag, Kind::Flush { covers });
        self.steps.push(Step::FlushBegun { operation });
    }

    /// Counts an effect; an error once the power is gone.
    fn effect(&mut self) -> Result<(), DeviceError> {
        match &mut self.effects_left {
            Some(0) => Err(DeviceError::new("power", 0, 0, io::Error::other("the power failed"))),
            Some(n) => {
                *n -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

struct Write {
    operation: u64,
    offset: usize,
    data: Bytes,
    done: bool,
}

struct Pending {
    operation: u64,
    tag: u64,
    kind: Kind,
}

enum Kind {
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
}

impl FaultyDisk {
    /// `size_bytes` zeros; all chance comes from `seed`.
    pub fn new(size_bytes: u64, seed: u64) -> FaultyDisk {
        let zeros = vec![0; usize::try_from(size_bytes).expect("a test device fits into memory")];
        let state = State {
            stable: zeros.clone(),
            visible: zeros,
            unflushed: Vec::new(),
            pending: Vec::new(),
            steps: Vec::new(),
            rng: Rng::new(seed),
            operations: 0,
            fail_next: None,
            drop_flushes: false,
            effects_left: None,
            newest_first: false,
            held: 0..0,
        };
        FaultyDisk { state: Rc::new(RefCell::new(state)) }
    }

    /// The power fails and comes back: every operation under way ends, and of what was not flushed only what
    /// `mode` spares is there.
    pub fn crash(&self, mode: CrashMode) {
        self.crash_keeping(mode, |_| true);
    }

    /// A crash in which of the unflushed writes only those at certain offsets have a chance.
    pub fn crash_keeping(&self, mode: CrashMode, keep: impl Fn(u64) -> bool) {
        let state = &mut *self.state.borrow_mut();
        state.pending.clear();
        state.steps.clear();
        state.fail_next = None;
        state.effects_left = None;
        state.held = 0..0;
        state.newest_first = state.rng.chance(1, 2);
        if mode == CrashMode::Kill {
            for write in &mut state.unflushed {
                write.done = true;
                state.visible[write.offset..write.offset + write.data.len()].copy_from_slice(&write.data);
            }
            return;
        }
        for write in std::mem::take(&mut state.unflushed) {
            let keep_write = match mode {
                CrashMode::LoseAll => false,
                CrashMode::KeepAll | CrashMode::Sectors | CrashMode::Kill => true,
                CrashMode::Writes => state.rng.chance(1, 2),
            };
            let keep_write = keep_write && keep(write.offset as u64);
            for (i, sector) in write.data.chunks(SECTOR).enumerate() {
                if keep_write && (mode != CrashMode::Sectors || state.rng.chance(1, 2)) {
                    let at = write.offset + i * SECTOR;
                    state.stable[at..at + sector.len()].copy_from_slice(sector);
                }
            }
        }
        state.visible.copy_from_slice(&state.stable);
    }

    /// Flips bits of one byte behind everyone's back; doing it twice undoes it.
    pub fn rot(&self, offset: u64) {
        let state = &mut *self.state.borrow_mut();
        state.stable[offset as usize] ^= 0x55;
        state.visible[offset as usize] ^= 0x55;
    }

    /// The power fails after `effects` more completions and blocking reads: every operation after that is an
    /// error, until `crash` says what is left.
    pub fn fail_power_after(&self, effects: u64) {
        self.state.borrow_mut().effects_left = Some(effects);
    }

    /// The next "write", "read" or "flush" fails.
    pub fn fail_next(&self, kind: &'static str) {
        self.state.borrow_mut().fail_next = Some(kind);
    }
    /// Writes to these offsets stay under way until the next crash.
    pub fn hold(&self, offsets: std::ops::Range<u64>) {
        self.state.borrow_mut().held = offsets;
    }
    /// From now on flushes report success and do nothing.
    pub fn drop_flushes(&self) {
        self.state.borrow_mut().drop_flushes = true;
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

/// A device over a `FaultyDisk`. Operations complete in random order, and only when they are asked for.
pub struct FaultyDevice {
    disk: FaultyDisk,
    event: OwnedFd,
}

impl FaultyDevice {
    /// A device over the disk.
    pub fn new(disk: &FaultyDisk) -> FaultyDevice {
        FaultyDevice { disk: disk.clone(), event: new_event_fd() }
    }

    fn begin_write(&mut self, tag: u64, offset: u64, data: Bytes, kind: Kind) {
        assert!(is_direct(&data), "O_DIRECT would refuse these bytes");
        let s = &mut *self.disk.state.borrow_mut();
        let operation = s.begin(tag, kind);
        let at = offset as usize;
        let overlaps = |w: &Write| !w.done && w.offset < at + data.len() && at < w.offset + w.data.len();
        assert!(!s.unflushed.iter().any(overlaps), "two writes to the same place at once: either may win");
        // A read that does not wait for the write may see any part of it.
        for (i, sector) in data.chunks(SECTOR).enumerate() {
            if s.rng.chance(1, 2) {
                s.visible[at + i * SECTOR..at + i * SECTOR + sector.len()].copy_from_slice(sector);
            }
        }
        s.steps.push(Step::WriteBegun { operation, offset, len: data.len() as u64 });
        s.unflushed.push(Write { operation, offset: at, data, done: false });
    }

    fn finish_one(&mut self) -> Option<Event> {
        let s = &mut *self.disk.state.borrow_mut();
        if s.pending.is_empty() {
            return None;
        }
        let is_held = |p: &Pending| {
            let write = s.unflushed.iter().find(|w| w.operation == p.operation);
            write.is_some_and(|w| s.held.contains(&(w.offset as u64)))
        };
        let free: Vec<usize> =
            (0..s.pending.len()).filter(|i| s.held.is_empty() || !is_held(&s.pending[*i])).collect();
        let newest = free.last().copied()?;
        let any = free[s.rng.below(free.len() as u64) as usize];
        let i = if s.newest_first && s.rng.chance(3, 4) { newest } else { any };
        if let Err(e) = s.effect() {
            let tag = s.pending.remove(i).tag;
            return Some(Event { tag, result: Err(e), buf: None });
        }
        let Pending { operation, tag, kind } = s.pending.remove(i);
        let name = match kind {
            Kind::Write | Kind::WriteDurably => "write",
            Kind::Read { .. } => "read",
            Kind::Flush { .. } => "flush",
        };
        if s.fail_next == Some(name) {
            s.fail_next = None;
            let e = DeviceError::new(name, 0, 0, io::Error::other("injected"));
            return Some(Event { tag, result: Err(e), buf: None });
        }
        let mut result_buf = None;
        match kind {
            Kind::Write | Kind::WriteDurably => {
                let write = s.unflushed.iter_mut().find(|w| w.operation == operation);
                let write = write.expect("a write stays until a flush that came after it");
                write.done = true;
                s.visible[write.offset..write.offset + write.data.len()].copy_from_slice(&write.data);
                s.steps.push(Step::WriteDone { operation });
                if let Kind::WriteDurably = kind {
                    s.begin_flush(tag, Some(operation));
                    return None;
                }
            }
            Kind::Read { offset, len } => {
                let at = offset as usize;
                let mut buf = AlignedBuf::with_capacity(len);
                buf.extend_from_slice(&s.visible[at..at + len]);
                result_buf = Some(buf);
            }
            Kind::Flush { covers } => {
                for write in s.unflushed.extract_if(.., |w| covers.contains(&w.operation)) {
                    s.stable[write.offset..write.offset + write.data.len()].copy_from_slice(&write.data);
                }
                s.steps.push(Step::FlushDone { operation });
            }
        }
        Some(Event { tag, result: Ok(()), buf: result_buf })
    }
}

impl Device for FaultyDevice {
    fn size_bytes(&self) -> u64 {
        self.disk.state.borrow().stable.len() as u64
    }
    fn event_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
    fn acknowledge(&mut self) {
        lower(self.event.as_fd());
    }
    fn write(&mut self, tag: u64, offset: u64, data: Bytes) {
        self.begin_write(tag, offset, data, Kind::Write);
    }
    fn write_durably(&mut self, tag: u64, offset: u64, data: Bytes) {
        self.begin_write(tag, offset, data, Kind::WriteDurably);
    }
    fn read(&mut self, tag: u64, offset: u64, len: usize) {
        self.disk.state.borrow_mut().begin(tag, Kind::Read { offset, len });
    }
    fn flush(&mut self, tag: u64) {
        self.disk.state.borrow_mut().begin_flush(tag, None);
    }
    fn submit(&mut self) -> Result<(), DeviceError> {
        if !self.disk.state.borrow().pending.is_empty() {
            raise(self.event.as_fd());
        }
        Ok(())
    }
    fn reap(&mut self) -> Option<Event> {
        // Sometimes nothing is ready although something is under way.
        let ready = self.disk.state.borrow_mut().rng.chance(2, 3);
        if ready { self.finish_one() } else { None }
    }
    fn wait(&mut self) -> Result<(), DeviceError> {
        assert!(!self.disk.state.borrow().pending.is_empty(), "waiting for nothing would last for ever");
        Ok(())
    }
    fn read_now(&mut self, offset: u64, buf: &mut AlignedBuf) -> Result<(), DeviceError> {
        assert!(is_direct(buf), "O_DIRECT would refuse this buffer");
        self.disk.state.borrow_mut().effect()?;
        let at = offset as usize;
        let len = buf.len();
        buf.copy_from_slice(&self.disk.state.borrow().visible[at..at + len]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocking;

    fn unit(b: u8) -> Bytes {
        let mut buf = AlignedBuf::zeroed(4096);
        buf.fill(b);
        Bytes::from_owner(buf)
    }
    fn first(disk: &FaultyDisk, offset: u64) -> u8 {
        let mut buf = AlignedBuf::zeroed(4096);
        FaultyDevice::new(disk).read_now(offset, &mut buf).unwrap();
        buf[0]
    }

    #[test]
    fn only_what_a_flush_covers_survives() {
        let disk = FaultyDisk::new(1 << 20, 1);
        let mut d = FaultyDevice::new(&disk);
        blocking::write(&mut d, 0, unit(1)).unwrap();
        blocking::flush(&mut d).unwrap();
        blocking::write(&mut d, 4096, unit(2)).unwrap();
        d.flush(1);
        blocking::write(&mut d, 8192, unit(3)).ok();
        disk.crash(CrashMode::LoseAll);
        assert_eq!(first(&disk, 0), 1);
        assert_eq!(first(&disk, 8192), 0);
        disk.drop_flushes();
        let mut d = FaultyDevice::new(&disk);
        blocking::write(&mut d, 0, unit(9)).unwrap();
        blocking::flush(&mut d).unwrap();
        disk.crash(CrashMode::LoseAll);
        assert_eq!(first(&disk, 0), 1);
        disk.fail_next("flush");
        assert!(blocking::flush(&mut FaultyDevice::new(&disk)).is_err());
    }
}
