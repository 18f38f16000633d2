//! S3 beside Ceph's RGW on the same machine in the same run: three OSDs, three copies, everything flushed before it
//! is acknowledged; what each took of processor, memory and disk.
//!
//! (`bucket` has another measurement: a bucket of very many keys.)
//!
//! `cargo xtask bench s3 [--against ceph] [--short] [--rounds N] [--seconds S] [--only ROW] [--json FILE]`
//!
//! Rows run on ours, on the peer, on ours again (A B A B); while one is measured the other is idle. The load generator
//! is the same for both and signs before a row begins; its own processor time is told. Payloads are
//! `UNSIGNED-PAYLOAD`, which is what SDKs send over HTTPS; `--payload signed` has their SHA-256 signed, as SDKs do over
//! plain HTTP. `--nacre DIR` and `--ceph DIR` measure clusters that are there already (and `--prepare` only fills their
//! buckets), so that a measurement itself takes but a minute.
//!
//! `cargo xtask bench ec [--short] [--rounds N] [--seconds S] [--only ROW] [--link crc|secure] [--json FILE]`: objects in
//! an erasure-coded pool (4+2) beside objects of three copies, in one cluster of six OSDs.

mod answer;
mod bucket;
mod cases;
mod ceph;
mod ec;
mod load;
mod report;
mod rows;
mod side;
mod usage;

use cases::CASES;
use report::Row;
use rows::{Manner, Written};
use side::Side;
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "usage: [--against ceph] [--short] [--rounds N] [--seconds S] [--only ROW] [--payload unsigned|\
                     signed] [--link crc|secure] [--nacre DIR] [--ceph DIR] [--prepare] [--json FILE]";

struct Args {
    against: bool,
    short: bool,
    rounds: usize,
    seconds: Option<f64>,
    only: Option<String>,
    signed: bool,
    link: String,
    nacre: Option<PathBuf>,
    ceph: Option<PathBuf>,
    prepare: bool,
    json: Option<PathBuf>,
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Args, String> {
    let mut args = Args {
        against: false,
        short: false,
        rounds: 2,
        seconds: None,
        only: None,
        signed: false,
        link: "crc".into(),
        nacre: None,
        ceph: None,
        prepare: false,
        json: None,
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
        match word.as_str() {
            "--against" => match value()?.as_str() {
                "ceph" => args.against = true,
                other => return Err(format!("there is no peer {other:?}")),
            },
            "--short" => args.short = true,
            "--rounds" => args.rounds = value()?.parse().map_err(|e| format!("--rounds: {e}"))?,
            "--seconds" => args.seconds = Some(value()?.parse().map_err(|e| format!("--seconds: {e}"))?),
            "--only" => args.only = Some(value()?),
            "--payload" => args.signed = value()? == "signed",
            "--link" => args.link = value()?,
            "--nacre" => args.nacre = Some(value()?.into()),
            "--ceph" => {
                args.ceph = Some(value()?.into());
                args.against = true;
            }
            "--prepare" => args.prepare = true,
            "--json" => args.json = Some(value()?.into()),
            _ => return Err(format!("{word:?} is not known")),
        }
    }
    Ok(args)
}

fn main() -> ExitCode {
    // The first word is the name under which `cargo xtask bench` was asked for it.
    let mut words = std::env::args().skip(1).peekable();
    if words.next_if(|word| word == "bucket").is_some() {
        return ended(bucket::bench(words));
    }
    let suite = words.next_if(|word| matches!(word.as_str(), "s3" | "ec"));
    let args = match parse(words) {
        Ok(args) => args,
        Err(why) => {
            eprintln!("{why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    ended(if suite.as_deref() == Some("ec") { ec::bench(&args) } else { bench(&args) })
}

fn ended(outcome: Result<bool, String>) -> ExitCode {
    match outcome {
        Ok(good) => ExitCode::from(u8::from(!good)),
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

/// Whether everything that was asked for is reached.
fn bench(args: &Args) -> Result<bool, String> {
    let ours = match &args.nacre {
        Some(dir) => Side::attach_nacre(dir)?,
        None => Side::start_nacre(&args.link, "4G")?,
    };
    let peer = match (args.against, &args.ceph) {
        (false, _) => None,
        (true, Some(dir)) => Some(Side::ceph(dir, 4)?),
        (true, None) => Some(Side::ceph(&tests_cluster::settings::scratch_root().join("bench-ceph"), 4)?),
    };
    let sides: Vec<&Side> = std::iter::once(&ours).chain(&peer).collect();
    for side in &sides {
        rows::prepare(side)?;
    }
    if args.prepare {
        return Ok(true);
    }
    let wanted = |case: &&cases::Case| match &args.only {
        Some(part) => case.name().contains(part.as_str()),
        None => case.short || !args.short,
    };
    let cases: Vec<cases::Case> = CASES.iter().filter(wanted).copied().collect();
    let table = measure(args, &sides, &cases)?;
    Ok(report(args, &table)? && report::memory_holds(&table))
}

/// Runs the rows on all sides in turn, ours being the first.
fn measure(args: &Args, sides: &[&Side], cases: &[cases::Case]) -> Result<Vec<Row>, String> {
    let mut table: Vec<Row> =
        cases.iter().map(|case| Row { case: *case, ours: Vec::new(), peer: Vec::new() }).collect();
    let start = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let start = start.map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(0));
    let seconds = args.seconds.unwrap_or(if args.short { 2.0 } else { 8.0 });
    for round in 0..args.rounds {
        for side in sides {
            let mut written = Written::new();
            let tag = start + round as u64;
            for row in &mut table {
                let manner = Manner { seconds, signed: args.signed, tag };
                let measured = rows::run(side, &row.case, &manner, &mut written)?;
                println!("{}", report::line(side.name, &row.case, &measured));
                if side.name == sides[0].name { &mut row.ours } else { &mut row.peer }.push(measured);
            }
        }
    }
    Ok(table)
}

/// Tells what was measured, and whether all ratios are reached.
fn report(args: &Args, table: &[Row]) -> Result<bool, String> {
    println!("{}", report::table(table));
    if let Some(file) = &args.json {
        std::fs::write(file, report::to_json(table)).map_err(|e| format!("{}: {e}", file.display()))?;
    }
    let missed: Vec<String> = table.iter().filter(|row| !row.holds()).map(|row| row.case.name()).collect();
    if !missed.is_empty() {
        eprintln!("not reached: {}", missed.join(", "));
    }
    Ok(missed.is_empty())
}
