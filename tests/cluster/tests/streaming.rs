//! No object is held whole in memory, and a slow client holds back only itself.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tests_cluster::content::bytes;
use tests_cluster::s3::Request;
use tests_cluster::sections::Sections;
use tests_cluster::settings::sized;
use tests_cluster::{Cluster, Options, S3, daemons, say};

const BUCKET: &str = "streams";
const CLIENTS: u64 = 32;
const LIMIT: u64 = 256 << 20;
const PIECE: usize = 1 << 20;

/// Piece `n` of the object of `client`: its numbers, then bytes that are the same for all pieces of a client.
fn piece(pattern: &[u8], client: u64, n: u64) -> Vec<u8> {
    let mut piece = pattern.to_vec();
    piece[..8].copy_from_slice(&client.to_le_bytes());
    piece[8..16].copy_from_slice(&n.to_le_bytes());
    piece
}

fn upload(s3: &S3, client: u64, pieces: u64) -> io::Result<()> {
    let pattern = bytes(client, PIECE);
    let mut request = Request::object("PUT", BUCKET, &format!("object-{client}"));
    request.set("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    request.length = Some(pieces * PIECE as u64);
    let mut connection = s3.connect()?;
    connection.send(&s3.sign(request).head_bytes(&s3.host))?;
    for n in 0..pieces {
        connection.send(&piece(&pattern, client, n))?;
    }
    let response = connection.response(false)?;
    assert_eq!(response.status, 200, "{}", response.text());
    Ok(())
}

fn download(s3: &S3, client: u64, pieces: u64) -> io::Result<()> {
    let pattern = bytes(client, PIECE);
    let mut connection = s3.connect()?;
    let request = s3.sign(Request::object("GET", BUCKET, &format!("object-{client}")));
    connection.send(&request.bytes(&s3.host))?;
    let (status, _) = connection.head()?;
    assert_eq!(status, 200);
    let mut got = vec![0; PIECE];
    for n in 0..pieces {
        let mut filled = 0;
        while filled < PIECE {
            match connection.read(&mut got[filled..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                more => filled += more,
            }
        }
        assert!(got == piece(&pattern, client, n), "object {client}, piece {n} is not what was sent");
    }
    Ok(())
}

/// All clients at once; the gateway's highest resident memory so far.
fn all(cluster: &Cluster, s3: &S3, what: &str, pieces: u64, work: fn(&S3, u64, u64) -> io::Result<()>) {
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..CLIENTS).map(|client| scope.spawn(move || work(s3, client, pieces))).collect();
        for (client, thread) in threads.into_iter().enumerate() {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(e)) => panic!("{what} {client}: {e}"),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    let seconds = begin.elapsed().as_secs_f64();
    let (now, highest) = daemons::rss(cluster.live("gateway.0")).expect("it runs");
    say!(
        "        {CLIENTS} {what} of {pieces} MiB at once: {seconds:.1} s, {:.0} MB/s; gateway {} MiB, at most {} MiB; {}",
        (CLIENTS * pieces) as f64 * 1.048_576 / seconds,
        now >> 20,
        highest >> 20,
        others(cluster)
    );
    assert!(highest < LIMIT, "the gateway took {} MiB", highest >> 20);
}

fn others(cluster: &Cluster) -> String {
    let names = cluster.daemons().into_iter().filter(|name| !name.starts_with("gateway"));
    let each = names.filter_map(|name| {
        let (now, highest) = daemons::rss(cluster.pid(&name)?)?;
        Some(format!("{name} {} MiB, at most {}", now >> 20, highest >> 20))
    });
    each.collect::<Vec<_>>().join(", ")
}

/// The middle one of `count` small GETs, and the slowest.
fn probe(s3: &S3, count: usize) -> (Duration, Duration) {
    let mut times: Vec<Duration> = (0..count)
        .map(|_| {
            let begin = Instant::now();
            assert_eq!(s3.get(BUCKET, "probe").map(|b| b.len()), Some(100_000));
            begin.elapsed()
        })
        .collect();
    times.sort();
    (times[count / 2], times[count - 1])
}

/// Clients that read and write one KiB a second.
fn slow(s3: &S3, pieces: u64) {
    s3.put(BUCKET, "probe", &bytes(77, 100_000));
    let (alone, alone_most) = probe(s3, 60);
    let stop = AtomicBool::new(false);
    let (beside, beside_most, seconds) = std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let stop = &stop;
            scope.spawn(move || slow_reader(s3, client, stop));
            scope.spawn(move || slow_writer(s3, client, stop));
        }
        let begin = Instant::now();
        let mut all = (Duration::ZERO, Duration::ZERO);
        while begin.elapsed() < Duration::from_secs(sized(6, 30)) {
            let (middle, most) = probe(s3, 60);
            all = (all.0.max(middle), all.1.max(most));
        }
        // A fast client beside them moves a whole object.
        download(s3, 1, pieces).unwrap_or_else(|e| panic!("a fast download beside slow ones: {e}"));
        let seconds = begin.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        (all.0, all.1, seconds)
    });
    say!(
        "        a GET of 100 kB: {alone:.1?} alone (slowest {alone_most:.1?}), {beside:.1?} beside {} clients of 1 KiB/s \
         (slowest {beside_most:.1?}) for {seconds:.0} s",
        2 * CLIENTS
    );
    assert!(
        beside < alone * 5 + Duration::from_millis(100),
        "slow clients slow others: {alone:?} became {beside:?}"
    );
}

const SECOND: Duration = Duration::from_secs(1);

fn slow_reader(s3: &S3, client: u64, stop: &AtomicBool) {
    let run = || -> io::Result<()> {
        let mut connection = s3.connect()?;
        let request = s3.sign(Request::object("GET", BUCKET, &format!("object-{client}")));
        connection.send(&request.bytes(&s3.host))?;
        let mut buf = [0; 1024];
        while !stop.load(Ordering::Relaxed) {
            // Straight from the socket: a buffered reader would take much at once.
            use std::io::Read;
            let mut stream = connection.stream();
            if stream.read(&mut buf)? == 0 {
                break;
            }
            // Being slow is what this client is for.
            std::thread::sleep(SECOND);
        }
        Ok(())
    };
    // The gateway may drop a client that is too slow; that is its right and no failure.
    let _ = run();
}

fn slow_writer(s3: &S3, client: u64, stop: &AtomicBool) {
    let run = || -> io::Result<()> {
        let mut request = Request::object("PUT", BUCKET, &format!("slow-{client}"));
        request.set("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
        request.length = Some(64 << 20);
        let mut connection = s3.connect()?;
        connection.send(&s3.sign(request).head_bytes(&s3.host))?;
        while !stop.load(Ordering::Relaxed) {
            connection.send(&[7; 1024])?;
            std::thread::sleep(SECOND);
        }
        Ok(())
    };
    // As above.
    let _ = run();
}

#[test]
fn streaming() {
    let options = Options { pool_size: 1, osd_size: sized("2G", "6G"), ..Options::default() };
    let cluster = Cluster::start("streaming", options);
    let s3 = cluster.s3().patient(Duration::from_secs(300));
    s3.make_bucket(BUCKET);
    let pieces = sized(32, 256);
    let mut sections = Sections::new();
    sections.run("uploads at once", || all(&cluster, &s3, "uploads", pieces, upload));
    sections.run("downloads at once", || all(&cluster, &s3, "downloads", pieces, download));
    sections.run("slow clients hold back only themselves", || slow(&s3, pieces));
    sections.run("the gateway's memory in the end", || {
        let (now, highest) = daemons::rss(cluster.live("gateway.0")).expect("it runs");
        say!("        gateway {} MiB, at most {} MiB", now >> 20, highest >> 20);
        assert!(highest < LIMIT);
        assert_eq!(
            s3.list(BUCKET).keys().filter(|k| k.starts_with("slow-")).count(),
            0,
            "unfinished uploads are not there"
        );
    });
    sections.finish();
}
