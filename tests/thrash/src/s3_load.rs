//! The load through S3: each worker writes keys of its own, reads everybody's, and lists its own.

use crate::report::Side;
use crate::run::Run;
use crate::s3_key::Key;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use stdx::Rng;
use tests_cluster::S3;
use tests_cluster::s3::{Connection, Listed, Request, Response, list};

/// The bucket.
pub(crate) const BUCKET: &str = "thrash";
/// Keys of a worker that it goes on writing. Few, so that most writes are overwrites.
const KEYS: usize = 24;
/// Least size of a part that is not the last.
const PART: usize = 5 << 20;
/// A pause between a worker's operations: the cluster has to live on the same processors.
const PAUSE: Duration = Duration::from_millis(5);

/// How long a worker uses another gateway than its own after that has failed.
const STRAYS: Duration = Duration::from_secs(5);

/// All keys of all workers, also those that are written no more.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    all: RwLock<Vec<Vec<Arc<Key>>>>,
}

impl Keys {
    /// Room for so many workers.
    pub(crate) fn new(workers: usize) -> Keys {
        Keys { all: RwLock::new(vec![Vec::new(); workers]) }
    }
    fn add(&self, worker: usize, key: Arc<Key>) {
        self.all.write().unwrap_or_else(PoisonError::into_inner)[worker].push(key);
    }
    /// The keys of one worker.
    pub(crate) fn of(&self, worker: usize) -> Vec<Arc<Key>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner)[worker].clone()
    }
    /// Every key.
    pub(crate) fn all(&self) -> Vec<Arc<Key>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).concat()
    }
    fn any(&self, rng: &mut Rng) -> Option<Arc<Key>> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        let one = &all[rng.below(all.len() as u64) as usize];
        (!one.is_empty()).then(|| one[rng.below(one.len() as u64) as usize].clone())
    }
}

/// A request without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    /// There was no connection to send it on.
    Unsent,
    /// Nobody knows whether it was carried out, or will be.
    Unknown,
}

/// One worker.
pub(crate) struct Worker {
    run: Arc<Run>,
    keys: Arc<Keys>,
    number: usize,
    rng: Rng,
    gateways: Vec<S3>,
    /// The gateway that it uses now, and since when instead of its own.
    at: usize,
    strayed: Option<Instant>,
    connection: Option<Connection>,
    /// Those that it still writes.
    live: Vec<Arc<Key>>,
    made: u64,
}

impl Worker {
    /// A worker that has written nothing.
    pub(crate) fn new(run: Arc<Run>, keys: Arc<Keys>, number: usize, gateways: Vec<S3>) -> Worker {
        let (rng, at) = (run.rng("s3", number as u64), number % gateways.len());
        Worker {
            run,
            keys,
            number,
            rng,
            gateways,
            at,
            strayed: None,
            connection: None,
            live: Vec::new(),
            made: 0,
        }
    }

    /// Works until the run stops.
    pub(crate) fn work(mut self) {
        while !self.run.stopping() {
            while self.live.len() < KEYS {
                self.made += 1;
                let key = Arc::new(Key::new(format!("w{}/k{:05}", self.number, self.made), self.run.seed));
                self.keys.add(self.number, key.clone());
                self.live.push(key);
            }
            let at = self.rng.below(self.live.len() as u64) as usize;
            let key = self.live[at].clone();
            match self.rng.below(100) {
                0..=39 => self.put(&key),
                40..=49 => self.delete(&key),
                50..=52 => self.multipart(&key),
                53..=56 => self.list(),
                _ => match self.keys.any(&mut self.rng) {
                    Some(any) => self.get(&any),
                    None => continue,
                },
            }
            self.live.retain(|key| !key.track.is_open());
            self.run.pace(PAUSE);
        }
    }

    /// Signs and sends, on the kept connection if there is one.
    fn send(&mut self, request: Request) -> Result<Response, Lost> {
        if self.strayed.is_some_and(|since| since.elapsed() > STRAYS) {
            (self.at, self.strayed, self.connection) = (self.number % self.gateways.len(), None, None);
        }
        let s3 = &self.gateways[self.at];
        let request = s3.sign(request);
        let connection = match self.connection.take().filter(|c| !c.closed) {
            Some(connection) => Ok(connection),
            None => s3.connect(),
        };
        let exchanged = connection.map_err(|e| (e, Lost::Unsent)).and_then(|mut connection| {
            let response = connection.exchange(&request.bytes(&s3.host), request.method == "HEAD");
            Ok((connection, response.map_err(|e| (e, Lost::Unknown))?))
        });
        match exchanged {
            Ok((connection, response)) => {
                self.connection = Some(connection);
                Ok(response)
            }
            Err((e, lost)) => {
                // The other gateway may live.
                self.at = (self.at + 1) % self.gateways.len();
                self.strayed = Some(Instant::now());
                self.run.report.without(format!("{} {:?}", request.method, e.kind()));
                self.run.pace(Duration::from_millis(100));
                Err(lost)
            }
        }
    }

    /// Sends what makes `version` of `key` and notes what became of it.
    fn write(&mut self, key: &Key, version: u64, what: &'static str, request: Request) {
        let begun = Instant::now();
        let method = request.method.clone();
        match self.send(request) {
            // Of a completed upload the answer may be an error in the body of a 200.
            Ok(r) if (200..300).contains(&r.status) && r.code().is_empty() => {
                let etag = match what {
                    "complete" => list::field(&r.text(), "ETag"),
                    _ => r.header("etag").map(str::to_string),
                };
                key.acknowledged(version, &etag.unwrap_or_default());
                self.run.report.acknowledged(Side::S3, what, begun);
            }
            Ok(r) => {
                self.run.report.without(format!("{method} {}", r.brief()));
                match r.status {
                    // Full, or over a quota: it was refused and has not happened.
                    507 => key.track.refused(version),
                    500.. => key.track.unanswered(),
                    _ => {
                        key.track.unanswered();
                        self.run.broken(format!("{}: {what} answers {}", key.name, r.brief()));
                    }
                }
                self.run.pace(Duration::from_millis(100));
            }
            Err(Lost::Unsent) => key.track.refused(version),
            Err(Lost::Unknown) => key.track.unanswered(),
        }
    }

    fn put(&mut self, key: &Key) {
        let len = self.size();
        let (version, bytes) = key.begin(Some(len));
        self.write(key, version, "put", Request::object("PUT", BUCKET, &key.name).body(&bytes));
    }

    fn delete(&mut self, key: &Key) {
        let (version, _) = key.begin(None);
        self.write(key, version, "delete", Request::object("DELETE", BUCKET, &key.name));
    }

    /// Two parts. What fails before the last request has changed nothing that anybody can see.
    fn multipart(&mut self, key: &Key) {
        let begin = Request::object("POST", BUCKET, &key.name).query("uploads", "");
        let Ok(begun) = self.send(begin) else { return };
        let Some(id) = list::field(&begun.text(), "UploadId").filter(|_| begun.status == 200) else {
            return self.run.report.without(format!("POST uploads {}", begun.brief()));
        };
        let (version, bytes) = key.begin(Some(PART + self.size()));
        let mut parts = String::new();
        for (number, part) in [&bytes[..PART], &bytes[PART..]].into_iter().enumerate() {
            let number = (number + 1).to_string();
            let put =
                Request::object("PUT", BUCKET, &key.name).query("partNumber", &number).query("uploadId", &id);
            let sent = self.send(put.body(part));
            let etag = sent.ok().filter(|r| {
                let fine = r.status == 200;
                if !fine {
                    self.run.report.without(format!("PUT part {}", r.brief()));
                }
                fine
            });
            let Some(etag) = etag.and_then(|r| r.header("etag").map(str::to_string)) else {
                // Without its parts it is never completed.
                return key.track.refused(version);
            };
            parts += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
        }
        let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        let complete =
            Request::object("POST", BUCKET, &key.name).query("uploadId", &id).body(body.as_bytes());
        self.write(key, version, "complete", complete);
    }

    fn get(&mut self, key: &Key) {
        let (floor, begun) = (key.track.begin_read(), Instant::now());
        let Ok(response) = self.send(Request::object("GET", BUCKET, &key.name)) else { return };
        match key.judge(floor, &response) {
            Ok(true) => self.run.report.acknowledged(Side::S3, "get", begun),
            Ok(false) => {
                self.run.report.without(format!("GET {}", response.brief()));
                self.run.pace(Duration::from_millis(100));
            }
            Err(why) => self.run.broken(why),
        }
    }

    /// Nobody else writes its keys, so while it waits for the listing nothing in it changes but what is open.
    fn list(&mut self) {
        let keys = self.keys.of(self.number);
        let floors: Vec<u64> = keys.iter().map(|k| k.track.begin_read()).collect();
        let begun = Instant::now();
        let mut rows: BTreeMap<String, Listed> = BTreeMap::new();
        let mut token: Option<String> = None;
        loop {
            let mut request = Request::bucket("GET", BUCKET)
                .query("list-type", "2")
                .query("encoding-type", "url")
                .query("prefix", &format!("w{}/", self.number))
                // Several pages, so that some begin after something has happened.
                .query("max-keys", "20");
            if let Some(token) = &token {
                request = request.query("continuation-token", token);
            }
            let Ok(response) = self.send(request) else { return };
            if response.status != 200 {
                return self.run.report.without(format!("LIST {}", response.brief()));
            }
            let text = response.text();
            rows.extend(list::contents(&text));
            token = list::field(&text, "NextContinuationToken");
            if token.is_none() {
                break;
            }
        }
        for (key, floor) in keys.iter().zip(floors) {
            if let Err(why) = key.judge_row(floor, rows.remove(&key.name).as_ref()) {
                self.run.broken(why);
            }
        }
        if let Some(stranger) = rows.keys().next() {
            self.run.broken(format!("{stranger} is listed and was never written"));
        }
        self.run.report.acknowledged(Side::S3, "list", begun);
    }

    /// Around the borders that matter: a unit of 4 KiB, the 32 KiB up to which bytes lie in the index, and large ones.
    fn size(&mut self) -> usize {
        let len = match self.rng.below(100) {
            0..=4 => 0,
            5..=49 => self.rng.below(4 << 10),
            50..=79 => self.rng.below(40 << 10),
            80..=98 => self.rng.below(300 << 10),
            _ => (4 << 20) + self.rng.below(1 << 20),
        };
        len as usize
    }
}
