//! Block devices: an image of three copies through fio, over NBD on our side and through librbd on Ceph's.
//!
//! The table of issue 8: random reads and writes half and half at four block sizes, two jobs of depth 64 each;
//! 4 KiB reads and writes at depths 1 and 32; streams of 1 MiB. Both clusters are up during the whole run, idle
//! while the other is measured, and have their turns alternately. Beside the rates stand latencies, the daemons'
//! processor time for one operation, the load generator's (which with librbd holds a part of what a gateway does
//! on our side), flushes of the disk for one write, and memory. fio on a raw file, with three writes wherever an
//! image has one, gives what the disk could do at most.

mod cases;
mod table;

use crate::ceph::Ceph;
use crate::fio::{self, Fio, Report, Target};
use crate::nacre::Nacre;
use crate::options::Options;
use crate::procs::{self, Daemon};
use benches_row::Row;
use cases::{CASES, Case};
use std::path::Path;
use table::{Measured, Table};

/// What the cases work on; reads do not come from caches of the stores, which are smaller.
const WORKING_SET_BYTES: u64 = 1 << 30;
const IMAGE: &str = "bench";
/// Room for the image and for the stores' own needs.
const OSD_BYTES: u64 = 3 << 30;

/// A system under measurement.
struct Side {
    name: &'static str,
    target: Target,
    daemons: Vec<Daemon>,
}

/// Measures; an error says what is missing on this machine.
pub(crate) fn run(options: &Options) -> Result<Vec<Row>, String> {
    let scratch = tempfile::Builder::new().prefix("nacre-bench-").tempdir_in(&options.scratch);
    let scratch = scratch.map_err(|error| format!("{}: {error}", options.scratch.display()))?;
    let fio = Fio { program: options.fio.clone(), bytes: WORKING_SET_BYTES };
    let cases: Vec<&Case> = CASES.iter().filter(|case| options.wants(case.name)).collect();
    if cases.is_empty() {
        let names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
        return Err(format!("no case is called like that; there are: {}", names.join(", ")));
    }

    println!("starting nacre with three OSDs, links {}...", options.link);
    let nacre = Nacre::start(scratch.path(), 3, OSD_BYTES, &options.link)?;
    nacre.run(&["image", "create", IMAGE, "--size", &WORKING_SET_BYTES.to_string()])?;
    let ours = Side { name: "nacre", target: Target::Nbd(nacre.image_uri(IMAGE)?), daemons: nacre.daemons() };
    fio.fill(&ours.target)?;
    let mut sides = vec![ours];
    let ceph = match options.against_ceph {
        true => {
            println!("starting Ceph with three OSDs...");
            let ceph = Ceph::start(scratch.path(), OSD_BYTES)?;
            ceph.create_image(IMAGE, WORKING_SET_BYTES)?;
            let target = Target::Rbd { conf: ceph.conf(), image: IMAGE.to_owned() };
            fio.fill(&target)?;
            sides.push(Side { name: "ceph", target, daemons: ceph.daemons() });
            Some(ceph)
        }
        false => None,
    };
    let mut table = Table::new(sides.len(), cases.clone());
    limits(&fio, scratch.path(), options.seconds, &mut table)?;
    for round in 1..=options.rounds {
        for (at, side) in sides.iter().enumerate() {
            println!("\n{}, round {round}", side.name);
            println!("{}", Measured::HEAD);
            for (number, case) in cases.iter().enumerate() {
                let measured = measure(&fio, side, case, options.seconds, scratch.path())?;
                println!("{measured}");
                table.add(at, number, measured);
            }
        }
    }
    drop((nacre, ceph));
    Ok(table.rows())
}

/// The disk without any of us.
fn limits(fio: &Fio, scratch: &Path, seconds: u64, table: &mut Table) -> Result<(), String> {
    let path = scratch.join("raw");
    let target = fio::raw_file(&path, WORKING_SET_BYTES)?;
    println!("\na raw file (three writes for each of an image's)");
    for (number, case) in table.cases().into_iter().enumerate() {
        let report = fio.run(&target, &case.on_raw_file(), seconds)?;
        let rate = case.limit_of(&report);
        println!("{:<22} {rate:>9.0} op/s", case.name);
        table.set_limit(number, rate);
    }
    std::fs::remove_file(&path).map_err(|error| format!("{}: {error}", path.display()))
}

fn measure(fio: &Fio, side: &Side, case: &Case, seconds: u64, disk: &Path) -> Result<Measured, String> {
    let before = (procs::usage(&side.daemons)?, procs::children_cpu_s()?, procs::disk_flushes(disk));
    let report: Report = fio.run(&side.target, &case.job(), seconds)?;
    let after = (procs::usage(&side.daemons)?, procs::children_cpu_s()?, procs::disk_flushes(disk));
    // The processor's time covers the first second too, which fio does not report.
    let counted = (seconds + 1) as f64;
    let operations = (report.read.iops + report.write.iops) * counted;
    let writes = report.write.iops * counted;
    Ok(Measured {
        name: case.name,
        report,
        daemons_cpu_us: (after.0.cpu_s - before.0.cpu_s) * 1e6 / operations.max(1.0),
        client_cpu_us: (after.1 - before.1) * 1e6 / operations.max(1.0),
        flushes_per_write: match (before.2, after.2) {
            (Some(from), Some(to)) if writes > 0.0 => Some((to - from) / writes),
            _ => None,
        },
        rss_bytes: after.0.rss_bytes,
    })
}
