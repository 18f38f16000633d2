//! A file or block device through io_uring with O_DIRECT.

use super::{Device, DeviceError, DiscardSupport, Event};
use crate::buf::{AlignedBuf, is_direct};
use bytes::Bytes;
use io_uring::{IoUring, opcode, squeue, types};
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Operations handed to the kernel at once, at most; more wait here.
const DEPTH: u32 = 256;

/// The device.
pub struct UringDevice {
    ring: IoUring,
    file: OwnedFd,
    size_bytes: u64,
    discard: DiscardSupport,
    /// By slot, which is the kernel's user data. A buffer lives here until its operation is back.
    operations: Vec<Option<Operation>>,
    free_slots: Vec<usize>,
    /// Slots not yet handed to the kernel.
    queued: VecDeque<usize>,
    in_flight: usize,
    done: VecDeque<Event>,
}

struct Operation {
    tag: u64,
    offset: u64,
    /// Bytes done so far: the kernel may do less than it was asked to.
    done: usize,
    kind: Kind,
    error: Option<io::Error>,
}

enum Kind {
    Write(Bytes),
    /// `RWF_DSYNC`: forced through the device's cache where the device can do that for one write, else followed
    /// by a flush within the kernel. Either is a round trip less than a flush of our own.
    WriteDurably(Bytes),
    Read {
        buf: AlignedBuf,
        len: usize,
    },
    Flush,
    /// A hole in a file, unmapped blocks of a device.
    Discard {
        len: u64,
    },
}

impl Kind {
    fn name(&self) -> &'static str {
        match self {
            Kind::Write(_) | Kind::WriteDurably(_) => "write",
            Kind::Read { .. } => "read",
            Kind::Flush => "flush",
            Kind::Discard { .. } => "discard",
        }
    }
    fn len(&self) -> usize {
        match self {
            Kind::Write(data) | Kind::WriteDurably(data) => data.len(),
            Kind::Read { len, .. } => *len,
            Kind::Flush | Kind::Discard { .. } => 0,
        }
    }
}

impl UringDevice {
    /// Opens a file or block device for this process alone. `WouldBlock`: another process has it.
    pub fn open(path: &Path) -> io::Result<UringDevice> {
        UringDevice::open_for(path, OFlags::RDWR)
    }

    /// The same for reading only: the kernel refuses every write.
    pub fn open_read_only(path: &Path) -> io::Result<UringDevice> {
        UringDevice::open_for(path, OFlags::RDONLY)
    }

    fn open_for(path: &Path, access: OFlags) -> io::Result<UringDevice> {
        let file = rustix::fs::open(path, access | OFlags::DIRECT | OFlags::CLOEXEC, Mode::empty())?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        // Works for files and block devices alike.
        let size_bytes = rustix::fs::seek(&file, rustix::fs::SeekFrom::End(0))?;
        let discard = discard_support(&rustix::fs::fstat(&file)?);
        let ring = IoUring::builder().setup_single_issuer().setup_coop_taskrun().build(DEPTH);
        // Kernels before 6.0 do not know the hints.
        let ring = ring.or_else(|_| IoUring::new(DEPTH))?;
        Ok(UringDevice {
            ring,
            file,
            size_bytes,
            discard,
            operations: Vec::new(),
            free_slots: Vec::new(),
            queued: VecDeque::new(),
            in_flight: 0,
            done: VecDeque::new(),
        })
    }

    fn queue(&mut self, tag: u64, offset: u64, kind: Kind) {
        let end = offset + kind.len() as u64;
        assert!(
            offset.is_multiple_of(crate::layout::UNIT) && end <= self.size_bytes,
            "I/O outside the device"
        );
        let operation = Some(Operation { tag, offset, done: 0, kind, error: None });
        let slot = match self.free_slots.pop() {
            Some(slot) => {
                self.operations[slot] = operation;
                slot
            }
            None => {
                self.operations.push(operation);
                self.operations.len() - 1
            }
        };
        self.queued.push_back(slot);
    }

    /// Moves queued operations into the submission ring, up to its depth.
    fn fill(&mut self) {
        let file = types::Fd(self.file.as_raw_fd());
        while self.in_flight < DEPTH as usize
            && let Some(slot) = self.queued.pop_front()
        {
            let op = self.operations[slot].as_mut().expect("a queued slot is taken");
            let at = op.offset + op.done as u64;
            let left = u32::try_from(op.kind.len() - op.done).expect("one operation stays below 4 GiB");
            let write = |bytes: &Bytes| opcode::Write::new(file, bytes[op.done..].as_ptr(), left).offset(at);
            let entry = match &mut op.kind {
                Kind::Write(bytes) => write(bytes).build(),
                Kind::WriteDurably(bytes) => write(bytes).rw_flags(libc::RWF_DSYNC as _).build(),
                Kind::Read { buf, .. } => {
                    let to = buf.as_mut_ptr().wrapping_add(op.done);
                    opcode::Read::new(file, to, left).offset(at).build()
                }
                Kind::Flush => opcode::Fsync::new(file).flags(types::FsyncFlags::DATASYNC).build(),
                Kind::Discard { len } => opcode::Fallocate::new(file, *len)
                    .offset(at)
                    .mode(libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE)
                    .build(),
            };
            self.in_flight += 1;
            self.push(entry.user_data(slot as u64));
        }
    }

    fn push(&mut self, entry: squeue::Entry) {
        // SAFETY: the buffer that the entry points at is owned by `operations` under the entry's user data
        // and is neither moved nor dropped before its completion (heap memory; `Drop` waits), and the file
        // outlives the ring.
        let pushed = unsafe { self.ring.submission().push(&entry) };
        pushed.expect("the ring has room for all operations in flight");
    }

    fn enter(&mut self, want: usize) -> Result<(), DeviceError> {
        loop {
            self.fill();
            match self.ring.submit_and_wait(want) {
                Ok(_) => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // The kernel is short of memory for requests, or the completion ring is full: completions
                // free both, and `submit` will be called again.
                Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EBUSY)) && want == 0 => {
                    return Ok(());
                }
                Err(e) => return Err(DeviceError::new("submit", 0, 0, e)),
            }
        }
    }

    /// Takes completions off the ring. Partial ones are queued again for the rest.
    fn collect(&mut self) {
        while let Some(entry) = self.ring.completion().next() {
            let slot = entry.user_data() as usize;
            self.in_flight -= 1;
            let op = self.operations[slot].as_mut().expect("a completion of an operation in flight");
            op.take(entry.result());
            if !op.is_finished() {
                self.queued.push_back(slot);
                continue;
            }
            let op = self.operations[slot].take().expect("checked above");
            self.free_slots.push(slot);
            self.done.push_back(op.into_event());
        }
    }
}

impl Operation {
    /// What the kernel says of the operation.
    fn take(&mut self, result: i32) {
        let all = self.kind.len();
        match result {
            n if n > 0 || (n == 0 && all == 0) => self.done += n as usize,
            0 => self.error = Some(io::ErrorKind::UnexpectedEof.into()),
            // Interrupted before anything was done: queued again. Not so what may have failed in its flush, which
            // drops what it could not write: only a first flush that failed tells of that.
            e if (e == -libc::EINTR || e == -libc::EAGAIN) && all > 0 && !self.is_durable_write() => {}
            e => self.error = Some(io::Error::from_raw_os_error(-e)),
        }
    }

    fn is_durable_write(&self) -> bool {
        matches!(self.kind, Kind::WriteDurably(_))
    }

    fn is_finished(&self) -> bool {
        self.error.is_some() || self.done == self.kind.len()
    }

    fn into_event(self) -> Event {
        let (name, len) = (self.kind.name(), self.kind.len());
        let result = match self.error {
            Some(e) => Err(DeviceError::new(name, self.offset, len as u64, e)),
            None => Ok(()),
        };
        let buf = match self.kind {
            Kind::Read { mut buf, len } if result.is_ok() => {
                // SAFETY: the buffer was made with room for `len` bytes, and the kernel has written them all.
                unsafe { buf.set_len(len) };
                Some(buf)
            }
            _ => None,
        };
        Event { tag: self.tag, result, buf }
    }
}

impl Device for UringDevice {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }
    /// The ring itself: readable while completions lie in it, without a system call for each to say so.
    fn event_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor belongs to the ring, which lives as long as `self`, which the result borrows.
        unsafe { BorrowedFd::borrow_raw(self.ring.as_raw_fd()) }
    }
    fn acknowledge(&mut self) {}
    fn write(&mut self, tag: u64, offset: u64, data: Bytes) {
        assert!(is_direct(&data), "O_DIRECT needs aligned memory and whole units");
        self.queue(tag, offset, Kind::Write(data));
    }
    fn write_durably(&mut self, tag: u64, offset: u64, data: Bytes) {
        assert!(is_direct(&data), "O_DIRECT needs aligned memory and whole units");
        self.queue(tag, offset, Kind::WriteDurably(data));
    }
    fn read(&mut self, tag: u64, offset: u64, len: usize) {
        assert!(len > 0 && len.is_multiple_of(crate::layout::UNIT_BYTES), "O_DIRECT needs whole units");
        self.queue(tag, offset, Kind::Read { buf: AlignedBuf::with_capacity(len), len });
    }
    fn flush(&mut self, tag: u64) {
        self.queue(tag, 0, Kind::Flush);
    }
    fn discard_support(&self) -> DiscardSupport {
        self.discard
    }
    fn discard(&mut self, tag: u64, offset: u64, len: u64) {
        assert!(offset + len <= self.size_bytes, "a discard outside the device");
        self.queue(tag, offset, Kind::Discard { len });
    }
    fn submit(&mut self) -> Result<(), DeviceError> {
        if self.queued.is_empty() { Ok(()) } else { self.enter(0) }
    }
    fn reap(&mut self) -> Option<Event> {
        if self.done.is_empty() {
            self.collect();
        }
        self.done.pop_front()
    }
    fn wait(&mut self) -> Result<(), DeviceError> {
        self.collect();
        while self.done.is_empty() {
            assert!(self.in_flight + self.queued.len() > 0, "waiting for nothing would last for ever");
            self.enter(1)?;
            self.collect();
        }
        Ok(())
    }
    fn read_now(&mut self, offset: u64, buf: &mut AlignedBuf) -> Result<(), DeviceError> {
        let len = buf.len();
        let mut done = 0;
        while done < len {
            let at = offset + done as u64;
            match rustix::io::pread(&self.file, &mut buf[done..], at) {
                Ok(0) => {
                    return Err(DeviceError::new(
                        "read",
                        at,
                        len as u64,
                        io::ErrorKind::UnexpectedEof.into(),
                    ));
                }
                Ok(n) => done += n,
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(DeviceError::new("read", at, len as u64, e.into())),
            }
        }
        Ok(())
    }
}

/// As the kernel says of a block device.
fn discard_support(stat: &rustix::fs::Stat) -> DiscardSupport {
    if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::BlockDevice {
        return DiscardSupport::Possible;
    }
    match super::queue::attribute(stat, "discard_max_bytes").and_then(|n| n.parse::<u64>().ok()) {
        Some(bytes) if bytes > 0 => DiscardSupport::Announced,
        _ => DiscardSupport::None,
    }
}

impl Drop for UringDevice {
    /// The kernel writes into our buffers until their operations are back.
    fn drop(&mut self) {
        self.queued.clear();
        while self.in_flight > 0 {
            if self.ring.submit_and_wait(1).is_err_and(|e| e.kind() != io::ErrorKind::Interrupted) {
                // Better to leak them than to free what the kernel may still write to.
                std::mem::forget(std::mem::take(&mut self.operations));
                return;
            }
            self.collect();
            self.queued.clear();
        }
    }
}

#[cfg(test)]
#[path = "uring_test.rs"]
mod tests;
