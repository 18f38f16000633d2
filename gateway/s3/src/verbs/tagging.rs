//! Tags of buckets and objects: the verbs that read, set and remove them.

use super::object::version;
use crate::access::Ask;
use crate::authorise::{POLICY, Wish};
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::{Gateway, Target};
use crate::storage::{Bucket, Entry};
use crate::tags::{self, BUCKET_TAGS_MAX, OBJECT_TAGS_MAX, Tag};
use gateway_client::Rados;
use http::StatusCode;

/// The largest document: 50 tags whose every character is written as a reference stay below it.
const MAX_DOCUMENT_BYTES: u64 = 512 * 1024;

/// GetBucketTagging and GetObjectTagging.
pub(super) async fn get<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    if let Target::Object(..) = &rq.target {
        let bucket = rq.bucket_of_anybody(gw).await?;
        let entry = version::find_for(gw, &rq, &bucket, Wish::new(Ask::GET_TAGS, Some(rq.key()))).await?;
        let document = tags::document(&tags::of(&entry.attrs.extra)?);
        let mut response = response::document(StatusCode::OK, document);
        version::set_version(response.headers_mut(), &bucket, entry.version);
        return Ok(response);
    }
    let bucket = rq.bucket_for(gw, Ask::GET_BUCKET_TAGS).await?;
    let tags = tags::of(&bucket.settings)?;
    if tags.is_empty() {
        return Err(S3Error::new(Code::NoSuchTagSet).field("BucketName", bucket.name.clone()));
    }
    Ok(response::document(StatusCode::OK, tags::document(&tags)))
}

/// PutBucketTagging and PutObjectTagging.
pub(super) async fn put<R: Rados>(gw: &Gateway<R>, mut rq: Request) -> Result<Response, S3Error> {
    if let Target::Bucket(_) = &rq.target {
        let bucket = rq.bucket_for(gw, Ask::PUT_BUCKET_TAGS).await?;
        let document = rq.document(MAX_DOCUMENT_BYTES).await?;
        let tags = tags::of_document(&document, BUCKET_TAGS_MAX)?;
        return set_of_bucket(gw, &bucket, &tags, StatusCode::OK).await;
    }
    let bucket = rq.bucket_of_anybody(gw).await?;
    // Policies speak of the tags that are to be set, so these are read first; what is wrong with them is said only to
    // those who may set any.
    let document = rq.document(MAX_DOCUMENT_BYTES).await;
    let tags = document.and_then(|document| tags::of_document(&document, OBJECT_TAGS_MAX));
    let wish = Wish::new(Ask::PUT_TAGS, Some(rq.key())).tags(tags.as_deref().unwrap_or(&[]));
    let entry = version::find_for(gw, &rq, &bucket, wish).await?;
    set_of_object(gw, &rq, &bucket, &entry, &tags?, StatusCode::OK).await
}

/// DeleteBucketTagging and DeleteObjectTagging.
pub(super) async fn delete<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    if let Target::Bucket(_) = &rq.target {
        let bucket = rq.bucket_for(gw, Ask::PUT_BUCKET_TAGS).await?;
        return set_of_bucket(gw, &bucket, &Vec::new(), StatusCode::NO_CONTENT).await;
    }
    let bucket = rq.bucket_of_anybody(gw).await?;
    let wish = Wish::new(Ask::DELETE_TAGS, Some(rq.key())).tags(&[]);
    let entry = version::find_for(gw, &rq, &bucket, wish).await?;
    set_of_object(gw, &rq, &bucket, &entry, &Vec::new(), StatusCode::NO_CONTENT).await
}

async fn set_of_bucket<R: Rados>(
    gw: &Gateway<R>,
    bucket: &Bucket,
    tags: &Vec<Tag>,
    status: StatusCode,
) -> Result<Response, S3Error> {
    let change = |bucket: &mut Bucket| {
        tags::keep(&mut bucket.settings, tags);
        Ok(())
    };
    gw.storage.bucket_change(bucket, change).await?;
    Ok(response::empty(status))
}

async fn set_of_object<R: Rados>(
    gw: &Gateway<R>,
    rq: &Request,
    bucket: &Bucket,
    seen: &Entry,
    tags: &Vec<Tag>,
    status: StatusCode,
) -> Result<Response, S3Error> {
    let before = tags::of(&seen.attrs.extra)?;
    let change = |attrs: &mut crate::storage::ObjectAttrs| {
        // A policy may have said yes because of the tags there were.
        if bucket.settings.contains_key(POLICY) && tags::of(&attrs.extra)? != before {
            return Err(Code::OperationAborted.into());
        }
        tags::keep(&mut attrs.extra, tags);
        Ok(())
    };
    let which = version::which(rq)?;
    let Some(changed) = gw.storage.change_attrs(bucket, rq.key(), which, change).await? else {
        // It was there a moment ago.
        return Err(S3Error::new(Code::NoSuchKey).field("Key", rq.key()));
    };
    let mut response = response::empty(status);
    version::set_version(response.headers_mut(), bucket, changed);
    Ok(response)
}
