//! Fills a bucket with small objects, many in one transaction, and splits its index as it grows.

use super::no;
use crate::exit::Failure;
use gateway_client::Client;
use gateway_s3::storage::{Bucket, Storage};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Objects of one transaction.
const PAGE: u64 = 500;
/// How often it is told how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(5);
/// A pause between two looks for shards that are to be split.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What is wanted.
pub(super) struct Wanted {
    pub(super) from: u64,
    pub(super) keys: u64,
    pub(super) per_prefix: u64,
    pub(super) writers: u64,
}

/// The key of a number.
fn key(number: u64, per_prefix: u64) -> String {
    format!("d{:08}/k{number:012}", number / per_prefix.max(1))
}

/// Loads, and waits for the splits that this makes due.
pub(super) async fn run(storage: &Storage<Client>, bucket: &Bucket, wanted: Wanted) -> Result<(), Failure> {
    let (begin, done) = (Instant::now(), AtomicU64::new(0));
    let writers = wanted.writers.clamp(1, 64);
    let each = wanted.keys.div_ceil(writers);
    let end = wanted.from.saturating_add(wanted.keys);
    let ranges = (0..writers).map(|w| {
        let first = (wanted.from + w * each).min(end);
        first..(first + each).min(end)
    });
    let load = async |range: std::ops::Range<u64>| {
        let mut at = range.start;
        while at < range.end {
            let upto = (at + PAGE).min(range.end);
            let keys: Vec<String> = (at..upto).map(|n| key(n, wanted.per_prefix)).collect();
            storage.load_objects(bucket, &keys, &Default::default()).await.map_err(no)?;
            done.fetch_add(upto - at, Ordering::Relaxed);
            at = upto;
        }
        Ok::<(), Failure>(())
    };
    let all = futures_util::future::try_join_all(ranges.map(load));
    let split = async {
        loop {
            storage.split_waiting().await;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let tell = async {
        loop {
            tokio::time::sleep(TOLD_EVERY).await;
            say(&done, begin);
        }
    };
    let loaded = tokio::select! {
        loaded = all => loaded,
        () = async { tokio::join!(split, tell); } => Ok(Vec::new()),
    };
    loaded?;
    storage.split_waiting().await;
    say(&done, begin);
    Ok(())
}

fn say(done: &AtomicU64, begin: Instant) {
    let (count, seconds) = (done.load(Ordering::Relaxed), begin.elapsed().as_secs_f64());
    println!("{count} objects in {seconds:.1} s, {:.0}/s", count as f64 / seconds);
}
