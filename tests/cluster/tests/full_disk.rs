//! Full disks: writes are told so with 507, reads and deletes go on, and after deletes writes go on, too.

use std::collections::BTreeMap;
use std::time::Duration;
use tests_cluster::content::{bytes, difference};
use tests_cluster::s3::Request;
use tests_cluster::wait::{for_condition, until};
use tests_cluster::{Cluster, Options, say};

const BUCKET: &str = "full";
const SIZE: usize = 1 << 20;
/// More than three stores of 256 MiB can hold in three copies.
const MOST: u64 = 400;

#[test]
fn full_disk() {
    let cluster = Cluster::start("full_disk", Options { osd_size: "256M", ..Options::default() });
    let s3 = cluster.s3();
    s3.make_bucket(BUCKET);
    let mut kept: BTreeMap<String, u64> = BTreeMap::new();
    let put = |n: u64| s3.send(Request::object("PUT", BUCKET, &format!("{n:04}")).body(&bytes(n, SIZE)));
    let refusal = (0..MOST).find_map(|n| {
        let response = put(n);
        match response.status {
            200 => kept.insert(format!("{n:04}"), n).and(None),
            _ => Some(response),
        }
    });
    let refusal = refusal.unwrap_or_else(|| panic!("{MOST} MiB in three copies fit into 3 x 256 MiB"));
    assert_eq!((refusal.status, refusal.code().as_str()), (507, "InsufficientStorage"), "{}", refusal.text());
    say!("  full after {} objects of 1 MiB in three stores of 256 MiB: {}", kept.len(), refusal.brief());
    assert!(kept.len() >= 60, "full much too early");
    // One refusal must not have been chance.
    for n in MOST..MOST + 5 {
        let response = put(n);
        match response.status {
            200 => drop(kept.insert(format!("{n:04}"), n)),
            _ => assert_eq!(response.code(), "InsufficientStorage", "{}", response.text()),
        }
    }
    let health = for_condition("health to say that disks are full", Duration::from_secs(30), || {
        let health = cluster.try_json(&["health", "detail"])?;
        if health.to_string().contains("FULL") { Ok(health) } else { Err(health.to_string()) }
    });
    say!("  health: {}", health["checks"][0]["summary"]);

    let read_all = |kept: &BTreeMap<String, u64>| {
        assert!(s3.list(BUCKET).keys().eq(kept.keys()), "the listing is exactly what was acknowledged");
        for (key, n) in kept {
            let got = s3.get(BUCKET, key).unwrap_or_else(|| panic!("{key} is gone"));
            assert_eq!(difference(&got, &bytes(*n, SIZE)), None, "{key}");
        }
    };
    read_all(&kept);
    say!("  all {} objects are read and listed", kept.len());

    let gone: Vec<String> = kept.keys().step_by(2).cloned().collect();
    for key in &gone {
        s3.must(Request::object("DELETE", BUCKET, key));
        kept.remove(key);
    }
    read_all(&kept);
    say!("  {} objects deleted on the full disks", gone.len());
    let mut next = MOST + 100;
    let waited = std::time::Instant::now();
    until("writes after deletes", Duration::from_secs(180), Duration::from_secs(1), || {
        next += 1;
        let response = put(next);
        match response.status {
            200 => Ok(()),
            _ => Err(response.brief()),
        }
    });
    kept.insert(format!("{next:04}"), next);
    say!("  writes go on {:.1} s later", waited.elapsed().as_secs_f64());
    read_all(&kept);
    cluster.wait_clean(3, Duration::from_secs(120));
}
