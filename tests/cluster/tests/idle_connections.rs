//! Thousands of connections that are kept alive and say nothing: little memory each, and no harm to those who speak.
//! 2,000 by default, 10,000 with `--full`.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tests_cluster::s3::Request;
use tests_cluster::settings::sized;
use tests_cluster::{Cluster, Options, S3, say};

const BUCKET: &str = "idle";
const KEY: &str = "small";
const BODY: &[u8] = b"a small object";

/// What the whole gateway may take with 10,000 of them, bytes.
const GATEWAY_BYTES_MAX: u64 = 300 << 20;

/// Descriptors for the connections, and the usual ones.
fn raise_descriptors(wanted: u64) {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    assert!(
        most >= wanted,
        "this machine lets a process open {most} files, {wanted} are needed: raise `ulimit -Hn`"
    );
    if limit.current.is_some_and(|now| now < wanted) {
        let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
        setrlimit(Resource::Nofile, raised).unwrap_or_else(|e| panic!("{wanted} descriptors: {e}"));
    }
}

/// One request and its answer, on a connection that stays.
fn ask(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(BODY) {
        let mut piece = [0; 2048];
        let n = stream.read(&mut piece).expect("an answer");
        assert!(n > 0, "the gateway closed it after {:?}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&piece[..n]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{:?}", String::from_utf8_lossy(&answer));
}

fn request(s3: &S3) -> Vec<u8> {
    s3.sign(Request::object("GET", BUCKET, KEY)).bytes(&s3.host)
}

fn resident_bytes(pid: i32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process with memory");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// The median time of a GET on one connection.
fn median_get(s3: &S3) -> Duration {
    let mut stream = TcpStream::connect(&s3.host).expect("connects");
    stream.set_nodelay(true).expect("a socket");
    let mut times: Vec<Duration> = (0..300)
        .map(|_| {
            let bytes = request(s3);
            let begin = Instant::now();
            ask(&mut stream, &bytes);
            begin.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

#[test]
fn idle_connections() {
    let count = sized(2_000_u64, 10_000);
    raise_descriptors(count + 512);
    let cluster = Cluster::start("idle_connections", Options::default());
    let s3 = cluster.s3();
    s3.make_bucket(BUCKET);
    s3.put(BUCKET, KEY, BODY);
    let alone = median_get(&s3);
    let gateway = cluster.live("gateway.0");
    let before = resident_bytes(gateway);

    let begin = Instant::now();
    let mut idle: Vec<TcpStream> = (0..count)
        .map(|i| {
            let mut stream = TcpStream::connect(&s3.host).unwrap_or_else(|e| panic!("connection {i}: {e}"));
            stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
            ask(&mut stream, &request(&s3));
            stream
        })
        .collect();
    let opened = begin.elapsed();
    let after = resident_bytes(gateway);
    let crowded = median_get(&s3);
    s3.put(BUCKET, "another", BODY);
    // The last ones are still there: nothing was closed to make room.
    let bytes = request(&s3);
    idle.iter_mut().rev().take(100).for_each(|stream| ask(stream, &bytes));

    let each = after.saturating_sub(before) / count;
    say!(
        "  {count} idle connections, opened in {:.1} s: gateway {} -> {} MiB, {each} bytes each; median GET {:?} alone, {:?} beside them",
        opened.as_secs_f64(),
        before >> 20,
        after >> 20,
        alone,
        crowded
    );
    assert!(
        before + 10_000 * each <= GATEWAY_BYTES_MAX,
        "10,000 would take {} MiB",
        (before + 10_000 * each) >> 20
    );
}
