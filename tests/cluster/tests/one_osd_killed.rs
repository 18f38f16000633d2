//! Losing one disk's daemon is a pause of seconds; losing two stops writes, never falsifies them, and reads go on.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use tests_cluster::ledger::Ledger;
use tests_cluster::load::{Load, stalls};
use tests_cluster::s3::Request;
use tests_cluster::settings::{seed, sized};
use tests_cluster::{Cluster, Options, content, say};

const BUCKET: &str = "load";
/// The promise is "a few seconds"; this is what still counts as that on a machine that compiles beside it.
const LONGEST_STALL_SECONDS: f64 = 10.0;
/// How long a write below min_size is watched for a false success.
const WATCH: Duration = Duration::from_secs(8);
const CLEAN: Duration = Duration::from_secs(180);

#[test]
fn one_osd_killed() {
    let cluster = Cluster::start("one_osd_killed", Options { osd_size: "2G", ..Options::default() });
    let s3 = cluster.s3();
    s3.make_bucket(BUCKET);
    let mut ledger = Ledger { seed: seed(), ..Ledger::default() };

    for round in 0..sized(2, 6) {
        let osd = format!("osd.{}", (content::mix(&[ledger.seed, round]) % 3));
        let load = Load::start(&s3, BUCKET, 8, &ledger, round);
        load.wait_for(200, Duration::from_secs(120));
        let killed = load.seconds();
        cluster.kill9(&osd);
        // Acknowledged one after the other by eight writers: this many more cannot come from requests in flight.
        load.wait_for(200, Duration::from_secs(60));
        let resumed = load.seconds();
        let back = Instant::now();
        cluster.daemon_start(&osd);
        load.wait_for(200, Duration::from_secs(60));
        let clean = cluster.wait_clean(3, CLEAN);
        let end = load.seconds();
        let told = load.finish(&mut ledger);
        let (gap, slowest) = stalls(&told, killed, resumed);
        let (_, slowest_back) = stalls(&told, resumed, end);
        let failed: Vec<&String> = told.iter().flat_map(|t| &t.failed).collect();
        say!(
            "  round {round}: kill -9 {osd}: nothing acknowledged for {gap:.2} s, slowest write {slowest:.2} s; \
             back: clean after {:.1} s (waited {:.1}), slowest write meanwhile {slowest_back:.2} s",
            back.elapsed().as_secs_f64(),
            clean.as_secs_f64()
        );
        assert!(failed.is_empty(), "{} writes failed, as {:?}", failed.len(), failed[0]);
        assert!(slowest < LONGEST_STALL_SECONDS, "a write stalled for {slowest:.1} s after kill -9 of {osd}");
        assert!(
            slowest_back < LONGEST_STALL_SECONDS,
            "a write stalled for {slowest_back:.1} s while {osd} came back"
        );
        let verdict = ledger.verify(&s3, BUCKET);
        say!("  round {round}: {} keys, {} bytes: all as acknowledged", verdict.keys, verdict.bytes);
    }
    below_min_size(&cluster, &mut ledger);
}

/// Two of three gone: min_size is 2.
fn below_min_size(cluster: &Cluster, ledger: &mut Ledger) {
    let s3 = cluster.s3();
    let kept = content::bytes(99, 200_000);
    s3.put(BUCKET, "kept", &kept);
    cluster.kill9("osd.1");
    cluster.wait_noticed_down(1, Duration::from_secs(60));
    cluster.kill9("osd.2");
    cluster.wait_noticed_down(2, Duration::from_secs(60));

    let body = content::bytes(100, 50_000);
    let (answer, answered) = channel();
    let writer = {
        let (s3, body) = (s3.patient(Duration::from_secs(300)), body.clone());
        std::thread::spawn(move || {
            // A refusal may come instead of an answer that waits; a client would send again, and so does this.
            loop {
                let result = s3.try_send(Request::object("PUT", BUCKET, "waits").body(&body));
                let again = result.as_ref().is_ok_and(|r| r.status >= 500);
                if answer.send(result).is_err() || !again {
                    return;
                }
            }
        })
    };
    let watch = Instant::now();
    while watch.elapsed() < WATCH {
        match answered.recv_timeout(WATCH.saturating_sub(watch.elapsed())) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Ok(response)) => {
                assert!(response.status >= 500, "with one of three copies: {}", response.brief())
            }
            other => panic!("a write below min_size ended with {other:?}"),
        }
    }
    let begin = Instant::now();
    assert_eq!(s3.get(BUCKET, "kept").as_deref(), Some(&kept[..]), "reads are served by the last copy");
    say!(
        "  two of three down: a write has no success after {WATCH:?}; a read took {:.2} s",
        begin.elapsed().as_secs_f64()
    );

    let begin = Instant::now();
    cluster.daemon_start("osd.1");
    let status = loop {
        match answered.recv_timeout(Duration::from_secs(120)) {
            Ok(Ok(response)) if response.status >= 500 => {}
            Ok(Ok(response)) => break response.status,
            other => panic!("the write that waited ended with {other:?}\n{}", cluster.tails()),
        }
    };
    writer.join().expect("the writer ends");
    assert_eq!(status, 200);
    say!("  osd.1 back: the write was acknowledged {:.2} s later", begin.elapsed().as_secs_f64());
    assert_eq!(s3.get(BUCKET, "waits"), Some(body));
    cluster.daemon_start("osd.2");
    say!("  all back: clean after {:.1} s", cluster.wait_clean(3, CLEAN).as_secs_f64());
    s3.must(Request::object("DELETE", BUCKET, "waits"));
    s3.must(Request::object("DELETE", BUCKET, "kept"));
    ledger.verify(&s3, BUCKET);
}
