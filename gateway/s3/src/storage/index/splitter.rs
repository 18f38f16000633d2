//! Drives splits of shards, one step after the other; any gateway can take over at any step
//! (docs/formats/bucket-index.md, "Split").

use super::deltas::{FEW_DELTAS, Pass};
use super::{FIRST_GENERATION, refusal};
use crate::error::S3Error;
use crate::storage::Storage;
use crate::storage::names;
use crate::storage::types::BucketId;
use bytes::Bytes;
use gateway_client::{OpError, Rados};
use osd_class::index::{
    Absorb, Done, Header, Init, MiddleStep, Refusal, RowPage, ShardStat, Split, SplitAck, SplitMark,
    SplitMiddle, SplitPage, SplitStep, SplitTake, SplitTakeAt, State,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use stdx::Errno;
use stdx::codec::to_bytes;
use tokio::sync::Notify;

/// Bytes of rows per step of copying.
const PAGE_BYTES: u32 = 512 << 10;
/// Rows per step of the search for the middle.
const MIDDLE_ROWS: u32 = 4096;
/// How often a commit is tried before the split is left to a calmer time.
const COMMITS_MAX: usize = 1000;
/// Shards waiting for their split; more are offered again by their next write.
const WAITING_MAX: usize = 1024;
/// A split of another gateway's that stood still for so long is taken over.
const STALLED: Duration = Duration::from_secs(2);
/// A shard that could not be split is left alone for so long.
const LEAVE_ALONE: Duration = Duration::from_secs(60);

/// A shard that should be split; or one that is small and might go well with a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SplitJob {
    pub(crate) bucket: BucketId,
    pub(crate) shard: u64,
    pub(crate) split_keys: u64,
    pub(crate) split_bytes: u64,
    pub(crate) merge: bool,
}

impl SplitJob {
    /// A shard to be split if it is above these limits.
    pub(crate) fn split(bucket: BucketId, shard: u64, split_keys: u64, split_bytes: u64) -> SplitJob {
        SplitJob { bucket, shard, split_keys, split_bytes, merge: false }
    }
}

type ShardKey = (BucketId, u64);

/// The shards that wait for their split, and those being split by this gateway.
#[derive(Default)]
pub(crate) struct Splits {
    state: Mutex<SplitState>,
    offered: Notify,
}

#[derive(Default)]
struct SplitState {
    waiting: BTreeMap<ShardKey, SplitJob>,
    driving: BTreeSet<ShardKey>,
    /// Not to be looked at before that time.
    left_alone: BTreeMap<ShardKey, Instant>,
    /// Small ones, not to be looked at before that time.
    small: BTreeMap<ShardKey, Instant>,
    /// Splits of other gateways, as they were when last looked at.
    watched: BTreeMap<ShardKey, (Split, Instant)>,
}

impl Splits {
    fn lock(&self) -> MutexGuard<'_, SplitState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Puts a shard on the list, unless it is there, being split, or was tried in vain a moment ago.
    pub(crate) fn offer(&self, job: SplitJob) {
        let mut s = self.lock();
        let key = (job.bucket, job.shard);
        let list = if job.merge { &s.small } else { &s.left_alone };
        let alone = list.get(&key).is_some_and(|until| *until > Instant::now());
        if alone || s.driving.contains(&key) || s.waiting.len() >= WAITING_MAX {
            return;
        }
        if s.waiting.insert(key, job).is_none() {
            self.offered.notify_one();
        }
    }
    /// Puts a shard on the list although it is being split: for after that.
    fn again(&self, job: SplitJob) {
        self.lock().waiting.insert((job.bucket, job.shard), job);
        self.offered.notify_one();
    }
    /// The next shard, when there is one.
    pub(crate) async fn next(&self) -> SplitJob {
        loop {
            if let Some((_, job)) = self.lock().waiting.pop_first() {
                return job;
            }
            self.offered.notified().await;
        }
    }
    /// Lets a shard alone for a while.
    fn leave_alone(&self, key: ShardKey, time: Duration) {
        let mut s = self.lock();
        let now = Instant::now();
        s.left_alone.retain(|_, until| *until > now);
        s.left_alone.insert(key, now + time);
    }
    /// Lets a small shard alone for a while; that does not keep it from being split.
    fn leave_small_alone(&self, key: ShardKey) {
        let mut s = self.lock();
        let now = Instant::now();
        s.small.retain(|_, until| *until > now);
        s.small.insert(key, now + LEAVE_ALONE);
    }
    /// Whether another gateway's split has stood still since it was first seen as it is.
    fn stalled(&self, key: ShardKey, split: &Split) -> bool {
        let mut s = self.lock();
        match s.watched.get(&key) {
            Some((seen, since)) if seen == split => since.elapsed() >= STALLED,
            _ => {
                s.watched.retain(|_, (_, since)| since.elapsed() < LEAVE_ALONE);
                s.watched.insert(key, (split.clone(), Instant::now()));
                false
            }
        }
    }
    fn try_next(&self) -> Option<SplitJob> {
        self.lock().waiting.pop_first().map(|(_, job)| job)
    }
}

/// Marks a shard as being split by this gateway for as long as it lives.
struct Driving<'a> {
    splits: &'a Splits,
    key: ShardKey,
}

impl<'a> Driving<'a> {
    fn begin(splits: &'a Splits, key: ShardKey) -> Option<Driving<'a>> {
        let new = splits.lock().driving.insert(key);
        new.then_some(Driving { splits, key })
    }
}
impl Drop for Driving<'_> {
    fn drop(&mut self) {
        self.splits.lock().driving.remove(&self.key);
    }
}

impl<R: Rados> Storage<R> {
    /// Splits what is on the list, until nothing is. For tests and tools; `run` does it in the background.
    pub async fn split_waiting(&self) {
        while let Some(job) = self.inner.splits.try_next() {
            match job.merge {
                true => self.look_at_small(job).await,
                false => self.drive_split(job.bucket, job.shard, job.split_keys, job.split_bytes).await,
            }
        }
    }

    /// One shard off the list. A split under way that is not ours is taken over only once it stands still;
    /// later writes bring the shard back on the list.
    pub(crate) async fn split_job(&self, job: SplitJob) {
        if job.merge {
            return self.look_at_small(job).await;
        }
        let key = (job.bucket, job.shard);
        let stat = self.call_shard::<ShardStat>(job.bucket, job.shard, "stat", Bytes::new()).await;
        if let Ok(ShardStat { split: Some(split), .. }) = stat
            && !self.inner.splits.stalled(key, &split)
        {
            self.inner.splits.leave_alone(key, STALLED);
            return;
        }
        self.drive_split(job.bucket, job.shard, job.split_keys, job.split_bytes).await;
    }

    /// Merges a small shard with a neighbour, if that is as small. Looked at again after a while.
    async fn look_at_small(&self, job: SplitJob) {
        let key = (job.bucket, job.shard);
        let Some(_driving) = Driving::begin(&self.inner.splits, key) else { return };
        if let Err(e) = self.merge_job(job).await {
            tracing::warn!(
                "merge of shard {:x} of bucket {} stopped, to be resumed: {e}",
                job.shard,
                job.bucket
            );
        }
        self.inner.splits.leave_small_alone(key);
    }

    /// Begins or takes over the split of a shard and carries it through. A failure leaves it where it is,
    /// for whoever comes next.
    pub(crate) async fn drive_split(&self, bucket: BucketId, shard: u64, keys_max: u64, bytes_max: u64) {
        let Some(_driving) = Driving::begin(&self.inner.splits, (bucket, shard)) else { return };
        match self.split(bucket, shard, keys_max, bytes_max).await {
            Ok(true) => {}
            Ok(false) => self.inner.splits.leave_alone((bucket, shard), LEAVE_ALONE),
            Err(e) => {
                tracing::warn!("split of shard {shard:x} of bucket {bucket} stopped, to be resumed: {e}")
            }
        }
    }

    /// False for a shard that is too full and yet cannot be split: all of it is one key.
    pub(super) async fn split(
        &self,
        bucket: BucketId,
        shard: u64,
        keys: u64,
        bytes: u64,
    ) -> Result<bool, S3Error> {
        let driver = names::random_id()?;
        let take = SplitTake { child: names::random_id()?, driver, keys_max: keys, row_bytes_max: bytes };
        let taken = match self.find_middle(bucket, shard).await? {
            Some(at) => {
                let take = SplitTakeAt { take, at };
                self.call_shard(bucket, shard, "split_take_at", to_bytes(&take)).await
            }
            None => self.call_shard(bucket, shard, "split_take", to_bytes(&take)).await,
        };
        let parent: ShardStat = match taken {
            Ok(stat) => stat,
            Err(e) => {
                return match refusal(&e) {
                    Some(Refusal::Unsplittable) => self.is_below(bucket, shard, keys, bytes).await,
                    Some(Refusal::Retired | Refusal::NotYet { .. }) => Ok(true),
                    _ => Err(e.into()),
                };
            }
        };
        let Some(split) = parent.split else { return Ok(true) };
        if split.merge.is_some() {
            return Ok(self.carry_merge(bucket, &parent.header, &split, driver).await.map(|_| true)?);
        }
        match self.carry_through(bucket, &parent.header, &split, driver).await {
            Ok(halves) => {
                // A shard that grew far beyond the limits is split again and again.
                for half in halves {
                    if half.counters.entries() > keys || half.counters.row_bytes > bytes {
                        let shard = half.header.shard;
                        self.inner.splits.again(SplitJob::split(bucket, shard, keys, bytes));
                    }
                }
                Ok(true)
            }
            Err(e) if refusal(&e) == Some(Refusal::NotDriver) => Ok(true),
            Err(e) => Err(e.into()),
        }
    }

    /// Looks for the key in the middle of a shard, a page at a time: one walk over half of a large shard would keep
    /// everybody else waiting. None if `split_take` had better look itself.
    async fn find_middle(&self, bucket: BucketId, shard: u64) -> Result<Option<Bytes>, OpError> {
        let mut from = MiddleStep::default();
        while !from.over {
            let ask = to_bytes(&SplitMiddle { from, rows_max: MIDDLE_ROWS });
            from = match self.call_shard(bucket, shard, "split_middle", ask).await {
                Ok(step) => step,
                // An OSD from before there was this.
                Err(e) if e.code == Errno::EOPNOTSUPP => return Ok(None),
                Err(e) => return Err(e),
            };
        }
        Ok(from.at)
    }

    /// Whether a shard that could not be split need not be: it shrank, or was split meanwhile.
    async fn is_below(&self, bucket: BucketId, shard: u64, keys: u64, bytes: u64) -> Result<bool, S3Error> {
        let now: ShardStat = self.call_shard(bucket, shard, "stat", Bytes::new()).await?;
        Ok(now.counters.entries() <= keys && now.counters.row_bytes <= bytes)
    }

    async fn carry_through(
        &self,
        bucket: BucketId,
        parent: &Header,
        split: &Split,
        driver: u64,
    ) -> Result<[ShardStat; 2], OpError> {
        let step = to_bytes(&SplitStep { driver });
        let child = Header {
            bucket: bucket.0,
            shard: split.child,
            from: split.at.clone(),
            to: parent.to.clone(),
            right: parent.right,
            generation: parent.generation.max(FIRST_GENERATION) + 1,
            state: State::Filling { parent: parent.shard, driver },
            splitting: None,
        };
        let _: Done = self.call_shard(bucket, split.child, "init", to_bytes(&Init { header: child })).await?;
        let child: ShardStat = self.call_shard(bucket, split.child, "stat", Bytes::new()).await?;
        if child.header.state != State::Active {
            if !split.handed {
                self.copy_rows(bucket, parent.shard, split, driver).await?;
                self.commit(bucket, parent.shard, split.child, driver, &step).await?;
            }
            // Nothing of the range changes any more: these are the last changes.
            let mut pass = Pass::default();
            while self.catch_up(bucket, parent.shard, split.child, driver, &mut pass).await? > 0 {}
            let _: Done = self.call_shard(bucket, split.child, "activate", step.clone()).await?;
        }
        self.write_hint(bucket, split.at.clone(), split.child).await;
        let child: ShardStat = self.call_shard(bucket, split.child, "stat", Bytes::new()).await?;
        self.map().learn(&child.header);
        while !self.call_shard::<bool>(bucket, parent.shard, "split_finish", step.clone()).await? {}
        let parent: ShardStat = self.call_shard(bucket, parent.shard, "stat", Bytes::new()).await?;
        self.map().learn(&parent.header);
        tracing::info!("split shard {:x} of bucket {bucket}: {:x} is new", parent.header.shard, split.child);
        Ok([parent, child])
    }

    async fn copy_rows(
        &self,
        bucket: BucketId,
        parent: u64,
        split: &Split,
        driver: u64,
    ) -> Result<(), OpError> {
        let mut cursor = split.cursor.clone();
        let mut copied = split.copied;
        while !copied {
            let ask = SplitPage { driver, after: cursor.clone(), bytes_max: PAGE_BYTES };
            let page: RowPage = self.call_shard(bucket, parent, "split_page", to_bytes(&ask)).await?;
            copied = page.done;
            if let Some((last, _)) = page.rows.last() {
                cursor = last.clone();
                let rows = page.rows.into_iter().map(|(row, value)| (row, Some(value))).collect();
                self.absorb(bucket, split.child, driver, rows).await?;
            }
            let mark = SplitMark { driver, cursor: cursor.clone(), copied };
            let _: Done = self.call_shard(bucket, parent, "split_mark", to_bytes(&mark)).await?;
        }
        Ok(())
    }

    async fn absorb(
        &self,
        bucket: BucketId,
        child: u64,
        driver: u64,
        rows: Vec<(Bytes, Option<Bytes>)>,
    ) -> Result<(), OpError> {
        let Done = self.call_shard(bucket, child, "absorb", to_bytes(&Absorb { driver, rows })).await?;
        Ok(())
    }

    /// Gives the child some changes. How many there were.
    async fn catch_up(
        &self,
        bucket: BucketId,
        parent: u64,
        child: u64,
        driver: u64,
        pass: &mut Pass,
    ) -> Result<usize, OpError> {
        let page = pass.page(self, bucket, parent, driver).await?;
        let n = page.changes.len();
        if n > 0 {
            let absorbed = page.changes.iter().map(|c| (c.row.clone(), c.stamp)).collect();
            let rows = page.changes.into_iter().map(|c| (c.row, c.value)).collect();
            self.absorb(bucket, child, driver, rows).await?;
            let ack = SplitAck { driver, absorbed };
            let _: Done = self.call_shard(bucket, parent, "split_ack", to_bytes(&ack)).await?;
        }
        Ok(n)
    }

    async fn commit(
        &self,
        bucket: BucketId,
        parent: u64,
        child: u64,
        driver: u64,
        step: &Bytes,
    ) -> Result<(), OpError> {
        let mut tries = 0;
        let mut pass = Pass::default();
        loop {
            while self.catch_up(bucket, parent, child, driver, &mut pass).await? >= FEW_DELTAS {}
            match self.call_shard::<Done>(bucket, parent, "split_commit", step.clone()).await {
                Ok(Done) => return Ok(()),
                Err(e) if e.code == Errno::EAGAIN && refusal(&e).is_none() && tries < COMMITS_MAX => {
                    tries += 1
                }
                Err(e) => return Err(e),
            }
        }
    }
}
