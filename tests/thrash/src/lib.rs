//! A real cluster under a checking load while its processes, disks and links are mistreated.
//!
//! What is checked all the time: no acknowledged write is lost, no read is older than what was acknowledged or read
//! before it began, nothing happens twice, listings are true. And at the end: everything heals, every register holds
//! what it must, no data object is left that nobody names, every store is sound.

mod end;
mod faults;
mod namespace;
mod options;
mod raw;
mod report;
mod run;
mod s3_key;
mod s3_load;
mod second_gateway;
mod stage;
mod track;

pub use namespace::enter;
pub use options::{Options, USAGE};

use run::Run;
use s3_load::{Keys, Worker};
use stage::Stage;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tests_cluster::say;

/// Writers and readers through S3.
const S3_WORKERS: usize = 5;

/// Runs it. An error says what was broken, and where cluster and logs are kept.
pub fn thrash(options: &Options) -> Result<(), String> {
    let dir = options.data.clone().unwrap_or_else(|| default_dir(options.seed));
    std::fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    say!(
        "  seed {}, {} minutes, {} raw objects; data in {}",
        options.seed,
        options.length.as_secs() / 60,
        if options.ec { "erasure-coded" } else { "replicated" },
        dir.display()
    );
    let run = Arc::new(Run::new(options.seed));
    // What fails in the harness or in a wait panics, with what it waited for; it is told like any other failure.
    let ended = catch_unwind(AssertUnwindSafe(|| played(options, &run, dir.clone())));
    let mut wrong = run.wrong();
    if let Err(panic) = ended {
        let text = panic.downcast_ref::<String>().cloned();
        wrong.push(text.or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string())).unwrap_or_default());
    }
    say!("{}", run.report);
    if wrong.is_empty() {
        // Only a folder of our own making is ours to remove.
        let removed = if options.data.is_none() { std::fs::remove_dir_all(&dir) } else { Ok(()) };
        return removed.map_err(|e| format!("{}: {e}", dir.display()));
    }
    Err(format!("{}\nstores and logs are kept in {}", wrong.join("\n"), dir.display()))
}

fn default_dir(seed: u64) -> PathBuf {
    // Not among the folders of tests, which sweep what others of them left.
    let beside = tests_cluster::settings::scratch_root().with_file_name("thrash");
    beside.join(format!("seed-{seed}-{}", std::process::id()))
}

fn played(options: &Options, run: &Arc<Run>, dir: PathBuf) {
    let mut stage = Stage::start(options, dir);
    stage.cluster.s3().make_bucket(s3_load::BUCKET);
    let keys = Arc::new(Keys::new(S3_WORKERS));
    let workers: Vec<_> = (0..S3_WORKERS)
        .map(|number| {
            let worker = Worker::new(run.clone(), keys.clone(), number, stage.gateways());
            std::thread::spawn(move || worker.work())
        })
        .collect();
    let raw = raw::Load::start(run, &stage, options.ec);
    let injected = catch_unwind(AssertUnwindSafe(|| faults::inject(run, &mut stage, options)));
    let healed = catch_unwind(AssertUnwindSafe(|| end::heal(run, &mut stage)));
    run.stop();
    for worker in workers {
        if worker.join().is_err() {
            run.broken("a worker of S3 panicked".into());
        }
    }
    raw.finish(run, Duration::from_secs(120));
    for ended in [injected, healed] {
        if let Err(panic) = ended {
            std::panic::resume_unwind(panic);
        }
    }
    end::verify(run, &mut stage, &keys, &raw);
}
