//! PutBucketLifecycleConfiguration, GetBucketLifecycleConfiguration, DeleteBucketLifecycle.

use crate::access::Ask;
use crate::error::{Code, S3Error};
use crate::hex;
use crate::lifecycle::{self, Rule};
use crate::request::Request;
use crate::response::{self, Response};
use crate::server::Gateway;
use crate::storage::{Bucket, random};
use gateway_client::Rados;
use http::StatusCode;

/// The largest document: 1000 rules with some tags each stay below it.
const MAX_DOCUMENT_BYTES: u64 = 4 << 20;

/// Shows the rules.
pub(crate) async fn get<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::GET_LIFECYCLE).await?;
    let rules = lifecycle::of(&bucket.settings)?;
    if rules.is_empty() {
        return Err(S3Error::new(Code::NoSuchLifecycleConfiguration).field("BucketName", bucket.name.clone()));
    }
    Ok(response::document(StatusCode::OK, lifecycle::to_document(&rules)))
}

/// Sets the rules. A rule without an id gets one.
pub(crate) async fn put<R: Rados>(gw: &Gateway<R>, mut rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::PUT_LIFECYCLE).await?;
    let document = rq.document(MAX_DOCUMENT_BYTES).await?;
    let new_id = || Ok(hex::encode(&random::<16>()?));
    let rules = lifecycle::of_document(&document, new_id)?;
    // A rule that never did anything would look like one that does.
    for class in rules.iter().flat_map(Rule::classes) {
        gw.storage.check_storage_class(class).await?;
    }
    // First the note: workers find the rules by it, and forget it only if there are none for long.
    gw.storage.lifecycle_note(&bucket).await?;
    set(gw, &bucket, &rules).await?;
    Ok(response::empty(StatusCode::OK))
}

/// Removes them.
pub(crate) async fn delete<R: Rados>(gw: &Gateway<R>, rq: Request) -> Result<Response, S3Error> {
    let bucket = rq.bucket_for(gw, Ask::PUT_LIFECYCLE).await?;
    set(gw, &bucket, &Vec::new()).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

async fn set<R: Rados>(gw: &Gateway<R>, bucket: &Bucket, rules: &Vec<Rule>) -> Result<(), S3Error> {
    let change = |bucket: &mut Bucket| {
        lifecycle::keep_rules(&mut bucket.settings, rules);
        Ok(())
    };
    gw.storage.bucket_change(bucket, change).await.map(|_| ())
}
