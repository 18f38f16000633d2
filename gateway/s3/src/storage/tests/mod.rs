//! Storage over a cluster in memory: helpers, and tests by subject.

mod basics;
mod checks;
mod classes;
mod condemned;
mod crashes;
mod disconnects;
mod keys;
mod large;
mod memory;
mod merges;
mod model;
mod splits;
mod versions;

use super::*;
use crate::error::{Code, S3Error};
use bytes::Bytes;
use futures_util::StreamExt;
use gateway_client::memory::MemoryRados;
use md5::{Digest, Md5};
use osd_class::index::{Detail, ObjectRow, Part, ShardStat, Tag};
use osd_object::model::ModelObject;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use stdx::codec::from_bytes;

pub(super) const POOLS: [&str; 3] = ["s3.meta", "s3.index", "s3.data"];

/// Everything tiny, so that a few operations meet every case.
pub(super) fn tiny() -> StorageConfig {
    StorageConfig {
        inline_bytes_max: 16,
        object_bytes: 100,
        part_bytes_min: 1,
        split_keys: 6,
        split_bytes: 1 << 20,
        split_patience: Duration::from_millis(10),
        gc_delay: Duration::ZERO,
        lease_expire: Duration::ZERO,
        gc_objects_per_second: 1_000_000,
        cache_ttl: Duration::ZERO,
        ..StorageConfig::default()
    }
}

pub(super) type Store = Storage<MemoryRados>;

pub(super) fn cluster() -> MemoryRados {
    MemoryRados::new(&POOLS)
}

/// A body of given bytes in chunks; or one that fails at its end.
pub(super) struct TestBody {
    chunks: Vec<Bytes>,
    whole: Bytes,
    at: usize,
    fails: bool,
}

impl TestBody {
    pub(super) fn new(data: impl Into<Bytes>, chunk: usize) -> TestBody {
        let whole: Bytes = data.into();
        let chunks = whole.chunks(chunk.max(1)).map(Bytes::copy_from_slice).collect();
        TestBody { chunks, whole, at: 0, fails: false }
    }
    pub(super) fn failing(data: impl Into<Bytes>, chunk: usize) -> TestBody {
        TestBody { fails: true, ..TestBody::new(data, chunk) }
    }
}

impl Body for TestBody {
    async fn next(&mut self) -> Result<Option<Bytes>, S3Error> {
        tokio::task::yield_now().await;
        self.at += 1;
        Ok(self.chunks.get(self.at - 1).cloned())
    }
    async fn finish(&mut self) -> Result<BodySummary, S3Error> {
        tokio::task::yield_now().await;
        if self.fails {
            return Err(S3Error::new(Code::BadDigest));
        }
        let length = self.whole.len() as u64;
        Ok(BodySummary { md5: md5(&self.whole), length, checksum: None })
    }
    fn length_hint(&self) -> Option<u64> {
        Some(self.whole.len() as u64)
    }
}

pub(super) fn md5(data: &[u8]) -> [u8; 16] {
    Md5::digest(data).into()
}

pub(super) async fn put(s: &Store, b: &Bucket, key: &str, data: &[u8]) -> Result<PutDone, S3Error> {
    let mut body = TestBody::new(data.to_vec(), 37);
    s.put(b, key, ObjectAttrs::default(), Conditions::default(), &mut body).await
}

pub(super) async fn delete(s: &Store, b: &Bucket, key: &str) -> Result<bool, S3Error> {
    Ok(s.delete(b, &Deletion { key: key.into(), ..Deletion::default() }).await?.existed)
}

pub(super) async fn collect(mut stream: ByteStream) -> Result<Vec<u8>, S3Error> {
    let mut out = Vec::new();
    while let Some(piece) = stream.next().await {
        out.extend_from_slice(&piece?);
    }
    Ok(out)
}

pub(super) async fn get(s: &Store, b: &Bucket, key: &str) -> Result<Option<Vec<u8>>, S3Error> {
    match s.entry(b, key).await? {
        Some(e) => Ok(Some(collect(s.read(&e, 0, e.size)).await?)),
        None => Ok(None),
    }
}

pub(super) async fn bucket(s: &Store, name: &str) -> Bucket {
    match s.bucket_create("owner", name).await.unwrap() {
        BucketCreated::Created(b) | BucketCreated::AlreadyYours(b) => b,
    }
}

pub(super) async fn user_and_bucket(s: &Store) -> Bucket {
    if s.user_get("owner").await.unwrap().is_none() {
        s.user_create("owner", "Owner", None).await.unwrap();
    }
    bucket(s, "bucket").await
}

/// Objects of one pool, by name. (Pools have the ids 1, 2, 3 in the order of `POOLS`.)
pub(super) fn objects(r: &MemoryRados, pool: usize) -> BTreeMap<String, ModelObject> {
    let model = r.snapshot();
    let of_pool = model.objects.into_iter().filter(|(id, _)| id.pool.0 == pool as u64 + 1);
    of_pool.map(|(id, o)| (id.name.name, o)).collect()
}

/// What the index refers to.
#[derive(Default, Debug)]
pub(super) struct References {
    /// Data objects of objects and parts.
    pub(super) live: BTreeSet<String>,
    /// Runs queued as garbage.
    pub(super) garbage: BTreeSet<(u64, u64)>,
}

fn names_of(part: &Part) -> impl Iterator<Item = String> {
    let part = part.clone();
    (0..part.size.div_ceil(u64::from(part.object_bytes))).map(move |n| names::data(part.tag, n).name)
}

/// Reads every shard's rows, checks its counters against them, and gives what they refer to. Rows that a
/// shard keeps of a range that it gave up do not count.
pub(super) fn audit(r: &MemoryRados) -> References {
    let mut refs = References::default();
    for (name, shard) in objects(r, 1) {
        let header: osd_class::index::Header = from_bytes(shard.omap[&b"h"[..]].clone()).unwrap();
        assert!(header.splitting.is_none(), "{name} is still splitting");
        let counters: osd_class::index::Counters =
            shard.omap.get(&b"c"[..]).map(|v| from_bytes(v.clone()).unwrap()).unwrap_or_default();
        let (mut keys, mut versions, mut uploads, mut garbage, mut bytes, mut sizes) = (0, 0, 0, 0, 0u64, 0);
        for (row, value) in &shard.omap {
            match row[0] {
                b'k' | b'v' => {
                    *(if row[0] == b'k' { &mut keys } else { &mut versions }) += 1;
                    let row: ObjectRow = from_bytes(value.clone()).unwrap();
                    sizes += row.head.size;
                    refs.live.extend(row.detail.iter().flat_map(|d| &d.runs).flat_map(names_of));
                }
                b'm' => {
                    let detail: Detail = from_bytes(value.clone()).unwrap();
                    refs.live.extend(detail.runs.iter().flat_map(names_of));
                }
                b'p' => refs.live.extend(names_of(&from_bytes(value.clone()).unwrap())),
                b'u' => uploads += 1,
                b'g' => {
                    garbage += 1;
                    let n = |at: usize| u64::from_be_bytes(row[at..at + 8].try_into().unwrap());
                    refs.garbage.insert((n(row.len() - 16), n(row.len() - 8)));
                }
                b'a' | b'b' | b'd' | b's' => panic!("{name} has rows of a split or merge that is over"),
                _ => {}
            }
            if b"kmiupvn".contains(&row[0]) {
                bytes += (row.len() + value.len()) as u64;
            }
        }
        let told =
            (counters.keys, counters.uploads, counters.garbage, counters.row_bytes, counters.object_bytes);
        assert_eq!(told, (keys, uploads, garbage, bytes, sizes), "counters of shard {name}");
        assert_eq!(counters.versions, versions, "versions of shard {name}");
    }
    refs
}

/// Checks that no data object is lost, and none leaked: each is referred to, or queued as garbage.
pub(super) fn audit_data(r: &MemoryRados) {
    let refs = audit(r);
    let data: BTreeSet<String> = objects(r, 2).into_keys().collect();
    let lost: Vec<_> = refs.live.difference(&data).collect();
    assert!(lost.is_empty(), "lost data objects: {lost:?}");
    for name in data.difference(&refs.live) {
        let mut fields = name.split('.').map(|f| u64::from_str_radix(f, 16).unwrap());
        let tag = Tag { instance: fields.next().unwrap(), seq: fields.next().unwrap() };
        assert!(refs.garbage.contains(&(tag.instance, tag.seq)), "leaked data object {name}");
    }
}

/// The shards of a bucket in order, checked to cover all keys once.
pub(super) async fn chain(s: &Store, b: &Bucket) -> Vec<ShardStat> {
    let mut out: Vec<ShardStat> = Vec::new();
    let mut next = Some(0);
    while let Some(id) = next {
        let stat: ShardStat = s.call_shard(b.id, id, "stat", Bytes::new()).await.unwrap();
        let begins = out.last().map_or(Some(Bytes::new()), |left| left.header.to.clone());
        assert_eq!(begins.as_ref(), Some(&stat.header.from), "the chain has a gap");
        next = stat.header.right;
        out.push(stat);
    }
    assert_eq!(out.last().and_then(|s| s.header.to.clone()), None);
    out
}

/// Everything that needs time passes: dead gateways are swept, splits finished, garbage freed.
pub(super) async fn settle(s: &Store, buckets: &[Bucket]) {
    for _ in 0..4 {
        s.sweep().await.unwrap();
    }
    for b in buckets {
        let mut next = Some(0);
        while let Some(id) = next {
            let stat: Result<ShardStat, _> = s.call_shard(b.id, id, "stat", Bytes::new()).await;
            let Ok(stat) = stat else { break };
            if stat.split.is_some() {
                s.drive_split(b.id, id, u64::MAX, u64::MAX).await;
            }
            next = stat.header.right;
        }
    }
    s.collect_garbage().await.unwrap();
}

/// A gateway with a runtime of its own: dropping it is kill -9.
pub(super) fn gateway<T>(run: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(run)
}
