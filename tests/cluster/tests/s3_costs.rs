//! What a request costs the cluster, by its own counters: a PUT of 4 KiB is one replicated transaction and nothing
//! else, a GET or a HEAD of it is one read by one OSD.

use std::time::{Duration, Instant};
use tests_cluster::content::bytes;
use tests_cluster::s3::http::Response;
use tests_cluster::s3::{Connection, Request};
use tests_cluster::{Cluster, Options, S3, say, wait};

const BUCKET: &str = "costs";
const SIZE: usize = 4096;
const REQUESTS: u64 = 300;
/// Credentials and bucket records are asked for again every few seconds, and the gateway renews its intent: so many
/// operations may be that, in a run of the requests above. One more operation for each would be far beyond.
const BESIDES_MAX: u64 = 30;

struct Counted {
    reads: u64,
    writes: u64,
}

/// What the gateway has asked of OSDs so far, from its metrics.
fn counted(cluster: &Cluster) -> Counted {
    let address = cluster.advert()["admin"].as_str().map(|url| url.trim_start_matches("http://").to_string());
    let address = address.unwrap_or_else(|| panic!("cluster.json has no admin address"));
    let admin = S3::new(&address, "", "");
    let page = admin.raw(&Request::new("GET", "/metrics")).map(|r: Response| r.text());
    let page = page.unwrap_or_else(|e| panic!("/metrics: {e}"));
    let value = |name: &str| -> u64 {
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        line.unwrap_or_else(|| panic!("no {name} in\n{page}"))
    };
    Counted {
        reads: value("nacre_gateway_osd_reads_total "),
        writes: value("nacre_gateway_osd_writes_total "),
    }
}

/// Entries of the logs of the pool that holds bucket indexes: every replicated transaction adds one.
fn index_log(cluster: &Cluster) -> u64 {
    let ids = cluster.json(&["pg", "ls"])["pgs"].as_array().cloned().unwrap_or_default();
    let pools = cluster.json(&["pool", "ls"])["pools"].as_array().cloned().unwrap_or_default();
    let pool = pools.iter().find(|p| p["name"] == "s3.index").map(|p| p["id"].to_string());
    let pool = pool.unwrap_or_else(|| panic!("no pool s3.index in {pools:?}"));
    let mut all = 0;
    for pg in ids.iter().filter_map(|pg| pg["pgid"].as_str()).filter(|pg| pg.starts_with(&format!("{pool}.")))
    {
        let detail = cluster.json(&["pg", "query", pg]);
        let update = detail["last_update"].as_str().and_then(|text| text.split_once('\''));
        let number = update.and_then(|(_, number)| number.parse::<u64>().ok());
        all += number.unwrap_or_else(|| panic!("PG {pg}: {detail}"));
    }
    all
}

/// Sends a request for each key over one connection; what the gateway asked for meanwhile.
fn all(cluster: &Cluster, verb: &str, body: &[u8], check: impl Fn(&Response)) -> Counted {
    let s3 = cluster.s3();
    let mut connection: Connection = s3.connect().unwrap_or_else(|e| panic!("connect: {e}"));
    let before = counted(cluster);
    let begin = Instant::now();
    for key in 0..REQUESTS {
        let request = s3.sign(Request::object(verb, BUCKET, &format!("key-{key}")).body(body));
        let response = connection.exchange(&request.bytes(&s3.host), verb == "HEAD");
        let response = response.unwrap_or_else(|e| panic!("{verb}: {e}"));
        assert!((200..300).contains(&response.status), "{verb}: {}", response.text());
        check(&response);
    }
    let after = counted(cluster);
    let counted = Counted { reads: after.reads - before.reads, writes: after.writes - before.writes };
    say!(
        "  {REQUESTS} {verb}: {} reads, {} transactions, {:.1} s",
        counted.reads,
        counted.writes,
        begin.elapsed().as_secs_f64()
    );
    counted
}

#[test]
fn s3_costs() {
    let cluster = Cluster::start("s3-costs", Options::default());
    cluster.s3().make_bucket(BUCKET);
    let body = bytes(1, SIZE);
    let log = index_log(&cluster);

    let puts = all(&cluster, "PUT", &body, |_| {});
    assert!((REQUESTS..REQUESTS + BESIDES_MAX).contains(&puts.writes), "a PUT is one transaction");
    assert!(puts.reads < BESIDES_MAX, "a PUT reads nothing");

    // The other end of it: OSDs report their logs every few seconds.
    let added = wait::for_condition("the OSDs to report", Duration::from_secs(30), || {
        match index_log(&cluster) - log {
            added if added >= REQUESTS => Ok(added),
            added => Err(format!("{added} entries of {REQUESTS}")),
        }
    });
    say!("  {REQUESTS} PUT: {added} log entries in s3.index");
    assert!(added < REQUESTS + BESIDES_MAX, "a PUT is replicated once");

    let gets = all(&cluster, "GET", &[], |response| assert!(response.body == body, "the body"));
    assert!((REQUESTS..REQUESTS + BESIDES_MAX).contains(&gets.reads), "a GET is one read");
    assert!(gets.writes < BESIDES_MAX, "a GET changes nothing");

    let heads = all(&cluster, "HEAD", &[], |r| assert_eq!(r.header("content-length"), Some("4096")));
    assert!((REQUESTS..REQUESTS + BESIDES_MAX).contains(&heads.reads), "a HEAD is one read");

    let deletes = all(&cluster, "DELETE", &[], |_| {});
    assert!((REQUESTS..REQUESTS + BESIDES_MAX).contains(&deletes.writes), "a DELETE is one transaction");
}
