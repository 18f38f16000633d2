//! One request: who sent it, what it is about, and what it is answered.

use super::cross_origin::{self, CrossOrigin};
use super::target::{Target, bucket_of_host};
use crate::access_log::{AccessLog, Arriving, Entry, Leaving, Noted};
use crate::admin_ops;
use crate::auth::{self, Claim, KeyCache, Subject};
use crate::bucket_log::{self, BucketLogs, Heading, Logged};
use crate::error::{Code, S3Error};
use crate::request::{Request, RequestBody, Sender, Way};
use crate::response::{self, Response, ResponseBody};
use crate::storage::Storage;
use crate::traffic::{Seen, Traffic};
use crate::uri::Query;
use crate::verbs;
use crate::website::{self, Visit};
use gateway_client::Rados;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use hyper::body::{Body, Incoming};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// The names and values of a request's headers together, bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// For load balancers: answers without authentication. No bucket can be called `-`.
const HEALTH_PATH: &str = "/-/health";
/// Where the load balancers of MinIO and RGW ask, unsigned. (A public object of such a name is read by a signed request.)
const HEALTH_PATHS_ELSEWHERE: [&str; 4] =
    ["/minio/health/live", "/minio/health/ready", "/minio/health/cluster", "/swift/healthcheck"];

/// Everything that requests share.
pub(crate) struct Gateway<R: Rados> {
    pub(crate) storage: Storage<R>,
    pub(crate) region: String,
    pub(crate) cluster_id: String,
    domains: Vec<String>,
    website_domains: Arc<RwLock<Vec<String>>>,
    sigv2: Arc<AtomicBool>,
    pub(crate) keys: KeyCache,
    access_log: Arc<AccessLog>,
    pub(crate) bucket_logs: Arc<BucketLogs>,
    pub(crate) traffic: Traffic,
    next_request: AtomicU64,
}

/// What a gateway was told that requests go by.
pub(super) struct Shared {
    pub(super) domains: Vec<String>,
    pub(super) website_domains: Arc<RwLock<Vec<String>>>,
    pub(super) region: String,
    pub(super) sigv2: Arc<AtomicBool>,
    pub(super) cluster_id: String,
    pub(super) usage_log: Arc<AtomicBool>,
    pub(super) access_log: Arc<AccessLog>,
    pub(super) log_roll_s: Arc<AtomicU32>,
}

/// What the log of a bucket is told of a request.
struct Told<'a> {
    id: &'a str,
    site: bool,
    administers: bool,
    code: Option<&'static str>,
    noted: &'a Noted,
}

impl<R: Rados> Gateway<R> {
    pub(super) fn new(storage: Storage<R>, shared: Shared) -> Gateway<R> {
        let Shared { domains, website_domains, region, sigv2, cluster_id, usage_log, access_log, .. } =
            shared;
        let bucket_logs = Arc::new(BucketLogs::new(&region, shared.log_roll_s));
        // Only so that the ids of two runs differ; the time of day will do where there is no entropy.
        let start = getrandom::u64().unwrap_or_else(|_| storage.rados().now().0);
        Gateway {
            storage,
            region,
            cluster_id,
            domains,
            website_domains,
            sigv2,
            keys: KeyCache::default(),
            access_log,
            bucket_logs,
            traffic: Traffic::new(usage_log),
            next_request: AtomicU64::new(start),
        }
    }

    /// The time of day, seconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        self.storage.rados().now().seconds()
    }

    /// Refuses what is signed with Version 2 where the operator wants none of it. `InvalidRequest`.
    pub(crate) fn check_sigv2(&self, is_v2: bool) -> Result<(), S3Error> {
        if !is_v2 || self.sigv2.load(Ordering::Relaxed) {
            return Ok(());
        }
        let message =
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.";
        Err(S3Error::with_message(Code::InvalidRequest, message))
    }

    /// Notes that somebody sent what is no HTTP, and was told `status`.
    pub(super) fn unreadable(&self, way: Way, status: u16) {
        self.entry(&self.next_id(), way).unreadable(status);
    }

    fn next_id(&self) -> String {
        format!("{:016X}", self.next_request.fetch_add(1, Ordering::Relaxed))
    }

    fn entry(&self, id: &str, way: Way) -> Entry {
        Entry::begin(&self.access_log, id, way.peer, self.storage.rados().now())
    }

    /// Answers a request and sees to its line in the access log.
    pub(super) async fn handle(
        &self,
        request: http::Request<Incoming>,
        way: Way,
    ) -> http::Response<Leaving<ResponseBody>> {
        let id = self.next_id();
        let path = request.uri().path();
        let asked_as_elsewhere =
            HEALTH_PATHS_ELSEWHERE.contains(&path) && !request.headers().contains_key(AUTHORIZATION);
        if path == HEALTH_PATH || asked_as_elsewhere {
            // Several a second, from every load balancer: no news.
            return Entry::default().answered(self.dressed(health(request.method()), &id), None);
        }
        let mut entry = self.entry(&id, way);
        if entry.is_kept() {
            let target =
                Target::of(host_of(request.headers(), request.uri()), request.uri().path(), &self.domains);
            let administers = self.administers(request.headers(), request.uri());
            entry.head(&request, target.ok().as_ref(), administers);
        }
        let (response, logged) = self.respond(request, way, &id, &mut entry).await;
        entry.answered(response, logged)
    }

    /// An answer with the headers that all have.
    fn dressed(&self, mut response: Response, id: &str) -> Response {
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(id) {
            headers.insert(HeaderName::from_static("x-amz-request-id"), value);
        }
        headers.insert(http::header::SERVER, HeaderValue::from_static("Nacre"));
        response
    }

    /// Answers a request; whatever is wrong becomes an S3 error.
    async fn respond(
        &self,
        request: http::Request<Incoming>,
        way: Way,
        id: &str,
        entry: &mut Entry,
    ) -> (Response, Option<Logged>) {
        let head = request.method() == Method::HEAD;
        let path = request.uri().path().to_string();
        let administers = self.administers(request.headers(), request.uri());
        let close = confuses_its_client(&request);
        let site = self.site_of(&request);
        let cross_origin = self.cross_origin(&request, site.as_deref());
        let heading = Heading::of(&request, way.peer);
        let noted = entry.noted();
        let is_site = site.is_some();
        let mut seen = Seen::default();
        let answered = match site {
            Some(bucket) => Ok(self.visit(request, way, bucket, id, &mut seen).await),
            None => {
                let arriving = request.map(|body| Arriving::new(body, noted.clone()));
                self.answer(arriving, way, entry, &mut seen).await
            }
        };
        let code = answered.as_ref().err().map(|e| e.code().name());
        let refuse = |e: S3Error, entry: &mut Entry| {
            entry.refused(e.code().name());
            if e.code().status().is_server_error() && e.code() != Code::NotImplemented {
                tracing::warn!(request = id, "{e}");
            } else {
                tracing::debug!(request = id, "{e}");
            }
            if administers { admin_ops::error(&e, id, head) } else { response::error(&e, &path, id, head) }
        };
        let response = answered.unwrap_or_else(|e| refuse(e, entry));
        let told = Told { id, site: is_site, administers, code, noted: &noted };
        let (response, logged) =
            match self.logged(&heading, &mut seen, &told, (response.status(), response.headers())).await {
                Ok(logged) => (response, logged),
                Err(e) => (refuse(e, entry), None),
            };
        let (status, sent) = (response.status(), response.body().size_hint().exact().unwrap_or(0));
        self.traffic.answered(&self.storage, seen, status, sent).await;
        let mut response = self.dressed(response, id);
        if let Some(asked) = cross_origin {
            match asked.judge(self).await {
                Ok(Some(allowed)) => cross_origin::add(response.headers_mut(), &allowed),
                Ok(None) => {}
                Err(e) => tracing::warn!(request = id, "cross-origin rules: {e}"),
            }
        }
        if close {
            response.headers_mut().insert(http::header::CONNECTION, HeaderValue::from_static("close"));
        }
        (response, logged)
    }

    /// The records of a request that was answered, if its bucket has a log.
    async fn logged(
        &self,
        heading: &Heading,
        seen: &mut Seen,
        told: &Told<'_>,
        (status, headers): (StatusCode, &http::HeaderMap),
    ) -> Result<Option<Logged>, S3Error> {
        if told.administers {
            return Ok(None);
        }
        if told.code.is_some() {
            // Who is turned away before anything is looked up leaves a record, too.
            self.traffic.find(&self.storage, seen).await;
        }
        let Some(bucket) = seen.bucket().filter(|bucket| bucket_log::is_kept(&bucket.settings)) else {
            return Ok(None);
        };
        let Some(target) = heading.target(&self.domains, told.site.then_some(bucket)) else {
            return Ok(None);
        };
        let answered = bucket_log::Answered {
            id: told.id,
            bucket,
            target: &target,
            site: told.site,
            code: told.code,
            noted: told.noted,
            status,
            headers,
        };
        self.bucket_logs.answered(&self.storage, heading, answered).await
    }

    /// Whether a request is the Admin Ops API's.
    fn administers(&self, headers: &http::HeaderMap, uri: &http::Uri) -> bool {
        admin_ops::is_path(uri.path()) && bucket_of_host(host_of(headers, uri), &self.domains).is_none()
    }

    /// The bucket that a request asks for as a website.
    fn site_of(&self, request: &http::Request<Incoming>) -> Option<String> {
        // Only ever replaced as a whole.
        let domains = self.website_domains.read().unwrap_or_else(PoisonError::into_inner);
        if domains.is_empty() {
            return None;
        }
        bucket_of_host(host_of(request.headers(), request.uri()), &domains).map(String::from)
    }

    /// Answers a browser's request for a website.
    async fn visit(
        &self,
        request: http::Request<Incoming>,
        way: Way,
        bucket: String,
        id: &str,
        seen: &mut Seen,
    ) -> Response {
        // Whatever it brings along is of no use here.
        let (parts, _) = request.into_parts();
        let target = Target::Object(bucket, String::new());
        seen.request(&parts.method, &target, &parts.headers, None);
        let admitted = match parts.method {
            Method::OPTIONS => {
                cross_origin::preflight(self, &target, &parts.headers, &Query::default()).await.map(Some)
            }
            _ => self.traffic.admit(&self.storage, seen).await.map(|()| None),
        };
        match admitted {
            Ok(Some(response)) => response,
            Err(e) => response::error(&e, parts.uri.path(), id, parts.method == Method::HEAD),
            Ok(None) => {
                let visit = Visit {
                    method: &parts.method,
                    bucket: target.bucket().unwrap_or(""),
                    host: host_of(&parts.headers, &parts.uri),
                    path: parts.uri.path(),
                    headers: &parts.headers,
                    way,
                    id,
                };
                website::serve(self, visit).await
            }
        }
    }

    /// What a browser's page of another origin asks.
    fn cross_origin(&self, request: &http::Request<Incoming>, site: Option<&str>) -> Option<CrossOrigin> {
        // Nearly all requests: nothing to find out.
        request.headers().get(http::header::ORIGIN)?;
        let host = host_of(request.headers(), request.uri());
        let target = match site {
            Some(bucket) => Target::Bucket(bucket.to_string()),
            None => Target::of(host, request.uri().path(), &self.domains).ok()?,
        };
        // What cannot be read is refused elsewhere.
        let query = Query::parse(request.uri().query().unwrap_or("")).unwrap_or_default();
        CrossOrigin::of(request.method().as_str(), &target, request.headers(), &query)
            .filter(|_| request.method() != Method::OPTIONS || !told_nothing(request.headers()))
    }

    async fn answer(
        &self,
        request: http::Request<RequestBody>,
        way: Way,
        entry: &mut Entry,
        seen: &mut Seen,
    ) -> Result<Response, S3Error> {
        let (parts, incoming) = request.into_parts();
        check_host(&parts.headers, &parts.uri)?;
        let head_bytes: usize =
            parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if head_bytes > MAX_HEAD_BYTES {
            return Err(S3Error::new(Code::RequestHeaderSectionTooLarge)
                .field("MaxSizeAllowed", MAX_HEAD_BYTES.to_string()));
        }
        let query = Query::parse(parts.uri.query().unwrap_or(""))?;
        let host = host_of(&parts.headers, &parts.uri);
        let target = Target::of(host, parts.uri.path(), &self.domains)?;
        let administers = self.administers(&parts.headers, &parts.uri);
        if !administers {
            seen.request(&parts.method, &target, &parts.headers, verbs::subresource(&query));
        }
        if parts.method == Method::OPTIONS {
            return cross_origin::preflight(self, &target, &parts.headers, &query).await;
        }
        // Administrators' tools sign for whatever zonegroup they were told of, and RGW does not mind.
        let claimed = if administers { auth::claimed_region(&parts.headers) } else { None };
        let region = claimed.as_deref().unwrap_or(&self.region);
        let claim = Claim::of_request(&parts.headers, &query, region, self.now())?;
        let Some(claim) = claim else {
            if administers {
                return Err(Code::AccessDenied.into());
            }
            let vouched = auth::anonymous(&parts.headers)?;
            self.traffic.admit(&self.storage, seen).await?;
            self.check_journal(seen, &parts.method, &target, &query).await?;
            let request = Request::new(
                parts.method,
                parts.headers,
                query,
                target,
                Sender { credential: None, way },
                vouched,
                incoming,
            );
            return verbs::dispatch(self, request).await;
        };
        let is_v2 = matches!(claim, Claim::V2(_));
        entry.claims(if is_v2 { "v2" } else { "v4" }, claim.access_key());
        self.check_sigv2(is_v2)?;
        let credential = self.storage.lookup_access_key(claim.access_key()).await?.ok_or_else(|| {
            S3Error::new(Code::InvalidAccessKeyId).field("AWSAccessKeyId", claim.access_key())
        })?;
        let subject = Subject {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: &query,
            headers: &parts.headers,
            host,
            virtual_bucket: bucket_of_host(host, &self.domains),
        };
        let vouched = auth::verify(&claim, &subject, credential.secret.reveal(), region, &self.keys)?;
        if credential.user.suspended {
            return Err(Code::UserSuspended.into());
        }
        if !credential.access.allows(&parts.method, verbs::subresource(&query) == Some("acl")) {
            return Err(Code::AccessDenied.into());
        }
        if !credential.user.account.is_empty() && !credential.user.account_root && !administers {
            let message = "Users of an account other than its root need policies of their own, which this gateway does not have.";
            return Err(S3Error::with_message(Code::AccessDenied, message));
        }
        seen.sender(&credential);
        if !administers {
            self.traffic.admit(&self.storage, seen).await?;
            self.check_journal(seen, &parts.method, &target, &query).await?;
        }
        let request = Request::new(
            parts.method,
            parts.headers,
            query,
            target,
            Sender { credential: Some(credential), way },
            vouched,
            incoming,
        );
        if administers {
            return admin_ops::run(self, parts.uri.path(), request).await;
        }
        verbs::dispatch(self, request).await
    }
}

impl<R: Rados> Gateway<R> {
    /// Whether a change may be made: not where its journal cannot be delivered.
    async fn check_journal(
        &self,
        seen: &Seen,
        method: &Method,
        target: &Target,
        query: &Query,
    ) -> Result<(), S3Error> {
        let Some(bucket) = seen.bucket().filter(|bucket| bucket_log::is_kept(&bucket.settings)) else {
            return Ok(());
        };
        self.bucket_logs.check(&self.storage, bucket, method, target, verbs::subresource(query)).await
    }
}

/// The host that a request is for.
fn host_of<'a>(headers: &'a http::HeaderMap, uri: &'a http::Uri) -> &'a str {
    let authority = uri.authority().map_or("", |a| a.as_str());
    headers.get("host").and_then(|v| v.to_str().ok()).unwrap_or(authority)
}

/// Whether a preflight does not say which method it is about.
fn told_nothing(headers: &http::HeaderMap) -> bool {
    !headers.contains_key("access-control-request-method")
}

/// Whether a request names one host only: what is in front of the gateway may go by the other name. `BadRequest`.
fn check_host(headers: &http::HeaderMap, uri: &http::Uri) -> Result<(), S3Error> {
    let mut named = headers.get_all(http::header::HOST).iter();
    let host = named.next();
    let another = uri.authority().zip(host).is_some_and(|(a, host)| a.as_str().as_bytes() != host.as_bytes());
    if named.next().is_some() || another {
        return Err(S3Error::with_message(Code::BadRequest, "The request names more than one host."));
    }
    Ok(())
}

/// Whether a request wants a `100 Continue` for a body of no bytes: aws-cli and boto3 send this with empty files. There
/// is nothing to continue with, so the final answer comes at once, and botocore (1.43) then takes that answer's status
/// line for the next answer's on the same connection, loses its headers, and hangs for a minute. A new connection
/// has no such memory.
fn confuses_its_client(request: &http::Request<Incoming>) -> bool {
    request.headers().contains_key(http::header::EXPECT) && request.body().is_end_stream()
}

fn health(method: &Method) -> Response {
    match *method {
        Method::GET | Method::HEAD => response::empty(StatusCode::OK),
        _ => response::empty(StatusCode::METHOD_NOT_ALLOWED),
    }
}
