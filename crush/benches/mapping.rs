//! How fast one mapping is on a map of 1,000 hosts and 10,000 devices, beside the `crushtool` on PATH.
//!
//! Run it by hand: `cargo bench -p crush`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::disallowed_types,
    reason = "a measurement needs a clock, a program and a file"
)]

use std::process::Command;
use std::time::Instant;

use crush::{CrushMap, Error, Mode, WEIGHT_ONE, Workspace};

const MAPPINGS: u32 = 100_000;

fn large_map() -> CrushMap {
    let mut map = CrushMap::new_jewel();
    map.edit(|edit| {
        for device in 0..10_000 {
            let (host, rack) = (format!("host{}", device / 10), format!("rack{}", device / 200));
            edit.insert_osd(device, WEIGHT_ONE, &[("host", &host), ("rack", &rack), ("root", "default")])?;
        }
        edit.add_simple_rule("by_host", "default", "host", None, Mode::Firstn)?;
        edit.add_bucket("root", crush::Alg::Straw2, "flat")?;
        Ok::<_, Error>(())
    })
    .expect("a large map");
    map
}

fn main() {
    let started = Instant::now();
    let map = large_map();
    println!("built in {:?}", started.elapsed());
    let weights = vec![WEIGHT_ONE; 10_000];
    let (mut work, mut result) = (Workspace::default(), Vec::new());
    let started = Instant::now();
    let mut sum = 0i64;
    for x in 0..MAPPINGS {
        map.do_rule_into(0, x, 3, &weights, None, &mut work, &mut result);
        sum += result.iter().map(|device| i64::from(*device)).sum::<i64>();
    }
    let ours = started.elapsed();
    println!("ours: {:.2} us a mapping (sum {sum})", ours.as_secs_f64() * 1e6 / f64::from(MAPPINGS));
    let path = std::env::temp_dir().join(format!("nacre-crush-speed-{}", std::process::id()));
    std::fs::write(&path, map.encode()).expect("scratch");
    let started = Instant::now();
    let words = ["--test", "--rule", "0", "--num-rep", "3", "--min-x", "0", "--max-x"];
    let output =
        Command::new("crushtool").arg("-i").arg(&path).args(words).arg((MAPPINGS - 1).to_string()).output();
    match output {
        Ok(_) => {
            let theirs = started.elapsed();
            println!(
                "crushtool --test: {:.2} us a mapping",
                theirs.as_secs_f64() * 1e6 / f64::from(MAPPINGS)
            );
        }
        Err(error) => println!("crushtool: {error}"),
    }
    std::fs::remove_file(&path).expect("scratch");
}
