//! kill -9 of every daemon at a random moment under load: what was acknowledged is back, byte for byte, and what was
//! not leaves nothing behind for ever.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use stdx::Rng;
use tests_cluster::ledger::Ledger;
use tests_cluster::load::Load;
use tests_cluster::s3::Request;
use tests_cluster::settings::{seed, sized};
use tests_cluster::wait::until;
use tests_cluster::{Cluster, Options, say};

const BUCKET: &str = "load";

#[test]
fn kill_all() {
    let mut cluster = Cluster::start("kill_all", Options { osd_size: "2G", ..Options::default() });
    let mut ledger = Ledger { seed: seed(), ..Ledger::default() };
    let mut rng = Rng::new(ledger.seed);
    cluster.free_garbage_soon();
    cluster.s3().make_bucket(BUCKET);
    let begin = Instant::now();
    for round in 1..=sized(10, 30) {
        let load = Load::start(&cluster.s3(), BUCKET, 8, &ledger, round);
        load.wait_for(50, Duration::from_secs(120));
        let moment = Duration::from_millis(rng.below(2500));
        // The moment itself is what is tested here, so this waits for a time and not for an event.
        let from = Instant::now();
        until("the moment of the crash", moment, Duration::from_millis(1), || {
            if from.elapsed() >= moment { Ok(()) } else { Err("not yet".into()) }
        });
        let killed = cluster.kill_all();
        assert_eq!(killed, 6, "`up`, a monitor, three OSDs and a gateway");
        let told = load.finish(&mut ledger);
        let acked: usize = told.iter().map(|t| t.acked.len()).sum();
        let open = ledger.keys.values().filter(|e| !e.maybe.is_empty()).count();
        let up = cluster.up();
        let verdict = ledger.verify(&cluster.s3(), BUCKET);
        say!(
            "  round {round}: {killed} processes killed {} ms into the load, {acked} operations acknowledged and \
             {open} open; up again in {:.1} s; {} keys as acknowledged ({} open ones newer, {} older)",
            moment.as_millis(),
            up.as_secs_f64(),
            verdict.keys,
            verdict.newer,
            verdict.older
        );
        assert!(acked > 0, "a round without an acknowledgement shows nothing");
    }
    let clean = cluster.wait_clean(3, Duration::from_secs(120));
    say!(
        "  every PG active+clean after {:.1} s; {:.0} s in all",
        clean.as_secs_f64(),
        begin.elapsed().as_secs_f64()
    );
    // Uploads that the crashes cut off have no owner any more: their gateways' leases run out, and then all is freed.
    let s3 = cluster.s3();
    for key in s3.list(BUCKET).keys() {
        s3.must(Request::object("DELETE", BUCKET, key));
    }
    let left = cluster.data_objects().unwrap_or_else(|e| panic!("{e}")).len();
    let waited = cluster.wait_data_objects(&BTreeSet::new(), Duration::from_secs(300));
    say!("  all objects deleted: {left} data objects left, none after {:.1} s", waited.as_secs_f64());
    assert_eq!(cluster.stop(), 0, "and it still stops cleanly");
}
