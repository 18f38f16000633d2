//! Frees what became garbage long enough ago, shard by shard, at a bounded rate; and removes what is left of
//! deleted buckets.

use crate::error::S3Error;
use crate::storage::Storage;
use crate::storage::manifest::Run;
use crate::storage::names;
use crate::storage::types::BucketId;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use gateway_client::{OpError, Rados};
use osd_class::index::{Done, Empty, Garbage, GarbageList, GarbagePage, Retire};
use osd_object::{ObjectName, Op};
use std::time::Duration;
use stdx::Errno;
use stdx::codec::{from_bytes, to_bytes};
use tokio::time::Instant;

/// Runs freed between two acknowledgements.
const PAGE: u32 = 64;
/// Objects of a bucket that was removed with all that was in it, taken out together.
const EMPTY_PAGE: u32 = 256;
/// Runs freed together.
const RUNS_AT_ONCE: usize = 8;

impl<R: Rados> Storage<R> {
    /// One round over all buckets, and what is left of those that are gone.
    pub async fn collect_garbage(&self) -> Result<(), S3Error> {
        self.collect_buckets().await?;
        self.collect_dead_buckets().await
    }

    /// One round over all buckets.
    pub(crate) async fn collect_buckets(&self) -> Result<(), S3Error> {
        self.end_merges().await?;
        for user in self.owner_ids().await? {
            for (name, id) in self.bucket_ids(&user).await? {
                // Carries on a deletion that stopped half way. Whether the bucket stays is all the same here.
                if let Err(e) = self.settled(&name).await {
                    tracing::info!("bucket {name}: {e}");
                }
                self.collect_bucket(id).await?;
            }
        }
        Ok(())
    }

    /// What is left of buckets that are gone. A huge one takes long, and nobody waits for it.
    pub(crate) async fn collect_dead_buckets(&self) -> Result<(), S3Error> {
        for (id, shards) in self.dead_buckets().await? {
            self.collect_dead(id, shards).await?;
        }
        Ok(())
    }

    /// All shards of a bucket, along the chain.
    async fn collect_bucket(&self, bucket: BucketId) -> Result<(), OpError> {
        let mut shard = Some(0);
        while let Some(id) = shard {
            shard = match self.collect_shard(bucket, id).await {
                Ok(right) => right,
                // Being deleted meanwhile, or being made: another round.
                Err(e) if matches!(e.code, Errno::ENOENT | Errno::ESTALE | Errno::EAGAIN) => None,
                Err(e) => return Err(e),
            };
        }
        Ok(())
    }

    /// Frees what is due in one shard. Its right neighbour.
    async fn collect_shard(&self, bucket: BucketId, shard: u64) -> Result<Option<u64>, OpError> {
        let mut after = Bytes::new();
        loop {
            let ahead_ms = u64::try_from(self.inner.pace.ahead().as_millis()).unwrap_or(u64::MAX);
            let now_ms = self.inner.rados.now().millis().saturating_add(ahead_ms);
            let ask = GarbageList { after, now_ms, max: PAGE };
            let page: GarbagePage = self.call_shard(bucket, shard, "gc_list", to_bytes(&ask)).await?;
            if !page.due.is_empty() {
                self.free_page(&page.due).await?;
                let rows: Vec<Bytes> = page.due.into_iter().map(|g| g.row).collect();
                let _: Done = self.call_shard(bucket, shard, "gc_done", to_bytes(&rows)).await?;
            }
            match page.next {
                Some(next) => after = next,
                None => return Ok(page.right),
            }
        }
    }

    /// Frees a page of runs, and takes at least as long as the rate allows.
    async fn free_page(&self, due: &[Garbage]) -> Result<(), OpError> {
        let began = Instant::now();
        let runs: Vec<Run> = due
            .iter()
            .map(|g| Run::new(g.tag, g.value.size, u64::from(g.value.object_bytes.max(1))))
            .collect();
        let objects: u64 = runs.iter().map(Run::objects).sum();
        let free = |run: Run| {
            let storage = self.clone();
            async move { storage.free_run(&run).await }
        };
        let frees: Vec<_> = runs.into_iter().map(free).collect();
        let freed: Vec<_> = stream::iter(frees).buffer_unordered(RUNS_AT_ONCE).collect().await;
        self.keep_pace(objects, began).await;
        freed.into_iter().collect()
    }

    /// Waits until so many objects may have been freed since `began`.
    async fn keep_pace(&self, objects: u64, began: Instant) {
        let per_second = f64::from(self.inner.config.gc_objects_per_second.max(1));
        let least = Duration::from_secs_f64(objects as f64 / per_second);
        if least > began.elapsed() {
            tokio::time::sleep_until(began + least).await;
        }
    }

    /// What is left of a deleted bucket: its objects and uploads become garbage, its garbage is freed when due, its
    /// shards go when they are empty, last the note that it ever was.
    async fn collect_dead(&self, bucket: BucketId, shards: Vec<u64>) -> Result<(), OpError> {
        let mut left = false;
        // Shard 0 goes last: as long as it is there, sweepers wait for the rest.
        for shard in shards.into_iter().rev() {
            let may_go = shard != 0 || !left;
            match self.collect_dead_shard(bucket, shard, may_go).await {
                Ok(true) => {}
                // What its garbage waits for, that of the others does not: they are emptied all the same.
                Ok(false) => left = true,
                Err(e) if e.code == Errno::ENOENT || e.code == Errno::ESTALE => {}
                Err(e) => return Err(e),
            }
        }
        if left {
            return Ok(());
        }
        let meta = &self.inner.config.meta_pool;
        match self.inner.rados.operate(meta, names::shard_map(bucket), vec![Op::Delete]).await {
            Err(e) if e.code != Errno::ENOENT || e.step.is_none() => return Err(e),
            _ => {}
        }
        let keys = vec![Bytes::copy_from_slice(&bucket.0.to_be_bytes())];
        self.inner
            .rados
            .operate(meta, ObjectName::new(names::DEAD_BUCKETS), vec![Op::OmapRm { keys }])
            .await?;
        Ok(())
    }

    /// Whether the shard is gone.
    async fn collect_dead_shard(&self, bucket: BucketId, shard: u64, may_go: bool) -> Result<bool, OpError> {
        // A shard whose making met the deletion may stand open yet. Nothing is above this token.
        let retire = to_bytes(&Retire { token: u64::MAX });
        let _: Done = self.call_shard(bucket, shard, "retire", retire).await?;
        while !self.call_shard::<bool>(bucket, shard, "purge", Bytes::new()).await? {}
        let page = to_bytes(&Empty { gc_delay_ms: self.gc_delay_ms(), max: EMPTY_PAGE });
        let mut began = Instant::now();
        while !self.call_shard::<bool>(bucket, shard, "empty", page.clone()).await? {
            self.keep_pace(u64::from(EMPTY_PAGE), began).await;
            began = Instant::now();
        }
        self.collect_shard(bucket, shard).await?;
        if !may_go {
            return Ok(false);
        }
        self.call_shard(bucket, shard, "destroy", Bytes::new()).await
    }

    pub(crate) async fn dead_buckets(&self) -> Result<Vec<(BucketId, Vec<u64>)>, S3Error> {
        let pool = &self.inner.config.meta_pool;
        let rows = self.omap_rows(pool, ObjectName::new(names::DEAD_BUCKETS), Bytes::new()).await?;
        let mut out = Vec::with_capacity(rows.len());
        for (key, value) in rows {
            let Ok(id) = key[..].try_into() else { continue };
            let shards = from_bytes(value).map_err(|e| S3Error::internal(format!("dead bucket: {e}")))?;
            out.push((BucketId(u64::from_be_bytes(id)), shards));
        }
        Ok(out)
    }
}
