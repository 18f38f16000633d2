//! Drives merges of shards that shrank, one step after the other; any gateway can take over at any step
//! (docs/formats/bucket-index.md, "Merge").

use super::deltas::{FEW_DELTAS, Pass};
use super::{SplitJob, is_absent, refusal};
use crate::error::S3Error;
use crate::storage::types::{Bucket, BucketId};
use crate::storage::{Storage, names};
use bytes::Bytes;
use gateway_client::{OpError, Rados};
use osd_class::index::{
    Absorb, DeltaPage, Done, Header, Joining, MergeActivate, MergeEnd, MergeOpen, MergeTake, Refusal,
    RowPage, ShardStat, Split, SplitAck, SplitDelta, SplitMark, SplitPage, SplitStep,
};
use osd_object::op::Compare;
use osd_object::{ObjectName, Op};
use stdx::Errno;
use stdx::codec::{from_bytes, to_bytes};

/// A shard that holds less than this share of what it may is looked at: perhaps it goes well with a neighbour ...
pub(super) const SMALL: u64 = 4;
/// ... which it does if both together hold at most this share. Far from where the whole would split again.
const TOGETHER: u64 = 2;
/// Bytes of rows per step of copying.
const PAGE_BYTES: u32 = 512 << 10;
/// How often handing over is tried before the merge is given up.
const COMMITS_MAX: usize = 100;

/// A merge that may need somebody to end it.
struct Note {
    left: u64,
    nonce: u64,
}
stdx::codec_versioned!(Note, 1 { left, nonce });

fn note_row(bucket: BucketId, shard: u64) -> Bytes {
    [bucket.0.to_be_bytes(), shard.to_be_bytes()].concat().into()
}

/// Whether two neighbours should be one.
fn belong_together(a: &ShardStat, b: &ShardStat, keys: u64, bytes: u64) -> bool {
    let entries = a.counters.entries() + b.counters.entries();
    let row_bytes = a.counters.row_bytes + b.counters.row_bytes;
    let still = a.split.is_none() && b.split.is_none();
    still && entries <= keys / TOGETHER && row_bytes <= bytes / TOGETHER
}

impl<R: Rados> Storage<R> {
    /// Looks whether a small shard goes well with one of its neighbours, and makes them one. Whether it did.
    pub(super) async fn merge_job(&self, job: SplitJob) -> Result<bool, S3Error> {
        let (bucket, SplitJob { split_keys, split_bytes, .. }) = (job.bucket, job);
        let Some(stat) = self.shard_stat(bucket, job.shard).await? else { return Ok(false) };
        if let Some(right) = self.right_neighbour(bucket, &stat).await?
            && belong_together(&stat, &right, split_keys, split_bytes)
        {
            return self.merge(bucket, job.shard, right.header.shard).await;
        }
        if job.shard != 0
            && let Some(left) = self.left_neighbour(bucket, &stat.header).await?
            && belong_together(&left, &stat, split_keys, split_bytes)
        {
            return self.merge(bucket, left.header.shard, job.shard).await;
        }
        Ok(false)
    }

    /// Merges a shard with its right neighbour, if they are far below the bucket's limits. Whether it did.
    pub(super) async fn merge_right(&self, bucket: &Bucket, left: &ShardStat) -> Result<bool, S3Error> {
        match self.right_neighbour(bucket.id, left).await? {
            Some(right) if belong_together(left, &right, bucket.split_keys, bucket.split_bytes) => {
                self.merge(bucket.id, left.header.shard, right.header.shard).await
            }
            _ => Ok(false),
        }
    }

    /// False where an OSD does not know merges, or somebody else works on these shards.
    async fn merge(&self, bucket: BucketId, left: u64, right: u64) -> Result<bool, S3Error> {
        let driver = names::random_id()?;
        let take = MergeTake { left, nonce: names::random_id()?, driver };
        let stat: ShardStat = match self.call_shard(bucket, right, "merge_take", to_bytes(&take)).await {
            Ok(stat) => stat,
            Err(e) if e.code == Errno::EOPNOTSUPP || e.code == Errno::EBUSY || refusal(&e).is_some() => {
                return Ok(false);
            }
            Err(e) => return Err(e.into()),
        };
        let Some(split) = stat.split else { return Ok(false) };
        Ok(self.carry_merge(bucket, &stat.header, &split, driver).await?)
    }

    /// Carries a merge on from wherever it stands. Whether the two are one now; else they are apart, or another drives.
    pub(super) async fn carry_merge(
        &self,
        bucket: BucketId,
        right: &Header,
        split: &Split,
        driver: u64,
    ) -> Result<bool, OpError> {
        let nonce = split.merge.unwrap_or_default();
        let fresh = split.cursor.is_empty() && !split.copied && !split.handed;
        let open = MergeOpen { right: right.shard, at: split.at.clone(), nonce, driver, fresh };
        let joining = match self.call_shard(bucket, split.child, "merge_open", to_bytes(&open)).await {
            Ok(joining) => joining,
            Err(e) if is_absent(&e) => Joining::Apart,
            Err(e) => return Err(e),
        };
        match joining {
            Joining::Done => {}
            Joining::Apart => return self.end_apart(bucket, right, split, driver).await,
            Joining::Open => match self.move_over(bucket, right, split, driver).await {
                Ok(()) => {}
                // One of the two has another driver by now, or the left one gave up.
                Err(e) if refusal(&e) == Some(Refusal::NotDriver) || e.code == Errno::EAGAIN => {
                    return self.end_apart(bucket, right, split, driver).await;
                }
                Err(e) => return Err(e),
            },
        }
        self.end_joined(bucket, right, split, driver).await.map(|()| true)
    }

    async fn move_over(
        &self,
        bucket: BucketId,
        right: &Header,
        split: &Split,
        driver: u64,
    ) -> Result<(), OpError> {
        let nonce = split.merge.unwrap_or_default();
        let (mut cursor, mut copied) = (split.cursor.clone(), split.copied);
        while !copied {
            let ask = SplitPage { driver, after: cursor.clone(), bytes_max: PAGE_BYTES };
            let page: RowPage = self.call_shard(bucket, right.shard, "split_page", to_bytes(&ask)).await?;
            copied = page.done;
            if let Some((last, _)) = page.rows.last() {
                cursor = last.clone();
                let rows = page.rows.into_iter().map(|(row, value)| (row, Some(value))).collect();
                self.take_in(bucket, split.child, driver, rows).await?;
            }
            let mark = SplitMark { driver, cursor: cursor.clone(), copied };
            let _: Done = self.call_shard(bucket, right.shard, "split_mark", to_bytes(&mark)).await?;
        }
        let mut generation = right.generation;
        if !split.handed {
            self.write_merge_note(bucket, right.shard, &Note { left: split.child, nonce }).await?;
            let mut tries = 0;
            let mut pass = Pass::default();
            loop {
                while self.follow(bucket, right.shard, split.child, driver, &mut pass).await? >= FEW_DELTAS {}
                let step = to_bytes(&SplitStep { driver });
                match self.call_shard::<Done>(bucket, right.shard, "merge_commit", step).await {
                    Ok(Done) => break,
                    Err(e) if e.code == Errno::EAGAIN && refusal(&e).is_none() && tries < COMMITS_MAX => {
                        tries += 1;
                    }
                    Err(e) => return Err(e),
                }
            }
            generation += 1;
        }
        // Nothing of it changes any more: these are the last changes.
        let mut pass = Pass::default();
        while self.follow(bucket, right.shard, split.child, driver, &mut pass).await? > 0 {}
        let (to, neighbour) = (right.to.clone(), right.right);
        let activate = MergeActivate { nonce, driver, to, right: neighbour, generation };
        self.call_shard::<Done>(bucket, split.child, "merge_activate", to_bytes(&activate)).await.map(drop)
    }

    /// The left one serves all of it: what is left of the right one goes.
    async fn end_joined(
        &self,
        bucket: BucketId,
        right: &Header,
        split: &Split,
        driver: u64,
    ) -> Result<(), OpError> {
        let (nonce, left) = (split.merge.unwrap_or_default(), split.child);
        self.write_hint(bucket, split.at.clone(), left).await;
        if let Some(stat) = self.shard_stat(bucket, left).await? {
            self.map().learn(&stat.header);
        }
        match self
            .call_shard::<Done>(bucket, right.shard, "merge_finish", to_bytes(&SplitStep { driver }))
            .await
        {
            Ok(Done) => {}
            Err(e) if is_absent(&e) => {}
            Err(e) => return Err(e),
        }
        self.forget_merge(bucket, left, nonce).await?;
        self.remove_merge_note(bucket, right.shard, &Note { left, nonce }).await?;
        tracing::info!("shard {:x} of bucket {bucket} went into {left:x}", right.shard);
        Ok(())
    }

    /// They stay two, unless the left one turns out to serve already. Whether they are one.
    async fn end_apart(
        &self,
        bucket: BucketId,
        right: &Header,
        split: &Split,
        driver: u64,
    ) -> Result<bool, OpError> {
        let (nonce, left) = (split.merge.unwrap_or_default(), split.child);
        // Who was overtaken leaves the left one alone: this call, a read, is refused to him.
        let ask = SplitDelta { driver, max: 1, bytes_max: 1, after: Bytes::new() };
        match self.call_shard::<DeltaPage>(bucket, right.shard, "split_delta", to_bytes(&ask)).await {
            Ok(_) => {}
            Err(e) if is_absent(&e) || refusal(&e) == Some(Refusal::NotDriver) => return Ok(false),
            Err(e) => return Err(e),
        }
        match self.call_shard::<Joining>(bucket, left, "merge_drop", to_bytes(&MergeEnd { nonce })).await {
            Ok(Joining::Done) => return self.end_joined(bucket, right, split, driver).await.map(|()| true),
            Ok(Joining::Open | Joining::Apart) => {}
            Err(e) if is_absent(&e) => {}
            Err(e) => return Err(e),
        }
        let step = to_bytes(&SplitStep { driver });
        match self.call_shard::<Done>(bucket, right.shard, "merge_abort", step).await {
            Ok(Done) => {}
            Err(e) if is_absent(&e) || refusal(&e) == Some(Refusal::NotDriver) => return Ok(false),
            Err(e) => return Err(e),
        }
        self.close_merge_note(bucket, right.shard, &Note { left, nonce }).await?;
        Ok(false)
    }

    async fn take_in(
        &self,
        bucket: BucketId,
        left: u64,
        driver: u64,
        rows: Vec<(Bytes, Option<Bytes>)>,
    ) -> Result<(), OpError> {
        let absorb = to_bytes(&Absorb { driver, rows });
        self.call_shard::<Done>(bucket, left, "merge_absorb", absorb).await.map(drop)
    }

    /// Gives the left one some changes. How many there were.
    async fn follow(
        &self,
        bucket: BucketId,
        right: u64,
        left: u64,
        driver: u64,
        pass: &mut Pass,
    ) -> Result<usize, OpError> {
        let page = pass.page(self, bucket, right, driver).await?;
        let n = page.changes.len();
        if n > 0 {
            let absorbed = page.changes.iter().map(|c| (c.row.clone(), c.stamp)).collect();
            self.take_in(bucket, left, driver, page.changes.into_iter().map(|c| (c.row, c.value)).collect())
                .await?;
            let ack = SplitAck { driver, absorbed };
            let _: Done = self.call_shard(bucket, right, "split_ack", to_bytes(&ack)).await?;
        }
        Ok(n)
    }

    async fn forget_merge(&self, bucket: BucketId, left: u64, nonce: u64) -> Result<(), OpError> {
        match self.call_shard::<Done>(bucket, left, "merge_forget", to_bytes(&MergeEnd { nonce })).await {
            Ok(Done) => Ok(()),
            Err(e) if is_absent(&e) => Ok(()),
            Err(e) => Err(e),
        }
    }

    async fn write_merge_note(&self, bucket: BucketId, shard: u64, note: &Note) -> Result<(), OpError> {
        let rows = vec![(note_row(bucket, shard), to_bytes(note))];
        let pool = &self.inner.config.meta_pool;
        let ops = vec![Op::OmapSet { rows }];
        self.inner.rados.operate(pool, ObjectName::new(names::MERGES), ops).await.map(drop)
    }

    /// Removes the note of this merge; that of a later one of the same shard stays.
    async fn remove_merge_note(&self, bucket: BucketId, shard: u64, note: &Note) -> Result<(), OpError> {
        let key = note_row(bucket, shard);
        let ops = vec![
            Op::CmpOmap { key: key.clone(), compare: Compare::Eq, value: to_bytes(note) },
            Op::OmapRm { keys: vec![key] },
        ];
        let pool = &self.inner.config.meta_pool;
        match self.inner.rados.operate(pool, ObjectName::new(names::MERGES), ops).await {
            Err(e) if !matches!(e.code, Errno::ECANCELED | Errno::ENOENT) => Err(e),
            _ => Ok(()),
        }
    }

    /// Two that stay apart need no note, unless their bucket went meanwhile: then the right one is in no chain, and the
    /// collector of dead buckets has to be told of it.
    async fn close_merge_note(&self, bucket: BucketId, shard: u64, note: &Note) -> Result<(), OpError> {
        let lost =
            self.shard_stat(bucket, 0).await?.is_none() && self.shard_stat(bucket, shard).await?.is_some();
        if lost {
            let key = Bytes::copy_from_slice(&bucket.0.to_be_bytes());
            let ops = vec![
                Op::Create { exclusive: false },
                Op::CmpOmap { key: key.clone(), compare: Compare::Eq, value: Bytes::new() },
                Op::OmapSet { rows: vec![(key, to_bytes(&vec![shard]))] },
            ];
            let pool = &self.inner.config.meta_pool;
            match self.inner.rados.operate(pool, ObjectName::new(names::DEAD_BUCKETS), ops).await {
                Ok(_) => {}
                // The collector is at that bucket still: another round.
                Err(e) if e.code == Errno::ECANCELED => return Ok(()),
                Err(e) => return Err(e),
            }
        }
        self.remove_merge_note(bucket, shard, note).await
    }

    /// Ends merges whose drivers died.
    pub(crate) async fn end_merges(&self) -> Result<(), S3Error> {
        let pool = &self.inner.config.meta_pool;
        for (row, value) in self.omap_rows(pool, ObjectName::new(names::MERGES), Bytes::new()).await? {
            let number =
                |at: usize| row.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_be_bytes);
            let (Some(bucket), Some(shard)) = (number(0).map(BucketId), number(8)) else { continue };
            let note: Note =
                from_bytes(value).map_err(|e| S3Error::internal(format!("a merge's note: {e}")))?;
            match self.shard_stat(bucket, shard).await? {
                // Two drivers at once do no harm: one of them is refused everything.
                Some(stat) if stat.split.is_some() => {
                    self.drive_split(bucket, shard, u64::MAX, u64::MAX).await
                }
                Some(_) => self.close_merge_note(bucket, shard, &note).await?,
                None => {
                    self.forget_merge(bucket, note.left, note.nonce).await?;
                    self.remove_merge_note(bucket, shard, &note).await?;
                }
            }
        }
        Ok(())
    }
}
