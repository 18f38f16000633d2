//! Gateways that die at any operation: nothing acknowledged is lost, nothing stays that nobody refers to.

use super::model::{Step, World};
use super::*;
use gateway_client::memory::Fault;
use std::sync::Arc;
use stdx::{Errno, Rng};
use tokio::sync::Notify;

/// One life of a gateway: it works until it dies at some operation. The step it died in, if any.
fn live(r: &MemoryRados, world: &mut World, rng: &mut Rng) -> Option<Step> {
    gateway(async {
        let s = Storage::new(r.clone(), tiny());
        let b = (*s.bucket_get("bucket").await.unwrap().unwrap()).clone();
        let mut die = rng.below(150);
        if rng.chance(1, 2) {
            // Its last operation happens, but it does not learn of that.
            r.inject(die, 1, Fault::LoseReply(Errno::ETIMEDOUT));
            die += 1;
        }
        r.inject(die, u64::MAX, Fault::Refuse(Errno::ETIMEDOUT));
        for _ in 0..200 {
            let step = world.choose(rng);
            if world.take(&s, &b, &step).await.is_err() {
                return Some(step);
            }
        }
        None
    })
}

#[test]
fn a_gateway_dies_at_any_operation_and_another_takes_over() {
    for seed in 0..16 {
        let r = cluster();
        gateway(async { user_and_bucket(&Storage::new(r.clone(), tiny())).await });
        let (mut rng, mut world) = (Rng::new(seed), World::default());
        for life in 0..6 {
            println!("seed {seed} life {life}");
            let died_in = live(&r, &mut world, &mut rng);
            r.heal();
            gateway(async {
                let s = Storage::new(r.clone(), tiny());
                let b = (*s.bucket_get("bucket").await.unwrap().unwrap()).clone();
                let mut found = World::read(&s, &b).await;
                if let Some(Step::UploadCreate(_)) = died_in {
                    found.uploads.retain(|id, parts| world.uploads.contains_key(id) || !parts.is_empty());
                }
                let happened = died_in.as_ref().map(|step| world.after(step));
                assert!(
                    found == world || Some(&found) == happened.as_ref(),
                    "{died_in:?}\n{found:?}\n{world:?}"
                );
                settle(&s, std::slice::from_ref(&b)).await;
                let refs = audit(&r);
                assert!(refs.garbage.is_empty(), "{:?}", refs.garbage);
                audit_data(&r);
                world = World::read(&s, &b).await;
                assert_eq!(world.objects, found.objects);
            });
        }
    }
}

/// A body that ends only when it is told to.
struct Gated {
    inner: TestBody,
    reached: Arc<Notify>,
    open: Arc<Notify>,
}
impl Body for Gated {
    async fn next(&mut self) -> Result<Option<Bytes>, S3Error> {
        self.inner.next().await
    }
    async fn finish(&mut self) -> Result<BodySummary, S3Error> {
        self.reached.notify_one();
        self.open.notified().await;
        self.inner.finish().await
    }
    fn length_hint(&self) -> Option<u64> {
        None
    }
}

#[tokio::test]
async fn a_gateway_that_was_only_asleep_commits_nothing_whose_data_was_freed() {
    let r = cluster();
    let (asleep, sweeper) = (Storage::new(r.clone(), tiny()), Storage::new(r.clone(), tiny()));
    let b = user_and_bucket(&asleep).await;
    put(&asleep, &b, "k", b"before").await.unwrap();
    let (reached, open) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let mut body =
        Gated { inner: TestBody::new(vec![1; 555], 100), reached: reached.clone(), open: open.clone() };
    let task = {
        let (s, b) = (asleep.clone(), b.clone());
        let put =
            async move { s.put(&b, "k", ObjectAttrs::default(), Conditions::default(), &mut body).await };
        tokio::spawn(put)
    };
    reached.notified().await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(objects(&r, 2).len(), 6);
    for _ in 0..4 {
        sweeper.sweep().await.unwrap();
    }
    assert!(objects(&r, 2).is_empty(), "the sweeper freed the run");
    open.notify_one();
    let e = task.await.unwrap().unwrap_err();
    assert_eq!(e.code(), Code::ServiceUnavailable);
    assert_eq!(get(&asleep, &b, "k").await.unwrap().unwrap(), b"before");
    // Awake again: once it finds its intent gone it writes under another instance.
    asleep.renew_intent().await;
    put(&asleep, &b, "k", &[2; 300]).await.unwrap();
    assert_eq!(get(&asleep, &b, "k").await.unwrap().unwrap(), [2; 300]);
    audit_data(&r);
}

#[tokio::test]
async fn a_lost_answer_to_a_commit_is_settled_either_way() {
    for happens in [false, true] {
        let r = cluster();
        let s = Storage::new(r.clone(), tiny());
        let b = user_and_bucket(&s).await;
        put(&s, &b, "k", &[1; 250]).await.unwrap();
        // Where data goes, three data objects, then the row.
        let fault =
            if happens { Fault::LoseReply(Errno::ETIMEDOUT) } else { Fault::Refuse(Errno::ETIMEDOUT) };
        r.inject(4, 1, fault);
        let e = put(&s, &b, "k", &[2; 250]).await.unwrap_err();
        assert_eq!(e.code(), Code::ServiceUnavailable);
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        let value = if happens { 2 } else { 1 };
        assert_eq!(get(&s, &b, "k").await.unwrap().unwrap(), [value; 250]);
        s.collect_garbage().await.unwrap();
        audit_data(&r);
        assert_eq!(objects(&r, 2).len(), 3);
    }
}
