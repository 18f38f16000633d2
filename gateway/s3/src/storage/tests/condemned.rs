//! Buckets that are removed with all that is in them: at once, and whatever dies on the way nothing is lost or leaks.

use super::*;
use gateway_client::memory::Fault;
use stdx::Errno;

fn data(n: usize) -> Vec<u8> {
    vec![n as u8; 5 + n * 23]
}

/// Objects in their rows and beside them, an upload under way, and more than one shard.
async fn filled(s: &Store) -> Bucket {
    let b = user_and_bucket(s).await;
    for n in 0..15 {
        put(s, &b, &format!("{n:02}"), &data(n)).await.unwrap();
        s.split_waiting().await;
    }
    let up = s.upload_create(&b, "05", ObjectAttrs::default(), None).await.unwrap();
    s.part_put(&b, "05", up, 1, &mut TestBody::new(vec![1; 130], 50)).await.unwrap();
    assert!(chain(s, &b).await.len() > 1);
    b
}

/// Nothing of any bucket is left.
fn nothing_left(r: &MemoryRados) {
    let left: Vec<String> = objects(r, 1).into_keys().chain(objects(r, 2).into_keys()).collect();
    assert!(left.is_empty(), "left over: {left:?}");
}

#[tokio::test]
async fn it_is_gone_at_once_and_its_name_is_free() {
    let r = cluster();
    let s = Storage::new(r.clone(), tiny());
    let b = filled(&s).await;
    let other = Storage::new(r.clone(), tiny());
    assert!(get(&other, &b, "07").await.unwrap().is_some());
    let before = r.operations();
    s.bucket_remove(&b).await.unwrap();
    let used = r.operations() - before;
    assert!(used < 10 + 3 * 15, "{used} operations: as many as it has shards, not objects");
    assert!(s.bucket_get("bucket").await.unwrap().is_none());
    assert_eq!(put(&other, &b, "07", b"late").await.unwrap_err().code(), Code::NoSuchBucket);
    let again = bucket(&s, "bucket").await;
    assert!(again.id != b.id && get(&s, &again, "07").await.unwrap().is_none());
    put(&s, &again, "07", &data(12)).await.unwrap();
    for _ in 0..3 {
        settle(&s, std::slice::from_ref(&again)).await;
    }
    audit_data(&r);
    assert_eq!(objects(&r, 1).len(), 1, "the new bucket's shard");
    assert_eq!(get(&s, &again, "07").await.unwrap(), Some(data(12)));
    s.bucket_remove(&again).await.unwrap();
    for _ in 0..3 {
        settle(&s, &[]).await;
    }
    nothing_left(&r);
}

#[tokio::test]
async fn all_shards_are_emptied_though_their_garbage_is_kept() {
    let r = cluster();
    let s = Storage::new(r.clone(), StorageConfig { gc_delay: Duration::from_secs(3600), ..tiny() });
    let b = filled(&s).await;
    let shards = chain(&s, &b).await.len();
    let beside = objects(&r, 2).len();
    s.bucket_remove(&b).await.unwrap();
    s.collect_garbage().await.unwrap();
    let left = objects(&r, 1);
    assert_eq!(left.len(), shards, "each still keeps garbage");
    for (name, shard) in left {
        let kept: Vec<u8> = shard.omap.keys().map(|row| row[0]).filter(|s| b"kmivnup".contains(s)).collect();
        assert!(kept.is_empty(), "{name} has rows {kept:?}");
    }
    audit_data(&r);
    assert!(objects(&r, 2).len() + 3 >= beside, "only the upload's data is freed at once");
}

/// Whoever removes it dies at every operation in turn; the answer to its last one may be lost.
#[test]
fn either_all_of_it_stays_or_all_of_it_goes() {
    // Side by side, for whoever takes a deletion over waits first whether it gets on.
    let stayed: Vec<bool> = std::thread::scope(|scope| {
        let cases = (0..20).flat_map(|at| [(at, false), (at, true)]);
        let runs: Vec<_> = cases.map(|(at, lost)| scope.spawn(move || removed_until(at, lost))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let stayed = stayed.iter().filter(|s| **s).count();
    assert!(stayed > 1 && stayed < 10, "{stayed} of 40 stayed");
}

/// Whether the bucket was still there.
fn removed_until(at: u64, lost: bool) -> bool {
    let r = cluster();
    let b = gateway(async {
        let s = Storage::new(r.clone(), tiny());
        let b = filled(&s).await;
        if lost {
            r.inject(at, 1, Fault::LoseReply(Errno::ETIMEDOUT));
        }
        r.inject(at + u64::from(lost), u64::MAX, Fault::Refuse(Errno::ETIMEDOUT));
        let _ = s.bucket_remove(&b).await;
        b
    });
    r.heal();
    gateway(async {
        let s = Storage::new(r.clone(), tiny());
        // A collector may meet it first, or a client.
        if at % 2 == 0 {
            settle(&s, &[]).await;
        }
        let found = s.bucket_get("bucket").await.unwrap();
        if let Some(found) = &found {
            assert_eq!(found.id, b.id);
            for n in 0..15 {
                let got = get(&s, &b, &format!("{n:02}")).await.unwrap();
                assert_eq!(got, Some(data(n)), "at {at}: key {n}");
            }
            s.bucket_remove(&b).await.unwrap();
        }
        for _ in 0..4 {
            settle(&s, &[]).await;
        }
        nothing_left(&r);
        found.is_some()
    })
}

/// The collector dies at every operation in turn.
#[test]
fn emptying_goes_on_wherever_its_collector_died() {
    for at in 0..40 {
        let r = cluster();
        gateway(async {
            let s = Storage::new(r.clone(), tiny());
            let b = filled(&s).await;
            s.bucket_remove(&b).await.unwrap();
            r.inject(at, u64::MAX, Fault::Refuse(Errno::ETIMEDOUT));
            let _ = s.collect_garbage().await;
        });
        r.heal();
        gateway(async {
            let s = Storage::new(r.clone(), tiny());
            for _ in 0..4 {
                settle(&s, &[]).await;
            }
            nothing_left(&r);
        });
    }
}

#[tokio::test]
async fn a_deletion_that_was_overtaken_and_refused_leaves_the_bucket_alone() {
    let r = cluster();
    let (slow, quick) = (Storage::new(r.clone(), tiny()), Storage::new(r.clone(), tiny()));
    let b = user_and_bucket(&slow).await;
    for n in 0..15 {
        put(&slow, &b, &format!("{n:02}"), &data(n)).await.unwrap();
        slow.split_waiting().await;
    }
    for n in 0..14 {
        delete(&slow, &b, &format!("{n:02}")).await.unwrap();
    }
    let last = chain(&slow, &b).await.pop().unwrap().header.shard;
    assert!(last > 0);
    // It stands still before the last shard, which has an object ...
    let mut held = r.hold(&names::shard(b.id, last).name, 0);
    let deleting = tokio::spawn(async move { slow.bucket_delete("bucket").await });
    held.arrived().await;
    // ... that another one finds, and that goes after that.
    let found = quick.bucket_delete("bucket").await.unwrap_err();
    assert_eq!(found.code(), Code::BucketNotEmpty);
    assert!(delete(&quick, &b, "14").await.unwrap());
    drop(held);
    assert_eq!(deleting.await.unwrap().unwrap_err().code(), Code::OperationAborted);
    for n in [0, 14] {
        put(&quick, &b, &format!("{n:02}"), &data(n)).await.unwrap();
    }
    settle(&quick, std::slice::from_ref(&b)).await;
    for n in [0, 14] {
        assert_eq!(get(&quick, &b, &format!("{n:02}")).await.unwrap(), Some(data(n)), "{n}");
    }
    audit_data(&r);
}
