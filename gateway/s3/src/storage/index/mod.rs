//! Calls to a bucket's index: aimed at the shard of a key, aimed again when the shard says that it moved.

mod bulk;
mod deltas;
mod map;
mod merger;
mod reshard;
mod splitter;
mod walk;

pub(crate) use map::{FIRST_GENERATION, ShardMap};
pub(crate) use splitter::{SplitJob, Splits};

use super::Storage;
use super::names;
use super::types::{Bucket, BucketId};
use crate::error::{Code, S3Error};
use bytes::Bytes;
use gateway_client::{OpError, Rados};
use map::Aim;
use osd_class::index::{CLASS, Header, Refusal, Stat};
use osd_object::view::OmapRange;
use osd_object::{Op, OpResult};
use std::ops::Bound;
use std::time::Duration;
use stdx::Errno;
use stdx::codec::{Decode, from_bytes, to_bytes};

/// How often one call is aimed again before it is given up: more than any chain of splits that could
/// happen meanwhile.
const AIMS_MAX: usize = 200;

/// How often a call may meet a shard that is gone before the bucket counts as gone, too.
const MISSES_MAX: usize = 3;

/// Why a call to the index failed.
#[derive(Debug)]
pub(crate) enum IndexError {
    /// A shard refused it, and it did not happen.
    Refused(Refusal),
    /// The bucket is gone or going, and it did not happen.
    Gone,
    /// It failed in another way, and may have happened.
    Failed(OpError),
}

impl From<IndexError> for S3Error {
    fn from(e: IndexError) -> S3Error {
        match e {
            IndexError::Gone => S3Error::new(Code::NoSuchBucket),
            IndexError::Failed(e) => S3Error::from(e),
            IndexError::Refused(r) => match r {
                Refusal::Precondition => S3Error::new(Code::PreconditionFailed),
                Refusal::Absent => S3Error::new(Code::NoSuchKey),
                Refusal::NoSuchUpload => S3Error::new(Code::NoSuchUpload),
                Refusal::InvalidPart { number } => {
                    S3Error::new(Code::InvalidPart).field("PartNumber", number.to_string())
                }
                Refusal::Locked => S3Error::with_message(
                    Code::AccessDenied,
                    "Access Denied because object protected by object lock.",
                ),
                Refusal::Changed => S3Error::new(Code::OperationAborted),
                Refusal::NotEmpty => S3Error::new(Code::BucketNotEmpty),
                Refusal::Revoked => {
                    S3Error::new(Code::ServiceUnavailable).caused_by("this gateway's intent was revoked")
                }
                other => S3Error::internal(format!("the bucket index refused: {other:?}")),
            },
        }
    }
}

/// The refusal that an error carries.
pub(crate) fn refusal(e: &OpError) -> Option<Refusal> {
    e.step?;
    if e.detail.is_empty() {
        return None;
    }
    from_bytes(e.detail.clone()).ok()
}

/// Whether it says that there is no such shard.
pub(crate) fn is_absent(e: &OpError) -> bool {
    match refusal(e) {
        Some(refusal) => refusal == Refusal::Retired,
        None => e.step.is_some() && e.code == Errno::ENOENT,
    }
}

fn decoded<T: Decode>(bytes: Bytes) -> Result<T, OpError> {
    from_bytes(bytes).map_err(|e| OpError::new(Errno::EIO).with_context(format!("answer of the index: {e}")))
}

impl<R: Rados> Storage<R> {
    /// Calls a method on one shard. Refusals come back as the error's detail.
    pub(crate) async fn call_shard<T: Decode>(
        &self,
        bucket: BucketId,
        shard: u64,
        method: &str,
        input: Bytes,
    ) -> Result<T, OpError> {
        let pool = &self.inner.config.index_pool;
        decoded(self.inner.rados.call(pool, names::shard(bucket, shard), CLASS, method, input).await?)
    }

    /// Calls a method on the shard that serves `key` now. `input` is given the generation to name.
    pub(crate) async fn call_index<T: Decode>(
        &self,
        bucket: BucketId,
        key: &[u8],
        method: &str,
        input: impl Fn(u64) -> Bytes,
    ) -> Result<T, IndexError> {
        // A generation that no shard has: it answers with its header and does nothing.
        const UNKNOWN: u64 = u64::MAX;
        let mut aim = self.map().aim(bucket, key);
        let mut asked_hint = false;
        let mut missed = 0;
        let mut waits = Waits::default();
        for _ in 0..AIMS_MAX {
            let target = match aim {
                Some(aim) => aim,
                None => {
                    asked_hint = true;
                    self.hint(bucket, key).await.map_err(IndexError::Failed)?
                }
            };
            let bytes = input(target.generation.unwrap_or(UNKNOWN));
            let error = match self.call_shard(bucket, target.shard, method, bytes).await {
                Ok(answer) => return Ok(answer),
                Err(e) => e,
            };
            if error.code == Errno::ENOSPC {
                self.inner.pace.space_is_short();
            }
            aim = match refusal(&error) {
                Some(Refusal::Elsewhere { header }) => {
                    self.map().learn(&header);
                    if header.owns(key) {
                        Some(Aim { shard: header.shard, generation: Some(header.generation) })
                    } else {
                        self.further(&header, bucket, key, asked_hint)
                    }
                }
                Some(Refusal::NotYet { parent }) => {
                    if waits.wait().await > self.inner.config.split_patience {
                        self.drive_split(bucket, parent, u64::MAX, u64::MAX).await;
                        waits = Waits::default();
                    }
                    Some(target)
                }
                _ if is_absent(&error) => {
                    self.forget_bucket(bucket);
                    missed += 1;
                    if target.shard == 0 || missed > MISSES_MAX {
                        return Err(IndexError::Gone);
                    }
                    // It went into its left neighbour, to which the chain leads.
                    Some(Aim { shard: 0, generation: None })
                }
                Some(other) => return Err(IndexError::Refused(other)),
                None => return Err(IndexError::Failed(error)),
            };
        }
        let e =
            OpError::new(Errno::EAGAIN).with_context(format!("the shards of bucket {bucket} keep moving"));
        Err(IndexError::Failed(e))
    }

    /// Where to aim after a shard that does not serve the key.
    fn further(&self, header: &Header, bucket: BucketId, key: &[u8], asked_hint: bool) -> Option<Aim> {
        if let Some(aim) = self.map().aim(bucket, key).filter(|a| a.shard != header.shard) {
            return Some(aim);
        }
        let right = header.right.filter(|_| header.to.as_ref().is_some_and(|to| key >= &to[..]));
        match right {
            // The hint may save a walk; but only once, for it may be wrong.
            Some(_) if !asked_hint => None,
            Some(shard) => Some(Aim { shard, generation: None }),
            // Left of the range: only a wrong hint leads there. Shard 0 begins the chain.
            None => Some(Aim { shard: 0, generation: None }),
        }
    }

    /// What the bucket's map object says of a key; shard 0 if it says nothing.
    async fn hint(&self, bucket: BucketId, key: &[u8]) -> Result<Aim, OpError> {
        let range = OmapRange {
            start: Bound::Unbounded,
            end: Bound::Included(Bytes::copy_from_slice(key)),
            rows_max: 1,
            reverse: true,
            ..OmapRange::all()
        };
        let c = &self.inner.config;
        let ops = vec![Op::OmapGetRange { range }];
        let shard = match self.inner.rados.operate(&c.meta_pool, names::shard_map(bucket), ops).await {
            Ok(reply) => match reply.results.into_iter().next() {
                Some(OpResult::Rows(page)) => {
                    page.rows.into_iter().next().and_then(|(_, v)| from_bytes(v).ok()).unwrap_or(0)
                }
                _ => 0,
            },
            Err(e) if e.code == Errno::ENOENT => 0,
            Err(e) => return Err(e),
        };
        Ok(Aim { shard, generation: None })
    }

    /// Notes where a shard begins, for gateways that come fresh to the bucket. Only a hint: losing it costs
    /// a walk.
    pub(crate) async fn write_hint(&self, bucket: BucketId, from: Bytes, shard: u64) {
        let rows = vec![(from, to_bytes(&shard))];
        let pool = &self.inner.config.meta_pool;
        let set = self.inner.rados.operate(pool, names::shard_map(bucket), vec![Op::OmapSet { rows }]);
        if let Err(e) = set.await {
            tracing::debug!("hint for bucket {bucket} not written: {e}");
        }
    }

    /// Looks at how full a shard is after a write, and has it split when it is too full, or merged when it is nearly empty.
    pub(crate) fn note_stat(&self, bucket: &Bucket, key: &[u8], stat: &Stat) {
        let full = stat.keys > bucket.split_keys || stat.row_bytes > bucket.split_bytes;
        let small = stat.keys < bucket.split_keys / merger::SMALL
            && stat.row_bytes < bucket.split_bytes / merger::SMALL;
        if !full && !stat.splitting && !small {
            return;
        }
        let map = self.map();
        if small && !stat.splitting && !map.has_several(bucket.id) {
            return;
        }
        let Some(aim) = map.aim(bucket.id, key) else { return };
        drop(map);
        let (keys, bytes) = (bucket.split_keys, bucket.split_bytes);
        let job = SplitJob::split(bucket.id, aim.shard, keys, bytes);
        self.inner.splits.offer(SplitJob { merge: small && !stat.splitting, ..job });
    }

    pub(crate) fn map(&self) -> std::sync::MutexGuard<'_, ShardMap> {
        self.inner.map.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Waits that grow.
#[derive(Default)]
struct Waits {
    total: Duration,
    next: Option<Duration>,
}

impl Waits {
    /// Waits, and gives how long it was in all.
    async fn wait(&mut self) -> Duration {
        let now = self.next.unwrap_or(Duration::from_millis(2));
        tokio::time::sleep(now).await;
        self.total += now;
        self.next = Some((now * 2).min(Duration::from_millis(200)));
        self.total
    }
}
