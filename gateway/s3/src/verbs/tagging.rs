//! Tags of buckets and objects: the verbs that read, set and remove them.

use super::object::version;
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::{Gateway, Target};
use crate::storage::Bucket;
use crate::tags::{self, BUCKET_TAGS_MAX, OBJECT_TAGS_MAX, Tag};
use gateway_client::Rados;
use http::StatusCode;

/// The largest document: 50 tags whose every character is written as a reference stay below it.
const MAX_DOCUMENT_BYTES: u64 = 512 * 1024;

/// GetBucketTagging and GetObjectTagging.
pub(super) async fn get<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket(gw).await?;
    if let Target::Object(..) = &rq.target {
        let entry = version::find(gw, &rq, &bucket, false).await?;
        let document = tags::document(&tags::of(&entry.attrs.extra)?);
        let mut response = response::document(StatusCode::OK, document);
        version::set_version(response.headers_mut(), &bucket, entry.version);
        return Ok(response);
    }
    let tags = tags::of(&bucket.settings)?;
    if tags.is_empty() {
        return Err(S3Error::new(Code::NoSuchTagSet).field("BucketName", bucket.name.clone()));
    }
    Ok(response::document(StatusCode::OK, tags::document(&tags)))
}

/// PutBucketTagging and PutObjectTagging.
pub(super) async fn put<R: Rados>(gw: &Gateway<R>, mut rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket(gw).await?;
    let document = rq.document(MAX_DOCUMENT_BYTES).await?;
    match &rq.target {
        Target::Object(..) => {
            let tags = tags::of_document(&document, OBJECT_TAGS_MAX)?;
            set_of_object(gw, &rq, &bucket, &tags, StatusCode::OK).await
        }
        _ => set_of_bucket(gw, &bucket, &tags::of_document(&document, BUCKET_TAGS_MAX)?).await,
    }
}

/// DeleteBucketTagging and DeleteObjectTagging.
pub(super) async fn delete<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket(gw).await?;
    match &rq.target {
        Target::Object(..) => set_of_object(gw, &rq, &bucket, &Vec::new(), StatusCode::NO_CONTENT).await,
        _ => set_of_bucket(gw, &bucket, &Vec::new()).await,
    }
}

async fn set_of_bucket<R: Rados>(
    gw: &Gateway<R>,
    bucket: &Bucket,
    tags: &Vec<Tag>,
) -> Result<Response, S3Error> {
    let change = |bucket: &mut Bucket| {
        tags::keep(&mut bucket.settings, tags);
        Ok(())
    };
    gw.storage.bucket_change(bucket, change).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

async fn set_of_object<R: Rados>(
    gw: &Gateway<R>,
    rq: &Request,
    bucket: &Bucket,
    tags: &Vec<Tag>,
    status: StatusCode,
) -> Result<Response, S3Error> {
    let change = |attrs: &mut crate::storage::ObjectAttrs| {
        tags::keep(&mut attrs.extra, tags);
        Ok(())
    };
    let which = version::which(rq)?;
    let Some(changed) = gw.storage.change_attrs(bucket, rq.key(), which, change).await? else {
        // Says what there is instead. That the object has come to be meanwhile is as if it had come later.
        version::find(gw, rq, bucket, false).await?;
        return Err(S3Error::new(Code::NoSuchKey).field("Key", rq.key()));
    };
    let mut response = response::empty(status);
    version::set_version(response.headers_mut(), bucket, changed);
    Ok(response)
}
