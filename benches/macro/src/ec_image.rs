//! An image whose data is in an erasure-coded pool (4+2) beside one of three copies: 4 KiB overwritten at random, in one
//! cluster of six OSDs, each image written full before.

use crate::fio::{Fio, Job, Target};
use crate::nacre::Nacre;
use crate::options::Options;
use crate::procs;
use benches_row::{Better, Row};

const WORKING_SET_BYTES: u64 = 256 << 20;
const OSD_BYTES: u64 = 2 << 30;
const OSDS: u32 = 6;
/// What an overwrite on shards may cost beside one of three copies.
const TIMES_MAX: f64 = 2.5;

/// What one turn gave.
#[derive(Default)]
struct Sum {
    iops: f64,
    p50_us: f64,
    cpu_us: f64,
    turns: f64,
}

/// Measures.
pub(crate) fn run(options: &Options) -> Result<Vec<Row>, String> {
    let scratch = tempfile::Builder::new().prefix("nacre-bench-").tempdir_in(&options.scratch);
    let scratch = scratch.map_err(|error| format!("{}: {error}", options.scratch.display()))?;
    let fio = Fio { program: options.fio.clone(), bytes: WORKING_SET_BYTES };
    println!("starting nacre with {OSDS} OSDs, links {}...", options.link);
    let nacre = Nacre::start(scratch.path(), OSDS, OSD_BYTES, &options.link)?;
    let size = WORKING_SET_BYTES.to_string();
    nacre.run(&["pool", "create", "shards", "--ec", "4+2", "--failure-domain", "osd"])?;
    nacre.run(&["image", "create", "rbd/ec", "--size", &size, "--data-pool", "shards"])?;
    nacre.run(&["image", "create", "rbd/copies", "--size", &size])?;
    let images = ["ec", "copies"];
    for image in images {
        fio.fill(&Target::Nbd(nacre.image_uri(image)?))?;
    }
    let mut rows = Vec::new();
    for depth in [1, 32] {
        let case = format!("EC image 4k overwrite depth {depth}");
        if !options.wants(&case) {
            continue;
        }
        let job = Job { rw: "randwrite", reads_percent: 0, block: "4k", depth, jobs: 1 };
        let mut sums = [Sum::default(), Sum::default()];
        for _ in 0..options.rounds {
            for (image, sum) in images.iter().zip(&mut sums) {
                turn(&nacre, &fio, image, &job, options.seconds, sum)?;
            }
        }
        let [ec, copies] = sums;
        let mean = |total: f64, sum: &Sum| total / sum.turns.max(1.0);
        let both = |of: fn(&Sum) -> f64| (mean(of(&ec), &ec), Some(mean(of(&copies), &copies)));
        let mut row = |what: &str, unit, better, (ours, peer): (f64, Option<f64>), ratio_min| {
            rows.push(Row::new(format!("{case}{what}"), unit, better, ours).beside(peer, ratio_min));
        };
        row("", "op/s", Better::More, both(|s| s.iops), if depth > 1 { 1.0 / TIMES_MAX } else { 0.0 });
        row(", p50", "us", Better::Less, both(|s| s.p50_us), if depth == 1 { 1.0 / TIMES_MAX } else { 0.0 });
        row(", CPU of the daemons", "us/op", Better::Less, both(|s| s.cpu_us), 1.0 / TIMES_MAX);
    }
    Ok(rows)
}

fn turn(
    nacre: &Nacre,
    fio: &Fio,
    image: &str,
    job: &Job<'_>,
    seconds: u64,
    sum: &mut Sum,
) -> Result<(), String> {
    let target = Target::Nbd(nacre.image_uri(image)?);
    let daemons = nacre.daemons();
    let before = procs::usage(&daemons)?;
    let report = fio.run(&target, job, seconds)?;
    let after = procs::usage(&daemons)?;
    // The processor's time covers the first second too, which fio does not report.
    let operations = report.write.iops * (seconds + 1) as f64;
    let cpu_us = (after.cpu_s - before.cpu_s) * 1e6 / operations.max(1.0);
    println!(
        "{image:<8} depth {:>2}: {:>8.0} op/s, p50 {:>7.0} us, p99 {:>7.0} us, daemons {cpu_us:>5.0} us of CPU each",
        job.depth, report.write.iops, report.write.p50_us, report.write.p99_us
    );
    sum.iops += report.write.iops;
    sum.p50_us += report.write.p50_us;
    sum.cpu_us += cpu_us;
    sum.turns += 1.0;
    Ok(())
}
