//! Measurements of single parts, each beside what others do on the same machine in the same run.
//!
//! `cargo xtask bench micro [SUITE]... [--quick] [--json FILE]`; suites: `crush`, `map`, `balance`, `store` and its parts.
//! Processor time is compared (user time, one core), so that a busy machine does not decide. The suite
//! `store` is not among those that run without being named: it measures a disk, wants a quiet machine and
//! 10 GB of space, and takes minutes.

mod balance;
mod clock;
mod crush_speed;
mod map;
mod store;
mod worlds;

use benches_row::Row;
use std::process::ExitCode;

/// One group of measurements; `true`: a tenth of the work.
type Suite = fn(bool) -> Result<Vec<Row>, String>;

const SUITES: &[(&str, Suite)] = &[
    ("crush", crush_speed::run),
    ("map", map::run),
    ("balance", balance::run),
    ("store", store::run),
    ("store-writes", store::writes),
    ("store-reads", store::reads),
    ("store-objects", store::objects),
    ("store-ceph", store::beside_ceph),
];

/// Run without being named.
const USUAL: usize = 3;

fn main() -> ExitCode {
    let mut chosen: Vec<&(&str, Suite)> = Vec::new();
    let (mut json, mut quick) = (None, false);
    let mut args = std::env::args().skip(1).peekable();
    if args.next_if(|word| word == store::CHILD).is_some() {
        return store::child(args.collect());
    }
    while let Some(arg) = args.next() {
        let suite = SUITES.iter().find(|(name, _)| *name == arg);
        match (arg.as_str(), suite) {
            (_, Some(suite)) => chosen.push(suite),
            ("--quick", _) => quick = true,
            ("--json", _) => json = args.next(),
            _ => {
                let names: Vec<&str> = SUITES.iter().map(|(name, _)| *name).collect();
                eprintln!("usage: [{}]... [--quick] [--json FILE] (got {arg:?})", names.join("|"));
                return ExitCode::from(2);
            }
        }
    }
    if chosen.is_empty() {
        chosen.extend(&SUITES[..USUAL]);
    }
    let mut rows = Vec::new();
    for (name, suite) in chosen {
        match suite(quick) {
            Ok(more) => {
                more.iter().for_each(|row| println!("{row}"));
                rows.extend(more);
            }
            Err(why) => {
                eprintln!("{name}: {why}");
                return ExitCode::from(2);
            }
        }
    }
    if let Some(file) = json
        && let Err(error) = std::fs::write(&file, benches_row::to_json(&rows))
    {
        eprintln!("{file}: {error}");
        return ExitCode::from(2);
    }
    let failed: Vec<&Row> = rows.iter().filter(|row| !row.holds()).collect();
    failed.iter().for_each(|row| eprintln!("not reached: {row}"));
    ExitCode::from(u8::from(!failed.is_empty()))
}
