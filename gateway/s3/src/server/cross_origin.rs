//! What browsers ask before and hear with requests from other origins. Nobody is let in by it: it only tells a
//! browser which of its own pages may see an answer.

use super::handle::Gateway;
use super::target::Target;
use crate::auth::claimed_key;
use crate::cors::{self, Allowed};
use crate::error::{Code, S3Error};
use crate::response::{self, Response, set};
use crate::storage::full_name;
use crate::uri::Query;
use gateway_client::Rados;
use http::{HeaderMap, StatusCode};

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("").trim()
}

/// A request from a page of another origin.
pub(super) struct CrossOrigin {
    bucket: String,
    origin: String,
    method: String,
    headers: String,
    /// Whose tenant the bucket's name belongs to. Nobody is let in for it.
    claimed_key: Option<String>,
}

impl CrossOrigin {
    /// None for a request without an `Origin`, or about no bucket.
    pub(super) fn of(
        method: &str,
        target: &Target,
        headers: &HeaderMap,
        query: &Query,
    ) -> Option<CrossOrigin> {
        let (origin, bucket) = (text(headers, "origin"), target.bucket()?);
        if origin.is_empty() {
            return None;
        }
        let told = text(headers, "access-control-request-method");
        Some(CrossOrigin {
            bucket: bucket.to_string(),
            origin: origin.to_string(),
            method: if told.is_empty() { method.to_string() } else { told.to_string() },
            headers: text(headers, "access-control-request-headers").to_string(),
            claimed_key: claimed_key(headers, query),
        })
    }

    /// What the bucket's rules say. A bucket that is not there has none.
    pub(super) async fn judge<R: Rados>(&self, gw: &Gateway<R>) -> Result<Option<Allowed>, S3Error> {
        let credential = match &self.claimed_key {
            Some(key) => gw.storage.lookup_access_key(key).await?,
            None => None,
        };
        let own = credential.as_ref().map_or("", |c| c.user.tenant());
        let (tenant, name) = self.bucket.split_once(':').unwrap_or((own, &self.bucket));
        if crate::verbs::bucket::name::check(name).is_err() {
            return Ok(None);
        }
        let Some(bucket) = gw.storage.bucket_get(&full_name(tenant, name)).await? else { return Ok(None) };
        Ok(cors::judge(&cors::of(&bucket.settings)?, &self.origin, &self.method, &self.headers))
    }
}

/// Answers an `OPTIONS` request, which browsers send without a signature. `BadRequest`, `AccessForbidden`.
pub(super) async fn preflight<R: Rados>(
    gw: &Gateway<R>,
    target: &Target,
    headers: &HeaderMap,
    query: &Query,
) -> Result<Response, S3Error> {
    let bad = |message| Err(S3Error::with_message(Code::BadRequest, message));
    let Some(request) = CrossOrigin::of("", target, headers, query) else {
        return bad("Insufficient information. Origin request header needed.");
    };
    if text(headers, "access-control-request-method").is_empty() {
        return bad("Invalid Access-Control-Request-Method: null");
    }
    if request.judge(gw).await?.is_none() {
        let message = "CORSResponse: This CORS request is not allowed. This is usually because the evaluation of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.";
        return Err(S3Error::with_message(Code::AccessForbidden, message));
    }
    // Its headers are added as to any other answer.
    Ok(response::empty(StatusCode::OK))
}

/// Tells the browser what it may do.
pub(super) fn add(headers: &mut HeaderMap, allowed: &Allowed) {
    set(headers, "access-control-allow-origin", &allowed.origin);
    set(headers, "access-control-allow-methods", &allowed.methods);
    if !allowed.headers.is_empty() {
        set(headers, "access-control-allow-headers", &allowed.headers);
    }
    if !allowed.expose.is_empty() {
        set(headers, "access-control-expose-headers", &allowed.expose);
    }
    if let Some(seconds) = allowed.max_age_s {
        set(headers, "access-control-max-age", &seconds.to_string());
    }
    if allowed.origin != "*" {
        set(headers, "access-control-allow-credentials", "true");
    }
    set(headers, "vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method");
}
