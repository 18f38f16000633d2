//! PutBucketPolicy, GetBucketPolicy, DeleteBucketPolicy, GetBucketPolicyStatus. The policy
//! itself is only for the owner: whatever it denies, its owner can mend it. Other gateways know it when what they
//! remember of the bucket runs out, as with S3, where policies take effect in time.

use crate::access::{Acl, Ask, Block, POLICY_BYTES_MAX, Policy};
use crate::authorise::{POLICY, policy_of};
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::response::{self, Response, ResponseBody};
use crate::server::Gateway;
use crate::storage::Bucket;
use crate::xml::Document;
use gateway_client::Rados;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};

fn absent(bucket: &Bucket) -> S3Error {
    S3Error::new(Code::NoSuchBucketPolicy).field("BucketName", bucket.name.clone())
}

/// Shows the policy as it was set.
pub(crate) async fn get<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket(gw).await?;
    let text = bucket.settings.get(POLICY).ok_or_else(|| absent(&bucket))?;
    let mut response = response::with(StatusCode::OK, ResponseBody::Whole(Some(text.clone())));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Sets the policy. `MalformedPolicy`, `AccessDenied` for a public one where those are blocked.
pub(crate) async fn put<R: Rados>(gw: &Gateway<R>, mut rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket(gw).await?;
    let text = rq.document(POLICY_BYTES_MAX as u64).await?;
    let policy = Policy::parse(&text, &bucket.tenant, &bucket.name)
        .map_err(|message| S3Error::with_message(Code::MalformedPolicy, message))?;
    let change = |bucket: &mut Bucket| {
        if Block::of(&bucket.settings)?.unwrap_or_default().set_policy && policy.is_public() {
            return Err(Code::AccessDenied.into());
        }
        bucket.settings.insert(POLICY.into(), text.clone());
        Ok(())
    };
    gw.storage.bucket_change(&bucket, change).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// Removes it.
pub(crate) async fn delete<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket(gw).await?;
    let change = |bucket: &mut Bucket| {
        bucket.settings.remove(POLICY);
        Ok(())
    };
    gw.storage.bucket_change(&bucket, change).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// Says whether the bucket is open to everybody, by its policy or by its ACL.
pub(crate) async fn status<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::POLICY_STATUS).await?;
    let block = Block::of(&bucket.settings)?.unwrap_or_default();
    let by_acl = !block.ignore_acls && Acl::of(&bucket.settings)?.is_some_and(|acl| acl.is_public());
    let by_policy = !block.restrict_buckets && policy_of(&bucket)?.is_some_and(|policy| policy.is_public());
    let mut d = Document::new("PolicyStatus");
    d.leaf("IsPublic", if by_acl || by_policy { "true" } else { "false" });
    Ok(response::document(StatusCode::OK, d))
}
