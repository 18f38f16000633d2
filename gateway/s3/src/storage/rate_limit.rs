//! How much may be asked per minute: limits of users, of buckets, and of those that have none of their own. What a gateway
//! makes of them is its own matter (`crate::traffic`): as with RGW, each counts for itself.

use super::types::Bucket;
use super::{Storage, lock, names};
use crate::error::{Code, S3Error};
use gateway_client::{OpError, Rados};
use osd_object::{ObjectName, Op};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use stdx::Errno;
use stdx::codec::{from_bytes, to_bytes};

/// Under this name a bucket's own limits are kept.
const RATE_LIMIT: &str = "ratelimit";
/// How often the limits for all are read again because somebody else changed them meanwhile.
const TRIES: usize = 20;

/// What one user or one bucket may be asked per minute through one gateway. 0: any number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimit {
    /// Whether it holds.
    pub enabled: bool,
    /// GET and HEAD requests.
    pub max_read_ops: u64,
    /// All other requests.
    pub max_write_ops: u64,
    /// Bytes that are sent.
    pub max_read_bytes: u64,
    /// Bytes that are received.
    pub max_write_bytes: u64,
}
stdx::codec_versioned!(RateLimit, 1 { enabled, max_read_ops, max_write_ops, max_read_bytes, max_write_bytes });

impl RateLimit {
    /// Whether it limits anything.
    pub fn limits(&self) -> bool {
        let RateLimit { enabled, max_read_ops, max_write_ops, max_read_bytes, max_write_bytes } = *self;
        enabled && max_read_ops | max_write_ops | max_read_bytes | max_write_bytes != 0
    }
}

/// The limits of those that have none of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GlobalRateLimits {
    /// Of each user.
    pub user: RateLimit,
    /// Of each bucket.
    pub bucket: RateLimit,
    /// Of all who do not sign, together.
    pub anonymous: RateLimit,
}
stdx::codec_versioned!(GlobalRateLimits, 1 { user, bucket, anonymous });

/// What was last read.
#[derive(Default)]
pub(crate) struct RateLimitCache(Mutex<Option<(Instant, Arc<GlobalRateLimits>)>>);

impl Bucket {
    /// Its own limits, if it has some. What cannot be read limits nothing.
    pub fn rate_limit(&self) -> Option<RateLimit> {
        let bytes = self.settings.get(RATE_LIMIT)?;
        from_bytes(bytes.clone()).inspect_err(|e| tracing::warn!("limits of {}: {e}", self.name)).ok()
    }
    /// Sets its own limits; none: those of all buckets hold.
    pub fn set_rate_limit(&mut self, limit: Option<RateLimit>) {
        match limit {
            Some(limit) => _ = self.settings.insert(RATE_LIMIT.into(), to_bytes(&limit)),
            None => _ = self.settings.remove(RATE_LIMIT),
        }
    }
}

impl<R: Rados> Storage<R> {
    /// The limits of those that have none of their own, from memory for a few seconds.
    pub async fn global_rate_limits(&self) -> Result<Arc<GlobalRateLimits>, S3Error> {
        let remembered = lock(&self.inner.rate_limits.0).clone();
        match remembered {
            Some((at, limits)) if at.elapsed() < self.inner.config.cache_ttl => Ok(limits),
            _ => Ok(self.read_rate_limits().await?.0),
        }
    }

    async fn read_rate_limits(&self) -> Result<(Arc<GlobalRateLimits>, Option<u64>), OpError> {
        let pool = &self.inner.config.meta_pool;
        let ops = vec![Op::Read { offset: 0, len: 0 }];
        let (limits, version) =
            match self.inner.rados.operate(pool, ObjectName::new(names::RATE_LIMITS), ops).await {
                Ok(reply) => {
                    let version = reply.version.seq;
                    let damaged = |e| OpError::new(Errno::EIO).with_context(format!("rate limits: {e}"));
                    (from_bytes(reply.data(0)?).map_err(damaged)?, Some(version))
                }
                Err(e) if e.code == Errno::ENOENT && e.step.is_some() => (GlobalRateLimits::default(), None),
                Err(e) => return Err(e),
            };
        let limits = Arc::new(limits);
        *lock(&self.inner.rate_limits.0) = Some((Instant::now(), limits.clone()));
        Ok((limits, version))
    }

    /// Changes the limits of those that have none of their own.
    pub async fn global_rate_limits_change(
        &self,
        change: impl Fn(&mut GlobalRateLimits) -> Result<(), S3Error>,
    ) -> Result<GlobalRateLimits, S3Error> {
        for _ in 0..TRIES {
            let (limits, version) = self.read_rate_limits().await?;
            let mut limits = *limits;
            change(&mut limits)?;
            let guard = match version {
                Some(seq) => Op::AssertVersion { seq },
                None => Op::Create { exclusive: true },
            };
            let ops = vec![guard, Op::WriteFull { data: to_bytes(&limits) }];
            let object = ObjectName::new(names::RATE_LIMITS);
            match self.inner.rados.operate(&self.inner.config.meta_pool, object, ops).await {
                Ok(_) => {
                    *lock(&self.inner.rate_limits.0) = None;
                    return Ok(limits);
                }
                Err(e)
                    if matches!(e.code, Errno::ERANGE | Errno::EEXIST | Errno::ENOENT)
                        && e.step.is_some() => {}
                Err(e) => return Err(e.into()),
            }
        }
        Err(S3Error::new(Code::OperationAborted))
    }
}
