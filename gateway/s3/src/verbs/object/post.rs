//! POST Object: an upload by a browser's form. Its fields become the headers of a put; its policy says which it may have.

use super::attrs::KEPT_HEADERS;
use super::version::set_new_version;
use super::{attrs, lock_of_headers, set_checksum, set_expiration};
use crate::access::Ask;
use crate::access_log::Change;
use crate::auth::FormClaim;
use crate::authorise::{Wish, new_acl};
use crate::encryption;
use crate::error::{Code, S3Error};
use crate::form::{Fields, FormPolicy, read_fields};
use crate::request::Request;
use crate::response::{self, Response, set};
use crate::server::{Gateway, Target, check_key};
use crate::storage::{Body, Conditions, PutDone};
use crate::tags::{self, OBJECT_TAGS_MAX};
use crate::uri;
use crate::xml::Document;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gateway_client::Rados;
use http::StatusCode;
use http::header::{HeaderName, HeaderValue};

/// Where a form's key wants the file's name.
const FILENAME: &str = "${filename}";

/// Stores the file of a form.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, mut rq: Request) -> Result<Response, S3Error> {
    let (fields, body) = read_fields(&mut rq).await?;
    let key = key_of(&fields)?;
    let range = vouch(gw, &mut rq, &fields, &key).await?;
    // Only now it is known whose tenant the bucket's name belongs to.
    let bucket = rq.bucket_of_anybody(gw).await?;
    rq.target = Target::Object(rq.bucket_name().to_string(), key);
    take_headers(&mut rq, &fields)?;

    let tags = match fields.bytes("tagging") {
        Some(document) => Some(tags::of_document(document, OBJECT_TAGS_MAX)?),
        None => None,
    };
    let wish = |ask| match &tags {
        Some(tags) => Wish::new(ask, Some(rq.key())).tags(tags),
        None => Wish::new(ask, Some(rq.key())),
    };
    rq.check(gw, &bucket, wish(Ask::PUT))?;
    let mut attrs = attrs::of_headers(&rq.headers)?;
    gw.storage.check_storage_class(&attrs.storage_class).await?;
    if let Some(tags) = &tags {
        rq.check_not_denied(gw, &bucket, wish(Ask::PUT_TAGS))?;
        tags::keep(&mut attrs.extra, tags);
    }
    new_acl(gw, &rq, &bucket).await?.keep(&mut attrs.extra, &bucket.owner);
    attrs.lock = lock_of_headers(gw, &rq, &bucket)?;
    attrs.seal = encryption::seal_of_new(gw, &rq, &bucket).await?;
    let sealing = attrs.seal.as_ref().map(|seal| seal.sealing.clone());
    let mut body = body.expect(range, &rq.headers)?;
    let kept = tags::of(&attrs.extra)?;
    gw.storage.check_quota(&bucket, body.length_hint().unwrap_or(0)).await?;
    let done = gw.storage.put(&bucket, rq.key(), attrs, Conditions::default(), &mut body).await?;

    rq.noted().changed(Change {
        key: rq.key().to_string(),
        size: done.size,
        version: None,
        etag: done.etag.to_string(),
    });

    let mut response = answer(&rq, &fields, &done);
    let headers = response.headers_mut();
    set(headers, "etag", &format!("\"{}\"", done.etag));
    encryption::describe(headers, sealing.as_ref(), &rq.headers);
    set_new_version(headers, done.version);
    if let Some(checksum) = &done.checksum {
        set_checksum(headers, checksum, 0);
    }
    set_expiration(headers, &bucket, rq.key(), (done.size, done.mtime), &kept)?;
    Ok(response)
}

/// The key that the fields name. `InvalidArgument`, `KeyTooLongError`.
fn key_of(fields: &Fields) -> Result<String, S3Error> {
    let key = fields.get("key").unwrap_or("").replace(FILENAME, &fields.filename);
    if key.is_empty() {
        let message = "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.";
        return Err(S3Error::invalid_argument(message, "key", ""));
    }
    check_key(&key)?;
    Ok(key)
}

/// Finds out who sent the form, where it says, and holds it against its policy. Gives the sizes that its file may have.
async fn vouch<R: Rados>(
    gw: &Gateway<R>,
    rq: &mut Request,
    fields: &Fields,
    key: &str,
) -> Result<Option<(u64, u64)>, S3Error> {
    let Some(policy) = fields.bytes("policy") else {
        let signs = ["signature", "x-amz-signature", "awsaccesskeyid", "x-amz-credential"];
        if signs.iter().any(|name| fields.bytes(name).is_some()) {
            let message = "Bucket POST must contain a field named 'policy'.";
            return Err(S3Error::invalid_argument(message, "policy", ""));
        }
        // Anybody's: the bucket must let them in.
        return Ok(None);
    };
    let claim = FormClaim::of(fields, &gw.region)?;
    gw.check_sigv2(matches!(claim, FormClaim::V2 { .. }))?;
    let credential = gw.storage.lookup_access_key(claim.access_key()).await?;
    let credential = credential
        .ok_or_else(|| S3Error::new(Code::InvalidAccessKeyId).field("AWSAccessKeyId", claim.access_key()))?;
    claim.verify(policy, credential.secret.reveal(), &gw.region, &gw.keys)?;
    if credential.user.suspended {
        return Err(Code::UserSuspended.into());
    }
    if !credential.access.allows(&rq.method, false) {
        return Err(Code::AccessDenied.into());
    }
    rq.is_from(credential);
    let unreadable =
        || S3Error::with_message(Code::InvalidPolicyDocument, "Invalid Policy: Invalid Base64 Encoding.");
    let text: Vec<u8> = policy.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    let text = STANDARD.decode(text).map_err(|_| unreadable())?;
    let policy = FormPolicy::parse(&text, gw.now())?;
    policy.check(fields, rq.bucket_name(), key)?;
    Ok(policy.range())
}

/// Puts the fields in place of the headers that mean something to a put. What came as a header itself is dropped: no
/// policy was asked about it.
fn take_headers(rq: &mut Request, fields: &Fields) -> Result<(), S3Error> {
    let counts = |name: &str| {
        KEPT_HEADERS.contains(&name) || (name.starts_with("x-amz-") && !name.starts_with("x-amz-date"))
    };
    let old: Vec<HeaderName> =
        rq.headers.keys().filter(|n| counts(n.as_str()) || n.as_str() == "content-md5").cloned().collect();
    for name in old {
        rq.headers.remove(name);
    }
    for (name, value) in fields.iter() {
        let name = if name == "acl" { "x-amz-acl" } else { name };
        // What vouches for the form says nothing of the object.
        let signs = matches!(
            name,
            "x-amz-algorithm" | "x-amz-credential" | "x-amz-signature" | "x-amz-security-token"
        );
        if !counts(name) || signs || value.is_empty() {
            continue;
        }
        let parsed = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_bytes(value).ok());
        let (header, value) = parsed
            .ok_or_else(|| S3Error::invalid_argument("The field cannot be kept as a header.", name, ""))?;
        if !rq.headers.contains_key(&header) {
            rq.headers.insert(header, value);
        }
    }
    Ok(())
}

/// Where to send the browser, or what to show it.
fn answer(rq: &Request, fields: &Fields, done: &PutDone) -> Response {
    let (bucket, key) = (rq.bucket_name(), rq.key());
    let redirect = fields.get("success_action_redirect").or_else(|| fields.get("redirect"));
    if let Some(url) = redirect.filter(|url| url.starts_with("http://") || url.starts_with("https://")) {
        let query = format!(
            "bucket={}&key={}&etag=%22{}%22",
            uri::encode(bucket.as_bytes(), false),
            uri::encode(key.as_bytes(), false),
            done.etag
        );
        let joint = if url.contains('?') { '&' } else { '?' };
        let mut response = response::empty(StatusCode::SEE_OTHER);
        set(response.headers_mut(), "location", &format!("{url}{joint}{query}"));
        return response;
    }
    let host = rq.header("host").unwrap_or("");
    let location = format!("{}://{host}/{bucket}/{}", rq.scheme(), uri::encode(key.as_bytes(), true));
    let mut response = match fields.get("success_action_status") {
        Some("200") => response::empty(StatusCode::OK),
        Some("201") => {
            let mut d = Document::plain("PostResponse");
            d.leaf("Location", &location).leaf("Bucket", bucket).leaf("Key", key);
            d.leaf("ETag", &format!("\"{}\"", done.etag));
            response::document(StatusCode::CREATED, d)
        }
        _ => response::empty(StatusCode::NO_CONTENT),
    };
    set(response.headers_mut(), "location", &location);
    response
}
