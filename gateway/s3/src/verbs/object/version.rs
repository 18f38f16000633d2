//! Which version of an object a request is about, and what is answered where there is none.

use super::set_expiration;
use crate::access::Ask;
use crate::authorise::Wish;
use crate::dates;
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::{header_value, set};
use crate::server::Gateway;
use crate::storage::{Bucket, Entry, Found, VersionId, Versioning, Which};
use crate::tags;
use gateway_client::Rados;
use http::HeaderMap;
use http::header::{ALLOW, HeaderName, HeaderValue, LAST_MODIFIED};

const DELETE_MARKER: &str = "x-amz-delete-marker";
const VERSION_ID: &str = "x-amz-version-id";

/// The version that `versionId` names. `InvalidArgument` for an empty one, `NoSuchVersion` for what no version is
/// called.
pub(crate) fn which(rq: &Request) -> Result<Which, S3Error> {
    let Some(text) = rq.query.get("versionId") else { return Ok(Which::Current) };
    parse(text).map_err(|e| e.field("Key", rq.key()).field("VersionId", text))
}

/// The same for a version that is named in a document or in another place of a request.
pub(crate) fn parse(text: &str) -> Result<Which, S3Error> {
    if text.is_empty() {
        let message = "Version id cannot be the empty string";
        return Err(S3Error::invalid_argument(message, "versionId", ""));
    }
    VersionId::parse(text).ok_or_else(|| S3Error::new(Code::NoSuchVersion))
}

/// The object that a request is about, in the version that it names; with `inline` also the bytes that lie in its
/// row. `NoSuchKey`, `NoSuchVersion`, or `MethodNotAllowed` for a delete marker that is asked for by its name.
pub(crate) async fn find<R: Rados>(
    gw: &Gateway<R>,
    rq: &Request,
    bucket: &Bucket,
    inline: bool,
) -> Result<Entry, S3Error> {
    let which = which(rq)?;
    read(gw, rq, bucket, rq.key(), which, inline).await
}

/// A version of a key for reading, if the sender may. Who may not is told nothing else.
pub(crate) async fn read<R: Rados>(
    gw: &Gateway<R>,
    rq: &Request,
    bucket: &Bucket,
    key: &str,
    which: Which,
    inline: bool,
) -> Result<Entry, S3Error> {
    let found = gw.storage.find(bucket, key, which, inline).await?;
    check(gw, rq, bucket, &found, Wish::new(Ask::GET, Some(key)).version(which))?;
    object(found, key, which)
}

fn check<R: Rados>(
    gw: &Gateway<R>,
    rq: &Request,
    bucket: &Bucket,
    found: &Found,
    wish: Wish<'_>,
) -> Result<(), S3Error> {
    match found {
        Found::Object(entry) => rq.check(gw, bucket, wish.object(entry)),
        Found::Marker { .. } | Found::Nothing => rq.check_absent(gw, bucket, wish.key.unwrap_or("")),
    }
}

/// The object that a request is about, for something else than reading its bytes.
pub(crate) async fn find_for<R: Rados>(
    gw: &Gateway<R>,
    rq: &Request,
    bucket: &Bucket,
    wish: Wish<'_>,
) -> Result<Entry, S3Error> {
    let which = which(rq)?;
    let found = gw.storage.find(bucket, rq.key(), which, false).await?;
    check(gw, rq, bucket, &found, wish.version(which))?;
    object(found, rq.key(), which)
}

/// The object that was found, or the error that says what was found instead.
fn object(found: Found, key: &str, which: Which) -> Result<Entry, S3Error> {
    let (version, mtime) = match found {
        Found::Object(entry) => return Ok(*entry),
        Found::Nothing if which == Which::Current => {
            let e = S3Error::new(Code::NoSuchKey).field("Key", key);
            return Err(with_header(e, DELETE_MARKER, "false"));
        }
        Found::Nothing => {
            return Err(S3Error::new(Code::NoSuchVersion)
                .field("Key", key)
                .field("VersionId", text_of(which)));
        }
        Found::Marker { version, mtime } => (version, mtime),
    };
    let e = if which == Which::Current {
        S3Error::new(Code::NoSuchKey).field("Key", key)
    } else {
        let e =
            S3Error::new(Code::MethodNotAllowed).field("Method", "GET").field("ResourceType", "DeleteMarker");
        let e = e.header(ALLOW, HeaderValue::from_static("DELETE"));
        match header_value(&dates::http(mtime.seconds())) {
            Some(value) => e.header(LAST_MODIFIED, value),
            None => e,
        }
    };
    Err(with_header(with_header(e, DELETE_MARKER, "true"), VERSION_ID, &version.to_string()))
}

/// How a version is called; empty for the current one.
pub(crate) fn text_of(which: Which) -> String {
    match which {
        Which::Current => String::new(),
        Which::Null => "null".into(),
        Which::Version(version) => VersionId(version).to_string(),
    }
}

fn with_header(e: S3Error, name: &'static str, value: &str) -> S3Error {
    match header_value(value) {
        Some(value) => e.header(HeaderName::from_static(name), value),
        None => e,
    }
}

/// Sets the version that is answered with. Buckets that never had versions do not speak of them.
pub(crate) fn set_version(headers: &mut HeaderMap, bucket: &Bucket, version: VersionId) {
    if bucket.versioning() != Versioning::Off {
        set(headers, VERSION_ID, &version.to_string());
    }
}

/// Says when an object expires that was asked for as the current one.
pub(super) fn set_expiration_of(
    headers: &mut HeaderMap,
    rq: &Request,
    bucket: &Bucket,
    entry: &Entry,
) -> Result<(), S3Error> {
    if which(rq)? != Which::Current {
        return Ok(());
    }
    let tags = tags::of(&entry.attrs.extra)?;
    set_expiration(headers, bucket, rq.key(), (entry.size, entry.mtime), &tags)
}

/// Sets the version that was made, where one was: a suspended bucket only replaces the one called `null`.
pub(crate) fn set_new_version(headers: &mut HeaderMap, version: VersionId) {
    if !version.is_null() {
        set(headers, VERSION_ID, &version.to_string());
    }
}

/// Says that what a delete made or removed is a delete marker.
pub(crate) fn set_delete_marker(headers: &mut HeaderMap) {
    set(headers, DELETE_MARKER, "true");
}
