//! One mapping (three copies on different hosts) on 1,000 hosts and 10,000 OSDs, beside `crushtool --test`.

use crate::clock;
use crate::worlds;
use benches_row::{Better, Row};
use crush::{CrushMap, Workspace};
use std::path::Path;
use std::process::Command;

const HOSTS: u32 = 1_000;
const MAPPINGS: u32 = 1_000_000;

pub(crate) fn run(quick: bool) -> Result<Vec<Row>, String> {
    let mappings = if quick { MAPPINGS / 10 } else { MAPPINGS };
    let map = worlds::crush(HOSTS).map_err(|error| error.to_string())?;
    let path = std::env::temp_dir().join(format!("nacre-bench-crush-{}", std::process::id()));
    std::fs::write(&path, map.encode()).map_err(|error| format!("{}: {error}", path.display()))?;
    let peer = peer(&path, mappings);
    let removed = std::fs::remove_file(&path);
    let ours = ours(&map, mappings)?;
    removed.map_err(|error| format!("{}: {error}", path.display()))?;
    if let Err(why) = &peer {
        eprintln!("crushtool (Debian: ceph-base) is not compared: {why}");
    }
    let each = |seconds: f64| seconds * 1e6 / f64::from(mappings);
    let case = format!("crush: one mapping of {mappings}, straw2, 3 copies, 10,000 OSDs");
    Ok(vec![Row::new(case, "us", Better::Less, each(ours)).beside(peer.ok().map(each), 1.0)])
}

/// Seconds of `mappings` mappings.
fn ours(map: &CrushMap, mappings: u32) -> Result<f64, String> {
    let weights = vec![crush::WEIGHT_ONE; HOSTS as usize * 10];
    let (mut work, mut result) = (Workspace::default(), Vec::new());
    let started = clock::own()?;
    let mut members = 0;
    for x in 0..mappings {
        map.do_rule_into(0, x, 3, &weights, None, &mut work, &mut result);
        members += result.len();
    }
    let took = clock::own()? - started;
    if members != mappings as usize * 3 {
        return Err(format!("{members} members of {mappings} mappings"));
    }
    Ok(took)
}

/// The same of crushtool, without what it takes to start and to read the map: nothing is printed either time.
fn peer(map: &Path, mappings: u32) -> Result<f64, String> {
    let run = |last: u32| {
        let mut command = Command::new("crushtool");
        command.arg("-i").arg(map).args([
            "--test",
            "--rule",
            "0",
            "--num-rep",
            "3",
            "--min-x",
            "0",
            "--max-x",
        ]);
        clock::of_child(command.arg(last.to_string()))
    };
    let start = run(0)?;
    Ok(run(mappings - 1)? - start)
}
