//! Whether a bucket locks objects, and for how long by default.

use super::types::Bucket;
use crate::error::S3Error;
use bytes::Bytes;
pub use osd_class::index::{LockChange, ObjectLock, Retention, RetentionMode};
use osd_class::index::{LockReply, SetLock};
use stdx::codec::{from_bytes, to_bytes};

use super::Storage;
use super::version_types::{VersionId, Which};
use gateway_client::Rados;

/// The setting that says that a bucket locks objects.
const OBJECT_LOCK: &str = "object-lock";
const DAY_MS: u64 = 86_400_000;

/// A length of time as operators say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockPeriod {
    /// Days.
    Days(u32),
    /// Years of 365 days.
    Years(u32),
}
stdx::codec_enum!(LockPeriod { 0 => Days(n), 1 => Years(n) });

/// What new objects get that say nothing of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefaultRetention {
    /// Who may shorten it.
    pub mode: RetentionMode,
    /// How long.
    pub period: LockPeriod,
}
stdx::codec_plain!(DefaultRetention { mode, period });

/// The object lock of a bucket that has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BucketLock {
    /// For new objects.
    pub default: Option<DefaultRetention>,
}
stdx::codec_versioned!(BucketLock, 1 { default });

impl Bucket {
    /// Its object lock; none: objects cannot be locked.
    pub fn lock(&self) -> Result<Option<BucketLock>, S3Error> {
        let Some(bytes) = self.settings.get(OBJECT_LOCK) else { return Ok(None) };
        let damaged = |e| S3Error::internal(format!("the object lock of {} cannot be read: {e}", self.name));
        from_bytes(bytes.clone()).map(Some).map_err(damaged)
    }
    /// Sets it, in this copy of the record. (A bucket that has one keeps it for ever.)
    pub fn set_lock(&mut self, lock: &BucketLock) {
        self.settings.insert(OBJECT_LOCK.into(), to_bytes(lock));
    }

    /// What keeps a new object: what was asked for, or else what the bucket has by default.
    pub(crate) fn lock_of_new(
        &self,
        asked: Option<ObjectLock>,
        now_ms: u64,
    ) -> Result<Option<ObjectLock>, S3Error> {
        if asked.is_some_and(|lock| lock.retention.is_some()) {
            return Ok(asked);
        }
        let Some(default) = self.lock()?.and_then(|lock| lock.default) else { return Ok(asked) };
        let days = match default.period {
            LockPeriod::Days(n) => u64::from(n),
            LockPeriod::Years(n) => u64::from(n) * 365,
        };
        let until_ms = now_ms.saturating_add(days.saturating_mul(DAY_MS));
        let retention = Some(Retention { mode: default.mode, until_ms });
        Ok(Some(ObjectLock { retention, ..asked.unwrap_or_default() }))
    }
}

impl<R: Rados> Storage<R> {
    /// Changes what keeps a version; gives its name. `NoSuchKey`, `AccessDenied`.
    pub async fn set_lock(
        &self,
        bucket: &Bucket,
        key: &str,
        which: Which,
        change: LockChange,
        bypass: bool,
    ) -> Result<VersionId, S3Error> {
        let name = Bytes::copy_from_slice(key.as_bytes());
        let input = |generation| to_bytes(&SetLock { generation, key: name.clone(), which, change, bypass });
        let reply: LockReply = self.call_index(bucket.id, &name, "set_lock", input).await?;
        self.note_stat(bucket, &name, &reply.stat);
        Ok(VersionId(reply.version))
    }
}
