//! Measurements of a whole cluster, beside other systems on the same machine in the same run.
//!
//! `cargo xtask bench block [--against ceph] [--short] ...`; `block/mod.rs` says what is measured.
//! `cargo xtask bench ec-image [--short] [--rounds N]`; `ec_image.rs` says it.
//! `cargo xtask bench failover [--rounds N] [--only WORD]`; `failover.rs` says it.
//! `cargo xtask bench recovery [--gib N] [--away SECONDS] [--only WORD]`; `recovery.rs` says it.

mod block;
mod ceph;
mod ceph_conf;
mod ec_image;
mod failover;
mod fio;
mod nacre;
mod options;
mod procs;
mod recovery;

use benches_row::Row;
use options::Options;
use std::process::ExitCode;

fn main() -> ExitCode {
    match measure() {
        Ok(rows) => {
            let missed: Vec<&Row> = rows.iter().filter(|row| !row.holds()).collect();
            missed.iter().for_each(|row| eprintln!("not reached: {row}"));
            ExitCode::from(u8::from(!missed.is_empty()))
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

fn measure() -> Result<Vec<Row>, String> {
    let mut args = std::env::args().skip(1);
    let suite = args.next().unwrap_or_default();
    let options = Options::parse(args)?;
    let rows = match suite.as_str() {
        "block" => block::run(&options)?,
        "ec-image" => ec_image::run(&options)?,
        "failover" => failover::run(&options)?,
        "recovery" => recovery::run(&options)?,
        other => {
            let there = "block, ec-image, failover, recovery";
            return Err(format!("no measurement is called {other:?}; there are: {there}"));
        }
    };
    println!("\nin short:");
    rows.iter().for_each(|row| println!("{row}"));
    if let Some(file) = &options.json {
        std::fs::write(file, benches_row::to_json(&rows))
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(rows)
}
