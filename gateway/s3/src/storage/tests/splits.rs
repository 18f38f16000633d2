//! Splits: while others write and list, and when their driver dies at any step.

use super::*;
use gateway_client::memory::Fault;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stdx::{Errno, Rng};

#[tokio::test]
async fn writers_and_listers_never_notice_a_split() {
    let r = cluster();
    let gateways: Vec<Store> = (0..2).map(|_| Storage::new(r.clone(), tiny())).collect();
    let b = user_and_bucket(&gateways[0]).await;
    // Keys that stand all the time, between those that come and go.
    for i in 0..30 {
        put(&gateways[0], &b, &format!("{i:02}-stays"), &[9; 30]).await.unwrap();
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for w in 0..4u64 {
        let (s, b) = (gateways[w as usize % 2].clone(), b.clone());
        writers.push(tokio::spawn(async move {
            let mut rng = Rng::new(w);
            let mut mine = BTreeMap::new();
            for i in 0..250u64 {
                let key = format!("{:02}-{w}-{}", rng.below(30), rng.below(10));
                if rng.chance(1, 4) {
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
    for s in gateways.clone() {
        let (b, stop) = (b.clone(), stop.clone());
        helpers.push(tokio::spawn(async move {
            let mut listed = 0;
            while !stop.load(Ordering::Relaxed) {
                s.split_waiting().await;
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
        assert!(h.await.unwrap() > 2);
    }
    let s = &gateways[0];
    settle(s, std::slice::from_ref(&b)).await;
    let shards = chain(s, &b).await;
    assert!(shards.len() > 8, "{} shards", shards.len());
    assert_eq!(model::World::read(s, &b).await.objects, want);
    assert!(audit(&r).garbage.is_empty());
    audit_data(&r);
}

/// The driver dies at every operation of a split in turn; the answer to its last one may be lost.
#[test]
fn a_split_goes_on_wherever_its_driver_died() {
    let mut died = 0;
    for (at, lost) in (0..60).flat_map(|at| [(at, false), (at, true)]) {
        let r = cluster();
        let config = StorageConfig { split_keys: 20, ..tiny() };
        let data = |i: usize| vec![i as u8; 10 + i * 9];
        let b = gateway(async {
            let s = Storage::new(r.clone(), config.clone());
            let b = user_and_bucket(&s).await;
            for i in 0..21 {
                put(&s, &b, &format!("{i:02}"), &data(i)).await.unwrap();
            }
            let up = s.upload_create(&b, "19", ObjectAttrs::default(), None).await.unwrap();
            s.part_put(&b, "19", up, 1, &mut TestBody::new(vec![1; 130], 50)).await.unwrap();
            if lost {
                r.inject(at, 1, Fault::LoseReply(Errno::ETIMEDOUT));
            }
            r.inject(at + u64::from(lost), u64::MAX, Fault::Refuse(Errno::ETIMEDOUT));
            let before = r.operations();
            s.split_waiting().await;
            if r.operations() - before > at {
                died += 1;
            }
            b
        });
        r.heal();
        gateway(async {
            let s = Storage::new(r.clone(), config.clone());
            // The bucket goes on serving, whatever state the split is in.
            for i in (0..21).rev() {
                assert_eq!(get(&s, &b, &format!("{i:02}")).await.unwrap().unwrap(), data(i), "at {at}");
                put(&s, &b, &format!("{i:02}"), &data(i + 1)).await.unwrap();
            }
            s.split_waiting().await;
            settle(&s, std::slice::from_ref(&b)).await;
            assert_eq!(chain(&s, &b).await.len(), 2, "at {at}");
            for i in 0..21 {
                assert_eq!(get(&s, &b, &format!("{i:02}")).await.unwrap().unwrap(), data(i + 1), "at {at}");
            }
            let uploads =
                s.upload_list(&b, &UploadQuery { max: 10, ..UploadQuery::default() }).await.unwrap();
            assert_eq!(uploads.uploads.len(), 1);
            audit_data(&r);
        });
    }
    assert!(died > 20, "only {died} operations of a split were cut");
}

/// Two gateways that both believe they drive the same split.
#[tokio::test]
async fn a_driver_that_was_overtaken_changes_nothing_any_more() {
    for seed in 0..30 {
        let r = cluster();
        let config = StorageConfig { split_keys: 20, ..tiny() };
        let (one, two) = (Storage::new(r.clone(), config.clone()), Storage::new(r.clone(), config));
        let b = user_and_bucket(&one).await;
        for i in 0..25 {
            put(&one, &b, &format!("{i:02}"), &[1; 50]).await.unwrap();
        }
        let mut rng = Rng::new(seed);
        let id = b.id;
        let drive = |s: Store| async move { s.drive_split(id, 0, 20, u64::MAX).await };
        let first = tokio::spawn(drive(one.clone()));
        for _ in 0..rng.below(30) {
            tokio::task::yield_now().await;
        }
        let second = tokio::spawn(drive(two.clone()));
        let b = (*two.bucket_get("bucket").await.unwrap().unwrap()).clone();
        for i in 0..25 {
            put(&two, &b, &format!("{i:02}"), &[2; 60]).await.unwrap();
        }
        first.await.unwrap();
        second.await.unwrap();
        settle(&two, std::slice::from_ref(&b)).await;
        assert_eq!(chain(&two, &b).await.len(), 2, "seed {seed}");
        for i in 0..25 {
            assert_eq!(get(&one, &b, &format!("{i:02}")).await.unwrap().unwrap(), [2; 60], "seed {seed}");
        }
        audit_data(&r);
    }
}
