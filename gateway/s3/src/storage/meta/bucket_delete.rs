//! Deletes buckets: every shard is retired before the record goes, so that no put can slip in behind.
//!
//! record (Deleting, token) -> every shard retired under the token (refused while it holds objects) -> the
//! record once more, which fails if another attempt took over -> a note for the garbage collector -> off the owner's list -> the record goes. An attempt that finds objects
//! gives its shards back; one that stops half way is carried on by whoever meets the record. The token is the
//! version of the record that the attempt replaced: later attempts have higher ones, and an earlier one's late
//! give-back cannot reopen a shard that a later one retired.
//!
//! A bucket that goes with all that is in it takes the same way, but its record says so (Condemned) before anything else
//! is touched, and from there on nobody gives anything back. Its shards stop serving whatever they hold, and the garbage
//! collector empties them afterwards: however large the bucket is, its removal takes one operation for each shard.

use super::buckets::{Phase, Record};
use crate::error::{Code, S3Error};
use crate::storage::Storage;
use crate::storage::index::refusal;
use crate::storage::names;
use crate::storage::types::{Bucket, BucketId};
use bytes::Bytes;
use gateway_client::{OpError, Rados};
use osd_class::index::{Done, Refusal, Retire, ShardStat};
use osd_object::{ObjectName, Op};
use std::time::Duration;
use stdx::Errno;
use stdx::codec::to_bytes;

/// How often a shard that is splitting is waited for.
const SPLIT_WAITS: usize = 50;

impl<R: Rados> Storage<R> {
    /// Removes an empty bucket; uploads under way go with it. `NoSuchBucket`, `BucketNotEmpty`.
    pub async fn bucket_delete(&self, name: &str) -> Result<(), S3Error> {
        match self.record(name).await? {
            None => Err(S3Error::new(Code::NoSuchBucket)),
            Some((record, version)) => self.delete_on(name, record, version).await,
        }
    }

    /// Removes a bucket with all that is in it, locked or not. It is gone when this returns; the space comes back
    /// later, at the collector's pace. `NoSuchBucket`; `OperationAborted` if somebody changed it meanwhile.
    pub async fn bucket_condemn(&self, bucket: &Bucket) -> Result<(), S3Error> {
        let name = bucket.full_name();
        let gone = || S3Error::new(Code::NoSuchBucket);
        // A deletion or making under way is carried on first.
        self.settled(&name).await?.filter(|b| b.id == bucket.id).ok_or_else(gone)?;
        let ours = |found: Option<(Record, u64)>| found.filter(|(record, _)| record.id == bucket.id.0);
        let (mut record, version) = ours(self.record(&name).await?).ok_or_else(gone)?;
        record.phase = Phase::Condemned { token: version };
        match self.delete_on(&name, record, version).await {
            Err(e) if e.code() == Code::OperationAborted => match ours(self.record(&name).await?) {
                // Another gateway met it on its way and carried it on.
                None => Ok(()),
                Some((record, _)) if matches!(record.phase, Phase::Condemned { .. }) => Ok(()),
                Some(_) => Err(e),
            },
            done => done,
        }
    }

    /// Begins a deletion, or takes one over.
    pub(super) async fn delete_on(&self, name: &str, record: Record, version: u64) -> Result<(), S3Error> {
        let conflict = || S3Error::new(Code::OperationAborted);
        let token = version;
        let condemned = matches!(record.phase, Phase::Condemned { .. });
        let mut deleting = record.clone();
        deleting.phase = if condemned { Phase::Condemned { token } } else { Phase::Deleting { token } };
        let version = self.change_record(name, version, &deleting).await?.ok_or_else(conflict)?;
        let bucket = BucketId(record.id);
        let mut retired = Vec::new();
        let mut next = Some(0);
        while let Some(shard) = next {
            match self.retire(bucket, shard, token, condemned).await {
                Ok(right) => {
                    retired.push(shard);
                    next = right;
                }
                Err(e) if refusal(&e) == Some(Refusal::NotEmpty) => {
                    return self.take_back(name, record, version, token).await;
                }
                Err(e) => return Err(e.into()),
            }
        }
        // Nobody took over: else an object may have been found meanwhile, the bucket be in use again, and what the collector
        // is told below cannot be taken back. From here on whoever takes over finds all shards retired.
        let Some(version) = self.change_record(name, version, &deleting).await? else {
            if !condemned {
                self.give_back(bucket, &retired, token).await?;
            }
            return Err(conflict());
        };
        let rows = vec![(Bytes::copy_from_slice(&bucket.0.to_be_bytes()), to_bytes(&retired))];
        let c = &self.inner.config;
        let dead = ObjectName::new(names::DEAD_BUCKETS);
        self.inner.rados.operate(&c.meta_pool, dead, vec![Op::OmapSet { rows }]).await?;
        self.unlist(name, &record.owner, record.id, record.created).await?;
        let ops = vec![Op::AssertVersion { seq: version }, Op::Delete];
        let gone = self.inner.rados.operate(&c.meta_pool, names::bucket_record(name), ops).await;
        self.forget_bucket_name(name);
        self.forget_bucket(bucket);
        match gone {
            Ok(_) => Ok(()),
            Err(e) if matches!(e.code, Errno::ERANGE | Errno::ENOENT) && e.step.is_some() => Err(conflict()),
            Err(e) => Err(e.into()),
        }
    }

    /// Retires a shard, after its split if it is splitting. Its right neighbour.
    async fn retire(
        &self,
        bucket: BucketId,
        shard: u64,
        token: u64,
        condemned: bool,
    ) -> Result<Option<u64>, OpError> {
        let method = if condemned { "condemn" } else { "retire" };
        let mut waits = 0;
        loop {
            match self.call_shard::<Done>(bucket, shard, method, to_bytes(&Retire { token })).await {
                Ok(Done) => break,
                Err(e) if waits < SPLIT_WAITS && matches!(e.code, Errno::EBUSY | Errno::EAGAIN) => {
                    let splitting = match refusal(&e) {
                        Some(Refusal::NotYet { parent }) => parent,
                        _ => shard,
                    };
                    self.drive_split(bucket, splitting, u64::MAX, u64::MAX).await;
                    waits += 1;
                    if waits > 1 {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
                // A bucket whose making stopped before its shard was made.
                Err(e) if refusal(&e) == Some(Refusal::Retired) => return Ok(None),
                Err(e) => return Err(e),
            }
        }
        let stat: ShardStat = self.call_shard(bucket, shard, "stat", Bytes::new()).await?;
        Ok(stat.header.right)
    }

    /// Shards that an attempt retired serve again, unless a later one has retired them.
    async fn give_back(&self, bucket: BucketId, retired: &[u64], token: u64) -> Result<(), S3Error> {
        for shard in retired {
            match self.call_shard::<Done>(bucket, *shard, "unretire", to_bytes(&Retire { token })).await {
                Ok(Done) => {}
                // The later attempt went through, and the shard is gone.
                Err(e) if refusal(&e) == Some(Refusal::Retired) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// There are objects: the shards serve again, then the record says so.
    async fn take_back(
        &self,
        name: &str,
        mut record: Record,
        version: u64,
        token: u64,
    ) -> Result<(), S3Error> {
        // Along the whole chain: an earlier attempt may have retired shards that this one did not come to.
        let bucket = BucketId(record.id);
        let mut next = Some(0);
        while let Some(shard) = next {
            self.call_shard::<Done>(bucket, shard, "unretire", to_bytes(&Retire { token })).await?;
            let stat: ShardStat = self.call_shard(bucket, shard, "stat", Bytes::new()).await?;
            next = stat.header.right;
        }
        record.phase = Phase::Ready;
        match self.change_record(name, version, &record).await? {
            Some(_) => Err(S3Error::new(Code::BucketNotEmpty)),
            None => Err(S3Error::new(Code::OperationAborted)),
        }
    }
}
