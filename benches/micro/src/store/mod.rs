//! One OSD's store without the network, beside fio on a raw file of the same file system in the same run.
//!
//! Both write with O_DIRECT through io_uring to a file that was written before, and flush as often: fio gets
//! a flush per as many writes as the store's batches held on average.

mod ceph;
mod disk;
mod fio;
mod rig;

use benches_row::{Better, Row};
use fio::Job;
use osd_store::Store;
use rig::{BLOCK_BYTES, Kind, Measured, OBJECT_BYTES, Rig};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// The first argument of this program when it is to fill a log and wait to be killed.
pub(crate) const CHILD: &str = "--fill-log-of";
/// What that child says when the log is full.
const FULL: &str = "full";

/// Sizes and times; a quick run finds faults, not figures.
struct Scale {
    store_bytes: u64,
    objects: u64,
    seconds: u64,
}

impl Scale {
    fn new(quick: bool) -> Scale {
        match quick {
            true => Scale { store_bytes: 1 << 30, objects: 64, seconds: 1 },
            false => Scale { store_bytes: 6 << 30, objects: 512, seconds: 8 },
        }
    }
    fn data_bytes(&self) -> u64 {
        self.objects * OBJECT_BYTES
    }
}

/// All of it.
pub(crate) fn run(quick: bool) -> Result<Vec<Row>, String> {
    measure(quick, &[Bench::writes, Bench::reads, Bench::objects, Bench::restart])
}
/// 4 KiB overwrites only.
pub(crate) fn writes(quick: bool) -> Result<Vec<Row>, String> {
    measure(quick, &[Bench::writes])
}
/// 4 KiB reads only.
pub(crate) fn reads(quick: bool) -> Result<Vec<Row>, String> {
    measure(quick, &[Bench::reads])
}
/// 4 MiB objects only.
pub(crate) fn objects(quick: bool) -> Result<Vec<Row>, String> {
    measure(quick, &[Bench::objects])
}

/// 4 KiB overwrites for a second of CPU, beside Ceph's.
pub(crate) fn beside_ceph(quick: bool) -> Result<Vec<Row>, String> {
    measure(quick, &[Bench::beside_ceph])
}

type Part = fn(&mut Bench) -> Result<(), String>;

/// Space is taken where the program was built, which is on a disk where a temporary directory may not be.
fn measure(quick: bool, parts: &[Part]) -> Result<Vec<Row>, String> {
    let scale = Scale::new(quick);
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let here = here.parent().ok_or("the program has no directory")?;
    let scratch = tempfile::Builder::new().prefix("bench-store-").tempdir_in(here);
    let scratch = scratch.map_err(|error| format!("{}: {error}", here.display()))?;
    let dir = scratch.path().join("osd.0");
    let file = scratch.path().join("raw");
    write_raw(&file, scale.data_bytes())?;
    let config = rig::config(&dir, scale.store_bytes);
    Store::mkfs(&config, 0, [7; 16]).map_err(|error| error.to_string())?;
    let mut rig = Rig::open(&config, scale.objects, 1)?;
    rig.fill()?;
    let mut bench = Bench { rig: Some(rig), scale, file, dir, rows: Vec::new() };
    parts.iter().try_for_each(|part| part(&mut bench))?;
    Ok(bench.rows)
}

struct Bench {
    /// Until the store is given to another process.
    rig: Option<Rig>,
    scale: Scale,
    file: PathBuf,
    dir: PathBuf,
    rows: Vec<Row>,
}

impl Bench {
    /// Runs one case of ours; second, how many bytes the device wrote meanwhile, the checkpoint after it included.
    fn ours(&mut self, kind: Kind, depth: usize) -> Result<(Measured, u64), String> {
        let before = disk::written_bytes(&self.dir)?;
        let rig = self.rig.as_mut().ok_or("the store was given away")?;
        let measured = rig.run(kind, depth, Duration::from_secs(self.scale.seconds))?;
        rig.store.flush_index().map_err(|error| error.to_string())?;
        Ok((measured, disk::written_bytes(&self.dir)? - before))
    }

    fn limit(&self, rw: &str, block_bytes: u64, depth: usize, writes_per_flush: u64) -> Result<f64, String> {
        let job = Job { rw, block_bytes, depth, writes_per_flush, seconds: self.scale.seconds };
        fio::rate(&self.file, self.scale.data_bytes(), &job)
    }

    fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// 4 KiB overwrites.
    fn writes(&mut self) -> Result<(), String> {
        for (depth, amplification_max) in [(1, None), (16, Some(3.0)), (64, Some(3.0))] {
            let (m, written) = self.ours(Kind::WriteBlock, depth)?;
            let batch = (m.operations as f64 / m.batches.max(1) as f64).round().max(1.0) as u64;
            let peer = self.limit("randwrite", BLOCK_BYTES, depth, batch)?;
            let name = format!("store: 4 KiB random overwrite, depth {depth}");
            if depth == 1 {
                // At depth 1 the rate is the latency's inverse for both.
                let row = Row::new(format!("{name}: mean latency"), "us", Better::Less, 1e6 / m.rate());
                self.push(row.beside(Some(1e6 / peer), 1.0 / 1.3));
            } else {
                let name = format!("{name} ({batch} a flush)");
                let ratio_min = if depth == 64 { 0.8 } else { 0.0 };
                self.push(Row::new(name, "op/s", Better::More, m.rate()).beside(Some(peer), ratio_min));
            }
            let p = |share| m.percentile_us(share);
            let tails = format!("{name}: 99th percentile (median {:.0} us)", p(0.5));
            self.push(Row::new(tails, "us", Better::Less, p(0.99)));
            let cpu = Row::new(format!("{name}: CPU"), "us/op", Better::Less, m.cpu_us());
            self.push(if depth == 64 { cpu.within(25.0) } else { cpu });
            let amplification = written as f64 / (m.operations * BLOCK_BYTES) as f64;
            let row = Row::new(format!("{name}: write amplification"), "x", Better::Less, amplification);
            self.push(amplification_max.map_or(row.clone(), |most| row.within(most)));
        }
        Ok(())
    }

    /// 4 KiB reads.
    fn reads(&mut self) -> Result<(), String> {
        for depth in [1, 32] {
            let (m, _) = self.ours(Kind::ReadBlock, depth)?;
            let peer = self.limit("randread", BLOCK_BYTES, depth, 0)?;
            let name = format!("store: 4 KiB random read, depth {depth}");
            let ratio_min = if depth == 32 { 0.8 } else { 0.0 };
            self.push(Row::new(name.clone(), "op/s", Better::More, m.rate()).beside(Some(peer), ratio_min));
            let cpu = Row::new(format!("{name}: CPU"), "us/op", Better::Less, m.cpu_us());
            self.push(if depth == 32 { cpu.within(12.0) } else { cpu });
        }
        Ok(())
    }

    /// Whole objects of 4 MiB.
    fn objects(&mut self) -> Result<(), String> {
        const DEPTH: usize = 4;
        let megabytes = OBJECT_BYTES as f64 / 1e6;
        let (m, written) = self.ours(Kind::WriteObject, DEPTH)?;
        let batch = (m.operations as f64 / m.batches.max(1) as f64).round().max(1.0) as u64;
        let peer = self.limit("randwrite", OBJECT_BYTES, DEPTH, batch)? * megabytes;
        let name = format!("store: 4 MiB writes, depth {DEPTH} ({batch} a flush)");
        let ours = m.rate() * megabytes;
        self.push(Row::new(name.clone(), "MB/s", Better::More, ours).beside(Some(peer), 0.9));
        let amplification = written as f64 / (m.operations * OBJECT_BYTES) as f64;
        self.push(Row::new(format!("{name}: write amplification"), "x", Better::Less, amplification));
        let (m, _) = self.ours(Kind::ReadObject, DEPTH)?;
        let peer = self.limit("randread", OBJECT_BYTES, DEPTH, 0)? * megabytes;
        let name = format!("store: 4 MiB reads, depth {DEPTH}");
        self.push(Row::new(name, "MB/s", Better::More, m.rate() * megabytes).beside(Some(peer), 0.9));
        Ok(())
    }

    /// How long a store takes to open whose log was as full as it gets when it was killed.
    fn restart(&mut self) -> Result<(), String> {
        self.rig = None;
        let (dir, scale) = (&self.dir, &self.scale);
        let here = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut child = Command::new(here);
        child.arg(CHILD).arg(dir).arg(scale.store_bytes.to_string()).arg(scale.objects.to_string());
        let mut child = child.stdout(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
        let mut said = String::new();
        let out = child.stdout.take().ok_or("the child has no output")?;
        let heard = BufReader::new(out).read_line(&mut said);
        // SIGKILL, whatever it said.
        child.kill().map_err(|error| error.to_string())?;
        child.wait().map_err(|error| error.to_string())?;
        heard.map_err(|error| error.to_string())?;
        let log_bytes = said.trim().strip_prefix(FULL).and_then(|n| n.trim().parse::<u64>().ok());
        let log_bytes = log_bytes.ok_or_else(|| format!("the child that fills the log said {said:?}"))?;
        let config = rig::config(dir, scale.store_bytes);
        let start = Instant::now();
        let store = Store::open(&config).map_err(|error| error.to_string())?;
        let seconds = start.elapsed().as_secs_f64();
        drop(store);
        let name = format!("store: start after kill -9 with {} MiB of log", log_bytes >> 20);
        self.push(Row::new(name, "s", Better::Less, seconds).within(5.0));
        Ok(())
    }
}

/// Writes the peer's file once, so that its blocks need no allocation later.
fn write_raw(file: &Path, bytes: u64) -> Result<(), String> {
    use std::io::Write;
    let fail = |error: std::io::Error| format!("{}: {error}", file.display());
    let mut out = std::fs::File::create(file).map_err(fail)?;
    let piece = vec![0x5a; OBJECT_BYTES as usize];
    for _ in 0..bytes / OBJECT_BYTES {
        out.write_all(&piece).map_err(fail)?;
    }
    out.sync_all().map_err(fail)
}

/// The child: overwrites blocks until the log is as full as it gets, says so, and waits to be killed.
pub(crate) fn child(args: Vec<String>) -> ExitCode {
    match fill_log(&args) {
        Ok(never) => match never {},
        Err(why) => {
            eprintln!("{CHILD}: {why}");
            ExitCode::from(2)
        }
    }
}

fn fill_log(args: &[String]) -> Result<std::convert::Infallible, String> {
    let [dir, store_bytes, objects] = args else { return Err(format!("3 arguments, not {args:?}")) };
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text:?}: {error}"));
    let (store_bytes, objects) = (number(store_bytes)?, number(objects)?);
    let mut rig = Rig::open(&rig::config(Path::new(dir), store_bytes), objects, 2)?;
    // Fresh data costs little log, blocks a lot: they fill it fastest. The log empties at checkpoints, so the
    // fullest moment is just before one; when one has begun the moment before is what was seen.
    let mut fullest = 0;
    for _ in 0..200_000 {
        rig.run_some(Kind::WriteBlock, 64)?;
        let now = rig.store.usage().log_bytes;
        if now < fullest {
            break;
        }
        fullest = now;
    }
    // Once more up to nine tenths of that, which is before the next checkpoint.
    while rig.store.usage().log_bytes < fullest / 10 * 9 {
        rig.run_some(Kind::WriteBlock, 64)?;
    }
    println!("{FULL} {}", rig.store.usage().log_bytes);
    loop {
        std::thread::park();
    }
}
