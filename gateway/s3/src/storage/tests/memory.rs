//! Memory: transfers together hold no more than the budget, however many there are and however slow storage
//! or clients may be.

use super::*;
use gateway_client::{ListCursor, ListPage, OpError, Rados, Reply};
use osd_object::{ObjectName, Op};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use stdx::time::WallTime;

/// A cluster whose data pool swallows what is written and reads as zeros, slowly, and counts what it holds.
#[derive(Clone)]
struct Slow {
    inner: MemoryRados,
    held: Arc<AtomicU64>,
    most: Arc<AtomicU64>,
}

impl Rados for Slow {
    async fn operate(&self, pool: &str, object: ObjectName, ops: Vec<Op>) -> Result<Reply, OpError> {
        if pool != "s3.data" {
            return self.inner.operate(pool, object, ops).await;
        }
        let bytes: u64 = ops
            .iter()
            .map(|op| match op {
                Op::Write { data, .. } => data.len() as u64,
                Op::Read { len, .. } => *len,
                _ => 0,
            })
            .sum();
        let now = self.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.most.fetch_max(now, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.held.fetch_sub(bytes, Ordering::Relaxed);
        let results = ops
            .iter()
            .map(|op| match op {
                Op::Read { len, .. } => osd_object::OpResult::Data(Bytes::from(vec![0; *len as usize])),
                _ => osd_object::OpResult::Done,
            })
            .collect();
        Ok(Reply { version: osd_object::Version::ZERO, results })
    }
    async fn list(&self, pool: &str, after: Option<ListCursor>, max: u32) -> Result<ListPage, OpError> {
        self.inner.list(pool, after, max).await
    }
    fn now(&self) -> WallTime {
        self.inner.now()
    }
}

/// Zeros without end, in chunks as a socket gives them.
struct Zeros {
    left: u64,
    chunk: Bytes,
}
impl Body for Zeros {
    async fn next(&mut self) -> Result<Option<Bytes>, S3Error> {
        tokio::task::yield_now().await;
        let n = self.left.min(self.chunk.len() as u64);
        self.left -= n;
        Ok((n > 0).then(|| self.chunk.slice(..n as usize)))
    }
    async fn finish(&mut self) -> Result<BodySummary, S3Error> {
        Ok(BodySummary { md5: [0; 16], length: SIZE, checksum: None })
    }
    fn length_hint(&self) -> Option<u64> {
        Some(SIZE)
    }
}

const SIZE: u64 = 10 << 20;
const BUDGET: u64 = 12 << 20;

#[tokio::test]
async fn sixty_four_transfers_stay_within_the_budget() {
    let r = Slow { inner: cluster(), held: Arc::default(), most: Arc::default() };
    let config = StorageConfig { buffer_bytes: BUDGET as usize, ..StorageConfig::default() };
    let s = Storage::new(r.clone(), config);
    let b = match s.bucket_create("owner", "bucket").await.unwrap() {
        BucketCreated::Created(b) | BucketCreated::AlreadyYours(b) => b,
    };
    let chunk = Bytes::from(vec![0; 50_000]);
    let put = |i: usize| {
        let (s, b, chunk) = (s.clone(), b.clone(), chunk.clone());
        async move {
            let mut body = Zeros { left: SIZE, chunk };
            s.put(&b, &format!("k{i}"), ObjectAttrs::default(), Conditions::default(), &mut body).await
        }
    };
    let puts: Vec<_> = (0..32).map(|i| tokio::spawn(put(i))).collect();
    for p in puts {
        p.await.unwrap().unwrap();
    }
    // Readers that never come for their second piece hold back nobody else.
    let mut stuck = Vec::new();
    for i in 0..16 {
        let e = s.entry(&b, &format!("k{i}")).await.unwrap().unwrap();
        let mut stream = s.read(&e, 0, e.size);
        stream.next().await.unwrap().unwrap();
        stuck.push(stream);
    }
    let both: Vec<_> = (0..32)
        .map(|i| {
            let (s, b, put) = (s.clone(), b.clone(), put(100 + i));
            tokio::spawn(async move {
                let e = s.entry(&b, &format!("k{i}")).await.unwrap().unwrap();
                let (read, put) = tokio::join!(collect(s.read(&e, 0, e.size)), put);
                assert_eq!(read.unwrap().len() as u64, SIZE);
                put.unwrap();
            })
        })
        .collect();
    for t in both {
        t.await.unwrap();
    }
    drop(stuck);
    let most = r.most.load(Ordering::Relaxed);
    assert!(most > BUDGET / 4 && most <= BUDGET, "{most} bytes were under way at once");
}
