//! Proves indexes against data: everything that a row names must be there, and everything that is there must be
//! named by a row, be garbage, or be on its way.
//!
//! Reads only, while writers go on; whatever looks wrong is looked at again before it is told. The check of a bucket can
//! note how far it is, so that one that was cut short goes on there.

use super::Storage;
use super::background::IntentRow;
use super::encryption::{CHUNK_BYTES, TAG_BYTES};
use super::manifest::Run;
use super::names;
use super::placement::{Slot, number_of};
use super::types::{Bucket, BucketId};
use crate::error::S3Error;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use gateway_client::{OpError, Rados};
use osd_class::index::{Detail, GarbageRow, ObjectRow, Part, ShardStat, Tag, key_of_row};
use osd_object::view::OmapRange;
use osd_object::{Op, OpResult};
use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;
use std::time::{Duration, Instant};
use stdx::Errno;
use stdx::codec::{from_bytes, to_bytes};

/// Rows of a shard that are read at once.
const ROWS: u32 = 500;
/// Data objects that are looked at at once.
const LOOKS_AT_ONCE: usize = 32;
/// Names of the data pool that are read at once.
const NAMES: u32 = 1000;
/// The most findings of each kind that are kept.
const FINDINGS_MAX: usize = 10_000;

/// What a check of one bucket found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Objects, versions and parts of uploads that were looked at.
    pub objects: u64,
    /// Data objects that they name.
    pub data_objects: u64,
    /// Data objects that are not there, with the key that names each. At most ten thousand are kept.
    pub missing: Vec<String>,
    /// Data objects of another size than the index says. At most ten thousand are kept.
    pub wrong_size: Vec<String>,
}

impl CheckReport {
    /// Whether all is as the index says.
    pub fn is_clean(&self) -> bool {
        self.missing.is_empty() && self.wrong_size.is_empty()
    }
}

stdx::codec_versioned!(CheckReport, 1 { objects, data_objects, missing, wrong_size });

/// How far a check is.
#[derive(Default)]
struct CheckMark {
    /// The shard it is in ...
    shard: u64,
    /// ... which began here.
    from: Bytes,
    /// Its rows up to this one were looked at.
    after: Option<Bytes>,
    report: CheckReport,
}
stdx::codec_versioned!(CheckMark, 1 { shard, from, after, report });

/// What one row names.
struct Named {
    row: Bytes,
    value: Bytes,
    runs: Vec<Run>,
    /// Whether it waits to be freed: then it may be gone already.
    garbage: bool,
}

fn named(row: Bytes, value: Bytes) -> Result<Option<Named>, S3Error> {
    let damaged = |e| S3Error::internal(format!("an index row cannot be read: {e}"));
    let of = |parts: &[Part]| parts.iter().filter(|p| p.size > 0).map(Run::of).collect::<Vec<_>>();
    let (runs, garbage) = match row.first() {
        Some(b'k' | b'v') => {
            let object: ObjectRow = from_bytes(value.clone()).map_err(damaged)?;
            (object.detail.map(|d| of(&d.runs)).unwrap_or_default(), false)
        }
        Some(b'm') => (of(&from_bytes::<Detail>(value.clone()).map_err(damaged)?.runs), false),
        Some(b'p') => (of(&[from_bytes(value.clone()).map_err(damaged)?]), false),
        Some(b'g') if row.len() >= 16 => {
            let garbage: GarbageRow = from_bytes(value.clone()).map_err(damaged)?;
            let number = |at: usize| row[at..at + 8].try_into().map(u64::from_be_bytes).unwrap_or_default();
            let tag = Tag { instance: number(row.len() - 16), seq: number(row.len() - 8) };
            let object_bytes = u64::from(garbage.object_bytes.max(1));
            (vec![Run::new(tag, garbage.size, object_bytes)], true)
        }
        _ => return Ok(None),
    };
    Ok(Some(Named { row, value, runs, garbage }))
}

/// The sizes of a run's data objects, by their numbers.
fn sizes(run: &Run) -> impl Iterator<Item = (u64, u64)> + use<> {
    let run = *run;
    (0..run.objects()).map(move |n| (n, run.object_bytes.min(run.size - n * run.object_bytes)))
}

impl<R: Rados> Storage<R> {
    /// Looks whether all data is there that a bucket's index names.
    pub async fn bucket_check(&self, bucket: &Bucket) -> Result<CheckReport, S3Error> {
        self.check_from(bucket, CheckMark::default(), None).await
    }

    /// The same, noting now and then how far it is; with `resume` it goes on where one that was cut short stood. What a
    /// shard holds that was split or merged since may be looked at, and counted, twice.
    pub async fn bucket_check_noted(
        &self,
        bucket: &Bucket,
        resume: bool,
        every: Duration,
    ) -> Result<CheckReport, S3Error> {
        let mark = if resume { self.check_mark(bucket.id).await? } else { None };
        let report = self.check_from(bucket, mark.unwrap_or_default(), Some(every)).await?;
        let pool = &self.inner.config.meta_pool;
        match self.inner.rados.operate(pool, names::bucket_check(bucket.id), vec![Op::Delete]).await {
            Err(e) if e.code != Errno::ENOENT => Err(e.into()),
            _ => Ok(report),
        }
    }

    async fn check_from(
        &self,
        bucket: &Bucket,
        mut mark: CheckMark,
        note_every: Option<Duration>,
    ) -> Result<CheckReport, S3Error> {
        let mut noted = Instant::now();
        let mut next = self.shard_of(bucket.id, &mark.from).await?;
        while let Some(stat) = next {
            let shard = stat.header.shard;
            if (shard, &stat.header.from) != (mark.shard, &mark.from) {
                (mark.shard, mark.from, mark.after) = (shard, stat.header.from.clone(), None);
            }
            while let Some(rows) = self.shard_rows(bucket.id, shard, mark.after.clone()).await? {
                mark.after = rows.last().map(|(row, _)| row.clone());
                for (row, value) in rows {
                    // What lies behind the range is another shard's, on its way.
                    if key_of_row(&row).is_some_and(|key| !stat.header.owns(&key)) {
                        continue;
                    }
                    let Some(named) = named(row, value)? else { continue };
                    mark.report.objects += u64::from(matches!(named.row.first(), Some(b'k' | b'v' | b'p')));
                    if !named.garbage {
                        self.check_row(bucket.id, shard, &named, &mut mark.report).await?;
                    }
                }
                if note_every.is_some_and(|every| noted.elapsed() >= every) {
                    self.note_check(bucket.id, &mark).await?;
                    noted = Instant::now();
                }
            }
            next = self.next_to_check(bucket.id, &stat).await?;
        }
        Ok(mark.report)
    }

    /// The shard behind one that was walked through, as things are now.
    async fn next_to_check(
        &self,
        bucket: BucketId,
        walked: &ShardStat,
    ) -> Result<Option<ShardStat>, OpError> {
        let now = self.shard_stat(bucket, walked.header.shard).await?;
        self.right_neighbour(bucket, now.as_ref().unwrap_or(walked)).await
    }

    async fn check_mark(&self, bucket: BucketId) -> Result<Option<CheckMark>, S3Error> {
        let pool = &self.inner.config.meta_pool;
        let ops = vec![Op::Read { offset: 0, len: 0 }];
        match self.inner.rados.operate(pool, names::bucket_check(bucket), ops).await {
            Ok(reply) => match reply.results.into_iter().next() {
                Some(OpResult::Data(data)) => from_bytes(data)
                    .map(Some)
                    .map_err(|e| S3Error::internal(format!("how far a check is cannot be read: {e}"))),
                _ => Ok(None),
            },
            Err(e) if e.code == Errno::ENOENT => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    async fn note_check(&self, bucket: BucketId, mark: &CheckMark) -> Result<(), OpError> {
        let ops = vec![Op::WriteFull { data: to_bytes(mark) }];
        let pool = &self.inner.config.meta_pool;
        self.inner.rados.operate(pool, names::bucket_check(bucket), ops).await.map(drop)
    }

    async fn check_row(
        &self,
        bucket: BucketId,
        shard: u64,
        named: &Named,
        report: &mut CheckReport,
    ) -> Result<(), S3Error> {
        let all = named.runs.iter().flat_map(|run| sizes(run).map(move |(n, size)| (run.tag, n, size)));
        let looks = all.map(|(tag, n, size)| async move { (tag, n, size, self.data_size(tag, n).await) });
        let looks: Vec<_> = stream::iter(looks.collect::<Vec<_>>()).buffered(LOOKS_AT_ONCE).collect().await;
        let mut odd = Vec::new();
        for (tag, n, size, found) in looks {
            report.data_objects += 1;
            let found = found?;
            // Which objects are encrypted only their attributes say; their data is longer by the tags.
            let sealed = size + size.div_ceil(CHUNK_BYTES) * TAG_BYTES as u64;
            if found != Some(size) && found != Some(sealed) {
                odd.push((tag, n, size, found));
            }
        }
        if odd.is_empty() || !self.still_says(bucket, shard, named).await? {
            return Ok(());
        }
        let key = String::from_utf8_lossy(&named.row[1..]).replace(char::is_control, "?");
        for (tag, n, size, found) in odd {
            let object = names::data(tag, n).name;
            let (list, line) = match found {
                None => (&mut report.missing, format!("{object} ({size} bytes) of {key}")),
                Some(found) => {
                    (&mut report.wrong_size, format!("{object} ({found} bytes, not {size}) of {key}"))
                }
            };
            if list.len() < FINDINGS_MAX {
                list.push(line);
            }
        }
        Ok(())
    }

    /// Data objects that no index names, that are not garbage, and that nobody is writing. Holds 16 bytes of memory
    /// and more for each object that has data.
    pub async fn leaked_data(&self) -> Result<Vec<String>, S3Error> {
        let mut unknown: BTreeMap<Tag, Vec<String>> = BTreeMap::new();
        for slot in self.slots().await? {
            let pool = self.pool_of_slot(slot).await?;
            let mut after = None;
            loop {
                let page = self.inner.rados.list(&pool, after, NAMES).await?;
                for object in page.objects {
                    // What is not of this slot was put there by somebody else.
                    if let Some(tag) = tag_of(&object.name).filter(|tag| Slot::of(*tag) == slot) {
                        unknown.entry(tag).or_default().push(object.name);
                    }
                }
                match page.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
        }
        // After the names and before the indexes: what is settled by now is in an index by now.
        for (instance, row) in self.intents().await? {
            let intent: IntentRow =
                from_bytes(row).map_err(|e| S3Error::internal(format!("intent {instance:x}: {e}")))?;
            unknown.retain(|tag, _| {
                let number = number_of(*tag);
                tag.instance != instance || !(number >= intent.next || intent.unsettled.contains(&number))
            });
        }
        let mut known: HashSet<Tag> = HashSet::new();
        for bucket in self.every_bucket().await? {
            let mut next = self.shard_stat(bucket, 0).await?;
            while let Some(stat) = next {
                let mut after = None;
                while let Some(rows) = self.shard_rows(bucket, stat.header.shard, after.take()).await? {
                    after = rows.last().map(|(row, _)| row.clone());
                    for (row, value) in rows {
                        let runs = named(row, value)?.map(|named| named.runs).unwrap_or_default();
                        known.extend(runs.iter().map(|run| run.tag));
                    }
                }
                next = self.next_to_check(bucket, &stat).await?;
            }
        }
        unknown.retain(|tag, _| !known.contains(tag));
        let mut leaked = Vec::new();
        for (tag, object) in unknown
            .into_iter()
            .flat_map(|(tag, objects)| objects.into_iter().map(move |object| (tag, object)))
        {
            // What was freed meanwhile was garbage.
            let pool = self.pool_of(tag).await?;
            let ops = vec![Op::Stat];
            match self.inner.rados.operate(&pool, osd_object::ObjectName::new(object.clone()), ops).await {
                Ok(_) if leaked.len() < FINDINGS_MAX => leaked.push(object),
                Ok(_) => break,
                Err(e) if e.code == Errno::ENOENT && e.step.is_some() => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(leaked)
    }

    /// Every bucket that has an index, those included that are gone but for their garbage.
    async fn every_bucket(&self) -> Result<Vec<BucketId>, S3Error> {
        let mut all = Vec::new();
        for user in self.owner_ids().await? {
            all.extend(self.bucket_ids(&user).await?.into_iter().map(|(_, id)| id));
        }
        all.extend(self.dead_buckets().await?.into_iter().map(|(id, _)| id));
        Ok(all)
    }

    /// Bytes of a data object; none if it is not there.
    async fn data_size(&self, tag: Tag, n: u64) -> Result<Option<u64>, OpError> {
        let pool = self.pool_of(tag).await?;
        match self.inner.rados.operate(&pool, names::data(tag, n), vec![Op::Stat]).await {
            Ok(reply) => match reply.results.first() {
                Some(OpResult::Meta(meta)) => Ok(Some(meta.size)),
                _ => Err(OpError::new(Errno::EIO).with_context("an answer to Stat makes no sense")),
            },
            Err(e) if e.code == Errno::ENOENT && e.step.is_some() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The next rows of a shard; none at its end, or if there is no such shard.
    async fn shard_rows(
        &self,
        bucket: BucketId,
        shard: u64,
        after: Option<Bytes>,
    ) -> Result<Option<Vec<(Bytes, Bytes)>>, OpError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = OmapRange { start, rows_max: ROWS, ..OmapRange::all() };
        let pool = &self.inner.config.index_pool;
        let ops = vec![Op::OmapGetRange { range }];
        match self.inner.rados.operate(pool, names::shard(bucket, shard), ops).await {
            Ok(reply) => Ok(match reply.results.into_iter().next() {
                Some(OpResult::Rows(page)) if !page.rows.is_empty() => Some(page.rows),
                _ => None,
            }),
            Err(e) if e.code == Errno::ENOENT && e.step.is_some() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Whether a row is still what it was.
    async fn still_says(&self, bucket: BucketId, shard: u64, named: &Named) -> Result<bool, OpError> {
        let pool = &self.inner.config.index_pool;
        let ops = vec![Op::OmapGet { keys: vec![named.row.clone()] }];
        match self.inner.rados.operate(pool, names::shard(bucket, shard), ops).await {
            Ok(reply) => Ok(match reply.results.into_iter().next() {
                Some(OpResult::Rows(page)) => page.rows.first().is_some_and(|(_, now)| *now == named.value),
                _ => false,
            }),
            Err(e) if e.code == Errno::ENOENT && e.step.is_some() => Ok(false),
            Err(e) => Err(e),
        }
    }
}

/// The run of a data object's name; none for what is no data object of ours.
fn tag_of(name: &str) -> Option<Tag> {
    let mut fields = name.split('.').map(|field| u64::from_str_radix(field, 16).ok());
    match (fields.next()?, fields.next()?, fields.next()?, fields.next()) {
        (Some(instance), Some(seq), Some(_), None) => Some(Tag { instance, seq }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_their_run_and_runs_their_sizes() {
        let tag = Tag { instance: 0xab, seq: 12 };
        assert_eq!(tag_of(&names::data(tag, 3).name), Some(tag));
        for stranger in ["", "a", "a.b", "a.b.c.d", "x.y.z"] {
            assert_eq!(tag_of(stranger), None, "{stranger}");
        }
        let run = Run::new(tag, 25, 10);
        assert_eq!(sizes(&run).collect::<Vec<_>>(), [(0, 10), (1, 10), (2, 5)]);
    }
}
