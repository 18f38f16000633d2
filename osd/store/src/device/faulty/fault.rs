//! What can go wrong with a single operation of the simulated disk.

use std::ops::Range;

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A write is reported as failed; any part of it may be there after a crash.
    FailWrite,
    /// A flush is reported as failed; any part of what it covered is lost for good.
    FailFlush,
    /// A read is reported as failed.
    FailRead,
    /// A write is reported complete, flushed, and never there.
    LoseWrite,
    /// A write is reported complete and lands elsewhere.
    MisdirectWrite {
        /// Where it lands, bytes.
        to: u64,
    },
}

impl Fault {
    /// Whether the device says nothing of it.
    pub fn is_silent(self) -> bool {
        matches!(self, Fault::LoseWrite | Fault::MisdirectWrite { .. })
    }
    fn is_of_write(self) -> bool {
        !matches!(self, Fault::FailFlush | Fault::FailRead)
    }
}

/// A fault that waits for its operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injection {
    /// What is to go wrong.
    pub fault: Fault,
    /// Writes that begin at these offsets are meant; of reads and flushes, all.
    pub area: Range<u64>,
    /// So many of them go well first.
    pub skip: u64,
}

impl Injection {
    pub(super) fn hits_write(&self, offset: u64) -> bool {
        self.fault.is_of_write() && self.area.contains(&offset)
    }
}
