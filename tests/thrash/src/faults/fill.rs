//! All disks are filled through S3 until writes are refused, then emptied again: writes go on.

use super::Injector;
use std::time::{Duration, Instant};
use tests_cluster::S3;
use tests_cluster::content::bytes;
use tests_cluster::s3::Request;

const BUCKET: &str = "filler";
const SIZE: usize = 2 << 20;
/// More than the disks hold.
const MOST: u64 = 400;
/// How long is filled at most: a slow machine may not get there.
const FILLING: Duration = Duration::from_secs(60);
/// How long it may take until writes go on after everything was deleted.
const PATIENCE: Duration = Duration::from_secs(180);

/// Fills, and empties.
pub(super) fn fill(injector: &mut Injector<'_>) {
    injector.tell("fill-disks");
    injector.run.report.fault("fill-disks");
    injector.run.report.now("the disks are filled".into());
    let s3 = injector.stage.cluster.s3();
    // There already when the disks were filled before.
    let _ = s3.try_send(Request::bucket("PUT", BUCKET));
    let begun = Instant::now();
    let mut full = false;
    let mut there = 0;
    for n in 0..MOST {
        if begun.elapsed() > FILLING || !injector.run.wrong().is_empty() {
            break;
        }
        match put(&s3, n) {
            Ok(200) => there += 1,
            Ok(507) => {
                full = true;
                break;
            }
            _ => {}
        }
    }
    injector.tell(&format!("{there} objects of 2 MiB, full: {full}"));
    if full {
        injector.run.report.fault("full-disks");
        injector.run.pace(Duration::from_millis(injector.rng.below(6_000)));
    }
    for n in 0..MOST {
        let delete = || s3.try_send(Request::object("DELETE", BUCKET, &n.to_string()));
        if !delete().is_ok_and(|r| r.status == 204) && !delete().is_ok_and(|r| r.status == 204) {
            return injector.run.broken(format!("object {n} of the filler cannot be deleted"));
        }
    }
    let begun = Instant::now();
    while full && put(&s3, MOST).ok() != Some(200) {
        if begun.elapsed() > PATIENCE {
            return injector
                .run
                .broken(format!("{} s after all was deleted disks are still full", PATIENCE.as_secs()));
        }
        injector.run.pace(Duration::from_millis(500));
    }
    let _ = s3.try_send(Request::object("DELETE", BUCKET, &MOST.to_string()));
    injector.tell(&format!("writes go on {:.1} s after the deletes", begun.elapsed().as_secs_f64()));
    injector.note();
}

fn put(s3: &S3, n: u64) -> std::io::Result<u16> {
    s3.try_send(Request::object("PUT", BUCKET, &n.to_string()).body(&bytes(n, SIZE))).map(|r| r.status)
}
