//! One request's records: what its head says is kept for the case that its bucket has a log; they are made when it is
//! answered, and pushed when the answer has left, or before that where they are a journal's.

use super::config::{Logging, LoggingType, is_kept};
use super::operation;
use super::queue::Lines;
use super::record::Record;
use super::{BucketLogs, deliver, shown_name};
use crate::access_log::{Change, Noted, without_secrets};
use crate::error::{Code, S3Error};
use crate::server::Target;
use crate::storage::{Bucket, Storage};
use crate::uri::{self, Query};
use crate::verbs;
use gateway_client::Rados;
use http::header::{AUTHORIZATION, HOST, HeaderValue, REFERER, USER_AGENT};
use http::{HeaderMap, Method, StatusCode, Uri, Version};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

/// What the head of a request says. Making one copies nothing.
pub(crate) struct Heading {
    begun: Instant,
    method: Method,
    uri: Uri,
    version: Version,
    host: Option<HeaderValue>,
    user_agent: Option<HeaderValue>,
    referrer: Option<HeaderValue>,
    authorization: Option<HeaderValue>,
    length: Option<HeaderValue>,
    remote: Option<IpAddr>,
}

/// What else is known when the request is answered.
pub(crate) struct Answered<'a> {
    pub(crate) id: &'a str,
    pub(crate) bucket: &'a Arc<Bucket>,
    pub(crate) target: &'a Target,
    /// Whether a browser asked, for a website's page.
    pub(crate) site: bool,
    /// The code of the error that it was answered.
    pub(crate) code: Option<&'static str>,
    pub(crate) noted: &'a Noted,
    pub(crate) status: StatusCode,
    /// The answer's.
    pub(crate) headers: &'a HeaderMap,
}

fn text(value: Option<&HeaderValue>) -> String {
    value.map_or_else(String::new, |v| String::from_utf8_lossy(v.as_bytes()).into_owned())
}

fn number(value: Option<&HeaderValue>) -> u64 {
    value.and_then(|v| v.to_str().ok()?.trim().parse().ok()).unwrap_or(0)
}

impl Heading {
    pub(crate) fn of<B>(request: &http::Request<B>, remote: Option<IpAddr>) -> Heading {
        let headers = request.headers();
        let of = |name| headers.get(name).cloned();
        Heading {
            begun: Instant::now(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            host: of(HOST),
            user_agent: of(USER_AGENT),
            referrer: of(REFERER),
            authorization: of(AUTHORIZATION),
            length: headers.get("x-amz-decoded-content-length").or(headers.get("content-length")).cloned(),
            remote,
        }
    }

    /// What it is about; none where that cannot be read. `site`: the bucket that it asks for as a website.
    pub(crate) fn target(&self, domains: &[String], site: Option<&Arc<Bucket>>) -> Option<Target> {
        if let Some(bucket) = site {
            let path = self.uri.path().trim_start_matches('/');
            let key = String::from_utf8(uri::decode(path, false)?).ok()?;
            let name = bucket.name.clone();
            return Some(if key.is_empty() { Target::Bucket(name) } else { Target::Object(name, key) });
        }
        let authority = self.uri.authority().map_or("", |a| a.as_str());
        let host = self.host.as_ref().and_then(|v| v.to_str().ok()).unwrap_or(authority);
        Target::of(host, self.uri.path(), domains).ok()
    }

    /// How it is signed, and where the signature is.
    fn signature(&self, query: &Query) -> (&'static str, &'static str) {
        if let Some(value) = &self.authorization {
            let v4 = value.as_bytes().starts_with(b"AWS4-");
            return (if v4 { "SigV4" } else { "SigV2" }, "AuthHeader");
        }
        match () {
            () if query.has("X-Amz-Signature") => ("SigV4", "QueryString"),
            () if query.has("Signature") => ("SigV2", "QueryString"),
            () => ("", ""),
        }
    }

    fn record(
        &self,
        answered: &Answered<'_>,
        subresource: Option<&str>,
        query: &Query,
        time: stdx::time::WallTime,
    ) -> Record {
        let Answered { id, bucket, target, site, code, noted, status, headers } = *answered;
        let (signature, signed_in) = self.signature(query);
        let shown_query =
            self.uri.query().map(|query| format!("?{}", without_secrets(query))).unwrap_or_default();
        let version = headers.get("x-amz-version-id").map(|v| text(Some(v)));
        Record {
            bucket_owner: bucket.owner.clone(),
            bucket: shown_name(&bucket.full_name()),
            time,
            remote: self.remote.map_or_else(String::new, |ip| ip.to_canonical().to_string()),
            requester: noted.user_known().unwrap_or_default().to_string(),
            id: id.to_string(),
            operation: operation::name(self.method.as_str(), target, subresource, site),
            key: target.key().unwrap_or("").to_string(),
            request: format!("{} {}{shown_query} {:?}", self.method, self.uri.path(), self.version),
            status: status.as_u16(),
            code: code.unwrap_or("").to_string(),
            object_size: object_size(&self.method, headers, number(self.length.as_ref())),
            turnaround_ms: self.elapsed_ms(),
            referrer: text(self.referrer.as_ref()),
            user_agent: text(self.user_agent.as_ref()),
            version: version.or_else(|| query.get("versionId").map(String::from)).unwrap_or_default(),
            signature,
            signed_in,
            host: text(self.host.as_ref()),
            by_acl: noted.is_by_acl(),
            etag: headers
                .get("etag")
                .map(|v| text(Some(v)).trim_matches('"').to_string())
                .unwrap_or_default(),
            ..Record::default()
        }
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The size of the whole object that a request was about, as far as its headers tell.
fn object_size(method: &Method, answer: &HeaderMap, sent: u64) -> u64 {
    match *method {
        Method::PUT => sent,
        Method::GET | Method::HEAD if answer.contains_key("etag") => {
            let whole =
                answer.get("content-range").and_then(|v| v.to_str().ok()?.rsplit('/').next()?.parse().ok());
            whole.unwrap_or_else(|| number(answer.get("content-length")))
        }
        _ => 0,
    }
}

/// Records of a request whose answer is on its way; pushed when this ends.
pub(crate) struct Logged {
    logs: Arc<BucketLogs>,
    lines: Option<Lines>,
    records: Vec<Record>,
    begun: Instant,
    sent: u64,
}

impl Logged {
    /// So many bytes of the answer's body have left.
    pub(crate) fn sent(&mut self, bytes: u64) {
        self.sent += bytes;
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        let Some(mut lines) = self.lines.take() else { return };
        let total_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        for record in &mut self.records {
            (record.bytes_sent, record.total_ms) = (self.sent, total_ms);
            lines.text.push_str(&record.standard());
        }
        self.logs.queue.push(lines);
    }
}

/// One record for each object that was changed, where there were several.
fn for_each(record: Record, changes: Vec<Change>) -> Vec<Record> {
    if changes.is_empty() {
        return vec![record];
    }
    let one = |change: Change| Record {
        key: change.key,
        object_size: change.size,
        version: change.version.unwrap_or_else(|| record.version.clone()),
        etag: change.etag,
        ..record.clone()
    };
    changes.into_iter().map(one).collect()
}

impl BucketLogs {
    /// Whether a request may be carried out: where journals are kept that must not miss it, they have to be let in.
    /// `AccessDenied`, `InvalidArgument`, `NoSuchBucket`.
    pub(crate) async fn check<R: Rados>(
        &self,
        storage: &Storage<R>,
        bucket: &Bucket,
        method: &Method,
        target: &Target,
        subresource: Option<&str>,
    ) -> Result<(), S3Error> {
        let journalled = is_kept(&bucket.settings)
            && operation::is_journalled(method.as_str(), target, subresource)
            && operation::needs_journal(method.as_str(), subresource);
        if !journalled {
            return Ok(());
        }
        let Some(logging) = Logging::of(&bucket.settings)?.filter(|l| l.kind == LoggingType::Journal) else {
            return Ok(());
        };
        if target.key().is_some_and(|key| !logging.is_about(key)) {
            return Ok(());
        }
        let denied = |message: String| S3Error::with_message(Code::AccessDenied, message);
        let gone = || denied(format!("Logging bucket {} is not there.", logging.target_named));
        let takes = storage.bucket_get(&logging.target).await?.ok_or_else(gone)?;
        deliver::check(&takes, (&bucket.full_name(), &bucket.owner), &[&logging.prefix])
    }

    /// Makes the records of a request that was answered, if its bucket has a log. A journal's are durable when this
    /// returns. `ServiceUnavailable` where they cannot be made so: the change was made all the same.
    pub(crate) async fn answered<R: Rados>(
        self: &Arc<BucketLogs>,
        storage: &Storage<R>,
        heading: &Heading,
        answered: Answered<'_>,
    ) -> Result<Option<Logged>, S3Error> {
        let bucket = answered.bucket;
        let Some(logging) = Logging::of(&bucket.settings)? else { return Ok(None) };
        let now = storage.rados().now();
        let query = Query::parse(heading.uri.query().unwrap_or("")).unwrap_or_default();
        let subresource = verbs::subresource(&query);
        let changes = answered.noted.changes();
        let journal = logging.kind == LoggingType::Journal;
        let changed = answered.status.is_success()
            && operation::is_journalled(heading.method.as_str(), answered.target, subresource);
        // A list of deletes of which none was carried out changes nothing.
        if journal && (!changed || (subresource == Some("delete") && changes.is_empty())) {
            return Ok(None);
        }
        let records = for_each(heading.record(&answered, subresource, &query, now), changes);
        let mut lines = Lines {
            group: self.group(bucket, &logging, now.seconds()),
            source: bucket.full_name(),
            owner: bucket.owner.clone(),
            text: String::new(),
            roll_ms: self.roll_ms(&logging),
            batch: logging.batch,
        };
        if !journal {
            let logs = self.clone();
            return Ok(Some(Logged { logs, lines: Some(lines), records, begun: heading.begun, sent: 0 }));
        }
        for record in records.iter().filter(|record| logging.is_about(&record.key)) {
            lines.text.push_str(&record.journal());
        }
        let group = lines.group.clone();
        if lines.text.is_empty() || (self.queue.push(lines) && self.queue.settle(&group).await) {
            return Ok(None);
        }
        let message = "The change was made, but the journal of its bucket could not be written. Try again.";
        Err(S3Error::with_message(Code::ServiceUnavailable, message))
    }
}
