//! A device that loses, tears, reorders, misdirects and rots, and fails on demand: for crash tests.
//!
//! It keeps three views: what is on stable storage, what reads see, and what happened in which order.

mod disk;
mod fault;
mod pages;

pub use disk::FaultyDisk;
pub use fault::{Fault, Injection};

use super::{Device, DeviceError, DiscardSupport, Event, lower, new_event_fd, raise};
use crate::buf::{AlignedBuf, is_direct};
use bytes::Bytes;
use disk::{Kind, Pending};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

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

    fn finish_one(&mut self) -> Option<Event> {
        let s = &mut *self.disk.state.borrow_mut();
        if s.pending.is_empty() {
            return None;
        }
        let is_held = |p: &Pending| {
            let write = s.unflushed.iter().find(|w| w.operation == p.operation);
            write.is_some_and(|w| s.held.contains(&w.offset))
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
        let failed = |name, offset, len| {
            let e = DeviceError::new(name, offset, len, io::Error::other("injected"));
            Some(Event { tag, result: Err(e), buf: None })
        };
        let mut result_buf = None;
        match kind {
            Kind::Write | Kind::WriteDurably => {
                if !s.finish_write(operation) {
                    return failed("write", 0, 0);
                }
                if let Kind::WriteDurably = kind {
                    s.begin_flush(tag, Some(operation));
                    return None;
                }
            }
            Kind::Read { offset, len } => {
                if s.read_fails() {
                    return failed("read", offset, len as u64);
                }
                let mut buf = AlignedBuf::zeroed(len);
                s.visible.read(offset, &mut buf);
                result_buf = Some(buf);
            }
            Kind::Discard { offset, len } => s.discard(offset, len),
            Kind::Flush { covers } => {
                if !s.finish_flush(operation, &covers) {
                    return failed("flush", 0, 0);
                }
            }
        }
        Some(Event { tag, result: Ok(()), buf: result_buf })
    }
}

impl Device for FaultyDevice {
    fn size_bytes(&self) -> u64 {
        self.disk.state.borrow().stable.len()
    }
    fn event_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
    fn acknowledge(&mut self) {
        lower(self.event.as_fd());
    }
    fn write(&mut self, tag: u64, offset: u64, data: Bytes) {
        assert!(is_direct(&data), "O_DIRECT would refuse these bytes");
        self.disk.state.borrow_mut().begin_write(tag, offset, data, Kind::Write);
    }
    fn write_durably(&mut self, tag: u64, offset: u64, data: Bytes) {
        assert!(is_direct(&data), "O_DIRECT would refuse these bytes");
        self.disk.state.borrow_mut().begin_write(tag, offset, data, Kind::WriteDurably);
    }
    fn read(&mut self, tag: u64, offset: u64, len: usize) {
        self.disk.state.borrow_mut().begin(tag, Kind::Read { offset, len });
    }
    fn flush(&mut self, tag: u64) {
        self.disk.state.borrow_mut().begin_flush(tag, None);
    }
    fn discard_support(&self) -> DiscardSupport {
        match self.disk.state.borrow().takes_discards {
            true => DiscardSupport::Announced,
            false => DiscardSupport::None,
        }
    }
    fn discard(&mut self, tag: u64, offset: u64, len: u64) {
        let state = &mut *self.disk.state.borrow_mut();
        let writes = state.unflushed.iter().any(|w| !w.done && !w.astray && w.covers(offset, len));
        assert!(!writes, "a discard of what is being written");
        state.begin(tag, Kind::Discard { offset, len });
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
        let state = &mut *self.disk.state.borrow_mut();
        state.effect()?;
        if state.read_fails() {
            let e = io::Error::other("injected");
            return Err(DeviceError::new("read", offset, buf.len() as u64, e));
        }
        state.visible.read(offset, buf);
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
        disk.fail_next(Fault::FailFlush);
        assert!(blocking::flush(&mut FaultyDevice::new(&disk)).is_err());
    }

    #[test]
    fn silent_faults_say_nothing_and_leave_their_traces() {
        let disk = FaultyDisk::new(1 << 20, 2);
        let mut d = FaultyDevice::new(&disk);
        blocking::write(&mut d, 0, unit(1)).unwrap();
        disk.inject(Injection { fault: Fault::LoseWrite, area: 8192..u64::MAX, skip: 1 });
        disk.fail_next(Fault::MisdirectWrite { to: 40960 });
        blocking::write(&mut d, 4096, unit(2)).unwrap();
        blocking::write(&mut d, 8192, unit(3)).unwrap();
        blocking::write(&mut d, 12288, unit(4)).unwrap();
        blocking::flush(&mut d).unwrap();
        disk.crash(CrashMode::KeepAll);
        assert_eq!([0, 4096, 8192, 12288, 40960].map(|at| first(&disk, at)), [1, 0, 3, 0, 2]);
        assert_eq!(disk.damaged(), [4096..8192, 40960..45056, 12288..16384]);
        assert_eq!(disk.failures(), 0);
    }

    #[test]
    fn what_a_failed_flush_covered_is_not_saved_by_the_next_one() {
        let lost = (0..20).filter(|seed| {
            let disk = FaultyDisk::new(1 << 20, *seed);
            let mut d = FaultyDevice::new(&disk);
            blocking::write(&mut d, 0, unit(1)).unwrap();
            disk.fail_next(Fault::FailFlush);
            blocking::flush(&mut d).unwrap_err();
            blocking::flush(&mut d).unwrap();
            disk.crash(CrashMode::KeepAll);
            first(&disk, 0) == 0
        });
        assert!((1..20).contains(&lost.count()));
    }
}
