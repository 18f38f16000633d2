//! One request's entry: opened when its head is read, filled in on the way, written when its answer has left, or when
//! its client has.

use super::AccessLog;
use super::counted::Leaving;
use super::operation;
use super::record::{Record, cut, without_secrets};
use crate::bucket_log::Logged;
use crate::server::Target;
use crate::uri::Query;
use http::HeaderMap;
use http_body::Body;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;
use stdx::time::WallTime;

/// What a request is answered whose client did not wait: nginx's word for it, as HTTP has none.
const CLIENT_GONE: u16 = 499;

/// Whose requests are without a signature, or with one that is not believed.
const ANONYMOUS: &str = "anonymous";

/// An entry; empty while the log is off.
#[derive(Default)]
pub(crate) struct Entry(Option<Box<Open>>);

struct Open {
    log: Arc<AccessLog>,
    begun: Instant,
    noted: Arc<Noted>,
    record: Record,
}

/// What only shows while a request is carried out.
#[derive(Default)]
pub(crate) struct Noted {
    received: AtomicU64,
    user: OnceLock<String>,
    by_acl: AtomicBool,
    changes: Mutex<Vec<Change>>,
}

/// An object that was changed, where the request's head and the answer's do not say all of it.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) key: String,
    /// Bytes; 0 where it is gone.
    pub(crate) size: u64,
    /// None: what the answer says.
    pub(crate) version: Option<String>,
    /// Unquoted; empty where it is gone.
    pub(crate) etag: String,
}

impl Noted {
    pub(super) fn received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }
    /// Who sent it, as is now believed. The first word counts.
    pub(crate) fn user(&self, uid: &str) {
        self.user.get_or_init(|| uid.to_string());
    }
    /// Who sent it, if that is believed.
    pub(crate) fn user_known(&self) -> Option<&str> {
        self.user.get().map(String::as_str)
    }
    /// It was an ACL that let the sender in.
    pub(crate) fn by_acl(&self) {
        self.by_acl.store(true, Ordering::Relaxed);
    }
    pub(crate) fn is_by_acl(&self) -> bool {
        self.by_acl.load(Ordering::Relaxed)
    }
    /// An object was changed. Bounded by what one request may change.
    pub(crate) fn changed(&self, change: Change) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push(change);
    }
    /// What was changed; it is given away.
    pub(crate) fn changes(&self) -> Vec<Change> {
        std::mem::take(&mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.record.milliseconds = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.record.bytes_received = self.noted.received.load(Ordering::Relaxed);
        if let Some(user) = self.noted.user.get() {
            self.record.user.clone_from(user);
        }
        self.log.write(&self.record.line());
    }
}

fn text(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).map(|v| String::from_utf8_lossy(v.as_bytes()));
    value.map_or_else(String::new, |v| cut(&v).to_string())
}

impl Entry {
    /// Begins one, if the log is on.
    pub(crate) fn begin(log: &Arc<AccessLog>, id: &str, peer: Option<IpAddr>, now: WallTime) -> Entry {
        if !log.is_on() {
            return Entry(None);
        }
        let record = Record {
            id: id.to_string(),
            time: now,
            remote: peer.map_or_else(String::new, |peer| peer.to_canonical().to_string()),
            operation: operation::UNKNOWN,
            user: ANONYMOUS.into(),
            status: CLIENT_GONE,
            ..Record::default()
        };
        Entry(Some(Box::new(Open { log: log.clone(), begun: Instant::now(), noted: Arc::default(), record })))
    }

    /// Whether there is one: the log is on.
    pub(crate) fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// What the head of the request says. `target`: what it is about, where that can be read; `administers`: it is the
    /// Admin Ops API's.
    pub(crate) fn head<B>(&mut self, request: &http::Request<B>, target: Option<&Target>, administers: bool) {
        let Some(open) = &mut self.0 else { return };
        let (record, uri) = (&mut open.record, request.uri());
        let query = uri.query().map(|query| format!("?{}", without_secrets(cut(query))));
        record.request = format!(
            "{} {}{} {:?}",
            request.method(),
            cut(uri.path()),
            query.unwrap_or_default(),
            request.version()
        );
        record.user_agent = text(request.headers(), "user-agent");
        record.referrer = text(request.headers(), "referer");
        if administers {
            record.operation = "admin";
            return;
        }
        let Some(target) = target else { return };
        record.bucket = target.bucket().unwrap_or("").to_string();
        record.object = target.key().unwrap_or("").to_string();
        if let Ok(query) = Query::parse(uri.query().unwrap_or("")) {
            record.operation = operation::name(request.method().as_str(), target, &query, request.headers());
        }
    }

    /// Where to note what only shows while the request is carried out: logs of buckets want it, too.
    pub(crate) fn noted(&self) -> Arc<Noted> {
        self.0.as_ref().map_or_else(Arc::default, |open| open.noted.clone())
    }

    /// Whose key the request names.
    pub(crate) fn claims(&mut self, signed: &'static str, access_key: &str) {
        if let Some(open) = &mut self.0 {
            open.record.signed = signed;
            open.record.access_key = cut(access_key).to_string();
        }
    }

    /// It was refused.
    pub(crate) fn refused(&mut self, code: &'static str) {
        if let Some(open) = &mut self.0 {
            open.record.code = code;
        }
    }

    /// It was no request at all: `status` is all that its sender was told.
    pub(crate) fn unreadable(mut self, status: u16) {
        if let Some(open) = &mut self.0 {
            (open.record.status, open.record.code) = (status, "BadRequest");
        }
    }

    /// The answer, which takes the entry along, and the records of its bucket's log.
    pub(crate) fn answered<B: Body>(
        mut self,
        response: http::Response<B>,
        logged: Option<Logged>,
    ) -> http::Response<Leaving<B>> {
        if let Some(open) = &mut self.0 {
            open.record.status = response.status().as_u16();
        }
        response.map(|body| Leaving { logged: logged.filter(|_| !body.is_end_stream()), body, entry: self })
    }

    pub(super) fn sent(&mut self, bytes: u64) {
        if let Some(open) = &mut self.0 {
            open.record.bytes_sent += bytes;
        }
    }
}
