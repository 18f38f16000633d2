//! `/admin/bucket`: buckets, what they hold, their quotas and owners.

use super::{DOCUMENT_BYTES_MAX, needs, page_of, required, required_uid, shapes, switch, text, uid_of};
use crate::dates;
use crate::error::{Code, S3Error};
use crate::request::Request;
use crate::server::Gateway;
use crate::storage::{Bucket, Deletion, Versioning, Which, full_name};
use gateway_client::Rados;
use http::Method;
use serde_json::{Value, json};
use std::sync::Arc;

type Answer = Result<Option<Value>, S3Error>;

/// Finds what is asked and does it.
pub(super) async fn run<R: Rados>(gw: &Gateway<R>, rq: Request) -> Answer {
    needs(&rq, "buckets", rq.method != Method::GET)?;
    let about = ["index", "quota", "policy", "object", "sync"].into_iter().find(|name| rq.query.has(name));
    match (rq.method.as_str(), about) {
        ("GET", None) => list(gw, &rq).await.map(Some),
        ("GET", Some("index")) => check(gw, &rq).await.map(Some),
        ("PUT", None) => link(gw, &rq).await,
        ("PUT", Some("quota")) => set_quota(gw, rq).await,
        ("DELETE", None) => remove(gw, &rq).await,
        ("DELETE", Some("object")) => remove_object(gw, &rq).await,
        ("POST", None) | (_, Some("policy" | "sync")) => Err(Code::NotImplemented.into()),
        _ => Err(Code::MethodNotAllowed.into()),
    }
}

/// The bucket that the parameters name: `NAME`, `TENANT/NAME` or `TENANT:NAME`, or NAME of `tenant`.
pub(super) async fn named<R: Rados>(gw: &Gateway<R>, rq: &Request) -> Result<Arc<Bucket>, S3Error> {
    let name = required(rq, "bucket")?;
    let split = name.split_once(['/', ':']);
    let (tenant, short) = split.unwrap_or_else(|| (text(rq, "tenant").unwrap_or(""), name));
    let missing = || S3Error::new(Code::NoSuchBucket).field("BucketName", name);
    crate::verbs::bucket::name::check(short).map_err(|_| missing())?;
    gw.storage.bucket_get(&full_name(tenant, short)).await?.ok_or_else(missing)
}

async fn list<R: Rados>(gw: &Gateway<R>, rq: &Request) -> Result<Value, S3Error> {
    if rq.query.has("bucket") {
        let bucket = named(gw, rq).await?;
        if uid_of(rq).is_some_and(|uid| uid != bucket.owner) {
            return Err(S3Error::new(Code::NoSuchBucket).field("BucketName", bucket.name.clone()));
        }
        return stats(gw, &bucket).await;
    }
    let owners = match uid_of(rq) {
        Some(uid) if gw.storage.user_get(&uid).await?.is_none() => return Err(Code::NoSuchUser.into()),
        Some(uid) => vec![uid],
        None => gw.storage.owner_ids().await?,
    };
    let mut names = Vec::new();
    for owner in &owners {
        names.extend(gw.storage.bucket_ids(owner).await?.into_iter().map(|(name, _)| name));
    }
    names.sort();
    if switch(rq, "stats")? != Some(true) {
        return page_of(rq, names);
    }
    let mut all = Vec::new();
    for name in names {
        // One that is deleted meanwhile has nothing to say.
        if let Some(bucket) = gw.storage.bucket_get(&name).await? {
            all.push(stats(gw, &bucket).await?);
        }
    }
    Ok(all.into())
}

async fn stats<R: Rados>(gw: &Gateway<R>, bucket: &Bucket) -> Result<Value, S3Error> {
    let stats = gw.storage.bucket_stats(bucket.id).await?;
    let usage =
        if stats.usage.objects == 0 { json!({}) } else { json!({ "rgw.main": shapes::usage(&stats.usage) }) };
    let created = dates::iso(bucket.created);
    let id = bucket.id.to_string();
    Ok(json!({
        "bucket": bucket.name,
        "num_shards": stats.shards,
        "tenant": bucket.tenant,
        "versioning": match bucket.versioning() {
            Versioning::Off => "off",
            Versioning::Enabled => "enabled",
            Versioning::Suspended => "suspended",
        },
        "versioned": bucket.versioning() != Versioning::Off,
        "versioning_enabled": bucket.versioning() == Versioning::Enabled,
        "object_lock_enabled": bucket.lock()?.is_some(),
        "mfa_enabled": false,
        "zonegroup": "default",
        "placement_rule": "default-placement",
        "explicit_placement": { "data_pool": "", "data_extra_pool": "", "index_pool": "" },
        "id": id,
        "marker": id,
        "index_type": "Normal",
        "owner": bucket.owner,
        "ver": format!("0#{}", bucket.generation),
        "master_ver": "0#0",
        "mtime": created,
        "creation_time": created,
        "max_marker": "0#",
        "usage": usage,
        "bucket_quota": shapes::quota(&bucket.quota()?.unwrap_or_default()),
    }))
}

/// Looks whether all data is there; nothing is changed by it, whatever `fix` says.
async fn check<R: Rados>(gw: &Gateway<R>, rq: &Request) -> Result<Value, S3Error> {
    let bucket = named(gw, rq).await?;
    let report = gw.storage.bucket_check(&bucket).await?;
    let used = shapes::usage(&gw.storage.bucket_stats(bucket.id).await?.usage);
    Ok(json!({
        "invalid_multipart_entries": [],
        "check_result": {
            "existing_header": { "usage": { "rgw.main": used } },
            "calculated_header": { "usage": { "rgw.main": used } },
        },
        "data_objects": report.data_objects,
        "missing": report.missing,
        "wrong_size": report.wrong_size,
    }))
}

async fn link<R: Rados>(gw: &Gateway<R>, rq: &Request) -> Answer {
    let uid = required_uid(rq)?;
    let bucket = named(gw, rq).await?;
    if text(rq, "new-bucket-name").is_some_and(|name| name != bucket.name) {
        return Err(S3Error::with_message(Code::NotImplemented, "Buckets cannot be renamed."));
    }
    if text(rq, "bucket-id").is_some_and(|id| id != bucket.id.to_string()) {
        return Err(S3Error::new(Code::NoSuchBucket).field("BucketName", bucket.name.clone()));
    }
    gw.storage.bucket_chown(&bucket, &uid).await?;
    Ok(None)
}

async fn set_quota<R: Rados>(gw: &Gateway<R>, mut rq: Request) -> Answer {
    let document = rq.optional_document(DOCUMENT_BYTES_MAX).await?;
    let bucket = named(gw, &rq).await?;
    if uid_of(&rq).is_some_and(|uid| uid != bucket.owner) {
        return Err(S3Error::invalid_argument("The bucket is another user's.", "uid", ""));
    }
    let change = |bucket: &mut Bucket| {
        let mut quota = bucket.quota()?.unwrap_or_default();
        shapes::change_quota(&mut quota, &rq, &document)?;
        bucket.set_quota(Some(quota));
        Ok(())
    };
    gw.storage.bucket_change(&bucket, change).await?;
    Ok(None)
}

async fn remove<R: Rados>(gw: &Gateway<R>, rq: &Request) -> Answer {
    let bucket = named(gw, rq).await?;
    match switch(rq, "purge-objects")? {
        Some(true) => gw.storage.bucket_remove(&bucket).await?,
        _ => gw.storage.bucket_delete(&bucket.full_name()).await?,
    }
    Ok(None)
}

async fn remove_object<R: Rados>(gw: &Gateway<R>, rq: &Request) -> Answer {
    let bucket = named(gw, rq).await?;
    let key = required(rq, "object")?.to_string();
    crate::server::check_key(&key)?;
    if gw.storage.head(&bucket, &key).await?.is_none() {
        return Err(S3Error::new(Code::NoSuchKey).field("Key", key));
    }
    gw.storage.delete(&bucket, &Deletion { key, which: Which::Current, ..Deletion::default() }).await?;
    Ok(None)
}
