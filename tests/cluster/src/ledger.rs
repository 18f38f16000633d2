//! What was acknowledged, key by key, and whether the cluster still has it.

use crate::s3::{Listed, Request};
use crate::{S3, content};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// A version of a key: its bytes follow from the ledger's seed, the key and this number. `None`: no object.
pub type Version = Option<u64>;

/// The version that a key holds and its bytes, or what is wrong.
type Found = Result<(Version, u64), String>;

/// One key.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// What was acknowledged last.
    pub acked: Version,
    /// What was asked for after that without an answer. Each may have happened, whole, or not.
    pub maybe: Vec<Version>,
    /// The number that the next version gets.
    pub next: u64,
}

/// All keys of one load.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Decides all contents.
    pub seed: u64,
    /// The keys.
    pub keys: BTreeMap<String, Entry>,
}

/// What a check found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Keys looked at.
    pub keys: usize,
    /// Keys with an unanswered request, of which the newer state was found.
    pub newer: usize,
    /// Keys with an unanswered request, of which the acknowledged state was found.
    pub older: usize,
    /// Bytes compared.
    pub bytes: u64,
}

impl Ledger {
    /// The bytes of a version.
    pub fn content(&self, key: &str, version: u64) -> Vec<u8> {
        let key: u64 =
            key.bytes().fold(7, |sum, b| sum.wrapping_mul(1_099_511_628_211).wrapping_add(u64::from(b)));
        let seed = content::mix(&[self.seed, key, version]);
        content::bytes(seed, size(seed))
    }

    /// Takes over what a writer knows.
    pub fn merge(&mut self, other: Ledger) {
        self.keys.extend(other.keys);
    }

    /// Reads every key and the listing; panics unless each holds what it must. Afterwards the ledger says what is there.
    pub fn verify(&mut self, s3: &S3, bucket: &str) -> Verdict {
        let listing = s3.list(bucket);
        let keys: Vec<(String, Entry)> = self.keys.iter().map(|(k, e)| (k.clone(), e.clone())).collect();
        let results: Mutex<Vec<(String, Found)>> = Mutex::new(Vec::new());
        let threads = 8;
        std::thread::scope(|scope| {
            for part in 0..threads {
                let (keys, results, listing, ledger) = (&keys, &results, &listing, &*self);
                scope.spawn(move || {
                    for (key, entry) in keys.iter().skip(part).step_by(threads) {
                        let found = ledger.check(s3, bucket, key, entry, listing.get(key));
                        if let Ok(mut results) = results.lock() {
                            results.push((key.clone(), found));
                        }
                    }
                });
            }
        });
        let results = results.into_inner().unwrap_or_else(|e| panic!("a checking thread failed: {e}"));
        assert_eq!(results.len(), keys.len(), "every key was checked");
        let mut verdict = Verdict { keys: results.len(), ..Verdict::default() };
        let mut wrong = Vec::new();
        for (key, result) in results {
            let entry = self.keys.entry(key.clone()).or_default();
            match result {
                Ok((version, bytes)) => {
                    verdict.bytes += bytes;
                    match entry.maybe.is_empty() {
                        true => {}
                        false if version == entry.acked => verdict.older += 1,
                        false => verdict.newer += 1,
                    }
                    *entry = Entry { acked: version, maybe: Vec::new(), next: entry.next };
                }
                Err(why) => wrong.push(format!("{key}: {why}")),
            }
        }
        wrong.extend(
            listing
                .keys()
                .filter(|k| !self.keys.contains_key(*k))
                .map(|k| format!("{k}: listed, never written")),
        );
        wrong.sort();
        assert!(
            wrong.is_empty(),
            "{} of {} keys are not what was acknowledged (seed {}):\n{}",
            wrong.len(),
            verdict.keys,
            self.seed,
            wrong[..wrong.len().min(12)].join("\n")
        );
        verdict
    }

    fn check(&self, s3: &S3, bucket: &str, key: &str, entry: &Entry, listed: Option<&Listed>) -> Found {
        let response = s3.try_send(Request::object("GET", bucket, key)).map_err(|e| format!("GET: {e}"))?;
        let allowed: Vec<Version> = std::iter::once(entry.acked).chain(entry.maybe.iter().copied()).collect();
        let got = match response.status {
            200 => Some(response.body),
            404 => None,
            _ => return Err(format!("GET answers {}", response.brief())),
        };
        // The acknowledged one first: it is nearly always that.
        let found = allowed.iter().find(|version| match (version, &got) {
            (None, None) => true,
            (Some(version), Some(got)) => self.content(key, *version) == *got,
            _ => false,
        });
        let Some(found) = found else {
            return Err(format!(
                "acknowledged {:?}, possible {:?}, found {}",
                entry.acked,
                entry.maybe,
                self.describe(key, entry, got.as_deref())
            ));
        };
        match (&got, listed) {
            (None, None) => {}
            (Some(got), Some(listed)) => {
                let wanted = Listed { size: got.len() as u64, etag: content::md5(got) };
                if *listed != wanted {
                    return Err(format!("listed as {listed:?}, but GET gives {wanted:?}"));
                }
            }
            (None, Some(listed)) => return Err(format!("listed as {listed:?}, but GET answers 404")),
            (Some(got), None) => return Err(format!("not listed, but GET gives {} bytes", got.len())),
        }
        Ok((*found, got.map_or(0, |g| g.len() as u64)))
    }

    /// Says which older version was found, if it is one: that is a lost write and not a torn one.
    fn describe(&self, key: &str, entry: &Entry, got: Option<&[u8]>) -> String {
        let Some(got) = got else { return "no object".into() };
        let older = (0..entry.next).find(|version| self.content(key, *version) == got);
        match older {
            Some(version) => format!("version {version}, whole"),
            None => format!("{} bytes that are no version of it", got.len()),
        }
    }
}

/// Sizes around the borders that matter: a 4 KiB unit, the 32 KiB up to which bytes lie in the index, one data object
/// of 4 MiB.
fn size(seed: u64) -> usize {
    let mut rng = stdx::Rng::new(seed ^ 0x5157);
    let len = match rng.below(200) {
        0..=9 => 0,
        10..=99 => rng.below(4 << 10),
        100..=159 => rng.below(40 << 10),
        160..=197 => rng.below(300 << 10),
        _ => (3 << 20) + rng.below(3 << 20),
    };
    usize::try_from(len).unwrap_or(0)
}
