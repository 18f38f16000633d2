//! GetBucketAcl, PutBucketAcl, GetObjectAcl, PutObjectAcl.

use super::object::version;
use crate::access::{Acl, Ask, Ownership};
use crate::authorise::{Wish, check_acl, resolve_grantees};
use crate::error::{Code, S3Error};
use crate::people::People;
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::{Gateway, Target};
use crate::storage::{Bucket, ObjectAttrs};
use gateway_client::Rados;
use http::StatusCode;

/// The largest document: 100 grants.
const MAX_DOCUMENT_BYTES: u64 = 128 * 1024;

/// Shows an ACL.
pub(super) async fn get<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    if let Target::Bucket(_) = &rq.target {
        let bucket = rq.bucket_for(gw, Ask::GET_BUCKET_ACL).await?;
        let acl = Acl::of(&bucket.settings)?.unwrap_or_else(|| Acl::private(&bucket.owner));
        let people = People::of(gw, acl.users()).await?;
        return Ok(response::document(StatusCode::OK, acl.document(&people)));
    }
    let bucket = rq.bucket_of_anybody(gw).await?;
    let entry = version::find_for(gw, &rq, &bucket, Wish::new(Ask::GET_ACL, Some(rq.key()))).await?;
    let acl = Acl::of(&entry.attrs.extra)?.unwrap_or_else(|| Acl::private(&bucket.owner));
    let people = People::of(gw, acl.users()).await?;
    let mut response = response::document(StatusCode::OK, acl.document(&people));
    version::set_version(response.headers_mut(), &bucket, entry.version);
    Ok(response)
}

/// Sets an ACL, from headers or from a document, but not from both.
pub(super) async fn put<R: Rados>(gw: &Gateway<R>, mut rq: Request) -> Result<Response, S3Error> {
    if let Target::Bucket(_) = &rq.target {
        let bucket = rq.bucket_for(gw, Ask::PUT_BUCKET_ACL).await?;
        let acl = wanted(gw, &mut rq, &bucket, &bucket.owner.clone()).await?;
        let change = |bucket: &mut Bucket| {
            check_acl(bucket, &acl)?;
            acl.keep(&mut bucket.settings, &bucket.owner.clone());
            Ok(())
        };
        gw.storage.bucket_change(&bucket, change).await?;
        return Ok(response::empty(StatusCode::OK));
    }
    let bucket = rq.bucket_of_anybody(gw).await?;
    let entry = version::find_for(gw, &rq, &bucket, Wish::new(Ask::PUT_ACL, Some(rq.key()))).await?;
    let before = Acl::of(&entry.attrs.extra)?;
    let owner = before.as_ref().map_or(&bucket.owner, |acl| &acl.owner).clone();
    let acl = wanted(gw, &mut rq, &bucket, &owner).await?;
    let change = |attrs: &mut ObjectAttrs| {
        // Another object or another ACL by now, of which nobody was asked.
        if Acl::of(&attrs.extra)? != before {
            return Err(Code::OperationAborted.into());
        }
        acl.keep(&mut attrs.extra, &bucket.owner);
        Ok(())
    };
    let changed = gw.storage.change_attrs(&bucket, rq.key(), version::which(&rq)?, change).await?;
    let changed = changed.ok_or_else(|| S3Error::new(Code::NoSuchKey).field("Key", rq.key()))?;
    let mut response = response::empty(StatusCode::OK);
    version::set_version(response.headers_mut(), &bucket, changed);
    Ok(response)
}

async fn wanted<R: Rados>(
    gw: &Gateway<R>,
    rq: &mut Request,
    bucket: &Bucket,
    owner: &str,
) -> Result<Acl, S3Error> {
    if Ownership::of(&bucket.settings)? == Some(Ownership::Enforced) {
        return Err(Code::AccessControlListNotSupported.into());
    }
    let of_headers = Acl::of_headers(&rq.headers, owner, &bucket.owner)?;
    let document = rq.optional_document(MAX_DOCUMENT_BYTES).await?;
    let mut acl = match (of_headers, document.is_empty()) {
        (Some(acl), true) => acl,
        (None, false) => Acl::of_document(&document, owner)?,
        (Some(_), false) => {
            let message = "This request does not support content";
            return Err(S3Error::with_message(Code::UnexpectedContent, message));
        }
        (None, true) => {
            let message = "Your request was missing a required header";
            return Err(S3Error::with_message(Code::MissingSecurityHeader, message));
        }
    };
    check_acl(bucket, &acl)?;
    resolve_grantees(gw, &mut acl).await?;
    Ok(acl)
}
