//! Makes objects of records that were taken down: when they are due, when there are many, or when somebody asks.

use super::permit::{permits, unfit};
use super::{BucketLogs, Logging};
use crate::dates;
use crate::error::{Code, S3Error};
use crate::storage::{
    Body, BodySummary, Bucket, Conditions, Delivery, EPOCH_BYTES, LOG_SHARDS, LogGroup, LogRecords,
    ObjectAttrs, Storage, random_id,
};
use bytes::Bytes;
use gateway_client::Rados;
use md5::{Digest, Md5};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How often it is looked what other gateways left behind.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Between two looks there is at least so much time.
const LOOK_PAUSE: Duration = Duration::from_millis(200);
/// A delivery that another gateway began so long ago is taken over.
const PATIENCE_MS: u64 = 30_000;
/// How long whoever asks waits for another gateway's delivery.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// A target that takes longer than this for an object is left for later: others are waiting.
const PUT_MAX: Duration = Duration::from_secs(20);
const WAIT_STEP: Duration = Duration::from_millis(50);

pub(super) struct Deliveries {
    /// Deliveries of one gateway do not get into each other's way.
    busy: [tokio::sync::Mutex<()>; LOG_SHARDS as usize],
    /// When the first log object is due that this gateway knows of, milliseconds since 1970.
    next_ms: AtomicU64,
    sooner: Notify,
    me: u64,
}

impl Default for Deliveries {
    fn default() -> Deliveries {
        Deliveries {
            busy: Default::default(),
            next_ms: AtomicU64::new(u64::MAX),
            sooner: Notify::new(),
            // Without entropy all gateways look the same: then they take each other's deliveries over at once, which
            // costs work and may double an object's versions, but loses nothing.
            me: random_id().unwrap_or(0),
        }
    }
}

impl Deliveries {
    /// A log object is due then.
    pub(super) fn due(&self, at_ms: u64) {
        if self.next_ms.fetch_min(at_ms, Ordering::Relaxed) > at_ms {
            self.sooner.notify_one();
        }
    }
}

/// The key of a log object that is made now: later ones sort behind it, as far as clocks agree.
fn new_key(group: &LogGroup, now_ns: u64) -> Result<String, S3Error> {
    let now_s = now_ns / 1_000_000_000;
    // Requests are partitioned by the day that they were made on; of the time of day there is nothing to say then.
    let (folder, name) = dates::folder_and_name(group.day.map_or(now_s, |day| day * 86_400));
    let folder = if group.by_day { format!("{folder}/") } else { String::new() };
    let chance = random_id()? & 0xfff_ffff;
    let unique = format!("{:09}{chance:07X}", now_ns % 1_000_000_000);
    Ok(format!("{}{}{folder}{name}-{unique}", group.prefix, group.partition))
}

impl BucketLogs {
    /// Delivers what is due until `stop` is done.
    pub(crate) async fn deliver<R: Rados>(&self, storage: &Storage<R>, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        loop {
            self.deliveries.next_ms.store(u64::MAX, Ordering::Relaxed);
            if let Err(e) = self.look(storage).await {
                tracing::warn!("looking for bucket logs that are due failed, goes on later: {e}");
            }
            let looked = Instant::now();
            loop {
                let now_ms = storage.rados().now().millis();
                let until = self.deliveries.next_ms.load(Ordering::Relaxed).saturating_sub(now_ms);
                let until = Duration::from_millis(until)
                    .max(LOOK_PAUSE)
                    .min(LOOK_EVERY.saturating_sub(looked.elapsed()));
                if until.is_zero() {
                    break;
                }
                tokio::select! {
                    () = tokio::time::sleep(until) => break,
                    () = self.deliveries.sooner.notified() => {}
                    () = &mut stop => return,
                }
            }
        }
    }

    async fn look<R: Rados>(&self, storage: &Storage<R>) -> Result<(), S3Error> {
        for shard in 0..LOG_SHARDS {
            for row in storage.log_groups(shard).await? {
                let now_ms = storage.rados().now().millis();
                let waits = row.delivery.as_ref().is_some_and(|d| !self.is_ours(d, now_ms));
                if waits {
                    continue;
                }
                let full = row.bytes >= EPOCH_BYTES;
                if row.delivery.is_none() && !full && now_ms < row.due_ms {
                    self.deliveries.due(row.due_ms);
                    continue;
                }
                if let Err(e) = self.roll(storage, &row.group, false).await {
                    let target = &row.group.target;
                    tracing::warn!(target_bucket = target, "a bucket log is not delivered yet: {e}");
                }
            }
        }
        Ok(())
    }

    fn is_ours(&self, delivery: &Delivery, now_ms: u64) -> bool {
        delivery.by == self.deliveries.me || now_ms >= delivery.since_ms.saturating_add(PATIENCE_MS)
    }

    /// Delivers what was taken down of a group; the key of the object. None if there was nothing, unless an empty object
    /// is wanted then.
    async fn roll<R: Rados>(
        &self,
        storage: &Storage<R>,
        group: &LogGroup,
        wants_empty: bool,
    ) -> Result<Option<String>, S3Error> {
        let _busy = self.deliveries.busy[usize::from(group.shard() % LOG_SHARDS)].lock().await;
        let since = Instant::now();
        while since.elapsed() < WAIT_MAX {
            let now = storage.rados().now();
            let row = storage.log_group(group).await?;
            if let Some(delivery) = row.as_ref().and_then(|row| row.delivery.as_ref()) {
                if self.is_ours(delivery, now.millis()) {
                    self.finish(storage, group, delivery).await?;
                } else {
                    tokio::time::sleep(WAIT_STEP).await;
                }
                continue;
            }
            let key = new_key(group, now.0)?;
            let Some(row) = row.filter(|row| row.bytes > 0) else {
                if !wants_empty {
                    return Ok(None);
                }
                let target = target_of(storage, group).await?;
                put(storage, &target, &key, Bytes::new()).await?;
                return Ok(Some(key));
            };
            let delivery = Delivery { epoch: 0, key, by: self.deliveries.me, since_ms: now.millis() };
            if let Some(delivery) = storage.log_begin(&row, delivery).await? {
                self.finish(storage, group, &delivery).await?;
                return Ok(Some(delivery.key));
            }
        }
        Err(S3Error::with_message(
            Code::ServiceUnavailable,
            "Another gateway is delivering this log. Try again.",
        ))
    }

    /// Makes the object of a delivery that has begun. An error: it is tried again later.
    async fn finish<R: Rados>(
        &self,
        storage: &Storage<R>,
        group: &LogGroup,
        delivery: &Delivery,
    ) -> Result<(), S3Error> {
        let Some(records) = storage.log_records(group, delivery).await? else { return Ok(()) };
        let slow = |_| Err(S3Error::with_message(Code::ServiceUnavailable, "The target takes no objects."));
        let put = deliver_records(storage, group, &delivery.key, &records);
        let done = tokio::time::timeout(PUT_MAX, put).await.unwrap_or_else(slow);
        if let Err(e) = &done {
            if e.code().status().is_server_error() {
                return done;
            }
            let target = &group.target;
            tracing::warn!(
                target_bucket = target,
                "records of a bucket log are lost, for they are not let in: {e}"
            );
        }
        storage.log_end(group, delivery).await
    }

    /// Delivers what there is of a bucket's log, and says in which object; the records that were made so far are in it,
    /// or the error says why not.
    pub(crate) async fn flush<R: Rados>(
        &self,
        storage: &Storage<R>,
        bucket: &Bucket,
        logging: &Logging,
        wants_empty: bool,
    ) -> Result<Option<String>, S3Error> {
        let group = self.group(bucket, logging, storage.rados().now().seconds());
        let target = target_of(storage, &group).await?;
        let key = new_key(&group, storage.rados().now().0)?;
        check(&target, (&bucket.full_name(), &bucket.owner), &[&group.prefix, &key])?;
        if !self.queue.settle(&group).await {
            return Err(Code::ServiceUnavailable.into());
        }
        // Those of former days are on their own.
        let same = |other: &LogGroup| LogGroup { day: group.day, ..other.clone() } == group;
        if group.day.is_some() {
            for shard in 0..LOG_SHARDS {
                for row in storage.log_groups(shard).await? {
                    if row.group != group && same(&row.group) {
                        self.roll(storage, &row.group, false).await?;
                    }
                }
            }
        }
        self.roll(storage, &group, wants_empty).await
    }
}

async fn target_of<R: Rados>(storage: &Storage<R>, group: &LogGroup) -> Result<Bucket, S3Error> {
    storage.settled(&group.target).await?.ok_or_else(|| S3Error::new(Code::NoSuchBucket))
}

/// Whether a bucket takes records of a source. `AccessDenied`, `InvalidArgument`.
pub(crate) fn check(target: &Bucket, source: (&str, &str), names: &[&str]) -> Result<(), S3Error> {
    if let Some(why) = unfit(target)? {
        return Err(S3Error::invalid_argument(why, "TargetBucket", &target.name));
    }
    if !permits(target, source, names)? {
        let message = format!(
            "Logging bucket {} does not let the service logging.s3.amazonaws.com put records of this bucket into it.",
            target.name
        );
        return Err(S3Error::with_message(Code::AccessDenied, message));
    }
    Ok(())
}

/// Puts those records whose sources are let in.
async fn deliver_records<R: Rados>(
    storage: &Storage<R>,
    group: &LogGroup,
    key: &str,
    records: &[LogRecords],
) -> Result<(), S3Error> {
    let target = target_of(storage, group).await?;
    let mut asked: BTreeMap<(&str, &str), Result<(), S3Error>> = BTreeMap::new();
    let mut text = Vec::new();
    for one in records {
        let source = (one.source.as_str(), one.owner.as_str());
        if asked.entry(source).or_insert_with(|| check(&target, source, &[&group.prefix, key])).is_ok() {
            text.extend_from_slice(&one.lines);
        }
    }
    let refused = asked.into_values().find_map(Result::err);
    if !text.is_empty() {
        put(storage, &target, key, text.into()).await?;
    }
    refused.map_or(Ok(()), Err)
}

async fn put<R: Rados>(storage: &Storage<R>, target: &Bucket, key: &str, text: Bytes) -> Result<(), S3Error> {
    storage.check_quota(target, text.len() as u64).await?;
    let mut attrs = ObjectAttrs::default();
    attrs.headers.insert("content-type".into(), "text/plain".into());
    let mut body = Text { md5: Md5::digest(&text).into(), length: text.len() as u64, left: Some(text) };
    storage.put(target, key, attrs, Conditions::default(), &mut body).await.map(|_| ())
}

/// A body that is there as a whole.
struct Text {
    left: Option<Bytes>,
    length: u64,
    md5: [u8; 16],
}

impl Body for Text {
    async fn next(&mut self) -> Result<Option<Bytes>, S3Error> {
        Ok(self.left.take().filter(|text| !text.is_empty()))
    }
    async fn finish(&mut self) -> Result<BodySummary, S3Error> {
        Ok(BodySummary { md5: self.md5, length: self.length, checksum: None })
    }
    fn length_hint(&self) -> Option<u64> {
        Some(self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_s3() {
        let now = 784_111_777_012_345_678;
        let simple = LogGroup { prefix: "log/".into(), ..LogGroup::default() };
        let key = new_key(&simple, now).unwrap();
        assert!(key.starts_with("log/1994-11-06-08-49-37-012345678"), "{key}");
        assert_eq!(key.len(), "log/1994-11-06-08-49-37-".len() + 16);
        assert!(new_key(&simple, now + 1).unwrap() > key);
        let by_day = LogGroup { partition: "ann/r/b/".into(), by_day: true, ..simple };
        assert!(new_key(&by_day, now).unwrap().starts_with("log/ann/r/b/1994/11/06/1994-11-06-08-49-37-"));
        let of_requests = LogGroup { day: Some(784_111_777 / 86_400 - 1), ..by_day };
        assert!(
            new_key(&of_requests, now).unwrap().starts_with("log/ann/r/b/1994/11/05/1994-11-05-00-00-00-")
        );
    }
}
