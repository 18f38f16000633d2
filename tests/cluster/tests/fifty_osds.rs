//! Fifty OSDs with small stores on one machine boot, and 2,048 PGs become active+clean on them. Only with `--full`.

use std::time::{Duration, Instant};
use tests_cluster::settings::full;
use tests_cluster::wait::until;
use tests_cluster::{Cluster, Options, daemons, say};

const OSDS: u32 = 50;
const PGS: usize = 2048;
/// An OSD with nothing but 125 empty copies of PGs.
const IDLE_RSS_MAX: u64 = 100 << 20;

#[test]
fn fifty_osds() {
    if !full() {
        say!("  only with NACRE_TEST_FULL=1: it takes minutes and 13 GB of disk");
        return;
    }
    let cluster =
        Cluster::start("fifty_osds", Options { osds: OSDS, mons: 3, osd_size: "256M", ..Options::default() });
    let begun = Instant::now();
    let pgs = PGS.to_string();
    cluster
        .nacre(&["pool", "create", "wide", "--size", "3", "--pg-num", &pgs, "--failure-domain", "osd"])
        .ok();
    until("every PG active+clean", Duration::from_secs(300), Duration::from_secs(1), || {
        let all = cluster.pgs()?;
        let clean = all.iter().filter(|pg| pg.state == "active+clean" && pg.acting.len() == 3).count();
        if all.len() >= PGS && clean == all.len() { Ok(()) } else { Err(format!("{clean} of {}", all.len())) }
    });
    let took = begun.elapsed().as_secs_f64();
    let resident: Vec<u64> =
        (0..OSDS).filter_map(|n| daemons::rss(cluster.live(&format!("osd.{n}")))).map(|rss| rss.0).collect();
    let (most, sum) = (resident.iter().max().copied().unwrap_or(0), resident.iter().sum::<u64>());
    say!(
        "  {PGS} PGs on {OSDS} OSDs active+clean after {took:.1} s; resident memory of an OSD {} MiB, at most {} MiB",
        (sum / u64::from(OSDS)) >> 20,
        most >> 20
    );
    assert!(most < IDLE_RSS_MAX, "an idle OSD holds {} MiB", most >> 20);
}
