//! Walks along a bucket's shards, which split and merge meanwhile.

use super::is_absent;
use crate::storage::Storage;
use crate::storage::types::BucketId;
use bytes::Bytes;
use gateway_client::{OpError, Rados};
use osd_class::index::{Header, ShardStat};
use osd_object::view::OmapRange;
use osd_object::{Op, OpResult};
use std::ops::Bound;
use stdx::Errno;
use stdx::codec::from_bytes;

/// More steps than any chain of changes that could happen meanwhile; a chain is found by a hint, so it is not walked.
const STEPS_MAX: usize = 10_000;

impl<R: Rados> Storage<R> {
    /// What a shard says of itself; none if there is none of that id.
    pub(crate) async fn shard_stat(
        &self,
        bucket: BucketId,
        shard: u64,
    ) -> Result<Option<ShardStat>, OpError> {
        match self.call_shard(bucket, shard, "stat", Bytes::new()).await {
            Ok(stat) => Ok(Some(stat)),
            Err(e) if is_absent(&e) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The shard that holds a key; none if the bucket has no index.
    pub(crate) async fn shard_of(&self, bucket: BucketId, key: &[u8]) -> Result<Option<ShardStat>, OpError> {
        let mut shard = self.hint(bucket, key).await?.shard;
        for _ in 0..STEPS_MAX {
            shard = match self.shard_stat(bucket, shard).await? {
                None if shard == 0 => return Ok(None),
                // Merged away, or it never was: the chain begins with shard 0.
                None => 0,
                Some(stat) if stat.header.owns(key) => return Ok(Some(stat)),
                Some(stat) => stat.header.right.filter(|_| key >= &stat.header.from[..]).unwrap_or(0),
            };
        }
        Err(OpError::new(Errno::EAGAIN).with_context(format!("the shards of bucket {bucket} keep moving")))
    }

    /// The shard that begins where this one ends; none if this is the last.
    pub(crate) async fn right_neighbour(
        &self,
        bucket: BucketId,
        stat: &ShardStat,
    ) -> Result<Option<ShardStat>, OpError> {
        let (Some(to), Some(right)) = (&stat.header.to, stat.header.right) else { return Ok(None) };
        match self.shard_stat(bucket, right).await? {
            Some(found) if found.header.from == *to => Ok(Some(found)),
            // It went into this one since.
            _ => self.shard_of(bucket, to).await,
        }
    }

    /// The shard that ends where this one begins, if the hints lead to it.
    pub(super) async fn left_neighbour(
        &self,
        bucket: BucketId,
        header: &Header,
    ) -> Result<Option<ShardStat>, OpError> {
        let range = OmapRange {
            start: Bound::Unbounded,
            end: Bound::Excluded(header.from.clone()),
            rows_max: 1,
            reverse: true,
            ..OmapRange::all()
        };
        let ops = vec![Op::OmapGetRange { range }];
        let pool = &self.inner.config.meta_pool;
        let reply = self.inner.rados.operate(pool, crate::storage::names::shard_map(bucket), ops).await;
        let hinted = match reply.map(|reply| reply.results.into_iter().next()) {
            Ok(Some(OpResult::Rows(page))) => {
                page.rows.into_iter().next().and_then(|(_, v)| from_bytes(v).ok())
            }
            Ok(_) => None,
            Err(e) if e.code == Errno::ENOENT => None,
            Err(e) => return Err(e),
        };
        let found = self.shard_stat(bucket, hinted.unwrap_or(0)).await?;
        Ok(found.filter(|left| left.header.right == Some(header.shard)))
    }
}
