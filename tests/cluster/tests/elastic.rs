//! Disks come and go under load: an OSD is added, another drained and removed, flags hold recovery and clients, and
//! `ok-to-stop` says beforehand what stopping a daemon would do.

use std::time::{Duration, Instant};
use tests_cluster::ledger::Ledger;
use tests_cluster::load::{Load, stalls};
use tests_cluster::settings::seed;
use tests_cluster::wait::for_condition;
use tests_cluster::{Cluster, Options, say};

const BUCKET: &str = "elastic";
const CLEAN: Duration = Duration::from_secs(240);
const LONGEST_STALL_SECONDS: f64 = 15.0;

fn pgs_with(cluster: &Cluster, osd: i64) -> Result<usize, String> {
    Ok(cluster.pgs()?.iter().filter(|pg| pg.acting.contains(&osd) || pg.up.contains(&osd)).count())
}

fn wait_flags(cluster: &Cluster, wanted: &str) {
    for_condition("the flags in `nacre status`", Duration::from_secs(20), || {
        let flags = cluster.try_json(&["status"])?["flags"].clone();
        if flags == wanted { Ok(()) } else { Err(flags.to_string()) }
    });
}

#[test]
fn elastic() {
    let mut cluster = Cluster::start("elastic", Options { osd_size: "2G", ..Options::default() });
    cluster.free_garbage_soon();
    let s3 = cluster.s3();
    s3.make_bucket(BUCKET);
    let mut ledger = Ledger { seed: seed(), ..Ledger::default() };
    let load = Load::start(&s3, BUCKET, 4, &ledger, 0);
    load.wait_for(200, Duration::from_secs(120));
    let begun = load.seconds();

    say!("  with three OSDs and three copies any one may stop, a second one may not");
    let ok = |name: &str| cluster.nacre(&["daemon", "ok-to-stop", name]);
    assert!(ok("osd.1").ok().out().contains("can be stopped"));
    assert_eq!(cluster.json(&["daemon", "ok-to-stop", "osd.1"])["ok_to_stop"], true);
    ok("mon.0").fails(1, "majority");
    ok("gateway.0").fails(1, "S3");
    ok("osd.77").fails(2, "there is no osd.77");
    ok("disk").fails(2, "no daemon's name");
    cluster.daemon_stop("osd.2");
    cluster.wait_noticed_down(2, Duration::from_secs(60));
    ok("osd.1").fails(1, "min_size");
    cluster.daemon_start("osd.2");
    cluster.wait_clean(3, CLEAN);

    say!("  an OSD is added while clients write");
    cluster.nacre(&["osd", "add", "--size", "100M"]).fails(2, "at least 256 MiB");
    let added = Instant::now();
    assert!(cluster.nacre(&["osd", "add"]).ok().out().contains("osd.3 is up"));
    assert!(cluster.pid("osd.3").is_some(), "the advertisement names it");
    for_condition("PGs on osd.3", Duration::from_secs(60), || match pgs_with(&cluster, 3)? {
        0 => Err("none".into()),
        _ => Ok(()),
    });
    cluster.wait_clean(3, CLEAN);
    say!("  its share was there after {:.1} s", added.elapsed().as_secs_f64());

    say!("  osd.0 is drained and removed");
    cluster.nacre(&["osd", "rm", "0"]).fails(1, "osd.0 is up");
    cluster.nacre(&["osd", "set", "norebalance"]).ok();
    wait_flags(&cluster, "norebalance");
    cluster.nacre(&["osd", "out", "0"]).ok();
    for_condition("PGs that belong elsewhere", Duration::from_secs(60), || {
        let moved = cluster.pgs()?.iter().filter(|pg| !pg.up.contains(&0) && pg.acting.contains(&0)).count();
        if moved > 0 { Ok(()) } else { Err("none has osd.0 in its acting set only".into()) }
    });
    cluster.nacre(&["osd", "unset", "norebalance"]).ok();
    wait_flags(&cluster, "");
    for_condition("osd.0 to be empty", CLEAN, || match pgs_with(&cluster, 0)? {
        0 => Ok(()),
        left => Err(format!("{left} PGs are still on it")),
    });
    cluster.wait_clean(3, CLEAN);
    cluster.daemon_stop("osd.0");
    // As a command leaves it that is killed when the monitors have agreed.
    let before = std::fs::read(cluster.dir().join("cluster.toml")).expect("the host's settings");
    let conf = std::fs::read(cluster.dir().join("conf/osd.0.toml")).expect("its settings");
    cluster.nacre(&["osd", "rm", "0"]).ok();
    std::fs::write(cluster.dir().join("cluster.toml"), before).expect("written");
    std::fs::write(cluster.dir().join("conf/osd.0.toml"), conf).expect("written");
    cluster.nacre(&["osd", "rm", "0", "--zap"]).ok();
    assert!(!cluster.dir().join("osd.0").exists(), "its store is deleted");
    assert!(!cluster.dir().join("keys/osd.0.key").exists(), "and its key");
    cluster.nacre(&["osd", "rm", "0"]).fails(1, "osd.0");
    cluster.nacre(&["osd", "set", "nonsense"]).fails(2, "noout");
    assert!(cluster.pid("osd.0").is_none(), "the advertisement names it no more");

    say!("  a paused cluster answers nobody until it goes on");
    let acknowledged = {
        cluster.nacre(&["osd", "set", "pause"]).ok();
        wait_flags(&cluster, "pause");
        load.count()
    };
    // Those whose map is a moment old may still get through; then nothing does while other things are asked.
    let still = for_condition("writers to stand still", Duration::from_secs(30), || {
        let before = load.count();
        for _ in 0..10 {
            cluster.try_json(&["status"])?;
        }
        if load.count() == before { Ok(before) } else { Err("writes are acknowledged".into()) }
    });
    say!("  {} writes came through after the flag was seen", still - acknowledged);
    cluster.nacre(&["osd", "unset", "pause"]).ok();
    load.wait_for(100, Duration::from_secs(60));

    let end = load.seconds();
    let told = load.finish(&mut ledger);
    let (gap, slowest) = stalls(&told, begun, end);
    say!("  nothing acknowledged for at most {gap:.2} s, the pause included; slowest write {slowest:.2} s");
    let failed: Vec<&String> = told.iter().flat_map(|t| &t.failed).collect();
    assert!(failed.is_empty(), "{} writes failed, as {:?}", failed.len(), failed[0]);
    assert!(slowest < LONGEST_STALL_SECONDS, "a write stalled for {slowest:.1} s");
    assert_eq!(cluster.stop(), 0, "the OSD that was added is stopped too");
    cluster.up();
    cluster.wait_clean(3, CLEAN);
    let verdict = ledger.verify(&s3, BUCKET);
    say!("  {} keys as acknowledged, after a restart of what is left", verdict.keys);
}
