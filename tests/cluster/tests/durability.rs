//! An acknowledged PUT was flushed: shown by the kernel's own count of flushes on the disk, since kill -9 keeps the
//! page cache. And flushes are shared: many writers at once need fewer of them than they write copies.

use std::time::Instant;
use tests_cluster::content::bytes;
use tests_cluster::flushes::Flushes;
use tests_cluster::s3::Request;
use tests_cluster::settings::sized;
use tests_cluster::{Cluster, Options, S3, say};

const BUCKET: &str = "flushed";
const BATCH: u64 = 20;
const WRITERS: u64 = 16;

#[test]
fn durability() {
    let cluster = Cluster::start("durability", Options::default());
    let s3 = cluster.s3();
    s3.make_bucket(BUCKET);
    let flushes = Flushes::of(&cluster.dir());
    say!("  counting {}", flushes.source());

    let (from, begin) = (flushes.count(), Instant::now());
    let quiet = tests_cluster::wait::until(
        "a look at the idle disk",
        std::time::Duration::from_secs(5),
        std::time::Duration::from_millis(100),
        || {
            let seconds = begin.elapsed().as_secs_f64();
            if seconds >= 2.0 { Ok((flushes.count() - from) as f64 / seconds) } else { Err("not yet".into()) }
        },
    );
    say!("  with an idle cluster: {quiet:.1} flushes/s (other programs on this disk, if many)");

    let body = bytes(1, 4096);
    let mut connection = s3.connect().expect("connects");
    let (mut all, begin, batches) = (0, Instant::now(), sized(10, 100));
    for batch in 0..batches {
        let from = flushes.count();
        for i in 0..BATCH {
            let request = s3.sign(Request::object("PUT", BUCKET, &format!("serial/{batch}-{i}")).body(&body));
            let response = connection.exchange(&request.bytes(&s3.host), false).expect("an answer");
            assert_eq!(response.status, 200, "{}", response.text());
        }
        let grown = flushes.count() - from;
        all += grown;
        // One after the other: nothing can be shared, each acknowledgement needs a flush of its own.
        assert!(grown >= BATCH, "batch {batch}: {BATCH} acknowledged PUTs, {grown} flushes");
    }
    let (puts, seconds) = (batches * BATCH, begin.elapsed().as_secs_f64());
    say!(
        "  one by one: {puts} PUTs of 4 KiB, {all} flushes, {:.2} a PUT; {:.2} ms a PUT",
        all as f64 / puts as f64,
        seconds * 1000.0 / puts as f64
    );

    let each = sized(60, 600);
    let (from, begin) = (flushes.count(), Instant::now());
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (s3, body) = (&s3, &body);
            scope.spawn(move || write(s3, writer, each, body));
        }
    });
    let (grown, seconds) = (flushes.count() - from, begin.elapsed().as_secs_f64());
    let puts = WRITERS * each;
    let own = (grown as f64 - quiet * seconds).max(0.0);
    say!(
        "  {WRITERS} writers: {puts} PUTs of 4 KiB in {seconds:.2} s ({:.0}/s), {grown} flushes ({own:.0} without the others'), \
         {:.2} a PUT, {:.2} a copy",
        puts as f64 / seconds,
        own / puts as f64,
        own / (3 * puts) as f64
    );
    // At most WRITERS requests wait for the same flush.
    assert!(grown >= puts / WRITERS, "{puts} PUTs of {WRITERS} writers cannot share {grown} flushes");
    assert!(
        own < (3 * puts) as f64,
        "a flush for each copy: no group commit ({own:.0} flushes, {puts} PUTs x 3)"
    );
}

fn write(s3: &S3, writer: u64, each: u64, body: &[u8]) {
    let mut connection = s3.connect().expect("connects");
    for i in 0..each {
        let request = s3.sign(Request::object("PUT", BUCKET, &format!("many/{writer}-{i}")).body(body));
        let response = connection.exchange(&request.bytes(&s3.host), false).expect("an answer");
        assert_eq!(response.status, 200, "{}", response.text());
    }
}
