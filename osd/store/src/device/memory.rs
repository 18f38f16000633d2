//! A device in memory that never fails and completes in order: for tests and simulations.

use super::{Device, DeviceError, DiscardSupport, Event, lower, new_event_fd, raise};
use crate::buf::{AlignedBuf, is_direct};
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

/// The device. Clones share their contents, so that a store can be opened again on them.
pub struct MemoryDevice {
    contents: Rc<RefCell<Vec<u8>>>,
    /// Offset and length of each discard; none if it takes none.
    discards: Option<Rc<RefCell<Vec<(u64, u64)>>>>,
    done: VecDeque<Event>,
    event: OwnedFd,
}

impl MemoryDevice {
    /// `size_bytes` zeros.
    pub fn new(size_bytes: u64) -> MemoryDevice {
        let contents = vec![0; usize::try_from(size_bytes).expect("a test device fits into memory")];
        MemoryDevice {
            contents: Rc::new(RefCell::new(contents)),
            discards: None,
            done: VecDeque::new(),
            event: new_event_fd(),
        }
    }

    /// Changes bytes behind the store's back, as bit rot would.
    pub fn damage(&self, offset: u64, data: &[u8]) {
        let at = offset as usize;
        self.contents.borrow_mut()[at..at + data.len()].copy_from_slice(data);
    }

    /// From here on it announces discards, and fills what is discarded with garbage.
    pub fn announce_discards(&mut self) {
        self.discards = Some(Rc::default());
    }

    /// Offset and length of each discard so far, in order.
    pub fn discards(&self) -> Vec<(u64, u64)> {
        self.discards.as_ref().map_or(Vec::new(), |d| d.borrow().clone())
    }

    /// A copy of all bytes.
    pub fn image(&self) -> Vec<u8> {
        self.contents.borrow().clone()
    }
}

impl Clone for MemoryDevice {
    fn clone(&self) -> MemoryDevice {
        MemoryDevice {
            contents: self.contents.clone(),
            discards: self.discards.clone(),
            done: VecDeque::new(),
            event: new_event_fd(),
        }
    }
}

impl Device for MemoryDevice {
    fn size_bytes(&self) -> u64 {
        self.contents.borrow().len() as u64
    }
    fn event_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
    fn acknowledge(&mut self) {
        lower(self.event.as_fd());
    }
    fn write(&mut self, tag: u64, offset: u64, data: Bytes) {
        assert!(is_direct(&data), "O_DIRECT would refuse these bytes");
        self.damage(offset, &data);
        self.done.push_back(Event { tag, result: Ok(()), buf: None });
    }
    fn write_durably(&mut self, tag: u64, offset: u64, data: Bytes) {
        self.write(tag, offset, data);
    }
    fn read(&mut self, tag: u64, offset: u64, len: usize) {
        let mut buf = AlignedBuf::zeroed(len);
        let result = self.read_now(offset, &mut buf);
        self.done.push_back(Event { tag, result, buf: Some(buf) });
    }
    fn flush(&mut self, tag: u64) {
        self.done.push_back(Event { tag, result: Ok(()), buf: None });
    }
    fn discard_support(&self) -> DiscardSupport {
        if self.discards.is_some() { DiscardSupport::Announced } else { DiscardSupport::None }
    }
    fn discard(&mut self, tag: u64, offset: u64, len: u64) {
        let discards = self.discards.as_ref().expect("it announced none");
        discards.borrow_mut().push((offset, len));
        self.damage(offset, &vec![0xdd; len as usize]);
        self.done.push_back(Event { tag, result: Ok(()), buf: None });
    }
    fn submit(&mut self) -> Result<(), DeviceError> {
        if !self.done.is_empty() {
            raise(self.event.as_fd());
        }
        Ok(())
    }
    fn reap(&mut self) -> Option<Event> {
        self.done.pop_front()
    }
    fn wait(&mut self) -> Result<(), DeviceError> {
        assert!(!self.done.is_empty(), "waiting for a device that has nothing to do would last for ever");
        Ok(())
    }
    fn read_now(&mut self, offset: u64, buf: &mut AlignedBuf) -> Result<(), DeviceError> {
        assert!(is_direct(buf), "O_DIRECT would refuse this buffer");
        let at = offset as usize;
        let len = buf.len();
        buf.copy_from_slice(&self.contents.borrow()[at..at + len]);
        Ok(())
    }
}
