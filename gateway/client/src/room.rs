//! What a client may have in flight. Reads and writes have room of their own: writes wait while a PG has too few
//! members, and reads, which such a PG still serves, must not wait behind them.

use osd_class::{Access, Registry};
use osd_object::Op;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wire_transport::{QUEUE_FRAMES_MAX, QUEUE_KIB_MAX};

/// What may be in flight of one kind.
#[derive(Clone, Copy)]
struct Limit {
    kib: u32,
    operations: u32,
}

const WRITES: Limit = Limit { kib: 36 * 1024, operations: 500 };
const READS: Limit = Limit { kib: 24 * 1024, operations: 500 };

// All of it may go to one OSD. If that overflowed its queue, the driver would connect anew for ever.
const _: () = {
    let operations = (WRITES.operations + READS.operations) as usize;
    assert!((WRITES.kib + READS.kib) as usize + operations < QUEUE_KIB_MAX && operations < QUEUE_FRAMES_MAX);
};

/// A read's answer is charged for at most so much, so that large reads still overlap.
const READ_CHARGE_MAX: u64 = 1 << 20;
/// A read to the end of an object of unknown size.
const READ_CHARGE_UNKNOWN: u64 = 64 << 10;

/// What a client has asked of OSDs since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpCounts {
    /// Operations that change nothing: each is one read by one OSD. Pages of listings count, too.
    pub reads: u64,
    /// Operations that change an object: each is one transaction of its PG, however many steps it has.
    pub writes: u64,
}

/// The room of one client.
pub(crate) struct Rooms {
    writes: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    registry: Registry,
    counts: [AtomicU64; 2],
}

impl Rooms {
    pub(crate) fn new() -> Rooms {
        let room = |l: Limit| Arc::new(Semaphore::new(l.kib as usize));
        let counts = [const { AtomicU64::new(0) }; 2];
        Rooms { writes: room(WRITES), reads: room(READS), registry: Registry::standard(), counts }
    }

    /// What was let in.
    pub(crate) fn counts(&self) -> OpCounts {
        let [reads, writes] = [0, 1].map(|n: usize| self.counts[n].load(Ordering::Relaxed));
        OpCounts { reads, writes }
    }

    /// Waits until there is room for an operation, in the order of asking, and takes it. No steps: a listing.
    pub(crate) async fn admit(&self, ops: &[Op]) -> OwnedSemaphorePermit {
        let (room, limit, count) = match self.registry.access(ops) {
            Access::Write => (&self.writes, WRITES, &self.counts[1]),
            Access::Read => (&self.reads, READS, &self.counts[0]),
        };
        let permit = room.clone().acquire_many_owned(charge_kib(ops, limit)).await;
        count.fetch_add(1, Ordering::Relaxed);
        permit.expect("rooms are never closed")
    }
}

/// The share of a limit, at least what makes the most operations fill it.
fn charge_kib(ops: &[Op], limit: Limit) -> u32 {
    let bytes: u64 = ops.iter().map(charge).fold(0, u64::saturating_add);
    let least = limit.kib.div_ceil(limit.operations);
    // Never more than there is: an operation that is too large must get its turn to be refused.
    bytes.div_ceil(1024).clamp(u64::from(least), u64::from(limit.kib)) as u32
}

/// Bytes that a step takes on the way there or back.
fn charge(op: &Op) -> u64 {
    match op {
        Op::Write { data, .. } | Op::WriteFull { data } | Op::Append { data } => data.len() as u64,
        Op::Call { input, .. } => input.len() as u64,
        Op::Notify { payload, .. } => payload.len() as u64,
        Op::NotifyAck { reply, .. } => reply.len() as u64,
        Op::SetXattr { name, value } | Op::CmpXattr { name, value, .. } => (name.len() + value.len()) as u64,
        Op::OmapSet { rows } => rows.iter().map(|(k, v)| (k.len() + v.len()) as u64).sum(),
        Op::CmpOmap { key, value, .. } => (key.len() + value.len()) as u64,
        Op::OmapRm { keys } | Op::OmapGet { keys } => keys.iter().map(|k| k.len() as u64).sum(),
        Op::Read { len: 0, .. } => READ_CHARGE_UNKNOWN,
        Op::Read { len, .. } => (*len).min(READ_CHARGE_MAX),
        Op::OmapGetRange { range } => u64::from(range.bytes_max).min(READ_CHARGE_UNKNOWN),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn charges_are_bounded_on_both_sides() {
        assert_eq!(charge_kib(&[Op::Stat], READS), READS.kib.div_ceil(READS.operations));
        assert_eq!(charge_kib(&[Op::WriteFull { data: Bytes::from(vec![0; 4 << 20]) }], WRITES), 4096);
        assert_eq!(charge_kib(&[Op::Read { offset: 0, len: u64::MAX }], READS), 1024);
        let huge = vec![Op::Read { offset: 0, len: u64::MAX }; 100];
        assert_eq!(charge_kib(&huge, READS), READS.kib);
    }

    #[tokio::test]
    async fn writes_that_wait_leave_room_for_reads() {
        let rooms = Rooms::new();
        let mut stuck = Vec::new();
        for _ in 0..WRITES.kib / WRITES.kib.div_ceil(WRITES.operations) {
            stuck.push(rooms.admit(&[Op::Create { exclusive: false }]).await);
        }
        let more = [Op::Delete, Op::Delete];
        let waits = rooms.admit(&more);
        tokio::pin!(waits);
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(waits.as_mut().poll(cx).is_pending()));
        assert!(polled.await, "there is no room for another write");
        drop(rooms.admit(&[Op::Stat]).await);
        drop(rooms.admit(&[]).await);
        assert_eq!(rooms.counts(), OpCounts { reads: 2, writes: stuck.len() as u64 });
        stuck.pop();
        drop(waits.await);
        assert_eq!(rooms.counts().writes, stuck.len() as u64 + 2);
    }
}
