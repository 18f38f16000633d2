//! What a store under load takes of memory: within a quarter of its target, whatever it is loaded with.
//!
//! Measured in a process of its own, with the program's allocator, so that nothing else counts.

use bytes::Bytes;
use osd_object::{Mutation, ObjectId, ObjectName, ObjectRead, OmapRange, SnapId, Transaction};
use osd_store::{CacheMode, Completion, Store, StoreConfig};
use placement_map::PoolId;
use std::process::Command;
use stdx::Rng;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Names the target in MiB to the process that is measured.
const TARGET: &str = "NACRE_TEST_MEMORY_TARGET_MIB";
/// Transactions under way.
const DEPTH: u64 = 64;

fn object(n: u64, snap: SnapId) -> ObjectId {
    let hash = (n as u32).wrapping_mul(0x9e37_79b9);
    ObjectId {
        pool: PoolId(1),
        hash,
        name: ObjectName::new(format!("some.object.of.usual.length.{n:08}")),
        snap,
    }
}

fn head(n: u64) -> ObjectId {
    object(n, SnapId::HEAD)
}

fn rss_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).expect("a line for VmRSS");
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number of KiB")
}

struct Loader {
    store: Store,
    submitted: u64,
    durable: u64,
    reads: u64,
    most_kib: u64,
}

impl Loader {
    fn drive(&mut self, under_way_max: u64) {
        loop {
            self.store.poll().expect("the store goes on");
            while let Some(done) = self.store.next_completion() {
                match done {
                    Completion::Durable { .. } => self.durable += 1,
                    Completion::Read { result, .. } => {
                        result.expect("readable");
                        self.reads -= 1;
                    }
                }
            }
            if self.submitted - self.durable <= under_way_max && self.reads <= under_way_max {
                return;
            }
            if !self.store.has_more() {
                let fds = rustix::event::PollFlags::IN;
                let mut fds = [rustix::event::PollFd::from_borrowed_fd(self.store.event_fd(), fds)];
                rustix::event::poll(&mut fds, None).expect("a descriptor to wait for");
            }
        }
    }

    fn submit(&mut self, mutations: Vec<Mutation>) {
        self.submit_at(DEPTH, mutations);
    }

    fn submit_at(&mut self, depth: u64, mutations: Vec<Mutation>) {
        self.store.submit(self.submitted, Transaction { mutations }).expect("there is space");
        self.submitted += 1;
        self.drive(depth - 1);
        if self.submitted.is_multiple_of(200) {
            self.most_kib = self.most_kib.max(rss_kib());
        }
    }

    fn phase(&mut self, what: &str) {
        self.drive(0);
        self.most_kib = self.most_kib.max(rss_kib());
        println!("{what}: {} KiB, most {} KiB", rss_kib(), self.most_kib);
    }
}

fn bytes(rng: &mut Rng, len: usize) -> Bytes {
    let mut out = vec![0; len];
    rng.fill(&mut out);
    out.into()
}

/// Everything that takes memory: many small objects, large ones, large omaps, clones, overwrites, reads, listings.
fn load(target_mib: u64) -> u64 {
    let dir = tempfile::tempdir_in("/var/tmp").expect("a directory on a disk");
    let config = StoreConfig {
        path: dir.path().join("osd.0"),
        device: None,
        size_bytes: 1536 << 20,
        memory_target_bytes: target_mib << 20,
        // What is measured is memory; flushes would only take time.
        volatile_cache: CacheMode::None,
    };
    Store::mkfs(&config, 0, [1; 16]).expect("a store");
    let store = Store::open(&config).expect("it opens");
    let mut l = Loader { store, submitted: 0, durable: 0, reads: 0, most_kib: 0 };
    let mut rng = Rng::new(target_mib);
    l.phase("open");
    for n in 0..30_000 {
        let len = 1 + rng.below(12_000) as usize;
        let data = bytes(&mut rng, len);
        let attribute = Mutation::SetXattr { object: head(n), name: "_".into(), value: bytes(&mut rng, 60) };
        l.submit(vec![Mutation::Write { object: head(n), offset: 0, data }, attribute]);
    }
    l.phase("small objects");
    for n in 0..150 {
        let data = bytes(&mut rng, 4 << 20);
        // As many as the OSD takes in at once (`osd/daemon/src/fullness.rs`): on a slow disk they are all in memory.
        let depth = (target_mib / 6 / 4).max(1);
        l.submit_at(depth, vec![Mutation::Write { object: head(100_000 + n), offset: 0, data }]);
    }
    l.phase("large objects");
    for n in 0..300_000 / 50 {
        let row = |i: u64, rng: &mut Rng| (Bytes::from(format!("key.{:010}", n * 50 + i)), bytes(rng, 100));
        let rows = (0..50).map(|i| row(i, &mut rng)).collect();
        l.submit(vec![Mutation::OmapSet { object: head(200_000 + n % 6), rows }]);
    }
    l.phase("omap rows");
    for n in 0..150 {
        let (from, to) = (head(100_000 + n), object(100_000 + n, SnapId(1)));
        l.submit(vec![Mutation::Clone { from, to }]);
    }
    for _ in 0..30_000 {
        let (n, unit) = (100_000 + rng.below(150), rng.below(1024));
        let data = bytes(&mut rng, 4096);
        l.submit(vec![Mutation::Write { object: head(n), offset: unit * 4096, data }]);
    }
    l.phase("overwrites of what clones share");
    for i in 0..15_000 {
        let n = if i % 100 == 0 { 100_000 + rng.below(150) } else { rng.below(30_000) };
        l.store.read(i, &head(n), 0, 0);
        l.reads += 1;
        l.drive(DEPTH / 4);
        if i % 200 == 0 {
            l.most_kib = l.most_kib.max(rss_kib());
        }
    }
    for n in 0..6 {
        let mut range = OmapRange::all();
        while let Some((last, _)) = l.store.omap_range(&head(200_000 + n), &range).expect("rows").rows.last()
        {
            range = range.after(last);
        }
    }
    l.phase("reads and listings");
    for n in 0..15_000 {
        l.submit(vec![Mutation::Remove { object: head(n * 2) }]);
    }
    l.phase("removals");
    l.most_kib
}

#[test]
fn the_process_that_is_measured() {
    if let Some(target) = std::env::var(TARGET).ok().and_then(|t| t.parse().ok()) {
        println!("most_kib={}", load(target));
    }
}

fn measure(target_mib: u64) {
    let exe = std::env::current_exe().expect("this program");
    let args = ["--exact", "the_process_that_is_measured", "--nocapture", "--test-threads=1"];
    let done = Command::new(exe).args(args).env(TARGET, target_mib.to_string()).output().expect("it runs");
    let said = String::from_utf8_lossy(&done.stdout);
    let most = said.lines().find_map(|l| l.split_once("most_kib=")?.1.trim().parse::<u64>().ok());
    let most = most.unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&done.stderr)));
    println!("{said}");
    assert!(most <= target_mib * 1024 * 5 / 4, "{most} KiB with a target of {target_mib} MiB:\n{said}");
}

#[test]
fn a_store_under_load_stays_within_a_quarter_of_128_mib() {
    measure(128);
}

#[test]
fn a_store_under_load_stays_within_a_quarter_of_256_mib() {
    measure(256);
}
