//! What an S3 user, bucket and object are made of, over `Rados` (decision D7). Knows nothing of HTTP.
//!
//! Truth lives in the index rows (`index/`, the class `osd_class::index`); data objects are written before
//! the row that names them and freed after it is gone (`data/`, `background/`); users and bucket records are
//! in `meta/`.

mod background;
mod budget;
mod check;
mod class_change;
mod config;
mod convert;
mod data;
mod encryption;
mod index;
mod lifecycle;
mod listing;
mod manifest;
mod meta;
mod multipart;
mod names;
mod object_lock;
mod objects;
mod pending_logs;
mod placement;
mod purge;
mod rate_limit;
pub mod types;
mod usage_log;
mod user_types;
mod version_types;

#[cfg(test)]
mod tests;

pub use check::CheckReport;
pub use config::StorageConfig;
pub use encryption::{EncryptionKeys, VaultSettings};
pub(crate) use encryption::{KeyHolder, Seal, Sealing, SecretKey};
pub(crate) use lifecycle::{LifecycleRow, Stage};
pub use meta::{BucketStats, UserKey, check_key_pair};
pub(crate) use names::{random, random_id};
pub use object_lock::*;
pub(crate) use pending_logs::{Delivery, EPOCH_BYTES, LogGroup, LogRecords, SHARDS as LOG_SHARDS, Taken};
pub use placement::{STANDARD, StorageClass};
pub use rate_limit::{GlobalRateLimits, RateLimit};
pub use types::*;
pub use usage_log::{Figures, UsageHour};
pub use user_types::*;
pub use version_types::*;

use background::{Intent, Pace, Watch};
use budget::Budget;
use gateway_client::Rados;
use index::{ShardMap, Splits};
use meta::{BucketCache, KeyCache, UsageCache, UserCache};
use placement::PlacementCache;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The handle of the storage side. Cloning is cheap.
#[derive(Clone)]
pub struct Storage<R: Rados> {
    inner: Arc<Inner<R>>,
}

struct Inner<R> {
    rados: R,
    config: StorageConfig,
    budget: Budget,
    map: Mutex<ShardMap>,
    splits: Splits,
    intent: Intent,
    pace: Pace,
    watch: tokio::sync::Mutex<Watch>,
    keys: KeyCache,
    users: UserCache,
    buckets: BucketCache,
    lifecycle_day: tokio::sync::watch::Sender<Option<std::time::Duration>>,
    keys_at_rest: encryption::KeyStore,
    usage: UsageCache,
    placement: PlacementCache,
    rate_limits: rate_limit::RateLimitCache,
    /// The data pool of the settings: slot 0.
    data_pool: Arc<str>,
}

/// A lock whose holder may have panicked: what it guards is replaced as a whole, so it is sound all the same.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<R: Rados> Storage<R> {
    /// A handle over a cluster. Starts nothing: `run` does.
    pub fn new(rados: R, config: StorageConfig) -> Storage<R> {
        let budget = Budget::new(config.buffer_bytes);
        let pace = Pace::new(config.gc_delay, config.gc_every);
        let data_pool = Arc::from(config.data_pool.as_str());
        let inner = Inner {
            rados,
            config,
            placement: PlacementCache::default(),
            rate_limits: rate_limit::RateLimitCache::default(),
            data_pool,
            budget,
            map: Mutex::default(),
            splits: Splits::default(),
            intent: Intent::default(),
            pace,
            watch: tokio::sync::Mutex::default(),
            keys: KeyCache::default(),
            users: UserCache::default(),
            buckets: BucketCache::default(),
            lifecycle_day: tokio::sync::watch::Sender::new(None),
            keys_at_rest: encryption::KeyStore::default(),
            usage: UsageCache::default(),
        };
        Storage { inner: Arc::new(inner) }
    }
    /// The settings.
    pub fn config(&self) -> &StorageConfig {
        &self.inner.config
    }
    /// Changes how long garbage is kept and how often it is looked for. What is garbage already keeps its time.
    pub fn set_garbage_pace(&self, delay: std::time::Duration, every: std::time::Duration) {
        self.inner.pace.set(delay, every);
    }
    /// The cluster's handle.
    pub fn rados(&self) -> &R {
        &self.inner.rados
    }
}
