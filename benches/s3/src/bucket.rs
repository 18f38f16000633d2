//! A bucket of very many keys: `cargo xtask bench bucket [--keys N] [--nacre DIR] [--json FILE]`.
//!
//! A bucket of 10,000 keys and one of N (a million unless said) are loaded past S3, through the index class. While the
//! large one is, a client puts objects all over it through S3, and the longest it waited for an answer is told: shards
//! split all the time. Then pages are listed at the start, in the middle and at the end, of a thousand keys and, with a
//! delimiter, of nine common prefixes that stand for a thousand keys each; and at the start of the small bucket.

use crate::load::{self, Plan, Told};
use crate::rows::{addr, head};
use crate::side::Side;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use stdx::Rng;
use tests_cluster::s3::Request;

const USAGE: &str = "usage: [--keys N] [--nacre DIR] [--json FILE]";
const SMALL: &str = "bench-bucket-small";
const LARGE: &str = "bench-bucket-large";
const SMALL_KEYS: u64 = 10_000;
/// Keys of each common prefix.
const PER_PREFIX: u64 = 1000;
/// Keys of a page, or common prefixes.
const PAGE_KEYS: u64 = 1000;
const PREFIXES: u64 = 9;
/// Pages that are listed at each place.
const PAGES: usize = 200;
/// A put that waits longer for its answer is a stall.
const STALL_MS: f64 = 100.0;
/// The page of a large bucket may cost so many times what that of a small one costs.
const TIMES_MAX: f64 = 1.5;
/// How long the client puts before it looks whether the loader has ended.
const ROUND: Duration = Duration::from_secs(5);
const PUTS_AT_ONCE: usize = 4;

struct Args {
    keys: u64,
    nacre: Option<PathBuf>,
    json: Option<PathBuf>,
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Args, String> {
    let mut args = Args { keys: 1_000_000, nacre: None, json: None };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
        match word.as_str() {
            "--keys" => args.keys = value()?.parse().map_err(|e| format!("--keys: {e}"))?,
            "--nacre" => args.nacre = Some(value()?.into()),
            "--json" => args.json = Some(value()?.into()),
            _ => return Err(format!("{word:?} is not known; {USAGE}")),
        }
    }
    if args.keys < 100_000 {
        return Err("--keys: at least 100000, or there is nothing to compare".into());
    }
    Ok(args)
}

/// The loader, ended with this value.
struct Loader(Child);

impl Loader {
    fn start(side: &Side, bucket: &str, keys: u64) -> Result<Loader, String> {
        let nacre = std::env::var_os("NACRE_BIN").ok_or("NACRE_BIN names no program")?;
        let mut command = Command::new(nacre);
        command.args(["bucket", "load", bucket, "--keys", &keys.to_string()]);
        command.args(["--per-prefix", &PER_PREFIX.to_string(), "--data"]).arg(&side.dir);
        command.spawn().map(Loader).map_err(|e| format!("the loader: {e}"))
    }
    /// Whether it has ended, and well.
    fn is_done(&mut self) -> Result<bool, String> {
        match self.0.try_wait().map_err(|e| format!("the loader: {e}"))? {
            None => Ok(false),
            Some(status) if status.success() => Ok(true),
            Some(status) => Err(format!("the loader ended with {status}")),
        }
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        // It has ended already where all went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// As the loader names keys: `d(N/1000)/k(N)`.
fn prefix(n: u64) -> String {
    format!("d{:08}/", n / PER_PREFIX)
}

/// Runs it. Whether everything that was asked for is reached.
pub(crate) fn bench(words: impl Iterator<Item = String>) -> Result<bool, String> {
    let args = parse(words)?;
    let side = match &args.nacre {
        Some(dir) => Side::attach_nacre(dir)?,
        None => Side::start_nacre("crc", if args.keys > 2_000_000 { "12G" } else { "3G" })?,
    };
    for bucket in [SMALL, LARGE] {
        side.s3.make_bucket(bucket);
    }
    let mut small = Loader::start(&side, SMALL, SMALL_KEYS)?;
    while !small.is_done()? {
        std::thread::sleep(Duration::from_millis(100));
    }
    let began = Instant::now();
    let puts = load_and_put(&side, args.keys)?;
    let loaded_s = began.elapsed().as_secs_f64();
    let mut rows = vec![put_row(&puts, args.keys, loaded_s)];
    let mut good = puts.failed == 0 && puts.percentile_ms(1.0) <= STALL_MS;
    for delimiter in [false, true] {
        // What a page spans.
        let keys = if delimiter { PREFIXES * PER_PREFIX } else { PAGE_KEYS };
        let base = page_ms(&side, SMALL, 0, delimiter)?;
        for (place, at) in [("start", 0), ("middle", args.keys / 2), ("end", args.keys - keys - 1)] {
            let ms = page_ms(&side, LARGE, at, delimiter)?;
            let how = if delimiter { "with a delimiter" } else { "of keys" };
            let case = format!("LIST page {how} at the {place} of {} keys", args.keys);
            good &= ms <= base * TIMES_MAX;
            println!("{case}: {ms:.2} ms, {:.2} times that of {SMALL_KEYS} keys", ms / base);
            rows.push(json!({
                "case": case, "unit": "ms", "ours": ms, "peer": base, "ratio": base / ms, "limit": base * TIMES_MAX,
            }));
        }
    }
    if let Some(file) = &args.json {
        let text = format!("{:#}\n", Value::from(rows));
        std::fs::write(file, text).map_err(|e| format!("{}: {e}", file.display()))?;
    }
    Ok(good)
}

/// Loads the large bucket while a client puts all over it.
fn load_and_put(side: &Side, keys: u64) -> Result<Told, String> {
    let mut loader = Loader::start(side, LARGE, keys)?;
    let (mut rng, mut all, mut n) = (Rng::new(1), Told::default(), 0u64);
    while !loader.is_done()? {
        // More than it can send in its time.
        let heads = (0..20_000).map(|_| {
            n += 1;
            let key = format!("{}w{n}", prefix(rng.below(keys)));
            head(side, Request::object("PUT", LARGE, &key), b"x", false)
        });
        let told = load::run(Plan {
            addr: addr(side)?,
            heads: heads.collect(),
            body: b"x".to_vec(),
            expected: None,
            head_only: false,
            connections: PUTS_AT_ONCE,
            time: ROUND,
            once: true,
        })?;
        all.seconds += told.seconds;
        all.sent += told.sent;
        all.failed += told.failed;
        all.took_us.extend(told.took_us);
        all.first_failure = all.first_failure.or(told.first_failure);
    }
    all.took_us.sort_unstable();
    Ok(all)
}

fn put_row(puts: &Told, keys: u64, loaded_s: f64) -> Value {
    let (longest, p99) = (puts.percentile_ms(1.0), puts.percentile_ms(0.99));
    println!(
        "{keys} keys in {loaded_s:.0} s; meanwhile {} puts, {:.0}/s, p50 {:.2} ms, p99 {p99:.2} ms, longest {longest:.1} ms, {} failed{}",
        puts.sent,
        puts.rate(),
        puts.percentile_ms(0.5),
        puts.failed,
        puts.first_failure.as_ref().map_or_else(String::new, |why| format!(" ({why})")),
    );
    json!({
        "case": format!("longest PUT while {keys} keys are loaded and shards split"), "unit": "ms",
        "ours": longest, "peer": null, "ratio": null, "limit": STALL_MS,
        "p99_ms": p99, "puts": puts.sent, "failed": puts.failed, "keys_per_second": keys as f64 / loaded_s,
    })
}

/// What a page costs behind the key of that number, milliseconds: the median.
fn page_ms(side: &Side, bucket: &str, at: u64, delimiter: bool) -> Result<f64, String> {
    let start = format!("{}k{at:012}", prefix(at));
    let heads = (0..PAGES).map(|_| {
        let most = if delimiter { PREFIXES } else { PAGE_KEYS };
        let request = Request::bucket("GET", bucket).query("list-type", "2");
        let request = request.query("max-keys", &most.to_string()).query("start-after", &start);
        head(side, if delimiter { request.query("delimiter", "/") } else { request }, b"", false)
    });
    let told = load::run(Plan {
        addr: addr(side)?,
        heads: heads.collect(),
        body: Vec::new(),
        expected: None,
        head_only: false,
        connections: 1,
        time: Duration::from_secs(120),
        once: true,
    })?;
    match told.first_failure {
        None => Ok(told.percentile_ms(0.5)),
        Some(why) => Err(format!("listing {bucket}: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_nonsense_refused() {
        let of = |words: &[&str]| parse(words.iter().map(ToString::to_string)).map(|args| args.keys);
        assert_eq!(of(&[]), Ok(1_000_000));
        assert_eq!(of(&["--keys", "10000000"]), Ok(10_000_000));
        assert!(of(&["--keys", "5"]).is_err() && of(&["--keys"]).is_err() && of(&["x"]).is_err());
        assert_eq!(prefix(1_999), "d00000001/");
    }
}
