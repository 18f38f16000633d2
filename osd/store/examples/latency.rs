//! Drives one store on a real file and prints what it achieves: `latency DIR [SECONDS]`.
//! A quick look while working on the store, not the benchmark that numbers are quoted from (benches/).

use bytes::Bytes;
use osd_object::{Mutation, ObjectId, ObjectName, Transaction};
use osd_store::{CacheMode, Completion, Store, StoreConfig};
use placement_map::PoolId;
use std::time::{Duration, Instant};
use stdx::Rng;

const IMAGE_OBJECTS: u64 = 64;
const OBJECT_BYTES: u64 = 4 << 20;

fn object(n: u64) -> ObjectId {
    ObjectId::head(
        PoolId(1),
        (n as u32).wrapping_mul(0x9e37_79b9),
        ObjectName::new(format!("rbd_data.1.{n:016x}")),
    )
}

fn write(n: u64, offset: u64, len: u64) -> Transaction {
    let data = Bytes::from(vec![n as u8; len as usize]);
    Transaction { mutations: vec![Mutation::Write { object: object(n), offset, data }] }
}

fn cpu() -> Duration {
    // Fields 14 and 15, counted behind the command's name: user and system time in ticks of 10 ms.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    Duration::from_millis(10 * (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()))
}

/// Keeps `depth` operations under way for a while.
fn drive(store: &mut Store, name: &str, depth: u64, seconds: u64, mut issue: impl FnMut(&mut Store, u64)) {
    let (start, cpu_start) = (Instant::now(), cpu());
    let (mut issued, mut done) = (0u64, 0u64);
    let mut began = std::collections::BTreeMap::new();
    let mut latencies = Vec::new();
    while start.elapsed() < Duration::from_secs(seconds) || done < issued {
        while issued < done + depth && start.elapsed() < Duration::from_secs(seconds) {
            issue(store, issued);
            began.insert(issued, Instant::now());
            issued += 1;
        }
        store.poll().unwrap();
        let before = done;
        while let Some(c) = store.next_completion() {
            let ticket = match c {
                Completion::Durable { ticket } => ticket,
                Completion::Read { ticket, result } => {
                    result.unwrap();
                    ticket
                }
            };
            latencies.push(began.remove(&ticket).unwrap().elapsed());
            done += 1;
        }
        if done == before && done < issued {
            let mut fds =
                [rustix::event::PollFd::from_borrowed_fd(store.event_fd(), rustix::event::PollFlags::IN)];
            rustix::event::poll(&mut fds, None).unwrap();
        }
    }
    let elapsed = start.elapsed();
    latencies.sort();
    let at = |p: usize| latencies[(latencies.len() - 1) * p / 1000];
    println!(
        "{name:32} {:>9.0}/s  p50 {:>9.1?}  p99 {:>9.1?}  max {:>9.1?}  CPU {:>7.1?}/op",
        done as f64 / elapsed.as_secs_f64(),
        at(500),
        at(990),
        at(1000),
        (cpu() - cpu_start) / done as u32
    );
}

fn main() {
    let mut args = std::env::args().skip(1);
    let dir = args.next().expect("usage: latency DIR [SECONDS]");
    let seconds = args.next().map_or(3, |s| s.parse().expect("SECONDS is a number"));
    let config = StoreConfig {
        path: dir.into(),
        device: None,
        size_bytes: 4 << 30,
        memory_target_bytes: 256 << 20,
        volatile_cache: CacheMode::Auto,
    };
    let start = Instant::now();
    Store::mkfs(&config, 0, [1; 16]).unwrap();
    println!("mkfs {:.1?}", start.elapsed());
    let start = Instant::now();
    let mut store = Store::open(&config).unwrap();
    println!("open {:.1?}", start.elapsed());
    let mut rng = Rng::new(1);
    let s = &mut store;
    let mut fill = 0;
    drive(s, "4 MiB writes, depth 8", 8, seconds, |s, t| {
        s.submit(t, write(fill % IMAGE_OBJECTS, 0, OBJECT_BYTES)).unwrap();
        fill += 1;
    });
    for n in 0..IMAGE_OBJECTS {
        s.submit(0, write(n, 0, OBJECT_BYTES)).unwrap();
    }
    s.flush_index().unwrap();
    while s.next_completion().is_some() {}
    let mut spot = move || (rng.below(IMAGE_OBJECTS), rng.below(OBJECT_BYTES / 4096) * 4096);
    for depth in [1, 32, 64] {
        drive(s, &format!("4 KiB overwrites, depth {depth}"), depth, seconds, |s, t| {
            let (n, offset) = spot();
            s.submit(t, write(n, offset, 4096)).unwrap();
        });
    }
    println!("{:?}", s.usage());
    s.flush_index().unwrap();
    for depth in [1, 32] {
        drive(s, &format!("4 KiB reads, depth {depth}"), depth, seconds, |s, t| {
            let (n, offset) = spot();
            s.read(t, &object(n), offset, 4096);
        });
    }
    drive(s, "4 MiB reads, depth 8", 8, seconds, |s, t| s.read(t, &object(t % IMAGE_OBJECTS), 0, 0));
    for depth in [1, 32] {
        drive(s, &format!("omap rows of 300 bytes, depth {depth}"), depth, seconds, |s, t| {
            let (n, offset) = spot();
            let rows = vec![(Bytes::from(format!("bucket/key-{offset:012}-{t}")), Bytes::from(vec![7; 300]))];
            let m = Mutation::OmapSet { object: object(1_000_000 + n % 4), rows };
            s.submit(t, Transaction { mutations: vec![m] }).unwrap();
        });
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|l| l.starts_with("VmRSS")).unwrap());
    let start = Instant::now();
    drop(store);
    let mut store = Store::open(&config).unwrap();
    println!("open after a crash {:.1?}", start.elapsed());
    let start = Instant::now();
    let report = store.fsck().unwrap();
    println!(
        "fsck {:.1?}: {} objects, {} units, clean {}",
        start.elapsed(),
        report.objects,
        report.units,
        report.is_clean()
    );
}
