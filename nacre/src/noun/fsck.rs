//! `nacre fsck`: a stopped OSD's store, checked whole and, if asked for, repaired.

use super::stopped_store::StoppedStore;
use crate::cli::{Format, Global};
use crate::exit::Failure;
use crate::size;
use osd_store::{Examiner, FsckReport, Repaired, UNIT_BYTES};
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// What to check, and what to do about it.
#[derive(clap::Args)]
pub(crate) struct FsckArgs {
    #[command(flatten)]
    pub store: StoppedStore,
    /// Put right what can be put right without inventing data: rows of nobody, superblock copies.
    #[arg(long)]
    pub repair: bool,
    /// Also give up objects that cannot be read whole, so that the OSD's peers replace them: at its next start the OSD
    /// leaves every in-sync set. Only while every PG has another whole copy (`nacre health detail`).
    #[arg(long, requires = "repair")]
    pub refill: bool,
    /// Check rows and space only, without reading data.
    #[arg(long)]
    pub shallow: bool,
}

/// Carries out the command. Exit code 0: clean; 1: something was found (and what of it was repaired is said).
pub(crate) fn run(global: &Global, args: &FsckArgs) -> Result<(), Failure> {
    let before = check(args)?;
    let mut out = json!({ "path": args.store.path().display().to_string() });
    show(global, &before, &mut out);
    let clean = before.report.is_clean();
    let mut last = before;
    if args.repair && !clean {
        let repaired = osd_store::repair(&args.store.config(), args.refill);
        let repaired = repaired.map_err(|e| args.store.failure(&e))?;
        out["repaired"] = of_repair(&repaired);
        if global.format == Format::Plain {
            println!("repaired: {}", tell_repair(&repaired));
        }
        last = check(args)?;
        let mut left = json!({});
        show(global, &last, &mut left);
        out["left"] = left;
    }
    let next = next_step(&last.report, args);
    if global.format == Format::Json {
        out["clean"] = clean.into();
        out["next"] = next.clone().into();
        println!("{out}");
    }
    let path = args.store.path().display();
    match (clean, last.report.is_clean()) {
        (true, _) => Ok(()),
        (false, true) => Err(Failure::no(format!("{path} was damaged and is repaired"))),
        (false, false) => Err(Failure::no(format!("{path} is damaged: {next}"))),
    }
}

struct Checked {
    report: FsckReport,
    took: Duration,
}

impl Checked {
    /// Data compared with its checksums, 10^9 bytes per second.
    fn gb_per_s(&self) -> f64 {
        self.report.bytes_read as f64 / 1e9 / self.took.as_secs_f64().max(1e-9)
    }
}

fn check(args: &FsckArgs) -> Result<Checked, Failure> {
    let mut examiner = Examiner::open(&args.store.config()).map_err(|e| args.store.failure(&e))?;
    let (begun, mut bar) = (Instant::now(), Bar::new());
    let report = examiner.check(!args.shallow, &mut |done, total| bar.show(done, total));
    bar.clear();
    Ok(Checked { report: report.map_err(|e| args.store.failure(&e))?, took: begun.elapsed() })
}

/// What a person does next about what is left.
fn next_step(report: &FsckReport, args: &FsckArgs) -> String {
    let (plain, refill) = report.mendable();
    let left = report.problems.iter().map(osd_store::Problem::kind);
    if left.clone().any(|k| matches!(k, "index" | "shared-number")) {
        return "what the index says cannot be trusted; once every PG is whole elsewhere (`nacre health detail`), remove \
                the data file and the index directory, make the store anew with `nacre osd mkfs` and start the OSD: its \
                peers fill it"
            .into();
    }
    if left.clone().any(|k| matches!(k, "log" | "lost-writes")) {
        return "start the OSD: it says that it lost writes, leaves every in-sync set and is refilled by its peers"
            .into();
    }
    match (plain, refill) {
        (0, 0) if report.is_clean() => "nothing".into(),
        (0, 0) => "run `nacre fsck --repair`, and report this: the store's own count is wrong".into(),
        (0, n) if !args.refill => format!(
            "{n} parts of objects cannot be read, and reads of them are errors; while every PG has another whole copy \
             (`nacre health detail`), `nacre fsck --repair --refill` has this OSD's peers replace those objects"
        ),
        _ => "run `nacre fsck --repair`".into(),
    }
}

fn show(global: &Global, checked: &Checked, out: &mut Value) {
    let r = &checked.report;
    let bytes = |units: u64| units * UNIT_BYTES as u64;
    if global.format == Format::Json {
        let problem = |p: &osd_store::Problem| json!({ "kind": p.kind(), "text": p.to_string() });
        out["objects"] = r.objects.into();
        out["rows"] = r.rows.into();
        out["data_bytes"] = bytes(r.units).into();
        out["shared_bytes"] = bytes(r.shared_units).into();
        out["leaked_bytes"] = bytes(r.leaked_units).into();
        out["bytes_read"] = r.bytes_read.into();
        out["seconds"] = checked.took.as_secs_f64().into();
        out["gb_per_s"] = checked.gb_per_s().into();
        out["problems"] = r.problems.iter().map(problem).collect();
        out["more_problems"] = r.more_problems.into();
        return;
    }
    println!(
        "{} objects, {} rows, {} of data ({} shared by clones, {} leaked)",
        r.objects,
        r.rows,
        size::show(bytes(r.units)),
        size::show(bytes(r.shared_units)),
        size::show(bytes(r.leaked_units)),
    );
    println!(
        "{} compared with checksums in {:.1} s, {:.2} GB/s",
        size::show(r.bytes_read),
        checked.took.as_secs_f64(),
        checked.gb_per_s()
    );
    r.problems.iter().for_each(|p| println!("problem: {p}"));
    if r.more_problems > 0 {
        println!("problem: and {} more like these", r.more_problems);
    }
    println!("{}", if r.is_clean() { "clean" } else { "not clean" });
}

fn of_repair(r: &Repaired) -> Value {
    json!({
        "superblock_copies": r.superblock_copies,
        "rows_dropped": r.rows_dropped,
        "rows_cut": r.rows_cut,
        "tails_cleared": r.tails_cleared,
        "objects_distrusted": r.objects_distrusted,
        "objects_removed": r.objects_removed,
        "marked_damaged": r.marked_damaged,
    })
}

fn tell_repair(r: &Repaired) -> String {
    let parts = [
        (r.superblock_copies, "superblock copies written anew"),
        (r.rows_dropped, "rows of nobody dropped"),
        (r.rows_cut, "extent rows cut at their object's end"),
        (r.tails_cleared, "objects cleared behind their end"),
        (r.objects_distrusted, "objects given up for those of peers"),
        (r.objects_removed, "objects with unreadable rows removed"),
    ];
    let said: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    let mut text = if said.is_empty() { "nothing".to_string() } else { said.join(", ") };
    if r.marked_damaged {
        text += "; at its next start the OSD leaves every in-sync set and is refilled by its peers";
    }
    text
}

/// A line on the terminal, if standard error is one.
struct Bar {
    begun: Instant,
    shown: Option<Instant>,
    on: bool,
}

impl Bar {
    const EVERY: Duration = Duration::from_millis(100);
    const WIDTH: usize = 30;

    fn new() -> Bar {
        Bar { begun: Instant::now(), shown: None, on: std::io::stderr().is_terminal() }
    }

    fn show(&mut self, done: u64, total: u64) {
        if !self.on || self.shown.is_some_and(|at| at.elapsed() < Self::EVERY) {
            return;
        }
        self.shown = Some(Instant::now());
        let full = (done as f64 / total.max(1) as f64 * Self::WIDTH as f64) as usize;
        let speed = done as f64 / 1e9 / self.begun.elapsed().as_secs_f64().max(1e-9);
        let bar = "#".repeat(full) + &"-".repeat(Self::WIDTH.saturating_sub(full));
        eprint!("\r[{bar}] {} of {}, {speed:.2} GB/s  ", size::show(done), size::show(total));
        // A terminal that is gone does not end the check.
        let _ = std::io::stderr().flush();
    }

    fn clear(&self) {
        if self.shown.is_some() {
            eprint!("\r{}\r", " ".repeat(79));
        }
    }
}
