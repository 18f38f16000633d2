//! Group commit: one batch in flight, one (or more, if large) filling. No timers: a batch is as large as
//! what arrived while the one before it was being made durable.

use super::{Completion, Operation, Store};
use crate::buf::AlignedBuf;
use crate::error::StoreError;
use crate::layout::UNIT;
use crate::sabotage::{self, Sabotage};
use crate::wal::batch::{self, BatchHeader, HEADER_BYTES};
use bytes::Bytes;
use std::collections::VecDeque;

/// A batch this large is closed; the next transaction begins another.
const BATCH_BYTES: usize = 4 << 20;

/// With no batch in flight, one of this size does not wait for the next `poll`.
const EARLY_BATCH_BYTES: usize = 128 << 10;

/// Batches that fill, and the one in flight.
#[derive(Default)]
pub(super) struct Commit {
    filling: VecDeque<Batch>,
    flight: Option<Flight>,
    batches_opened: u64,
    batches_durable: u64,
}

/// A batch that fills.
pub(super) struct Batch {
    pub(super) number: u64,
    pub(super) buf: AlignedBuf,
    progress: Progress,
    records: u32,
    first_lsn: u64,
}

/// What must happen before a batch is acknowledged.
struct Progress {
    tickets: Vec<u64>,
    last_lsn: u64,
    fresh_writes: usize,
    /// Whether it ever had fresh data: written or not, it takes a flush to make that durable.
    has_fresh: bool,
}

struct Flight {
    number: u64,
    progress: Progress,
    log_writes: usize,
    flushing: bool,
}

impl Batch {
    /// Counts a record that was appended to `buf`.
    pub(super) fn add(&mut self, ticket: u64, lsn: u64, fresh_writes: usize) {
        self.progress.tickets.push(ticket);
        self.progress.last_lsn = lsn;
        self.progress.fresh_writes += fresh_writes;
        self.progress.has_fresh |= fresh_writes > 0;
        self.records += 1;
    }
}

impl Commit {
    /// The batch that the record `lsn` goes into.
    pub(super) fn open_batch(&mut self, lsn: u64) -> &mut Batch {
        if self.filling.back().is_none_or(|b| b.buf.len() >= BATCH_BYTES) {
            self.batches_opened += 1;
            self.filling.push_back(Batch {
                number: self.batches_opened,
                buf: AlignedBuf::zeroed(HEADER_BYTES),
                progress: Progress { tickets: Vec::new(), last_lsn: lsn, fresh_writes: 0, has_fresh: false },
                records: 0,
                first_lsn: lsn,
            });
        }
        self.filling.back_mut().expect("one was just pushed")
    }

    /// The most log that the batches not yet in flight will take, bytes.
    pub(super) fn queued_bytes(&self) -> u64 {
        self.filling.iter().map(|b| (b.buf.len() as u64).next_multiple_of(UNIT)).sum()
    }

    /// Whether the device could work on a batch, and one is large enough.
    pub(super) fn is_worth_a_flush(&self) -> bool {
        self.flight.is_none() && self.filling.front().is_some_and(|b| b.buf.len() >= EARLY_BATCH_BYTES)
    }

    /// Whether every transaction is acknowledged.
    pub(super) fn is_idle(&self) -> bool {
        self.flight.is_none() && self.filling.is_empty()
    }

    fn progress(&mut self, number: u64) -> Option<&mut Progress> {
        if let Some(flight) = &mut self.flight
            && flight.number == number
        {
            return Some(&mut flight.progress);
        }
        self.filling.iter_mut().find(|b| b.number == number).map(|b| &mut b.progress)
    }
}

impl Store {
    /// Log batches made durable since the store was opened: one flush of a device with a volatile cache each.
    pub fn batches_durable(&self) -> u64 {
        self.commit.batches_durable
    }

    /// Starts the next batch if none is in flight. While too much logged data waits to be written in
    /// place, only `urgent` batches start: late acknowledgements are how writers are slowed down.
    pub(super) fn start_batch(&mut self, urgent: bool) -> Result<(), StoreError> {
        let full =
            self.overlay.bytes() > 2 * self.limits.overlay_bytes_max && self.overlay.writes_in_flight() > 0;
        if self.commit.flight.is_some() || (full && !urgent) {
            return Ok(());
        }
        let Some(mut batch) = self.commit.filling.pop_front() else { return Ok(()) };
        let header = BatchHeader {
            sequence: self.ring.head.sequence,
            incarnation: self.superblock.incarnation,
            first_lsn: batch.first_lsn,
            durable_upto: self.durable_lsn,
            previous_crc: self.ring.head.previous_crc,
            len: 0,
            records: batch.records,
            crc: 0,
        };
        let header = batch::seal(&self.superblock.identity.uuid, header, &mut batch.buf);
        let at = self.ring.head.at;
        let data = Bytes::from_owner(batch.buf);
        let len = data.len() as u64;
        assert!(len <= self.ring.free(), "a batch overruns the log: room was counted before it was accepted");
        let ranges: Vec<_> = self.ring.ranges(at, len).collect();
        // With one write and no fresh data it is one operation; that covers nothing but the log.
        let at_once = self.limits.volatile_cache
            && ranges.len() == 1
            && (!batch.progress.has_fresh || sabotage::is(Sabotage::FlushLogOnly))
            && !sabotage::is(Sabotage::AcknowledgeUnflushed);
        let mut from = 0;
        for (offset, len) in &ranges {
            let part = data.slice(from..from + *len as usize);
            from += *len as usize;
            if at_once {
                let tag = self.operations.insert(Operation::BatchWriteDurably);
                self.device.write_durably(tag, *offset, part);
            } else {
                let tag = self.operations.insert(Operation::BatchWrite);
                self.device.write(tag, *offset, part);
            }
        }
        self.ring.head = header.next(at);
        self.commit.flight = Some(Flight {
            number: batch.number,
            progress: batch.progress,
            log_writes: ranges.len(),
            flushing: at_once,
        });
        Ok(())
    }

    pub(super) fn batch_write_done(&mut self) {
        let flight = self.commit.flight.as_mut().expect("only a batch in flight is written");
        flight.log_writes -= 1;
        self.flush_batch();
    }

    pub(super) fn batch_written_durably(&mut self) {
        self.commit.flight.as_mut().expect("only a batch in flight is written").log_writes -= 1;
        self.batch_durable();
    }

    pub(super) fn fresh_done(&mut self, start: u64, batch: u64) {
        self.overlay.fresh_done(start);
        match self.commit.progress(batch) {
            Some(progress) => progress.fresh_writes -= 1,
            None => assert!(sabotage::is(Sabotage::FlushBesideFreshData), "a batch waits for its fresh data"),
        }
        self.flush_batch();
    }

    /// Once log and fresh data are written, flushes them together.
    fn flush_batch(&mut self) {
        let Some(flight) = &mut self.commit.flight else { return };
        let fresh = flight.progress.fresh_writes > 0 && !sabotage::is(Sabotage::FlushBesideFreshData);
        if flight.log_writes > 0 || fresh || flight.flushing {
            return;
        }
        flight.flushing = true;
        if self.limits.volatile_cache && !sabotage::is(Sabotage::AcknowledgeUnflushed) {
            let tag = self.operations.insert(Operation::BatchFlush);
            self.device.flush(tag);
        } else {
            self.batch_durable();
        }
    }

    /// The batch in flight is on stable storage, and so is everything before it.
    pub(super) fn batch_durable(&mut self) {
        let flight = self.commit.flight.take().expect("only a batch in flight becomes durable");
        assert_eq!(flight.log_writes, 0, "acknowledged before written");
        let fresh = flight.progress.fresh_writes;
        assert!(fresh == 0 || sabotage::is(Sabotage::FlushBesideFreshData), "acknowledged before written");
        self.durable_lsn = flight.progress.last_lsn;
        self.commit.batches_durable += 1;
        let done = flight.progress.tickets.into_iter().map(|ticket| Completion::Durable { ticket });
        self.completions.extend(done);
    }

    /// Blocks until every transaction accepted so far is durable.
    pub(super) fn drain(&mut self) -> Result<(), StoreError> {
        while !self.commit.is_idle() {
            self.start_batch(true)?;
            self.wait()?;
        }
        assert_eq!(self.durable_lsn + 1, self.next_lsn);
        Ok(())
    }
}
