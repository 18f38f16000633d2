//! What comes and goes: rate limits before a request is carried out, the usage log after it was answered.

mod category;
mod limiter;
mod log;

pub(crate) use category::category;

use crate::error::{Code, S3Error};
use crate::server::Target;
use crate::storage::{Bucket, Credential, Figures, RateLimit, Storage, full_name};
use gateway_client::Rados;
use http::header::{HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Method, StatusCode};
use limiter::{Kind, Limiter, Who};
use log::Log;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What is known of a request, for those who count.
#[derive(Default)]
pub(crate) struct Seen {
    category: &'static str,
    /// Its name as the sender gave it.
    bucket_named: Option<String>,
    bucket: Option<Arc<Bucket>>,
    credential: Option<Arc<Credential>>,
    kind: Option<Kind>,
    received: u64,
    /// Whose tokens it took.
    charged: Vec<(Who, RateLimit)>,
}

impl Seen {
    /// A request as it came.
    pub(crate) fn request(
        &mut self,
        method: &Method,
        target: &Target,
        headers: &HeaderMap,
        sub: Option<&str>,
    ) {
        self.category = category(method, target, sub, headers.contains_key("x-amz-copy-source"));
        self.bucket_named = target.bucket().map(String::from);
        let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        self.kind = Some(if reads { Kind::Read } else { Kind::Write });
        let number = |name| headers.get(name)?.to_str().ok()?.trim().parse().ok();
        self.received =
            number("content-length").or_else(|| number("x-amz-decoded-content-length")).unwrap_or(0);
    }
    /// The bucket, if it was found.
    pub(crate) fn bucket(&self) -> Option<&Arc<Bucket>> {
        self.bucket.as_ref()
    }
    /// Who sent it.
    pub(crate) fn sender(&mut self, credential: &Arc<Credential>) {
        self.credential = Some(credential.clone());
    }
}

/// Counts and limits.
pub(crate) struct Traffic {
    /// Whether usage is logged; it may change while the gateway runs.
    logs: Arc<AtomicBool>,
    log: Log,
    limiter: Mutex<Limiter>,
    since: Instant,
}

impl Traffic {
    pub(crate) fn new(logs: Arc<AtomicBool>) -> Traffic {
        Traffic { logs, log: Log::default(), limiter: Mutex::default(), since: Instant::now() }
    }

    fn limiter(&self) -> MutexGuard<'_, Limiter> {
        // Numbers of tokens: nothing is half done.
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds the bucket, if it is there; what is wrong with it the verb says.
    pub(crate) async fn find<R: Rados>(&self, storage: &Storage<R>, seen: &mut Seen) {
        let Some(named) = &seen.bucket_named else { return };
        // What is about to be made is not there.
        if seen.bucket.is_some() || seen.category == "create_bucket" {
            return;
        }
        let own = seen.credential.as_ref().map_or("", |c| c.user.tenant());
        let (tenant, name) = named.split_once(':').unwrap_or((own, named));
        if crate::verbs::bucket::name::check(name).is_ok() {
            seen.bucket = storage.bucket_get(&full_name(tenant, name)).await.ok().flatten();
        }
    }

    /// Whether a request may be carried out now. `SlowDown`.
    pub(crate) async fn admit<R: Rados>(&self, storage: &Storage<R>, seen: &mut Seen) -> Result<(), S3Error> {
        self.find(storage, seen).await;
        // Limits that cannot be read limit nothing: what is wrong with the cluster shows elsewhere.
        let global = storage.global_rate_limits().await.unwrap_or_default();
        let own_or = |own: Option<RateLimit>, global: RateLimit| own.filter(|l| l.enabled).unwrap_or(global);
        let mut limits = Vec::new();
        let of_sender = match &seen.credential {
            Some(c) => own_or(c.user.rate_limit, global.user),
            None => global.anonymous,
        };
        if of_sender.limits() {
            let who = seen.credential.as_ref().map_or(Who::Anonymous, |c| Who::User(c.user.uid.clone()));
            limits.push((who, of_sender));
        }
        if let Some(bucket) = &seen.bucket {
            let of_bucket = own_or(bucket.rate_limit(), global.bucket);
            if of_bucket.limits() {
                limits.push((Who::Bucket(bucket.full_name()), of_bucket));
            }
        }
        let Some(kind) = seen.kind.filter(|_| !limits.is_empty()) else { return Ok(()) };
        let now = self.since.elapsed();
        let mut limiter = self.limiter();
        for (n, (who, limit)) in limits.iter().enumerate() {
            if !limiter.admit(who, limit, kind, now) {
                limits[..n].iter().for_each(|(who, _)| limiter.give_back(who, kind));
                return Err(S3Error::new(Code::SlowDown).header(RETRY_AFTER, HeaderValue::from_static("1")));
            }
        }
        drop(limiter);
        seen.charged = limits;
        Ok(())
    }

    /// A request was answered with so many bytes: they are charged and logged.
    pub(crate) async fn answered<R: Rados>(
        &self,
        storage: &Storage<R>,
        mut seen: Seen,
        status: StatusCode,
        sent: u64,
    ) {
        if !seen.charged.is_empty() {
            let now = self.since.elapsed();
            let mut limiter = self.limiter();
            for (who, limit) in &seen.charged {
                limiter.charge(who, limit, sent, seen.received, now);
            }
        }
        if !self.logs.load(Ordering::Relaxed) || seen.category.is_empty() {
            return;
        }
        if seen.bucket.is_none() && seen.category == "create_bucket" {
            // It is there by now, if all went well.
            seen.category = "";
            self.find(storage, &mut seen).await;
            seen.category = "create_bucket";
        }
        let good = status.is_success() || status.is_redirection();
        let figures = Figures {
            bytes_sent: sent,
            bytes_received: seen.received,
            ops: 1,
            successful_ops: u64::from(good),
        };
        let sender = seen.credential.as_ref().map_or("anonymous", |c| c.user.uid.as_str());
        let (owner, bucket) = match (&seen.bucket, &seen.bucket_named) {
            (Some(bucket), _) => (bucket.owner.as_str(), bucket.full_name()),
            (None, Some(_)) => (sender, "-".to_string()),
            (None, None) => (sender, String::new()),
        };
        let hour = storage.rados().now().seconds() / 3600;
        self.log.note(owner, &bucket, hour, seen.category, figures);
    }

    /// Stores the usage log until `stop` is done.
    pub(crate) async fn keep<R: Rados>(&self, storage: &Storage<R>, stop: impl Future<Output = ()>) {
        self.log.keep(storage, stop).await;
    }

    /// Stores what is left of it.
    pub(crate) async fn end<R: Rados>(&self, storage: &Storage<R>) {
        self.log.store(storage).await;
    }
}
