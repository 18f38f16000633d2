//! Writers that put, overwrite and delete without pause, and note what was acknowledged and when.

use crate::S3;
use crate::ledger::{Entry, Ledger, Version};
use crate::s3::{Connection, Request};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use stdx::Rng;

/// Keys of each writer. Few, so that most writes are overwrites.
const KEYS: u64 = 40;

/// One acknowledged operation: seconds since the load began.
#[derive(Clone, Copy, Debug)]
pub struct Acked {
    /// When it was sent.
    pub begin: f64,
    /// When the answer was there.
    pub end: f64,
}

/// What one writer has to tell.
#[derive(Default)]
pub struct Told {
    /// Its part of the ledger.
    pub ledger: Ledger,
    /// Its acknowledged operations, in order.
    pub acked: Vec<Acked>,
    /// Operations without a success, and how each ended.
    pub failed: Vec<String>,
}

/// A running load.
pub struct Load {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    begin: Instant,
    writers: Vec<JoinHandle<Told>>,
}

impl Load {
    /// Starts `writers` threads that work on `bucket`, each with keys of its own, going on from what `ledger` says.
    pub fn start(s3: &S3, bucket: &str, writers: u64, ledger: &Ledger, round: u64) -> Load {
        let (stop, count, begin) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Instant::now());
        let writers = (0..writers)
            .map(|number| {
                let prefix = format!("w{number:02}/");
                let keys = ledger.keys.range(prefix.clone()..).take_while(|(k, _)| k.starts_with(&prefix));
                let part =
                    Ledger { seed: ledger.seed, keys: keys.map(|(k, e)| (k.clone(), e.clone())).collect() };
                let writer = Writer {
                    s3: s3.clone(),
                    bucket: bucket.to_string(),
                    prefix,
                    rng: Rng::new(crate::content::mix(&[ledger.seed, round, number])),
                    connection: None,
                    told: Told { ledger: part, ..Told::default() },
                    begin,
                    count: count.clone(),
                };
                let stop = stop.clone();
                std::thread::spawn(move || writer.run(&stop))
            })
            .collect();
        Load { stop, count, begin, writers }
    }

    /// Seconds since it began.
    pub fn seconds(&self) -> f64 {
        self.begin.elapsed().as_secs_f64()
    }

    /// Operations acknowledged so far.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Waits until `more` further operations were acknowledged.
    pub fn wait_for(&self, more: u64, patience: Duration) {
        let goal = self.count() + more;
        crate::wait::until("the load to go on", patience, Duration::from_millis(5), || match self.count() {
            count if count >= goal => Ok(()),
            count => Err(format!("{count} of {goal} operations are acknowledged")),
        });
    }

    /// Ends it and collects: the ledger of all keys, and each writer's story.
    pub fn finish(self, ledger: &mut Ledger) -> Vec<Told> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for writer in self.writers {
            let mut told = writer.join().unwrap_or_else(|_| panic!("a writer panicked"));
            ledger.merge(std::mem::take(&mut told.ledger));
            all.push(told);
        }
        all
    }
}

struct Writer {
    s3: S3,
    bucket: String,
    prefix: String,
    rng: Rng,
    connection: Option<Connection>,
    told: Told,
    begin: Instant,
    count: Arc<AtomicU64>,
}

impl Writer {
    fn run(mut self, stop: &AtomicBool) -> Told {
        while !stop.load(Ordering::Relaxed) {
            let key = format!("{}k{:03}", self.prefix, self.rng.below(KEYS));
            let entry = self.told.ledger.keys.entry(key.clone()).or_default().clone();
            // A request without an answer may still take effect later; only a check settles what the key holds.
            let settled = entry.maybe.is_empty();
            if !settled {
                if self.told.ledger.keys.values().filter(|e| e.maybe.is_empty()).count() == 0 {
                    break;
                }
                continue;
            }
            let delete = entry.acked.is_some() && self.rng.chance(15, 100);
            self.write(&key, &entry, delete);
        }
        self.told
    }

    fn write(&mut self, key: &str, entry: &Entry, delete: bool) {
        let version: Version = if delete { None } else { Some(entry.next) };
        let request = match version {
            None => Request::object("DELETE", &self.bucket, key),
            Some(n) => Request::object("PUT", &self.bucket, key).body(&self.told.ledger.content(key, n)),
        };
        let request = self.s3.sign(request);
        let connection = match self.connection.take().filter(|c| !c.closed) {
            Some(connection) => Ok(connection),
            None => self.s3.connect(),
        };
        let mut connection = match connection {
            Ok(connection) => connection,
            Err(e) => {
                // Nothing was sent, so nothing is in doubt. The pause only keeps a dead gateway's port from being hammered.
                self.told.failed.push(format!("connect: {e}"));
                std::thread::sleep(Duration::from_millis(20));
                return;
            }
        };
        let begin = self.begin.elapsed().as_secs_f64();
        let result: io::Result<_> = connection.exchange(&request.bytes(&self.s3.host), false);
        let end = self.begin.elapsed().as_secs_f64();
        let slot = self.told.ledger.keys.entry(key.to_string()).or_default();
        slot.next = entry.next + u64::from(version.is_some());
        match result {
            Ok(response) if (200..300).contains(&response.status) => {
                slot.acked = version;
                self.told.acked.push(Acked { begin, end });
                self.count.fetch_add(1, Ordering::Relaxed);
                self.connection = Some(connection);
            }
            Ok(response) => {
                slot.maybe.push(version);
                self.told.failed.push(format!("{key}: {}", response.brief()));
            }
            Err(e) => {
                slot.maybe.push(version);
                self.told.failed.push(format!("{key}: {e}"));
            }
        }
    }
}

/// The longest time after `from` (seconds) in which nobody was acknowledged anything, and the slowest single
/// operation that was in flight at or sent after it.
pub fn stalls(told: &[Told], from: f64, to: f64) -> (f64, f64) {
    let mut ends: Vec<f64> =
        told.iter().flat_map(|t| &t.acked).map(|a| a.end).filter(|e| *e >= from && *e <= to).collect();
    ends.push(from);
    ends.push(to);
    ends.sort_by(f64::total_cmp);
    let gap = ends.windows(2).map(|w| w[1] - w[0]).fold(0.0, f64::max);
    let slowest = told
        .iter()
        .flat_map(|t| &t.acked)
        .filter(|a| a.end >= from && a.begin <= to)
        .map(|a| a.end - a.begin)
        .fold(0.0, f64::max);
    (gap, slowest)
}
