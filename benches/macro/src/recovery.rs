//! What it takes to make copies whole again, and what clients feel of it.
//!
//! Three OSDs, three copies, images over NBD. First an OSD is away while a part of an image is written: what is moved
//! when it is back should be what changed, object for object. Then an OSD is replaced by an empty one, so that all is
//! copied: once with nobody else there, as a share of what the disk gives to somebody who reads and writes a file of the
//! same size, and once under a load whose latency is held against that of before.

use crate::fio::{self, Fio, Job, Target};
use crate::options::Options;
use benches_row::{Better, Row};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tests_cluster::Cluster;

/// Bytes of an image's data object.
const OBJECT_BYTES: u64 = 4 << 20;
/// The image that is written while an OSD is away, and the part of it that is.
const AWAY_IMAGE_BYTES: u64 = 1 << 30;
const AWAY_PART_BYTES: u64 = AWAY_IMAGE_BYTES / 4;
/// Writes a second meanwhile: few enough for the PGs' logs to name all of them.
const AWAY_IOPS: u32 = 200;
/// The image that clients use while another is copied.
const LOAD_IMAGE_BYTES: u64 = 512 << 20;
/// Objects that move besides those written: headers, locks, the bookkeeping of gateways.
const OTHER_OBJECTS: u64 = 24;
/// Of the disk's rate, with nobody else there.
const DISK_SHARE_MIN: f64 = 0.7;
/// The client's p99 while copies are made, as a multiple of before.
const P99_GROWS_MAX: f64 = 2.0;
const PATIENCE: Duration = Duration::from_secs(3600);

/// Runs the cases.
pub(crate) fn run(options: &Options) -> Result<Vec<Row>, String> {
    let dir = options.scratch.join(format!("recovery-{}", std::process::id()));
    std::fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let full = options.gib << 30;
    // Room for a copy of each image, the index and what a store keeps free.
    let osd_size = format!("{}M", (full + full / 4 + AWAY_IMAGE_BYTES + LOAD_IMAGE_BYTES + (2 << 30)) >> 20);
    let layout = tests_cluster::Options {
        dir: Some(dir.clone()),
        osd_size: Box::leak(osd_size.into_boxed_str()),
        extra: vec!["--link".into(), options.link.clone()],
        ..tests_cluster::Options::default()
    };
    let cluster = Cluster::start("recovery", layout);
    let mut bench = Bench { cluster, options, dir: dir.clone(), newest: 2, rows: Vec::new() };
    let done = bench.cases(full);
    let rows = std::mem::take(&mut bench.rows);
    drop(bench);
    std::fs::remove_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    done.map(|()| rows)
}

struct Bench<'a> {
    cluster: Cluster,
    options: &'a Options,
    dir: PathBuf,
    /// The OSD that was made last.
    newest: u32,
    rows: Vec<Row>,
}

/// What moved, and how.
#[derive(Debug, Default)]
struct Moved {
    objects: u64,
    bytes: u64,
    seconds: f64,
    states: BTreeSet<String>,
}

impl Bench<'_> {
    fn cases(&mut self, full: u64) -> Result<(), String> {
        if self.options.wants("away") {
            self.away()?;
        }
        if self.options.wants("backfill") {
            self.image("full", full)?;
            self.image("load", LOAD_IMAGE_BYTES)?;
            self.backfill(full)?;
            self.backfill_under_load()?;
        }
        Ok(())
    }

    fn fio(&self, bytes: u64) -> Fio {
        Fio { program: self.options.fio.clone(), bytes }
    }

    fn target(&self, image: &str) -> Target {
        Target::Nbd(format!("nbd://{}/rbd/{image}", self.cluster.nbd()))
    }

    /// An image with every byte written.
    fn image(&self, name: &str, bytes: u64) -> Result<(), String> {
        self.cluster.nacre(&["image", "create", name, "--size", &bytes.to_string()]).ok();
        self.fio(bytes).fill(&self.target(name))?;
        self.cluster.wait_clean(3, PATIENCE);
        Ok(())
    }

    /// What OSDs copied so far: those that run now, since each started.
    fn moved(&self) -> (u64, u64) {
        let status = self.cluster.json(&["status"]);
        let of = |field: &str| status[field].as_u64().unwrap_or(0);
        (of("recovered_objects"), of("recovered_bytes"))
    }

    /// Does `what`, and waits until all is whole again.
    fn until_whole(&self, what: impl FnOnce(&Cluster)) -> Moved {
        // Beacons come every two seconds: what they say must be of before.
        std::thread::sleep(Duration::from_secs(5));
        let before = self.moved();
        let begin = Instant::now();
        what(&self.cluster);
        let mut moved = Moved::default();
        tests_cluster::wait::until("all copies whole", PATIENCE, Duration::from_millis(250), || {
            let pgs = self.cluster.pgs()?;
            let words = pgs.iter().flat_map(|pg| pg.state.split('+').map(str::to_owned).collect::<Vec<_>>());
            moved
                .states
                .extend(words.filter(|word| word.starts_with("recover") || word.starts_with("backfill")));
            match pgs.iter().find(|pg| pg.state != "active+clean" || pg.up.len() != 3 || pg.acting.len() != 3)
            {
                None => Ok(()),
                Some(pg) => Err(format!("{pg:?}")),
            }
        });
        moved.seconds = begin.elapsed().as_secs_f64();
        std::thread::sleep(Duration::from_secs(5));
        let after = self.moved();
        (moved.objects, moved.bytes) = (after.0.saturating_sub(before.0), after.1.saturating_sub(before.1));
        moved
    }

    fn away(&mut self) -> Result<(), String> {
        self.image("away", AWAY_IMAGE_BYTES)?;
        let seconds = self.options.away_seconds;
        self.cluster.daemon_stop("osd.0");
        let rate = format!("--rate_iops={AWAY_IOPS}");
        let job = Job { rw: "randwrite", reads_percent: 0, block: "4k", depth: 4, jobs: 1 };
        let fio = Fio { program: "fio".into(), bytes: AWAY_PART_BYTES };
        fio.run_with(&self.target("away"), &job, seconds, &[&rate])?;
        let moved = self.until_whole(|cluster| cluster.daemon_start("osd.0"));
        let written = (AWAY_PART_BYTES / OBJECT_BYTES).min(u64::from(AWAY_IOPS) * seconds);
        println!(
            "  osd.0 was away for {seconds} s: {} objects ({} MiB) moved in {:.1} s, {written} of {} were written; {:?}",
            moved.objects,
            moved.bytes >> 20,
            moved.seconds,
            AWAY_IMAGE_BYTES / OBJECT_BYTES,
            moved.states
        );
        let by_log = !moved.states.iter().any(|state| state.starts_with("backfill"));
        let case = if by_log {
            "osd away: objects moved, by the log"
        } else {
            "osd away: objects moved, NOT by the log"
        };
        let limit = (written + OTHER_OBJECTS) as f64;
        self.rows.push(Row::new(case, "objects", Better::Less, moved.objects as f64).within(limit));
        self.rows.push(Row::new("osd away: whole again after", "s", Better::Less, moved.seconds));
        self.cluster.nacre(&["image", "rm", "away"]).ok();
        Ok(())
    }

    /// The newest OSD is replaced by an empty one.
    fn replace(&mut self) -> Moved {
        let old = self.newest.to_string();
        let name = format!("osd.{old}");
        self.cluster.daemon_stop(&name);
        self.cluster.wait_noticed_down(i64::from(self.newest), PATIENCE);
        self.cluster.nacre(&["osd", "out", &old]).ok();
        self.cluster.nacre(&["osd", "rm", &old]).ok();
        // What is gone must not count as room that the next one lacks.
        let _ = std::fs::remove_dir_all(self.cluster.dir().join(&name));
        self.newest += 1;
        self.until_whole(|cluster| {
            cluster.nacre(&["osd", "add"]).ok();
        })
    }

    fn backfill(&mut self, full: u64) -> Result<(), String> {
        let (source, sink) = (self.dir.join("disk-limit-a"), self.dir.join("disk-limit-b"));
        // As much as the copy, at most what a machine has to spare.
        let bytes = full.min(4 << 30);
        let (from, _to) = (fio::raw_file(&source, bytes)?, fio::raw_file(&sink, bytes)?);
        let job = Job { rw: "rw", reads_percent: 50, block: "1m", depth: 16, jobs: 1 };
        let report = self.fio(bytes).run(&from, &job, self.options.seconds)?;
        let disk = report.write.iops;
        for file in [source, sink] {
            std::fs::remove_file(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        }
        let moved = self.replace();
        let rate = moved.bytes as f64 / moved.seconds / (1u64 << 20) as f64;
        println!(
            "  backfill of {} MiB ({} objects) in {:.1} s: {rate:.0} MiB/s; the disk reads and writes {disk:.0} MiB/s each at \
             once; {:?}",
            moved.bytes >> 20,
            moved.objects,
            moved.seconds,
            moved.states
        );
        let case = "backfill, idle: share of the disk";
        self.rows.push(Row::new("backfill, idle", "MiB/s", Better::More, rate).of_disk(Some(disk)));
        self.rows.push(Row::new(case, "of 1", Better::More, rate / disk).beside(Some(DISK_SHARE_MIN), 1.0));
        Ok(())
    }

    fn backfill_under_load(&mut self) -> Result<(), String> {
        let job = Job { rw: "randwrite", reads_percent: 0, block: "4k", depth: 1, jobs: 1 };
        let (fio, target) = (self.fio(LOAD_IMAGE_BYTES), self.target("load"));
        let before = fio.run(&target, &job, self.options.seconds)?.write;
        let stop = std::sync::atomic::AtomicBool::new(false);
        let seconds = self.options.seconds.min(5);
        let (moved, during) = std::thread::scope(|scope| {
            let load = scope.spawn(|| {
                let mut during = Vec::new();
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    during.push(fio.run(&target, &job, seconds)?.write);
                }
                // The last one ran on when all was whole.
                if during.len() > 1 {
                    during.pop();
                }
                Ok::<_, String>(during)
            });
            let moved = self.replace();
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            let during = load.join().unwrap_or_else(|_| Err("the load panicked".into()));
            during.map(|during| (moved, during))
        })?;
        let mut p99: Vec<f64> = during.iter().map(|side| side.p99_us).collect();
        p99.sort_by(f64::total_cmp);
        let (middle, worst) = (p99[p99.len() / 2], p99[p99.len() - 1]);
        println!(
            "  backfill under 4k writes, depth 1: {} MiB in {:.1} s; p99 {:.0} us before, {middle:.0} us while in the middle of \
             {} spans of {seconds} s, {worst:.0} us in the worst",
            moved.bytes >> 20,
            moved.seconds,
            before.p99_us,
            p99.len()
        );
        let case = "backfill: client's p99 while it runs";
        let limit = before.p99_us * P99_GROWS_MAX;
        self.rows.push(Row::new(case, "us", Better::Less, middle).within(limit));
        Ok(())
    }
}
