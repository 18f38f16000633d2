//! The end of a run: everything heals, and then everything is looked at.

use crate::raw;
use crate::run::Run;
use crate::s3_load::{BUCKET, Keys};
use crate::second_gateway::SecondGateway;
use crate::stage::{MONS, Stage};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tests_cluster::S3;
use tests_cluster::s3::{Request, list};
use tests_cluster::say;

/// How long the cluster may take to be whole.
const CLEAN: Duration = Duration::from_secs(300);
/// How long a read may be refused at the end.
const READ: Duration = Duration::from_secs(60);
/// How long what no row names may stay: leases of killed gateways have to run out first.
const GARBAGE: Duration = Duration::from_secs(400);

/// Every process runs, every OSD has its weight, every PG is active+clean.
pub(crate) fn heal(run: &Run, stage: &mut Stage) {
    run.report.now("it heals".into());
    let osds: Vec<String> = stage.osds().into_iter().map(|n| n.to_string()).collect();
    let mut daemons: Vec<String> = (0..MONS).map(|n| format!("mon.{n}")).collect();
    daemons.extend(osds.iter().map(|n| format!("osd.{n}")));
    daemons.extend(["gateway.0".to_string(), SecondGateway::NAME.to_string()]);
    for daemon in daemons {
        if !stage.signal(&daemon, Signal::CONT) {
            stage.revive(&daemon);
        }
    }
    let took = stage.wait_clean(CLEAN);
    run.report.now("healed".into());
    say!("  healed: every PG active+clean after {:.1} s", took.as_secs_f64());
}

/// Reads and lists everything, empties it, stops the cluster and checks every store.
pub(crate) fn verify(run: &Arc<Run>, stage: &mut Stage, keys: &Keys, raw: &raw::Load) {
    let s3 = stage.cluster.s3();
    let all = keys.all();
    let open = all.iter().filter(|k| k.track.is_open()).count();
    let listing = s3.list(BUCKET);
    let begun = Instant::now();
    for key in &all {
        loop {
            let floor = key.track.begin_read();
            let judged = s3.try_send(Request::object("GET", BUCKET, &key.name)).map(|r| key.judge(floor, &r));
            match judged {
                Ok(Ok(true)) => break,
                Ok(Err(why)) => {
                    run.broken(why);
                    break;
                }
                Ok(Ok(false)) | Err(_) if begun.elapsed() < READ => run.pace(Duration::from_millis(200)),
                other => {
                    run.broken(format!("{} cannot be read at the end: {other:?}", key.name));
                    break;
                }
            }
        }
        if let Err(why) = key.judge_row(key.track.begin_read(), listing.get(&key.name)) {
            run.broken(why);
        }
    }
    let known: BTreeSet<&str> = all.iter().map(|k| k.name.as_str()).collect();
    for stranger in listing.keys().filter(|k| !known.contains(k.as_str())) {
        run.broken(format!("{stranger} is listed and was never written"));
    }
    let raw_objects = raw.verify(run, stage);
    say!(
        "  {} S3 keys read and listed ({open} with an open write), {raw_objects} raw objects; clients: {}",
        all.len(),
        raw.epochs()
    );
    if run.wrong().is_empty() {
        nothing_leaks(&s3, stage);
        panics(run, stage);
        stores_are_sound(run, stage);
    }
}

fn nothing_leaks(s3: &S3, stage: &Stage) {
    for key in s3.list(BUCKET).keys() {
        s3.must(Request::object("DELETE", BUCKET, key));
    }
    let mut aborted = 0;
    loop {
        let page = s3.must(Request::bucket("GET", BUCKET).query("uploads", "")).text();
        let uploads: Vec<_> =
            list::fields(&page, "Key").into_iter().zip(list::fields(&page, "UploadId")).collect();
        if uploads.is_empty() {
            break;
        }
        for (key, id) in &uploads {
            s3.must(Request::object("DELETE", BUCKET, key).query("uploadId", id));
            aborted += 1;
        }
    }
    let left = stage.cluster.data_objects().map_or(0, |all| all.len());
    let took = stage.cluster.wait_data_objects(&BTreeSet::new(), GARBAGE);
    say!(
        "  all deleted, {aborted} uploads aborted: {left} data objects were left, none after {:.1} s",
        took.as_secs_f64()
    );
}

/// A thread that panics in a process that goes on is a bug that nothing else may show.
fn panics(run: &Run, stage: &Stage) {
    let Ok(logs) = std::fs::read_dir(stage.cluster.dir().join("log")) else { return };
    for log in logs.flatten() {
        let text = std::fs::read(log.path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        if let Some(line) = text.lines().find(|l| l.contains("panicked at")) {
            run.broken(format!("{}: {line}", log.path().display()));
        }
    }
}

fn stores_are_sound(run: &Run, stage: &mut Stage) {
    stage.second.stop();
    let code = stage.cluster.stop();
    if code != 0 {
        run.broken(format!("`nacre up` ended with exit code {code}"));
    }
    let osds = stage.osds();
    for n in &osds {
        let path = stage.cluster.dir().join(format!("osd.{n}")).display().to_string();
        if let Err(why) = stage.order(&["fsck", "--osd-path", &path]) {
            run.broken(why);
        }
    }
    say!("  fsck: {} stores", osds.len());
}
