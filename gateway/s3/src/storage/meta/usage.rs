//! How much buckets and users hold, and whether one more object fits a quota.
//!
//! The shards of an index count what they hold. Nothing is asked of them while no quota is set; else the answer is
//! remembered for a while and what this gateway puts is added to it. A refusal is never given on what is remembered:
//! before it, the shards are asked. So a quota may be overrun by what other gateways put within that while, as
//! RGW's may.

use super::CACHE_MAX;
use crate::error::{Code, S3Error};
use crate::storage::Storage;
use crate::storage::types::{Bucket, BucketId};
use crate::storage::user_types::{Quota, Usage};
use gateway_client::Rados;
use osd_class::index::Counters;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use stdx::codec::from_bytes;

/// How long what a bucket or user holds is remembered.
const REMEMBERED: Duration = Duration::from_secs(10);
/// Under this name a bucket's own quota is kept.
pub(crate) const QUOTA: &str = "quota";

/// What buckets and users hold, as far as it is remembered.
#[derive(Default)]
pub(crate) struct UsageCache {
    buckets: Mutex<HashMap<BucketId, (Instant, Usage)>>,
    users: Mutex<HashMap<String, (Instant, Usage)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A bucket's index in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BucketStats {
    /// What its owner is counted.
    pub usage: Usage,
    /// Range shards of the index.
    pub shards: u64,
    /// Multipart uploads under way.
    pub uploads: u64,
    /// Runs of data that wait to be freed.
    pub garbage: u64,
}

impl Bucket {
    /// Its own quota, if it has one.
    pub fn quota(&self) -> Result<Option<Quota>, S3Error> {
        let Some(bytes) = self.settings.get(QUOTA) else { return Ok(None) };
        from_bytes(bytes.clone()).map(Some).map_err(|e| S3Error::internal(format!("a bucket's quota: {e}")))
    }
    /// Sets its own quota; none: that of its owner's buckets holds.
    pub fn set_quota(&mut self, quota: Option<Quota>) {
        match quota {
            Some(quota) => _ = self.settings.insert(QUOTA.into(), stdx::codec::to_bytes(&quota)),
            None => _ = self.settings.remove(QUOTA),
        }
    }
}

impl<R: Rados> Storage<R> {
    /// What a bucket holds, asked of every shard. One that is gone holds nothing.
    pub async fn bucket_stats(&self, bucket: BucketId) -> Result<BucketStats, S3Error> {
        let mut sum = BucketStats::default();
        let mut next = self.shard_stat(bucket, 0).await?;
        while let Some(stat) = next {
            let Counters { uploads, garbage, object_bytes, .. } = stat.counters;
            sum.usage = sum.usage.plus(Usage { objects: stat.counters.entries(), bytes: object_bytes });
            sum.shards += 1;
            sum.uploads += uploads;
            sum.garbage += garbage;
            next = self.right_neighbour(bucket, &stat).await?;
        }
        Ok(sum)
    }

    /// What all of a user's buckets hold.
    pub async fn user_usage(&self, uid: &str) -> Result<Usage, S3Error> {
        let mut sum = Usage::default();
        for (_, id) in self.bucket_ids(uid).await? {
            sum = sum.plus(self.bucket_stats(id).await?.usage);
        }
        Ok(sum)
    }

    /// Whether one more object of so many bytes may be put into a bucket. `QuotaExceeded`.
    pub async fn check_quota(&self, bucket: &Bucket, bytes: u64) -> Result<(), S3Error> {
        let own = bucket.quota()?;
        let owner = self.user_known(&bucket.owner).await?;
        let of_bucket = own.or(owner.as_ref().map(|o| o.bucket_quota)).unwrap_or_default();
        let of_user = owner.map(|o| o.user_quota).unwrap_or_default();
        let refused = || S3Error::new(Code::QuotaExceeded).field("BucketName", bucket.name.clone());
        if of_bucket.limits() {
            let known = recall(&self.inner.usage.buckets, &bucket.id);
            if !known.is_some_and(|used| of_bucket.has_room(&used, bytes)) {
                let used = self.bucket_stats(bucket.id).await?.usage;
                remember(&self.inner.usage.buckets, bucket.id, used);
                if !of_bucket.has_room(&used, bytes) {
                    return Err(refused());
                }
            }
        }
        if of_user.limits() {
            let known = recall(&self.inner.usage.users, &bucket.owner);
            if !known.is_some_and(|used| of_user.has_room(&used, bytes)) {
                let used = self.user_usage(&bucket.owner).await?;
                remember(&self.inner.usage.users, bucket.owner.clone(), used);
                if !of_user.has_room(&used, bytes) {
                    return Err(refused());
                }
            }
        }
        Ok(())
    }

    /// Counts what was put, where anybody counts.
    pub(crate) fn count_put(&self, bucket: &Bucket, bytes: u64) {
        let one = Usage { objects: 1, bytes };
        if let Some((_, used)) = lock(&self.inner.usage.buckets).get_mut(&bucket.id) {
            *used = used.plus(one);
        }
        if let Some((_, used)) = lock(&self.inner.usage.users).get_mut(&bucket.owner) {
            *used = used.plus(one);
        }
    }
}

fn recall<K: std::hash::Hash + Eq>(cache: &Mutex<HashMap<K, (Instant, Usage)>>, key: &K) -> Option<Usage> {
    lock(cache).get(key).filter(|(at, _)| at.elapsed() < REMEMBERED).map(|(_, used)| *used)
}

fn remember<K: std::hash::Hash + Eq>(cache: &Mutex<HashMap<K, (Instant, Usage)>>, key: K, used: Usage) {
    let mut cache = lock(cache);
    if cache.len() >= CACHE_MAX {
        cache.clear();
    }
    cache.insert(key, (Instant::now(), used));
}
