//! Frees runs: from the last data object to the first, so that what is left after a crash can be found.

use super::OWNER_XATTR;
use crate::storage::Storage;
use crate::storage::convert::Owner;
use crate::storage::index::IndexError;
use crate::storage::manifest::Run;
use crate::storage::names;
use crate::storage::types::BucketId;
use futures_util::StreamExt;
use futures_util::stream;
use gateway_client::{OpError, Rados};
use osd_class::index::{Fence, Refusal, Tag};
use osd_object::Op;
use std::time::Duration;
use stdx::Errno;
use stdx::codec::{from_bytes, to_bytes};

/// Deletes under way together for one run.
const DELETES_AT_ONCE: u64 = 8;
/// A crash while freeing or writing leaves gaps in a run smaller than this.
const GAP_MAX: u64 = 2 * DELETES_AT_ONCE;

impl<R: Rados> Storage<R> {
    /// Deletes the data objects of a run. Those that are gone already are no error.
    pub(crate) async fn free_run(&self, run: &Run) -> Result<(), OpError> {
        let mut end = run.objects();
        while end > 0 {
            // The first object goes last and alone: as long as it is there, a sweeper finds the rest.
            let start = if end == 1 { 0 } else { end.saturating_sub(DELETES_AT_ONCE).max(1) };
            let deletes = (start..end).map(|n| self.delete_data(run.tag, n));
            let results: Vec<_> =
                stream::iter(deletes).buffer_unordered(DELETES_AT_ONCE as usize).collect().await;
            results.into_iter().collect::<Result<(), OpError>>()?;
            end = start;
        }
        Ok(())
    }

    async fn delete_data(&self, tag: Tag, n: u64) -> Result<(), OpError> {
        let pool = self.pool_of(tag).await?;
        match self.inner.rados.operate(&pool, names::data(tag, n), vec![Op::Delete]).await {
            Ok(_) => Ok(()),
            Err(e) if e.code == Errno::ENOENT && e.step.is_some() => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// The same, again and again until it is done.
    pub(crate) async fn free_run_until_done(&self, run: &Run) {
        let mut pause = Duration::from_millis(50);
        while let Err(e) = self.free_run(run).await {
            tracing::warn!("freeing the data of a put that failed, again in {pause:?}: {e}");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(30));
        }
    }

    /// Whether the row that names a run was committed. If it was not, it never will be. Asks until it knows.
    pub(crate) async fn disown_until_sure(&self, owner: &Owner, tag: Tag) -> bool {
        let mut pause = Duration::from_millis(50);
        loop {
            let e = match self.fence(owner, tag, false).await {
                Ok(referred) => return referred,
                Err(e) => e,
            };
            tracing::warn!("asking what became of a put, again in {pause:?}: {e}");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(30));
        }
    }

    /// Whether a run is in use whose commit was refused. No other sending of it can be under way, so that needs no fence;
    /// but an earlier one may have been carried out, and be why this one was refused.
    pub(crate) async fn refused_but_in_use(&self, owner: &Owner, tag: Tag) -> bool {
        let input =
            |generation| to_bytes(&Fence { generation, key: owner.key.clone(), tag, instance: false });
        match self.call_index(BucketId(owner.bucket), &owner.key, "referred", input).await {
            Ok(referred) => referred,
            // Also of an OSD that does not know the question yet.
            Err(_) => self.disown_until_sure(owner, tag).await,
        }
    }

    /// Fences a run (or its whole instance) in the shard of its key; whether the run is in use there.
    pub(crate) async fn fence(&self, owner: &Owner, tag: Tag, instance: bool) -> Result<bool, OpError> {
        let input = |generation| to_bytes(&Fence { generation, key: owner.key.clone(), tag, instance });
        match self.call_index(BucketId(owner.bucket), &owner.key, "fence", input).await {
            Ok(referred) => Ok(referred),
            Err(IndexError::Failed(e)) => Err(e),
            // The bucket is going. Nothing commits to it; but what it holds is not told before it is gone.
            Err(IndexError::Gone) => self.gone_for_good(BucketId(owner.bucket)).await,
            Err(IndexError::Refused(r @ Refusal::NotYet { .. })) => {
                Err(OpError::new(Errno::EAGAIN).with_context(format!("{r:?}")))
            }
            Err(IndexError::Refused(r)) => Err(OpError::new(Errno::EIO).with_context(format!("{r:?}"))),
        }
    }

    /// Of a bucket that answers no more: false (nothing is in use) if its first shard is removed, EAGAIN
    /// while it is only retired.
    async fn gone_for_good(&self, bucket: BucketId) -> Result<bool, OpError> {
        let pool = &self.inner.config.index_pool;
        match self.inner.rados.operate(pool, names::shard(bucket, 0), vec![Op::AssertExists]).await {
            Err(e) if e.code == Errno::ENOENT => Ok(false),
            Err(e) => Err(e),
            Ok(_) => {
                Err(OpError::new(Errno::EAGAIN).with_context(format!("bucket {bucket} is being deleted")))
            }
        }
    }

    /// Whose a run is, as its first data object says; none if it is not there.
    pub(crate) async fn run_owner(&self, tag: Tag) -> Result<Option<Owner>, OpError> {
        let pool = self.pool_of(tag).await?;
        let ops = vec![Op::GetXattr { name: OWNER_XATTR.into() }];
        match self.inner.rados.operate(&pool, names::data(tag, 0), ops).await {
            Ok(reply) => {
                let owner = from_bytes(reply.data(0)?);
                let damaged = |e| OpError::new(Errno::EIO).with_context(format!("owner of {tag:?}: {e}"));
                owner.map(Some).map_err(damaged)
            }
            Err(e) if e.code == Errno::ENOENT && e.step.is_some() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Frees a run of unknown length.
    pub(crate) async fn free_run_found(&self, tag: Tag) -> Result<(), OpError> {
        let pool = self.pool_of(tag).await?;
        let (mut end, mut missed, mut n) = (1, 0, 1);
        while missed < GAP_MAX {
            let probe = vec![Op::AssertExists];
            match self.inner.rados.operate(&pool, names::data(tag, n), probe).await {
                Ok(_) => (end, missed) = (n + 1, 0),
                Err(e) if e.code == Errno::ENOENT && e.step.is_some() => missed += 1,
                Err(e) => return Err(e),
            }
            n += 1;
        }
        self.free_run(&Run::new(tag, end, 1)).await
    }
}
