//! CopyObject.

use super::headers::checksum_text;
use super::range::Span;
use super::version::set_new_version;
use super::{CopySource, attrs, lock_of_headers, write_conditions};
use crate::access::Ask;
use crate::access_log::Change;
use crate::authorise::{Wish, new_acl};
use crate::checksum::declared_algorithm;
use crate::dates;
use crate::encryption;
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::storage::{Sealing, Which};
use crate::tags;
use crate::website::REDIRECT_HEADER;
use crate::xml::Document;
use gateway_client::Rados;
use http::StatusCode;

/// Makes an object of another's bytes, with the other's attributes or with new ones.
pub(crate) async fn run<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_of_anybody(gw).await?;
    let replace = replaces(&rq, "x-amz-metadata-directive")?;
    let other_tags = replaces(&rq, "x-amz-tagging-directive")?;
    let fresh = attrs::of_headers(&rq.headers)?;
    gw.storage.check_storage_class(&fresh.storage_class).await?;
    let source = CopySource::find(gw, &rq).await?;
    // An older version copied onto its key is how it is brought back.
    let same = source.bucket.id == bucket.id && source.entry.key == rq.key();
    let seal = encryption::seal_of_new(gw, &rq, &bucket).await?;
    let encrypts = seal.is_some() || source.entry.seal.is_some();
    let place = fresh.headers.get(REDIRECT_HEADER).cloned();
    let other_place = place.is_some() && place.as_ref() != source.entry.attrs.headers.get(REDIRECT_HEADER);
    let other_class = fresh.storage_class != source.entry.attrs.storage_class;
    if !replace && same && source.which == Which::Current && !encrypts && !other_class && !other_place {
        let message = "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.";
        return Err(S3Error::with_message(Code::InvalidRequest, message));
    }
    let tags = if other_tags { tags::of(&fresh.extra)? } else { source.tags(gw, &rq)? };
    // Of the tags that it gets, wherever they are from.
    let wish = |ask| Wish::new(ask, Some(rq.key())).tags(&tags);
    rq.check(gw, &bucket, wish(Ask::PUT))?;
    if other_tags && !tags.is_empty() {
        rq.check_not_denied(gw, &bucket, wish(Ask::PUT_TAGS))?;
    }
    // A storage class never goes along with a copy: what names none is STANDARD.
    let storage_class = fresh.storage_class.clone();
    let mut attrs = if replace { fresh } else { source.entry.attrs.clone() };
    attrs.storage_class = storage_class;
    // Nor does the place that the source sends browsers to.
    attrs.headers.remove(REDIRECT_HEADER);
    if let Some(place) = place {
        attrs.headers.insert(REDIRECT_HEADER.to_string(), place);
    }
    tags::keep(&mut attrs.extra, &tags);
    // An ACL never goes along with a copy.
    new_acl(gw, &rq, &bucket).await?.keep(&mut attrs.extra, &bucket.owner);
    // Nor does an encryption, nor a lock.
    Sealing::forget(&mut attrs);
    let sealing = seal.as_ref().map(|seal| seal.sealing.clone());
    attrs.seal = seal;
    attrs.lock = lock_of_headers(gw, &rq, &bucket)?;
    let kept = source.entry.checksum.as_ref().map(|c| c.checksum.algorithm);
    let algorithm = declared_algorithm(&rq.headers)?.or(kept);
    let span = Span { offset: 0, length: source.entry.size };
    gw.storage.check_quota(&bucket, span.length).await?;
    let mut body = source.body(&gw.storage, span, algorithm)?;
    let conditions = write_conditions(&rq.headers);
    let done = gw.storage.put(&bucket, rq.key(), attrs, conditions, &mut body).await?;

    rq.noted().changed(Change {
        key: rq.key().to_string(),
        size: done.size,
        version: None,
        etag: done.etag.to_string(),
    });

    let mut d = Document::new("CopyObjectResult");
    d.leaf("LastModified", &dates::iso(done.mtime)).leaf("ETag", &format!("\"{}\"", done.etag));
    if let Some(checksum) = &done.checksum {
        let element = checksum.checksum.algorithm.element();
        d.leaf(element, &checksum_text(checksum, done.etag.parts)).leaf("ChecksumType", checksum.kind.name());
    }
    let mut response = response::document(StatusCode::OK, d);
    encryption::describe(response.headers_mut(), sealing.as_ref(), &rq.headers);
    set_new_version(response.headers_mut(), done.version);
    source.set_version(response.headers_mut());
    Ok(response)
}

fn replaces(rq: &Request, name: &str) -> Result<bool, S3Error> {
    match rq.header(name) {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) => Err(S3Error::invalid_argument("Unknown metadata directive.", name, other)),
    }
}
