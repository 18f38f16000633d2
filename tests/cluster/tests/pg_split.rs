//! PGs are split while clients write, images have snapshots, and an OSD is killed in the middle: everything is read back,
//! as it is and as it was, the stores are sound, and the new PGs spread by themselves.

#[path = "pg_split/images.rs"]
mod images;

use images::Images;
use std::time::{Duration, Instant};
use tests_cluster::ledger::Ledger;
use tests_cluster::load::{Load, stalls};
use tests_cluster::settings::seed;
use tests_cluster::wait::until;
use tests_cluster::{Cluster, Options, content, say};

const BUCKET: &str = "split";
const CLEAN: Duration = Duration::from_secs(240);
const OBJECTS: u64 = 24;
/// Two peerings and the loss of an OSD, on a machine that compiles beside it.
const LONGEST_STALL_SECONDS: f64 = 15.0;

fn body(pool: &str, n: u64, round: u64) -> Vec<u8> {
    content::bytes(content::mix(&[pool.len() as u64, n, round]), 1000 + (n as usize % 5) * 40_000)
}

fn put(cluster: &Cluster, pool: &str, n: u64, round: u64) {
    let file = cluster.beside().join("in");
    std::fs::write(&file, body(pool, n, round)).expect("a scratch file");
    cluster.nacre(&["object", "put", pool, &format!("o{n}"), &file.display().to_string()]).ok();
}

fn check(cluster: &Cluster, pool: &str, round: u64) {
    let file = cluster.beside().join("out");
    for n in 0..OBJECTS {
        cluster.nacre(&["object", "get", pool, &format!("o{n}"), &file.display().to_string()]).ok();
        let got = std::fs::read(&file).expect("fetched");
        assert_eq!(content::difference(&got, &body(pool, n, round)), None, "o{n} of {pool}");
    }
    let listed = cluster.json(&["object", "ls", pool]);
    assert_eq!(listed["objects"].as_array().map(Vec::len), Some(OBJECTS as usize), "{listed}");
}

/// `pg_num` and `pgp_num` of a pool.
fn numbers(cluster: &Cluster, pool: &str) -> Result<(u64, u64), String> {
    let all = cluster.try_json(&["pool", "ls"])?;
    let found = all["pools"].as_array().into_iter().flatten().find(|p| p["name"] == pool);
    let of =
        |key: &str| found.and_then(|p| p[key].as_u64()).ok_or_else(|| format!("no {key} of {pool} in {all}"));
    Ok((of("pg_num")?, of("pgp_num")?))
}

fn whole(cluster: &Cluster, pgs: usize) {
    until("every PG active+clean", CLEAN, Duration::from_millis(300), || {
        let all = cluster.pgs()?;
        let odd = all.iter().find(|pg| pg.state != "active+clean");
        match odd {
            None if all.len() == pgs => Ok(()),
            None => Err(format!("{} PGs, not {pgs}", all.len())),
            Some(pg) => Err(format!("{pg:?}")),
        }
    });
}

#[test]
fn pg_split() {
    let mut cluster = Cluster::start("pg_split", Options { osds: 4, osd_size: "1G", ..Options::default() });
    cluster.nacre(&["pool", "create", "raw", "--size", "3", "--pg-num", "8"]).ok();
    let ec = ["--ec", "2+1", "--min-size", "2", "--pg-num", "4", "--failure-domain", "osd"];
    cluster.nacre(&[&["pool", "create", "coded"], &ec[..]].concat()).ok();
    let pools = ["raw", "coded"];
    let mut images = Images::make(&cluster);
    let before = cluster.pgs().expect("PGs").len();
    whole(&cluster, before);

    say!("  numbers that make no sense are refused");
    for (value, says) in [
        ("0", "from 1 to 65536"),
        ("many", "whole number"),
        ("70000", "from 1 to 65536"),
        ("65", "8-fold at once"),
        ("4", "not merged"),
    ] {
        cluster.nacre(&["pool", "set", "raw", "pg_num", value]).fails(1, says);
    }
    cluster.nacre(&["pool", "set", "raw", "pgp_num", "9"]).fails(1, "pgp_num");
    cluster.nacre(&["pool", "set", "nowhere", "pg_num", "9"]).fails(1, "no pool nowhere");
    cluster.nacre(&["config", "set", "mon", "mon_max_pg_per_osd", "90"]).ok();
    cluster.nacre(&["pool", "set", "raw", "pg_num", "64"]).fails(1, "mon_max_pg_per_osd is 90");
    cluster.nacre(&["config", "rm", "mon", "mon_max_pg_per_osd"]).ok();

    for pool in pools {
        (0..OBJECTS).for_each(|n| put(&cluster, pool, n, 1));
    }
    let s3 = cluster.s3();
    s3.make_bucket(BUCKET);
    let mut ledger = Ledger { seed: seed(), ..Ledger::default() };
    let load = Load::start(&s3, BUCKET, 6, &ledger, 0);
    load.wait_for(200, Duration::from_secs(120));

    images.before_the_split(&cluster);
    let (begun, split) = (load.seconds(), Instant::now());
    let plain = [("raw", 32), ("coded", 8), ("s3.data", 64), ("s3.index", 64), ("s3.meta", 16)];
    let grown = || plain.into_iter().chain(images::POOLS.map(|(pool, _, after)| (pool, after)));
    for (pool, pg_num) in grown() {
        cluster.nacre(&["pool", "set", pool, "pg_num", &pg_num.to_string()]).ok();
    }
    say!("  seven pools split in {:.2} s; osd.1 is killed", split.elapsed().as_secs_f64());
    cluster.kill9("osd.1");
    load.wait_for(200, Duration::from_secs(90));
    for pool in pools {
        (0..OBJECTS / 2).for_each(|n| put(&cluster, pool, n, 2));
        (OBJECTS / 2..OBJECTS).for_each(|n| put(&cluster, pool, n, 2));
    }
    images.after_the_split(&cluster);
    cluster.daemon_start("osd.1");
    load.wait_for(200, Duration::from_secs(90));
    let of_images: u32 = images::POOLS.iter().map(|(_, before, after)| after - before).sum();
    let pgs = before + 24 + 4 + 32 + 32 + 8 + of_images as usize;
    whole(&cluster, pgs);
    say!("  active+clean {:.1} s after the split", split.elapsed().as_secs_f64());
    until("placement to follow", CLEAN, Duration::from_millis(300), || {
        for (pool, pg_num) in grown() {
            let now = numbers(&cluster, pool)?;
            if now != (pg_num.into(), pg_num.into()) {
                return Err(format!("{pool}: {now:?}"));
            }
        }
        Ok(())
    });
    whole(&cluster, pgs);
    say!("  spread and active+clean {:.1} s after the split", split.elapsed().as_secs_f64());
    load.wait_for(100, Duration::from_secs(90));
    let end = load.seconds();
    let told = load.finish(&mut ledger);
    let (gap, slowest) = stalls(&told, begun, end);
    let failed: Vec<&String> = told.iter().flat_map(|t| &t.failed).collect();
    say!("  nothing acknowledged for {gap:.2} s at most, slowest write {slowest:.2} s");
    assert!(failed.is_empty(), "{} writes failed, as {:?}", failed.len(), failed[0]);
    assert!(slowest < LONGEST_STALL_SECONDS, "a write stalled for {slowest:.1} s");

    say!("  what is not a power of two is said to be uneven");
    cluster.nacre(&["pool", "set", "raw", "pg_num", "33"]).ok();
    until("the warning", CLEAN, Duration::from_millis(300), || {
        let health = cluster.nacre(&["health", "detail"]).said();
        if health.contains("POOL_PG_NUM_NOT_POWER_OF_TWO") { Ok(()) } else { Err(health) }
    });
    whole(&cluster, pgs + 1);

    for pool in pools {
        check(&cluster, pool, 2);
        (0..OBJECTS).for_each(|n| put(&cluster, pool, n, 3));
        check(&cluster, pool, 3);
    }
    images.check(&cluster);
    let verdict = ledger.verify(&s3, BUCKET);
    say!("  {} keys, {} bytes: all as acknowledged", verdict.keys, verdict.bytes);

    say!("  all is there after a restart, and the stores are sound");
    assert_eq!(cluster.stop(), 0);
    for osd in 0..4 {
        let path = cluster.dir().join(format!("osd.{osd}")).display().to_string();
        cluster.nacre(&["fsck", "--osd-path", &path]).ok();
    }
    cluster.up();
    whole(&cluster, pgs + 1);
    pools.into_iter().for_each(|pool| check(&cluster, pool, 3));
    images.check(&cluster);
    images.remove(&cluster);
    assert_eq!(cluster.stop(), 0);
}
