//! `nacre bucket`: what buckets there are, what they hold, and whether their indexes are true.

mod load;
pub(crate) mod words;

use super::user::{no, put_limits, quota_json, quota_text, say};
use crate::cli::{Format, Global};
use crate::exit::Failure;
use crate::{session, table};
use gateway_client::Client;
use gateway_s3::storage::{Bucket, BucketStats, CheckReport, Storage, StorageConfig};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use words::{BucketCommand, BucketQuotaCommand};

/// How many buckets of one owner are read at once.
const PAGE: usize = 1000;

/// Carries out the command.
pub(crate) async fn run(global: &Global, command: &BucketCommand) -> Result<(), Failure> {
    let storage = Storage::new(session::open(global).await?, StorageConfig::default());
    match command {
        BucketCommand::Ls { uid } => {
            let buckets = all(&storage, uid.as_deref()).await?;
            let rows: Vec<Vec<String>> =
                buckets.iter().map(|b| vec![b.full_name(), b.owner.clone()]).collect();
            let list: Vec<Value> = buckets.iter().map(bucket_json).collect();
            let plain = table::render(&["BUCKET", "OWNER"], &rows);
            say(global.format, plain.trim_end(), json!({ "buckets": list }));
        }
        BucketCommand::Stats { bucket: Some(name) } => {
            let bucket = get(&storage, name).await?;
            let stats = storage.bucket_stats(bucket.id).await.map_err(no)?;
            show_stats(global.format, &bucket, &stats)?;
        }
        BucketCommand::Stats { bucket: None } => {
            let (mut rows, mut list) = (Vec::new(), Vec::new());
            for bucket in all(&storage, None).await? {
                let stats = storage.bucket_stats(bucket.id).await.map_err(no)?;
                rows.push(vec![
                    bucket.full_name(),
                    bucket.owner.clone(),
                    stats.usage.objects.to_string(),
                    stats.usage.bytes.to_string(),
                    stats.shards.to_string(),
                ]);
                list.push(stats_json(&bucket, &stats));
            }
            let plain = table::render(&["BUCKET", "OWNER", "OBJECTS", "BYTES", "SHARDS"], &rows);
            say(global.format, plain.trim_end(), json!({ "buckets": list }));
        }
        BucketCommand::Check { bucket, resume } => {
            check(&storage, global, bucket.as_deref(), *resume).await?;
        }
        BucketCommand::Reshard { bucket, max_keys, max_bytes } => {
            let found = get(&storage, bucket).await?;
            let shards = storage.bucket_reshard(&found, *max_keys, *max_bytes).await.map_err(no)?;
            let plain = format!("the index of bucket {bucket} has {shards} shards");
            say(global.format, &plain, json!({ "bucket": bucket, "shards": shards }));
        }
        BucketCommand::Load { bucket, keys, from, per_prefix, writers } => {
            let found = get(&storage, bucket).await?;
            let wanted =
                load::Wanted { from: *from, keys: *keys, per_prefix: *per_prefix, writers: *writers };
            load::run(&storage, &found, wanted).await?;
        }
        BucketCommand::Rm { bucket, purge_objects } => {
            let found = get(&storage, bucket).await?;
            match *purge_objects {
                true => storage.bucket_remove(&found).await.map_err(no)?,
                false => storage.bucket_delete(&found.full_name()).await.map_err(no)?,
            }
            say(global.format, &format!("bucket {bucket} removed"), json!({ "removed": bucket }));
        }
        BucketCommand::Quota(command) => {
            let name = match command {
                BucketQuotaCommand::Set { bucket, .. }
                | BucketQuotaCommand::Enable { bucket }
                | BucketQuotaCommand::Disable { bucket }
                | BucketQuotaCommand::Rm { bucket } => bucket,
            };
            let found = get(&storage, name).await?;
            let change = |bucket: &mut Bucket| {
                let mut quota = bucket.quota()?.unwrap_or_default();
                match command {
                    BucketQuotaCommand::Set { limits, .. } => put_limits(&mut quota, limits),
                    BucketQuotaCommand::Enable { .. } => quota.enabled = true,
                    BucketQuotaCommand::Disable { .. } => quota.enabled = false,
                    BucketQuotaCommand::Rm { .. } => {
                        bucket.set_quota(None);
                        return Ok(());
                    }
                }
                bucket.set_quota(Some(quota));
                Ok(())
            };
            let bucket = storage.bucket_change(&found, change).await.map_err(no)?;
            let stats = storage.bucket_stats(bucket.id).await.map_err(no)?;
            show_stats(global.format, &bucket, &stats)?;
        }
        BucketCommand::Chown { bucket, uid } => {
            let found = get(&storage, bucket).await?;
            storage.bucket_chown(&found, uid).await.map_err(no)?;
            let plain = format!("bucket {bucket} belongs to {uid}");
            say(global.format, &plain, json!({ "bucket": bucket, "owner": uid }));
        }
    }
    Ok(())
}

async fn get(storage: &Storage<Client>, name: &str) -> Result<Arc<Bucket>, Failure> {
    let found = storage.bucket_get(name).await.map_err(no)?;
    found.ok_or_else(|| Failure::no(format!("there is no bucket {name:?}; `nacre bucket ls` names them")))
}

async fn all(storage: &Storage<Client>, uid: Option<&str>) -> Result<Vec<Bucket>, Failure> {
    let owners = match uid {
        Some(uid) => vec![uid.to_string()],
        None => storage.user_list().await.map_err(no)?.into_iter().map(|u| u.uid).collect(),
    };
    let mut out = Vec::new();
    for owner in owners {
        let mut after: Option<String> = None;
        loop {
            let page = storage.bucket_list(&owner, after.as_deref(), PAGE).await.map_err(no)?;
            let last = page.len() < PAGE;
            after = page.last().map(Bucket::full_name);
            out.extend(page);
            if last {
                break;
            }
        }
    }
    Ok(out)
}

fn bucket_json(bucket: &Bucket) -> Value {
    json!({
        "bucket": bucket.full_name(),
        "tenant": bucket.tenant,
        "id": bucket.id.to_string(),
        "owner": bucket.owner,
        "created_ms": bucket.created.millis(),
    })
}

fn stats_json(bucket: &Bucket, stats: &BucketStats) -> Value {
    let mut json = bucket_json(bucket);
    json["objects"] = stats.usage.objects.into();
    json["bytes"] = stats.usage.bytes.into();
    json["shards"] = stats.shards.into();
    json["uploads"] = stats.uploads.into();
    json["garbage"] = stats.garbage.into();
    json
}

fn show_stats(format: Format, bucket: &Bucket, stats: &BucketStats) -> Result<(), Failure> {
    let quota = bucket.quota().map_err(no)?;
    let mut json = stats_json(bucket, stats);
    json["quota"] = quota.as_ref().map_or(Value::Null, quota_json);
    let lines = [
        ("bucket", bucket.full_name()),
        ("id", bucket.id.to_string()),
        ("owner", bucket.owner.clone()),
        ("objects", stats.usage.objects.to_string()),
        ("size", crate::size::show(stats.usage.bytes)),
        ("index shards", stats.shards.to_string()),
        ("uploads", stats.uploads.to_string()),
        ("garbage", stats.garbage.to_string()),
        ("quota", quota.as_ref().map_or_else(|| "its owner's for buckets".into(), quota_text)),
    ];
    let lines: Vec<String> = lines.iter().map(|(name, value)| format!("{name:<13} {value}")).collect();
    say(format, &lines.join("\n"), json);
    Ok(())
}

/// How often the check of one bucket notes how far it is.
const NOTED_EVERY: Duration = Duration::from_secs(5);
/// How many findings of each kind are shown.
const SHOWN: usize = 20;

async fn check(
    storage: &Storage<Client>,
    global: &Global,
    name: Option<&str>,
    resume: bool,
) -> Result<(), Failure> {
    let buckets = match name {
        Some(name) => vec![(*get(storage, name).await?).clone()],
        None => all(storage, None).await?,
    };
    let (mut list, mut bad) = (Vec::new(), 0);
    for bucket in &buckets {
        let report = match name {
            Some(_) => storage.bucket_check_noted(bucket, resume, NOTED_EVERY).await.map_err(no)?,
            None => storage.bucket_check(bucket).await.map_err(no)?,
        };
        bad += u64::from(!report.is_clean());
        if global.format == Format::Plain {
            print_report(bucket, &report);
        }
        list.push(json!({
            "bucket": bucket.full_name(),
            "objects": report.objects,
            "data_objects": report.data_objects,
            "missing": report.missing,
            "wrong_size": report.wrong_size,
        }));
    }
    // Leaks are found over all buckets at once: a data object says whose it is only by who names it.
    let leaks = match name {
        None => storage.leaked_data().await.map_err(no)?,
        Some(_) => Vec::new(),
    };
    match global.format {
        Format::Json => println!("{}", json!({ "buckets": list, "leaked": leaks })),
        Format::Plain if !leaks.is_empty() => {
            println!("{} data objects that no index names:", leaks.len());
            leaks.iter().take(SHOWN).for_each(|object| println!("  {object}"));
        }
        Format::Plain => {}
    }
    match (bad, leaks.len()) {
        (0, 0) => Ok(()),
        (bad, leaked) => Err(Failure::no(format!(
            "{bad} of {} buckets lack data, and {leaked} data objects belong to none",
            buckets.len()
        ))),
    }
}

fn print_report(bucket: &Bucket, report: &CheckReport) {
    let word = if report.is_clean() { "ok" } else { "DAMAGED" };
    println!(
        "{}: {word}, {} objects and versions, {} data objects",
        bucket.full_name(),
        report.objects,
        report.data_objects
    );
    for (what, all) in [("missing", &report.missing), ("of the wrong size", &report.wrong_size)] {
        if !all.is_empty() {
            println!("  {} data objects {what}:", all.len());
            all.iter().take(SHOWN).for_each(|line| println!("    {line}"));
        }
    }
}
