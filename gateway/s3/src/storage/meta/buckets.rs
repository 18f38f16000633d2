//! Bucket records: one object per name, made exclusively, changed only by compare-and-set; and the list of
//! each user's buckets.
//!
//! Making: record (Making) -> shard 0 -> the owner's list -> record (Ready). Whoever meets a record that is
//! not ready carries the making (or the deletion) on.

use super::CACHE_MAX;
use crate::error::{Code, S3Error};
use crate::storage::Storage;
use crate::storage::index::FIRST_GENERATION;
use crate::storage::names;
use crate::storage::types::{Bucket, BucketCreated, BucketId, split_name};
use bytes::Bytes;
use gateway_client::{OpError, Rados};
use osd_class::index::{Done, Header, Init, State};
use osd_object::Op;
use osd_object::op::Compare;
use osd_object::view::OmapRange;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use stdx::Errno;
use stdx::codec::{from_bytes, to_bytes};
use stdx::time::WallTime;

/// A deletion that does not get on for so many waits ...
const DELETION_WAITS: usize = 25;
/// ... of this length is taken over.
const DELETION_WAIT: Duration = Duration::from_millis(20);

/// How often a change of a record is tried against others'.
const CHANGES_MAX: usize = 50;

/// How far a bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Being made.
    Making,
    /// In use.
    Ready,
    /// Being deleted, by the attempt of that token.
    Deleting { token: u64 },
    /// Being deleted with all that is in it: there is no way back.
    Condemned { token: u64 },
}
stdx::codec_enum!(Phase { 0 => Making, 1 => Ready, 2 => Deleting { token }, 3 => Condemned { token } });

/// The data of a bucket's record.
#[derive(Clone)]
pub(super) struct Record {
    pub(super) id: u64,
    pub(super) owner: String,
    pub(super) created: WallTime,
    pub(super) split_keys: u64,
    pub(super) split_bytes: u64,
    pub(super) settings: BTreeMap<String, Bytes>,
    pub(super) phase: Phase,
}
stdx::codec_versioned!(Record, 1 { id, owner, created, split_keys, split_bytes, settings, phase });

/// A row of a user's list.
pub(super) struct ListRow {
    pub(super) id: u64,
    pub(super) created: WallTime,
}
stdx::codec_versioned!(ListRow, 1 { id, created });

/// Records answered from memory for a while; also that there is none.
#[derive(Default)]
pub(crate) struct BucketCache {
    buckets: Mutex<HashMap<String, (Instant, Option<Arc<Bucket>>)>>,
}

impl Record {
    fn bucket(&self, name: &str, version: u64) -> Bucket {
        let (tenant, name) = split_name(name);
        Bucket {
            tenant: tenant.to_string(),
            name: name.to_string(),
            id: BucketId(self.id),
            owner: self.owner.clone(),
            created: self.created,
            generation: version,
            split_keys: self.split_keys,
            split_bytes: self.split_bytes,
            settings: self.settings.clone(),
        }
    }
}

impl<R: Rados> Storage<R> {
    /// A bucket's record and its version.
    pub(super) async fn record(&self, name: &str) -> Result<Option<(Record, u64)>, S3Error> {
        let pool = &self.inner.config.meta_pool;
        let ops = vec![Op::Read { offset: 0, len: 0 }];
        match self.inner.rados.operate(pool, names::bucket_record(name), ops).await {
            Ok(reply) => {
                let version = reply.version.seq;
                let record = from_bytes(reply.data(0)?)
                    .map_err(|e| S3Error::internal(format!("record of bucket {name}: {e}")))?;
                Ok(Some((record, version)))
            }
            Err(e) if e.code == Errno::ENOENT && e.step.is_some() => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Replaces a record that is still of that version; its new version, or none if it changed meanwhile.
    pub(super) async fn change_record(
        &self,
        name: &str,
        version: u64,
        record: &Record,
    ) -> Result<Option<u64>, S3Error> {
        let ops = vec![Op::AssertVersion { seq: version }, Op::WriteFull { data: to_bytes(record) }];
        let pool = &self.inner.config.meta_pool;
        let done = self.inner.rados.operate(pool, names::bucket_record(name), ops).await;
        self.forget_bucket_name(name);
        match done {
            Ok(reply) => Ok(Some(reply.version.seq)),
            Err(e) if matches!(e.code, Errno::ERANGE | Errno::ENOENT) && e.step.is_some() => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Makes a bucket by its full name. `BucketAlreadyExists` if another user owns it. The name must be valid.
    pub async fn bucket_create(&self, owner: &str, name: &str) -> Result<BucketCreated, S3Error> {
        let c = &self.inner.config;
        let record = Record {
            id: names::random_id()?,
            owner: owner.to_string(),
            created: self.inner.rados.now(),
            split_keys: c.split_keys,
            split_bytes: c.split_bytes,
            settings: BTreeMap::new(),
            phase: Phase::Making,
        };
        let ops = vec![Op::Create { exclusive: true }, Op::WriteFull { data: to_bytes(&record) }];
        self.forget_bucket_name(name);
        match self.inner.rados.operate(&c.meta_pool, names::bucket_record(name), ops).await {
            Ok(reply) => match self.carry_on(name, record, reply.version.seq).await? {
                Some(bucket) => Ok(BucketCreated::Created(bucket)),
                None => Err(S3Error::new(Code::OperationAborted)),
            },
            Err(e) if e.code == Errno::EEXIST => match self.settled(name).await? {
                Some(bucket) if bucket.owner == owner => Ok(BucketCreated::AlreadyYours(bucket)),
                Some(_) => Err(S3Error::new(Code::BucketAlreadyExists)),
                None => Err(S3Error::new(Code::OperationAborted)),
            },
            Err(e) => Err(e.into()),
        }
    }

    /// The bucket of a record, after what was begun with it is carried on. None if there is none (any more).
    pub(crate) async fn settled(&self, name: &str) -> Result<Option<Bucket>, S3Error> {
        match self.record(name).await? {
            Some((record, version)) => self.carry_on(name, record, version).await,
            None => Ok(None),
        }
    }

    async fn carry_on(
        &self,
        name: &str,
        mut record: Record,
        version: u64,
    ) -> Result<Option<Bucket>, S3Error> {
        match record.phase {
            Phase::Ready => Ok(Some(record.bucket(name, version))),
            Phase::Deleting { .. } | Phase::Condemned { .. } => {
                // Most likely somebody is at it: their attempt is not disturbed while it gets on.
                for _ in 0..DELETION_WAITS {
                    tokio::time::sleep(DELETION_WAIT).await;
                    match self.record(name).await? {
                        None => return Ok(None),
                        Some((r, now)) if r.phase == Phase::Ready => return Ok(Some(r.bucket(name, now))),
                        Some((_, now)) if now != version => return Err(S3Error::new(Code::OperationAborted)),
                        Some(_) => {}
                    }
                }
                match self.delete_on(name, record, version).await {
                    Ok(()) => Ok(None),
                    Err(e) if e.code() == Code::BucketNotEmpty => match self.record(name).await? {
                        Some((r, now)) if r.phase == Phase::Ready => Ok(Some(r.bucket(name, now))),
                        _ => Err(S3Error::new(Code::OperationAborted)),
                    },
                    Err(e) => Err(e),
                }
            }
            Phase::Making => {
                self.make_shard(BucketId(record.id)).await?;
                let row = ListRow { id: record.id, created: record.created };
                let rows = vec![(Bytes::copy_from_slice(name.as_bytes()), to_bytes(&row))];
                let pool = &self.inner.config.meta_pool;
                let list = names::bucket_list(&record.owner);
                self.inner.rados.operate(pool, list, vec![Op::OmapSet { rows }]).await?;
                record.phase = Phase::Ready;
                match self.change_record(name, version, &record).await? {
                    Some(version) => Ok(Some(record.bucket(name, version))),
                    // Another gateway did it.
                    None => match self.record(name).await? {
                        Some((r, version)) if r.phase == Phase::Ready => Ok(Some(r.bucket(name, version))),
                        _ => Err(S3Error::new(Code::OperationAborted)),
                    },
                }
            }
        }
    }

    /// The first shard: it serves all keys.
    async fn make_shard(&self, bucket: BucketId) -> Result<(), OpError> {
        let header = Header {
            bucket: bucket.0,
            shard: 0,
            from: Bytes::new(),
            to: None,
            right: None,
            generation: FIRST_GENERATION,
            state: State::Active,
            splitting: None,
        };
        let _: Done = self.call_shard(bucket, 0, "init", to_bytes(&Init { header })).await?;
        Ok(())
    }

    /// A bucket by its full name, from memory for a few seconds.
    pub async fn bucket_get(&self, name: &str) -> Result<Option<Arc<Bucket>>, S3Error> {
        let ttl = self.inner.config.cache_ttl;
        let lock = || self.inner.buckets.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, found)) = lock().get(name)
            && at.elapsed() < ttl
        {
            return Ok(found.clone());
        }
        let found = self.settled(name).await?.map(Arc::new);
        let mut cache = lock();
        if cache.len() >= CACHE_MAX {
            cache.clear();
        }
        cache.insert(name.to_string(), (Instant::now(), found.clone()));
        Ok(found)
    }

    pub(crate) fn forget_bucket_name(&self, name: &str) {
        self.inner.buckets.buckets.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Forgets what is remembered of a bucket that turned out to be gone.
    pub(crate) fn forget_bucket(&self, id: BucketId) {
        self.map().forget(id);
        let mut cache = self.inner.buckets.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        cache.retain(|_, (_, b)| b.as_ref().is_none_or(|b| b.id != id));
    }

    /// Changes a bucket's settings if its record is still of `bucket.generation`. `OperationAborted` if not:
    /// read it again.
    pub async fn bucket_set(&self, bucket: &Bucket) -> Result<Bucket, S3Error> {
        let record = Record {
            id: bucket.id.0,
            owner: bucket.owner.clone(),
            created: bucket.created,
            split_keys: bucket.split_keys,
            split_bytes: bucket.split_bytes,
            settings: bucket.settings.clone(),
            phase: Phase::Ready,
        };
        let name = bucket.full_name();
        match self.change_record(&name, bucket.generation, &record).await? {
            Some(version) => Ok(record.bucket(&name, version)),
            None => Err(S3Error::new(Code::OperationAborted)),
        }
    }

    /// Changes a bucket's settings, as often as it takes if others change them too. `NoSuchBucket`, what `change`
    /// refuses.
    pub async fn bucket_change(
        &self,
        bucket: &Bucket,
        change: impl Fn(&mut Bucket) -> Result<(), S3Error>,
    ) -> Result<Bucket, S3Error> {
        let name = bucket.full_name();
        for _ in 0..CHANGES_MAX {
            let now = self.settled(&name).await?.filter(|b| b.id == bucket.id);
            let mut now = now.ok_or_else(|| S3Error::new(Code::NoSuchBucket))?;
            change(&mut now)?;
            match self.bucket_set(&now).await {
                Err(e) if e.code() == Code::OperationAborted => {}
                done => return done,
            }
        }
        Err(S3Error::new(Code::OperationAborted))
    }

    /// A user's buckets by full name behind `after`, at most `max`. Split limits and settings are not filled in:
    /// `bucket_get` has them.
    pub async fn bucket_list(
        &self,
        owner: &str,
        after: Option<&str>,
        max: usize,
    ) -> Result<Vec<Bucket>, S3Error> {
        let start = match after {
            Some(after) => Bound::Excluded(Bytes::copy_from_slice(after.as_bytes())),
            None => Bound::Unbounded,
        };
        let range = OmapRange { start, ..OmapRange::all() };
        let pool = &self.inner.config.meta_pool;
        let rows = self.omap_rows_in(pool, names::bucket_list(owner), range, max).await?;
        let mut out = Vec::with_capacity(rows.len());
        for (key, value) in rows {
            let row: ListRow = from_bytes(value)
                .map_err(|e| S3Error::internal(format!("list of the buckets of {owner}: {e}")))?;
            let full = String::from_utf8_lossy(&key);
            let (tenant, name) = split_name(&full);
            out.push(Bucket {
                tenant: tenant.to_string(),
                name: name.to_string(),
                id: BucketId(row.id),
                owner: owner.to_string(),
                created: row.created,
                generation: 0,
                split_keys: self.inner.config.split_keys,
                split_bytes: self.inner.config.split_bytes,
                settings: BTreeMap::new(),
            });
        }
        Ok(out)
    }

    pub(crate) async fn bucket_ids(&self, owner: &str) -> Result<Vec<(String, BucketId)>, S3Error> {
        let all = self.bucket_list(owner, None, usize::MAX).await?;
        Ok(all.into_iter().map(|b| (b.full_name(), b.id)).collect())
    }

    /// Takes a bucket off its owner's list, if the row is of that bucket.
    pub(super) async fn unlist(
        &self,
        name: &str,
        owner: &str,
        id: u64,
        created: WallTime,
    ) -> Result<(), S3Error> {
        let key = Bytes::copy_from_slice(name.as_bytes());
        let value = to_bytes(&ListRow { id, created });
        let ops = vec![
            Op::CmpOmap { key: key.clone(), compare: Compare::Eq, value },
            Op::OmapRm { keys: vec![key] },
        ];
        let pool = &self.inner.config.meta_pool;
        match self.inner.rados.operate(pool, names::bucket_list(owner), ops).await {
            Ok(_) => Ok(()),
            Err(e) if matches!(e.code, Errno::ECANCELED | Errno::ENOENT) && e.step.is_some() => Ok(()),
            Err(e) => Err(e.into()),
        }
    }
}
