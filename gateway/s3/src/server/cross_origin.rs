//! What browsers ask before and hear with requests from other origins. Nobody is let in by it: it only tells a
//! browser which of its own pages may see an answer.

use super::handle::Gateway;
use super::target::Target;
use crate::cors::{self, Allowed};
use crate::error::{Code, S3Error};
use crate::response::{self, Response, set};
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
}

impl CrossOrigin {
    /// None for a request without an `Origin`, or about no bucket.
    pub(super) fn of(method: &str, target: &Target, headers: &HeaderMap) -> Option<CrossOrigin> {
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
        })
    }

    /// What the bucket's rules say. A bucket that is not there has none.
    pub(super) async fn judge<R: Rados>(&self, gw: &Gateway<R>) -> Result<Option<Allowed>, S3Error> {
        if crate::verbs::bucket::name::check(&self.bucket).is_err() {
            return Ok(None);
        }
        let Some(bucket) = gw.storage.bucket_get(&self.bucket).await? else { return Ok(None) };
        Ok(cors::judge(&cors::of(&bucket.settings)?, &self.origin, &self.method, &self.headers))
    }
}

/// Answers an `OPTIONS` request, which browsers send without a signature. `BadRequest`, `AccessForbidden`.
pub(super) async fn preflight<R: Rados>(
    gw: &Gateway<R>,
    target: &Target,
    headers: &HeaderMap,
) -> Result<Response, S3Error> {
    let bad = |message| Err(S3Error::with_message(Code::BadRequest, message));
    let Some(request) = CrossOrigin::of("", target, headers) else {
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
