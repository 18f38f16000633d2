//! Fills a side's buckets, and runs one row of the table on it.

use crate::cases::{Case, LIST_PAGE, PRELOADED, Verb};
use crate::load::{self, Plan, Told};
use crate::side::Side;
use crate::usage::{self, Used};
use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;
use stdx::Rng;
use tests_cluster::content::sha256;
use tests_cluster::s3::Request;

const LIST_BUCKET: &str = "bench-s3-list";
/// There when all other objects that rows read are.
const MARKER: &str = "all-there";
/// Keys of the bucket that is listed.
const LISTED: usize = 4000;
/// A row writes at most so much in a second of its time, and so many objects, so that the stores need not be large.
const ROW_BYTES_PER_SECOND_MAX: f64 = 192e6;
const ROW_BYTES_MAX: f64 = 800e6;
const PUTS_PER_SECOND_MAX: f64 = 12_000.0;

/// How rows are run.
pub(crate) struct Manner {
    /// Of a row.
    pub(crate) seconds: f64,
    /// Whether the payload's SHA-256 is signed, as SDKs do over plain HTTP; else `UNSIGNED-PAYLOAD`, as over HTTPS.
    pub(crate) signed: bool,
    /// Makes the keys of this run its own.
    pub(crate) tag: u64,
}

/// A row's result on one side.
pub(crate) struct Measured {
    pub(crate) told: Told,
    pub(crate) used: Used,
}

/// The keys that PUT rows wrote and DELETE rows have not removed, by size.
pub(crate) type Written = BTreeMap<usize, Vec<String>>;

/// The bytes of all objects of a size: chance, so that nothing compresses them away.
fn body(size: usize) -> Vec<u8> {
    let mut rng = Rng::new(size as u64);
    let mut out = Vec::with_capacity(size + 8);
    while out.len() < size {
        out.extend_from_slice(&rng.next_u64().to_le_bytes());
    }
    out.truncate(size);
    out
}

/// Where a side's objects are: by class, so that two sides of one cluster have their own.
fn bucket(side: &Side) -> &'static str {
    if side.class.is_some() { "bench-s3-class" } else { "bench-s3" }
}

pub(crate) fn addr(side: &Side) -> Result<SocketAddr, String> {
    let found = side.s3.host.to_socket_addrs().map_err(|e| format!("{}: {e}", side.s3.host))?.next();
    found.ok_or_else(|| format!("{} is no address", side.s3.host))
}

/// Makes what rows read, unless an earlier run did.
pub(crate) fn prepare(side: &Side) -> Result<(), String> {
    let bucket = bucket(side);
    if side.s3.send(Request::object("HEAD", bucket, MARKER)).status == 200 {
        return Ok(());
    }
    side.s3.make_bucket(LIST_BUCKET);
    prepare_objects(side, &PRELOADED)?;
    let keys = (0..LISTED).map(listed).collect();
    all(side, "PUT", LIST_BUCKET, keys, b"x".to_vec())?;
    side.s3.put(bucket, MARKER, b"");
    Ok(())
}

/// Makes so many objects of each size, to be read.
pub(crate) fn prepare_objects(side: &Side, wanted: &[(usize, usize)]) -> Result<(), String> {
    let bucket = bucket(side);
    side.s3.make_bucket(bucket);
    for (size, count) in wanted {
        let keys = (0..*count).map(|i| object(*size, i)).collect();
        all(side, "PUT", bucket, keys, body(*size))?;
    }
    Ok(())
}

fn object(size: usize, i: usize) -> String {
    format!("there/{size}/{i:06}")
}
fn listed(i: usize) -> String {
    format!("key-{i:06}")
}

/// One request for each key, all of which must succeed.
fn all(side: &Side, verb: &str, bucket: &str, keys: Vec<String>, body: Vec<u8>) -> Result<(), String> {
    let heads = keys.iter().map(|key| head(side, Request::object(verb, bucket, key), &body, false)).collect();
    let told = load::run(Plan {
        addr: addr(side)?,
        heads,
        body,
        expected: None,
        head_only: false,
        connections: 16,
        time: Duration::from_secs(600),
        once: true,
    })?;
    match told.first_failure {
        None => Ok(()),
        Some(why) => Err(format!("{}: filling {bucket}: {why}", side.name)),
    }
}

pub(crate) fn head(side: &Side, mut request: Request, body: &[u8], signed: bool) -> Vec<u8> {
    if let Some(class) = side.class.filter(|_| !body.is_empty()) {
        request.set("x-amz-storage-class", class);
    }
    let hash = if signed { sha256(body) } else { "UNSIGNED-PAYLOAD".to_string() };
    request.set("x-amz-content-sha256", &hash);
    request.length = Some(body.len() as u64);
    side.s3.sign(request).head_bytes(&side.s3.host)
}

/// Runs a row.
pub(crate) fn run(
    side: &Side,
    case: &Case,
    manner: &Manner,
    written: &mut Written,
) -> Result<Measured, String> {
    let verb = match case.verb {
        Verb::Put => "PUT",
        Verb::Get | Verb::List => "GET",
        Verb::Head => "HEAD",
        Verb::Delete => "DELETE",
    };
    let sent = if case.verb == Verb::Put { body(case.size) } else { Vec::new() };
    let mut keys: Vec<String> = match case.verb {
        Verb::Put => {
            let most = (manner.seconds * PUTS_PER_SECOND_MAX) as usize;
            let bytes = (manner.seconds * ROW_BYTES_PER_SECOND_MAX).min(ROW_BYTES_MAX);
            let count = most.min((bytes / case.size as f64) as usize);
            (0..count).map(|i| format!("new/{:x}/{}/{i:08}", manner.tag, case.size)).collect()
        }
        Verb::Get | Verb::Head => {
            let count = PRELOADED.iter().find(|(size, _)| *size == case.size).map_or(0, |(_, n)| *n);
            (0..count).map(|i| object(case.size, i)).collect()
        }
        Verb::List => (0..LISTED / LIST_PAGE).map(|page| listed(page * LIST_PAGE)).collect(),
        Verb::Delete => written.remove(&case.size).unwrap_or_default(),
    };
    if matches!(case.verb, Verb::Get | Verb::Head) {
        shuffle(&mut keys);
    }
    if keys.is_empty() {
        return Err(format!("{}: {}: there is nothing to ask for", side.name, case.name()));
    }
    // One hash for all: the body is the same.
    let hash_of: &[u8] = &sent;
    let signed = manner.signed;
    let heads = keys.iter().map(|key| match case.verb {
        Verb::List => {
            let pages = LIST_PAGE.to_string();
            let request = Request::bucket("GET", LIST_BUCKET).query("list-type", "2");
            // Pages begin at the key behind, so that each has all its keys.
            let request = request.query("max-keys", &pages).query("start-after", &before(key));
            head(side, request, hash_of, signed)
        }
        _ => head(side, Request::object(verb, bucket(side), key), hash_of, signed),
    });
    let plan = Plan {
        addr: addr(side)?,
        heads: heads.collect(),
        expected: (case.verb == Verb::Get).then(|| body(case.size)),
        body: sent,
        head_only: case.verb == Verb::Head,
        connections: case.connections(),
        time: Duration::from_secs_f64(manner.seconds),
        once: matches!(case.verb, Verb::Put | Verb::Delete),
    };
    let before = usage::snapshot(side);
    let told = load::run(plan)?;
    let used = usage::since(&before, side);
    if case.verb == Verb::Put {
        keys.truncate(told.sent);
        written.insert(case.size, keys);
    }
    Ok(Measured { told, used })
}

/// What sorts just before a listed key.
fn before(key: &str) -> String {
    let mut text = key.to_string();
    let last = text.pop().map_or('/', |c| char::from(c as u8 - 1));
    text.push(last);
    text
}

fn shuffle(keys: &mut [String]) {
    let mut rng = Rng::new(1);
    for i in (1..keys.len()).rev() {
        keys.swap(i, rng.below(i as u64 + 1) as usize);
    }
}
