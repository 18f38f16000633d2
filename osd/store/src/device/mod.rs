//! What the store asks of a disk: writes, reads and flushes that complete later, in any order.

pub mod faulty;
pub mod memory;
pub(crate) mod queue;
pub mod uring;

use crate::buf::AlignedBuf;
use bytes::Bytes;
use std::io;
use std::os::fd::BorrowedFd;

/// A device. Operations are queued, handed over by `submit`, and come back through `reap` in any order,
/// each exactly once and under the tag it was given.
///
/// A flush covers the writes that were reaped before it was queued, and no others.
pub trait Device {
    /// Capacity, bytes.
    fn size_bytes(&self) -> u64;
    /// Readable while `reap` has something to return. `acknowledge` makes it unreadable.
    fn event_fd(&self) -> BorrowedFd<'_>;
    /// Clears the readability of `event_fd`; call it before reaping, or a completion may be slept over.
    fn acknowledge(&mut self);
    /// Queues a write of whole units from 4 KiB-aligned memory to a 4 KiB-aligned offset.
    fn write(&mut self, tag: u64, offset: u64, data: Bytes);
    /// Queues a write that completes once it is on stable storage. It covers no other write: a device that can
    /// force one write through its cache flushes nothing else. A round trip less than `write`, `flush`.
    fn write_durably(&mut self, tag: u64, offset: u64, data: Bytes);
    /// Queues a read of `len` bytes, whole units; they come back with the completion.
    fn read(&mut self, tag: u64, offset: u64, len: usize);
    /// Queues a flush.
    fn flush(&mut self, tag: u64);
    /// Whether it can be told of space that holds nothing any more.
    fn discard_support(&self) -> DiscardSupport {
        DiscardSupport::None
    }
    /// Queues a discard of whole units: what is read there afterwards means nothing. Only if `discard_support` says
    /// so; a failure means no more than that nothing was discarded.
    fn discard(&mut self, _tag: u64, offset: u64, _len: u64) {
        panic!("a discard at {offset} of a device that takes none");
    }
    /// Hands over what is queued.
    fn submit(&mut self) -> Result<(), DeviceError>;
    /// The next completion, if one is there.
    fn reap(&mut self) -> Option<Event>;
    /// Blocks until `reap` has something to return. Only with an operation outstanding.
    fn wait(&mut self) -> Result<(), DeviceError>;
    /// Reads at once, blocking: for the rare partial overwrite, and for opening.
    fn read_now(&mut self, offset: u64, buf: &mut AlignedBuf) -> Result<(), DeviceError>;
}

/// What a device makes of discards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscardSupport {
    /// Nothing.
    None,
    /// It can, but it costs something else: a file loses the space that was allocated for it.
    Possible,
    /// It wants them.
    Announced,
}

/// A completed operation.
#[derive(Debug)]
pub struct Event {
    /// The tag it was queued under.
    pub tag: u64,
    /// How it went.
    pub result: Result<(), DeviceError>,
    /// What a read that succeeded read.
    pub buf: Option<AlignedBuf>,
}

/// A read, write or flush that did not succeed.
#[derive(Debug, thiserror::Error)]
#[error("{operation} of {len} bytes at {offset}: {source}")]
pub struct DeviceError {
    /// "read", "write", "flush" or "submit".
    pub operation: &'static str,
    /// Byte offset.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
    /// Why.
    pub source: io::Error,
}

impl DeviceError {
    pub(crate) fn new(operation: &'static str, offset: u64, len: u64, source: io::Error) -> DeviceError {
        DeviceError { operation, offset, len, source }
    }
}

/// An eventfd that simulated devices raise.
pub(crate) fn new_event_fd() -> std::os::fd::OwnedFd {
    use rustix::event::{EventfdFlags, eventfd};
    eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
        .expect("the process may open one more descriptor")
}

pub(crate) fn raise(fd: BorrowedFd<'_>) {
    // EAGAIN means the counter is full, and so readable.
    let _ = rustix::io::write(fd, &1u64.to_ne_bytes());
}

pub(crate) fn lower(fd: BorrowedFd<'_>) {
    let mut count = [0; 8];
    // EAGAIN means that it was not raised.
    let _ = rustix::io::read(fd, &mut count);
}
