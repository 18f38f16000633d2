//! One store, driven as a reactor drives it, at a fixed depth.

use crate::clock;
use bytes::Bytes;
use osd_object::{Mutation, ObjectId, ObjectName, Transaction, Version};
use osd_store::{AlignedBuf, Completion, Store, StoreConfig};
use placement_map::PoolId;
use rustix::event::{PollFd, PollFlags, poll};
use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};
use stdx::Rng;
use stdx::time::WallTime;

/// Objects are as large as those of an image.
pub(super) const OBJECT_BYTES: u64 = 4 << 20;
/// The block of the small cases.
pub(super) const BLOCK_BYTES: u64 = 4 << 10;

/// A store and what is under way in it.
pub(super) struct Rig {
    pub(super) store: Store,
    rng: Rng,
    /// Random bytes, of which each write takes a part.
    bytes: Bytes,
    objects: Vec<ObjectId>,
    next_ticket: u64,
    /// When each operation under way began, by ticket.
    begun: HashMap<u64, Instant>,
}

/// One kind of operation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// 4 KiB at a random place.
    WriteBlock,
    /// 4 KiB at a random place.
    ReadBlock,
    /// A whole object.
    WriteObject,
    /// A whole object.
    ReadObject,
}

/// What a run came to.
pub(super) struct Measured {
    pub(super) operations: u64,
    pub(super) seconds: f64,
    /// User and system time of the process, seconds.
    pub(super) cpu_seconds: f64,
    /// Log batches made durable, each with one flush.
    pub(super) batches: u64,
    /// Sorted.
    latencies: Vec<Duration>,
}

impl Measured {
    pub(super) fn rate(&self) -> f64 {
        self.operations as f64 / self.seconds
    }
    pub(super) fn cpu_us(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.operations as f64
    }
    /// The latency that this share of operations stays within, microseconds.
    pub(super) fn percentile_us(&self, share: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let at = (last as f64 * share) as usize;
        self.latencies.get(at).map_or(0.0, |latency| latency.as_secs_f64() * 1e6)
    }
}

/// How the stores of this suite are made and opened.
pub(super) fn config(dir: &Path, size_bytes: u64) -> StoreConfig {
    StoreConfig {
        path: dir.to_path_buf(),
        device: None,
        size_bytes,
        memory_target_bytes: 1 << 30,
        volatile_cache: osd_store::CacheMode::Auto,
    }
}

impl Rig {
    /// Opens a store that was made with `config`; it works on `objects` objects.
    pub(super) fn open(config: &StoreConfig, objects: u64, seed: u64) -> Result<Rig, String> {
        let objects = (0..objects).map(object).collect();
        let store = Store::open(config).map_err(|error| error.to_string())?;
        let mut rng = Rng::new(seed);
        let mut random = AlignedBuf::zeroed(2 * OBJECT_BYTES as usize);
        rng.fill(&mut random);
        let bytes = Bytes::from_owner(random);
        Ok(Rig { store, rng, bytes, objects, next_ticket: 1, begun: HashMap::new() })
    }

    /// Writes every object once, in order.
    pub(super) fn fill(&mut self) -> Result<(), String> {
        for n in 0..self.objects.len() {
            self.write(n, 0, OBJECT_BYTES)?;
            while self.begun.len() >= 4 {
                self.turn(&mut Vec::new())?;
            }
        }
        self.finish(&mut Vec::new())?;
        self.store.flush_index().map_err(|error| error.to_string())
    }

    /// Keeps `depth` operations under way until `duration` is over, then finishes them.
    pub(super) fn run(&mut self, kind: Kind, depth: usize, duration: Duration) -> Result<Measured, String> {
        let (cpu, batches) = (clock::own_with_system()?, self.store.batches_durable());
        let mut latencies = Vec::new();
        let start = Instant::now();
        while start.elapsed() < duration {
            while self.begun.len() < depth {
                self.begin(kind)?;
            }
            self.turn(&mut latencies)?;
        }
        self.finish(&mut latencies)?;
        latencies.sort_unstable();
        Ok(Measured {
            operations: latencies.len() as u64,
            seconds: start.elapsed().as_secs_f64(),
            cpu_seconds: clock::own_with_system()? - cpu,
            batches: self.store.batches_durable() - batches,
            latencies,
        })
    }

    /// Brings the depth up to `depth` and takes what is done, once.
    pub(super) fn run_some(&mut self, kind: Kind, depth: usize) -> Result<(), String> {
        while self.begun.len() < depth {
            self.begin(kind)?;
        }
        self.turn(&mut Vec::new())
    }

    fn begin(&mut self, kind: Kind) -> Result<(), String> {
        let n = self.rng.below(self.objects.len() as u64) as usize;
        let offset = self.rng.below(OBJECT_BYTES / BLOCK_BYTES) * BLOCK_BYTES;
        match kind {
            Kind::WriteBlock => self.write(n, offset, BLOCK_BYTES),
            Kind::WriteObject => self.write(n, 0, OBJECT_BYTES),
            Kind::ReadBlock => self.read(n, offset, BLOCK_BYTES),
            Kind::ReadObject => self.read(n, 0, OBJECT_BYTES),
        }
    }

    fn ticket(&mut self) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.begun.insert(ticket, Instant::now());
        ticket
    }

    fn write(&mut self, n: usize, offset: u64, len: u64) -> Result<(), String> {
        // Another part each time, and aligned, as buffers from a socket can be.
        let from = self.rng.below(OBJECT_BYTES / BLOCK_BYTES) as usize * BLOCK_BYTES as usize;
        let data = self.bytes.slice(from..from + len as usize);
        let (object, ticket) = (self.objects[n].clone(), self.ticket());
        let mut transaction = Transaction::new();
        transaction.push(Mutation::Write { object: object.clone(), offset, data });
        let version = Version { interval: 1, seq: ticket };
        transaction.push(Mutation::Stamp { object, version, mtime: WallTime::default() });
        self.store.submit(ticket, transaction).map_err(|error| error.to_string())
    }

    fn read(&mut self, n: usize, offset: u64, len: u64) -> Result<(), String> {
        let ticket = self.ticket();
        self.store.read(ticket, &self.objects[n], offset, len);
        Ok(())
    }

    /// Hands over what was begun and takes what is done; waits for the device if nothing is.
    fn turn(&mut self, latencies: &mut Vec<Duration>) -> Result<(), String> {
        self.store.poll().map_err(|error| error.to_string())?;
        let before = self.begun.len();
        while let Some(completion) = self.store.next_completion() {
            let ticket = match completion {
                Completion::Durable { ticket } => ticket,
                Completion::Read { ticket, result } => {
                    result.map_err(|error| format!("a read failed: {error:?}"))?;
                    ticket
                }
            };
            let begun = self.begun.remove(&ticket).ok_or("a completion of nothing that was begun")?;
            latencies.push(begun.elapsed());
        }
        if self.begun.len() == before && before > 0 && !self.store.has_more() {
            let event = self.store.event_fd();
            let mut wanted = [PollFd::new(&event, PollFlags::IN)];
            match poll(&mut wanted, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(format!("waiting for the store: {error}")),
            }
        }
        Ok(())
    }

    fn finish(&mut self, latencies: &mut Vec<Duration>) -> Result<(), String> {
        while !self.begun.is_empty() {
            self.turn(latencies)?;
        }
        Ok(())
    }
}

fn object(n: u64) -> ObjectId {
    let hash = (n as u32).wrapping_mul(0x9e37_79b9);
    ObjectId::head(PoolId(1), hash, ObjectName::new(format!("rbd_data.10ab6b8b4567.{n:016x}")))
}
