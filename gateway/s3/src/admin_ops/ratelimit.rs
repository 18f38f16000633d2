//! `/admin/ratelimit`: what users and buckets may be asked per minute.

use super::{needs, number, required, required_uid, switch, text};
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::server::Gateway;
use crate::storage::RateLimit;
use gateway_client::Rados;
use http::Method;
use serde_json::{Value, json};

/// Shows or sets limits.
pub(super) async fn run<R: Rados>(gw: &Gateway<R>, rq: &Request) -> Result<Option<Value>, S3Error> {
    needs(rq, "ratelimit", rq.method != Method::GET)?;
    let global = switch(rq, "global")? == Some(true);
    let scope = text(rq, "ratelimit-scope");
    match (rq.method.as_str(), global, scope) {
        ("GET", true, _) => {
            let all = gw.storage.global_rate_limits().await?;
            Ok(Some(json!({
                "bucket_ratelimit": shape(&all.bucket),
                "user_ratelimit": shape(&all.user),
                "anonymous_ratelimit": shape(&all.anonymous),
            })))
        }
        ("POST" | "PUT", true, Some(scope)) => {
            let change = |all: &mut crate::storage::GlobalRateLimits| {
                let limit = match scope {
                    "user" => &mut all.user,
                    "bucket" => &mut all.bucket,
                    "anonymous" => &mut all.anonymous,
                    _ => return Err(wrong_scope(scope)),
                };
                put_said(limit, rq)
            };
            gw.storage.global_rate_limits_change(change).await?;
            Ok(None)
        }
        ("GET", false, Some("user")) => {
            let uid = required_uid(rq)?;
            let user = gw.storage.user_get(&uid).await?.ok_or_else(|| S3Error::new(Code::NoSuchUser))?;
            Ok(Some(json!({ "user_ratelimit": shape(&user.rate_limit.unwrap_or_default()) })))
        }
        ("GET", false, Some("bucket")) => {
            let bucket = super::bucket::named(gw, rq).await?;
            Ok(Some(json!({ "bucket_ratelimit": shape(&bucket.rate_limit().unwrap_or_default()) })))
        }
        ("POST" | "PUT", false, Some("user")) => {
            gw.storage
                .user_change(&required_uid(rq)?, |user| {
                    let mut limit = user.rate_limit.unwrap_or_default();
                    put_said(&mut limit, rq)?;
                    user.rate_limit = Some(limit);
                    Ok(())
                })
                .await?;
            Ok(None)
        }
        ("POST" | "PUT", false, Some("bucket")) => {
            let bucket = super::bucket::named(gw, rq).await?;
            gw.storage
                .bucket_change(&bucket, |bucket| {
                    let mut limit = bucket.rate_limit().unwrap_or_default();
                    put_said(&mut limit, rq)?;
                    bucket.set_rate_limit(Some(limit));
                    Ok(())
                })
                .await?;
            Ok(None)
        }
        ("GET" | "POST" | "PUT", _, _) => Err(wrong_scope(required(rq, "ratelimit-scope")?)),
        _ => Err(Code::MethodNotAllowed.into()),
    }
}

fn wrong_scope(word: &str) -> S3Error {
    let message = "ratelimit-scope must be user or bucket, or, with global=true, anonymous.";
    S3Error::invalid_argument(message, "ratelimit-scope", word)
}

fn shape(limit: &RateLimit) -> Value {
    json!({
        "max_read_ops": limit.max_read_ops, "max_write_ops": limit.max_write_ops,
        "max_read_bytes": limit.max_read_bytes, "max_write_bytes": limit.max_write_bytes,
        "enabled": limit.enabled,
    })
}

/// Sets what the parameters say.
fn put_said(limit: &mut RateLimit, rq: &Request) -> Result<(), S3Error> {
    for (name, value) in [
        ("max-read-ops", &mut limit.max_read_ops),
        ("max-write-ops", &mut limit.max_write_ops),
        ("max-read-bytes", &mut limit.max_read_bytes),
        ("max-write-bytes", &mut limit.max_write_bytes),
    ] {
        if let Some(n) = number(rq, name)? {
            *value = n;
        }
    }
    if let Some(enabled) = switch(rq, "enabled")? {
        limit.enabled = enabled;
    }
    Ok(())
}
