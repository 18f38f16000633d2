//! Merges of shards: while others write and list, and when their driver dies at any step; checks that are cut short.

use super::*;
use gateway_client::memory::Fault;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stdx::{Errno, Rng};

fn roomy() -> StorageConfig {
    StorageConfig { split_keys: 20, ..tiny() }
}

async fn now(s: &Store) -> Bucket {
    (*s.bucket_get("bucket").await.unwrap().unwrap()).clone()
}

/// A bucket of several shards, most of whose keys went again.
async fn shrunk(s: &Store) -> Bucket {
    let b = user_and_bucket(s).await;
    for i in 0..60 {
        put(s, &b, &format!("{i:02}"), &vec![i as u8; 5 + i * 7]).await.unwrap();
        s.split_waiting().await;
    }
    assert!(chain(s, &b).await.len() >= 4);
    for i in 0..60 {
        if i % 10 != 3 {
            delete(s, &b, &format!("{i:02}")).await.unwrap();
        }
    }
    b
}

async fn is_whole(s: &Store, b: &Bucket, keys: impl Iterator<Item = usize>) {
    let want: BTreeMap<String, Vec<u8>> =
        keys.map(|i| (format!("{i:02}"), vec![i as u8; 5 + i * 7])).collect();
    assert_eq!(model::World::read(s, b).await.objects, want);
}

#[tokio::test]
async fn a_bucket_that_shrank_has_one_shard_again() {
    let r = cluster();
    let (s, stale) = (Storage::new(r.clone(), roomy()), Storage::new(r.clone(), roomy()));
    let b = shrunk(&s).await;
    let before = chain(&s, &b).await.len();
    is_whole(&stale, &b, (3..60).step_by(10)).await;
    // Those that lost their keys were offered while they did.
    for _ in 0..before {
        s.split_waiting().await;
    }
    assert!(chain(&s, &b).await.len() < before, "{} of {before} shards", chain(&s, &b).await.len());
    assert_eq!(s.bucket_reshard(&now(&s).await, 20, 1 << 20).await.unwrap(), 1);
    assert_eq!(chain(&s, &b).await.len(), 1);
    assert_eq!(s.bucket_stats(b.id).await.unwrap().usage.objects, 6);
    // Another gateway believes in the shards that were.
    is_whole(&stale, &b, (3..60).step_by(10)).await;
    put(&stale, &b, "55", &[55; 390]).await.unwrap();
    assert_eq!(get(&s, &b, "55").await.unwrap().unwrap(), [55; 390]);
    settle(&s, std::slice::from_ref(&b)).await;
    audit_data(&r);
    assert_eq!(objects(&r, 1).len(), 1, "the others' objects are gone");
    assert!(objects(&r, 0).get(names::MERGES).is_none_or(|o| o.omap.is_empty()));
    delete(&stale, &b, "55").await.unwrap();
    for i in (3..60).step_by(10) {
        delete(&stale, &b, &format!("{i:02}")).await.unwrap();
    }
    s.bucket_delete("bucket").await.unwrap();
}

#[tokio::test]
async fn writers_and_listers_never_notice_a_merge() {
    let r = cluster();
    let gateways: Vec<Store> = (0..2).map(|_| Storage::new(r.clone(), roomy())).collect();
    let b = user_and_bucket(&gateways[0]).await;
    for i in 0..30 {
        put(&gateways[0], &b, &format!("{i:02}-stays"), &[9; 30]).await.unwrap();
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for w in 0..3u64 {
        let (s, b) = (gateways[w as usize % 2].clone(), b.clone());
        writers.push(tokio::spawn(async move {
            let (mut rng, mut mine) = (Rng::new(w), BTreeMap::new());
            for i in 0..300u64 {
                let key = format!("{:02}-{w}-{}", rng.below(30), rng.below(10));
                if rng.chance(1, 2) {
                    delete(&s, &b, &key).await.unwrap();
                    mine.remove(&key);
                } else {
                    let data = vec![i as u8; [5, 40, 210][rng.below(3) as usize]];
                    put(&s, &b, &key, &data).await.unwrap();
                    mine.insert(key, data);
                }
            }
            mine
        }));
    }
    let mut helpers = Vec::new();
    for (n, s) in gateways.clone().into_iter().enumerate() {
        let (b, stop) = (b.clone(), stop.clone());
        helpers.push(tokio::spawn(async move {
            let mut listed = 0;
            while !stop.load(Ordering::Relaxed) {
                s.split_waiting().await;
                if n == 0 {
                    // The limits go up and down: everything splits, everything merges.
                    let keys = if listed % 2 == 0 { 4000 } else { 16 };
                    let _ = s.bucket_reshard(&now(&s).await, keys, 1 << 20).await;
                }
                let (mut stays, mut q) = (0, ListQuery { max: 9, ..ListQuery::default() });
                loop {
                    let page = s.list(&b, &q).await.unwrap();
                    stays += page.entries.iter().filter(|e| e.key.ends_with("-stays")).count();
                    q.after = page.next_after;
                    if !page.truncated {
                        break;
                    }
                }
                assert_eq!(stays, 30, "a listing missed a key that stood all the time");
                assert!(s.bucket_check(&b).await.unwrap().is_clean());
                listed += 1;
            }
            listed
        }));
    }
    let mut want: BTreeMap<String, Vec<u8>> =
        (0..30).map(|i| (format!("{i:02}-stays"), vec![9; 30])).collect();
    for w in writers {
        want.extend(w.await.unwrap());
    }
    stop.store(true, Ordering::Relaxed);
    for h in helpers {
        assert!(h.await.unwrap() > 1);
    }
    let s = &gateways[0];
    for keys in [4000, 16, 4000] {
        let shards = s.bucket_reshard(&now(s).await, keys, 1 << 20).await.unwrap();
        assert_eq!(shards > 1, keys == 16, "{shards} shards of at most {keys} keys");
        assert_eq!(model::World::read(s, &b).await.objects, want);
    }
    for _ in 0..2 {
        settle(s, std::slice::from_ref(&b)).await;
    }
    assert!(audit(&r).garbage.is_empty());
    audit_data(&r);
}

/// The driver dies at every operation of a merge in turn; the answer to its last one may be lost.
#[test]
fn a_merge_goes_on_wherever_its_driver_died() {
    let mut died = 0;
    for (at, lost, removed) in
        (0..34).flat_map(|at| [(at, false, false), (at, true, false), (at, true, true)])
    {
        let r = cluster();
        let b = gateway(async {
            let s = Storage::new(r.clone(), roomy());
            let b = user_and_bucket(&s).await;
            for i in 0..21 {
                put(&s, &b, &format!("{i:02}"), &vec![i as u8; 5 + i * 7]).await.unwrap();
            }
            s.split_waiting().await;
            let up = s.upload_create(&b, "19", ObjectAttrs::default(), None).await.unwrap();
            s.part_put(&b, "19", up, 1, &mut TestBody::new(vec![1; 130], 50)).await.unwrap();
            assert_eq!(chain(&s, &b).await.len(), 2);
            for i in 0..21 {
                if i % 4 != 1 {
                    delete(&s, &b, &format!("{i:02}")).await.unwrap();
                }
            }
            let b = now(&s).await;
            if lost {
                r.inject(at, 1, Fault::LoseReply(Errno::ETIMEDOUT));
            }
            r.inject(at + u64::from(lost), u64::MAX, Fault::Refuse(Errno::ETIMEDOUT));
            died += u64::from(s.bucket_reshard(&b, 20, 1 << 20).await.is_err());
            b
        });
        r.heal();
        gateway(async {
            let s = Storage::new(r.clone(), roomy());
            if removed {
                s.bucket_remove(&b).await.unwrap();
                for _ in 0..6 {
                    settle(&s, &[]).await;
                }
                let left: Vec<String> =
                    objects(&r, 1).into_keys().chain(objects(&r, 2).into_keys()).collect();
                assert!(left.is_empty(), "at {at}: left over: {left:?}");
                return;
            }
            // The bucket goes on serving, whatever state the merge is in.
            is_whole(&s, &b, (1..21).step_by(4)).await;
            for i in (1..21).step_by(4).rev() {
                put(&s, &b, &format!("{i:02}"), &vec![i as u8; 5 + i * 7]).await.unwrap();
            }
            put(&s, &b, "00", &[0; 5]).await.unwrap();
            delete(&s, &b, "00").await.unwrap();
            for _ in 0..2 {
                settle(&s, std::slice::from_ref(&b)).await;
            }
            assert_eq!(s.bucket_reshard(&now(&s).await, 20, 1 << 20).await.unwrap(), 1, "at {at}");
            is_whole(&s, &b, (1..21).step_by(4)).await;
            let uploads =
                s.upload_list(&b, &UploadQuery { max: 10, ..UploadQuery::default() }).await.unwrap();
            assert_eq!(uploads.uploads.len(), 1);
            for _ in 0..2 {
                settle(&s, std::slice::from_ref(&b)).await;
            }
            audit_data(&r);
            assert_eq!(objects(&r, 1).len(), 1, "at {at}");
        });
    }
    assert!(died > 30, "only {died} operations of a merge were cut");
}

#[test]
fn a_check_that_was_cut_short_goes_on_where_it_stood() {
    let r = cluster();
    let b = gateway(async {
        let s = Storage::new(r.clone(), roomy());
        let b = user_and_bucket(&s).await;
        for i in 0..60 {
            put(&s, &b, &format!("{i:02}"), &[1; 250]).await.unwrap();
            s.split_waiting().await;
        }
        b
    });
    let (mut rounds, mut resume) = (0, false);
    let report = loop {
        let done = gateway(async {
            let s = Storage::new(r.clone(), roomy());
            // Dies in the middle of it, again and again.
            r.inject(75, u64::MAX, Fault::Refuse(Errno::ETIMEDOUT));
            let done = s.bucket_check_noted(&b, resume, Duration::ZERO).await;
            r.heal();
            done
        });
        (rounds, resume) = (rounds + 1, true);
        match done {
            Ok(report) => break report,
            Err(e) => assert!(rounds < 20, "no progress: {e}"),
        }
    };
    assert!(rounds > 2, "{rounds}");
    assert_eq!((report.objects, report.data_objects, report.is_clean()), (60, 180, true));
    gateway(async {
        let s = Storage::new(r.clone(), roomy());
        let report = s.bucket_check_noted(&b, true, Duration::ZERO).await.unwrap();
        assert_eq!(report.objects, 60, "nothing is noted of a check that ended");
        // Shards that merged since are walked through anew: nothing is left out.
        r.inject(75, u64::MAX, Fault::Refuse(Errno::ETIMEDOUT));
        assert!(s.bucket_check_noted(&b, false, Duration::ZERO).await.is_err());
        r.heal();
        assert_eq!(s.bucket_reshard(&b, 400, 1 << 20).await.unwrap(), 1);
        let report = s.bucket_check_noted(&b, true, Duration::ZERO).await.unwrap();
        assert!(report.objects >= 60 && report.is_clean());
    });
}
