//! The Admin Ops API of RGW, below `/admin/` on the S3 port: users, buckets, usage and metadata for tools that were
//! written for RGW. Its requests are signed as all others are; what a user may ask is in its capabilities.
//!
//! Source of names and shapes: Ceph's "Admin Operations" reference. Swift keys and unlinking are refused with
//! `NotImplemented`.

mod account;
mod bucket;
mod info;
mod metadata;
mod ratelimit;
mod shapes;
mod subuser;
mod usage;
mod user;

use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::{self, Response, ResponseBody};
use crate::server::Gateway;
use gateway_client::Rados;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use serde_json::{Value, json};

/// Requests of these paths are the API's.
const PREFIX: &str = "/admin/";
/// The largest document that a request may bring, bytes.
const DOCUMENT_BYTES_MAX: u64 = 64 * 1024;

/// Whether a path, in path style, is the API's.
pub(crate) fn is_path(path: &str) -> bool {
    path.starts_with(PREFIX)
}

/// Carries out a request. What it answers: JSON, or nothing.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, path: &str, rq: Request) -> Result<Response, S3Error> {
    let resource = path.strip_prefix(PREFIX).unwrap_or("").trim_end_matches('/');
    let (area, rest) = resource.split_once('/').map_or((resource, None), |(area, rest)| (area, Some(rest)));
    let answer = match (area, rest) {
        ("user", None) => user::run(gw, rq).await?,
        ("bucket", None) => bucket::run(gw, rq).await?,
        ("account", None) => account::run(gw, rq).await?,
        ("usage", None) => usage::run(gw, &rq).await?,
        ("ratelimit", None) => ratelimit::run(gw, &rq).await?,
        ("info", None) => info::info(gw, &rq)?,
        ("metadata", section) => metadata::run(gw, &rq, section).await?,
        ("log" | "config" | "realm" | "opstate" | "replica_log", _) => {
            // Only those who administer anything learn what there is.
            needs(&rq, "zone", rq.method != Method::GET)?;
            return Err(Code::NotImplemented.into());
        }
        _ => return Err(Code::MethodNotAllowed.into()),
    };
    Ok(match answer {
        Some(value) => json_answer(StatusCode::OK, &value),
        None => response::empty(StatusCode::OK),
    })
}

/// An error as the API has it.
pub(crate) fn error(e: &S3Error, request_id: &str, head: bool) -> Response {
    let status = e.code().status();
    if head {
        return response::empty(status);
    }
    let mut value = json!({
        "Code": e.code().name(), "Message": e.message(), "RequestId": request_id, "HostId": "nacre",
    });
    for (name, field) in e.fields() {
        value[*name] = Value::from(field.as_str());
    }
    json_answer(status, &value)
}

fn json_answer(status: StatusCode, value: &Value) -> Response {
    let mut response = response::with(status, ResponseBody::Whole(Some(value.to_string().into())));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Whether the sender's capabilities let it. `AccessDenied`.
fn needs(rq: &Request, area: &str, write: bool) -> Result<(), S3Error> {
    let caps = &rq.user()?.caps;
    let may = if write { caps.may_write(area) } else { caps.may_read(area) };
    if may { Ok(()) } else { Err(Code::AccessDenied.into()) }
}

/// A parameter that is not empty.
fn text<'a>(rq: &'a Request, name: &str) -> Option<&'a str> {
    rq.query.get(name).filter(|text| !text.is_empty())
}

/// A parameter that must be there. `InvalidArgument`.
fn required<'a>(rq: &'a Request, name: &str) -> Result<&'a str, S3Error> {
    text(rq, name)
        .ok_or_else(|| S3Error::invalid_argument(format!("The parameter {name} is missing."), name, ""))
}

/// A switch; one that is named without a value is on. `InvalidArgument`.
fn switch(rq: &Request, name: &str) -> Result<Option<bool>, S3Error> {
    let Some(word) = rq.query.get(name) else { return Ok(None) };
    match word.to_ascii_lowercase().as_str() {
        "" | "true" | "1" | "yes" | "on" => Ok(Some(true)),
        "false" | "0" | "no" | "off" => Ok(Some(false)),
        _ => Err(S3Error::invalid_argument(format!("{name} must be true or false."), name, word)),
    }
}

/// A whole number. `InvalidArgument`.
fn number<T: std::str::FromStr>(rq: &Request, name: &str) -> Result<Option<T>, S3Error> {
    let wrong = |word: &str| S3Error::invalid_argument(format!("{name} must be a whole number."), name, word);
    text(rq, name).map(|word| word.parse().map_err(|_| wrong(word))).transpose()
}

/// The user that `uid` (and `tenant`) names.
fn uid_of(rq: &Request) -> Option<String> {
    let uid = text(rq, "uid")?;
    Some(match text(rq, "tenant") {
        Some(tenant) if !uid.contains('$') => format!("{tenant}${uid}"),
        _ => uid.to_string(),
    })
}

/// The same, where there must be one. `InvalidArgument`.
fn required_uid(rq: &Request) -> Result<String, S3Error> {
    uid_of(rq).ok_or_else(|| S3Error::invalid_argument("The parameter uid is missing.", "uid", ""))
}

/// A page of names behind `marker`, in the shape that listings have.
fn page_of(rq: &Request, names: Vec<String>) -> Result<Value, S3Error> {
    let marker = text(rq, "marker").unwrap_or("");
    let max = number::<usize>(rq, "max-entries")?;
    let mut left = names.into_iter().filter(|name| name.as_str() > marker);
    let Some(max) = max else { return Ok(left.collect::<Vec<_>>().into()) };
    let keys: Vec<String> = left.by_ref().take(max).collect();
    let truncated = left.next().is_some();
    let mut page = json!({ "count": keys.len(), "truncated": truncated });
    if truncated && let Some(last) = keys.last() {
        page["marker"] = last.as_str().into();
    }
    page["keys"] = keys.into();
    Ok(page)
}
