//! Two who want the same image: one gets it, and the other can do no harm, however late its writes come.

use super::{OBJECT, OWNER, bytes, layout, objects, open, world};
use crate::BlockError;
use std::time::Duration;

#[tokio::test]
async fn a_holder_that_lives_keeps_its_image() {
    let (_, images) = world();
    let images = images.with_lease(Duration::from_secs(3));
    images.create("a", OBJECT, layout()).await.unwrap();
    let image = open(&images, "a").await;
    let refused = images.open("a", "gateway.1").await.err().unwrap();
    assert!(matches!(&refused, BlockError::InUse { owner, .. } if owner == OWNER), "{refused}");
    assert_eq!(images.info("a").await.unwrap().holder.unwrap().owner, OWNER);
    image.write(0, vec![1].into()).await.unwrap();
    image.close().await.unwrap();
    let other = images.open("a", "gateway.1").await.unwrap();
    assert_eq!(bytes(&other, 0, 1).await, [1]);
}

#[tokio::test]
async fn a_silent_holder_loses_its_image_after_its_lease() {
    let (_, images) = world();
    let images = images.with_lease(Duration::from_millis(300));
    images.create("a", OBJECT, layout()).await.unwrap();
    drop(open(&images, "a").await);
    let other = images.open("a", "gateway.1").await.unwrap();
    other.write(0, vec![2].into()).await.unwrap();
}

#[tokio::test]
async fn late_writes_of_a_lost_tenure_are_refused_wherever_the_new_one_has_looked() {
    let (_, images) = world();
    images.create("a", 8 * OBJECT, layout()).await.unwrap();
    let old = open(&images, "a").await;
    old.write(0, vec![1; OBJECT as usize].into()).await.unwrap();
    // A second life of the same gateway; the first does not know yet.
    let new = open(&images, "a").await;
    assert!(!old.lost());
    // Until somebody has looked, a late write is as if it had come before.
    old.write(5 * OBJECT, vec![1].into()).await.unwrap();
    assert_eq!(bytes(&new, 5 * OBJECT, 1).await, [1]);
    assert_eq!(bytes(&new, 3 * OBJECT, 2).await, [0, 0], "a hole, from here on");
    let late = old.write(3 * OBJECT, vec![9, 9].into()).await.unwrap_err();
    assert!(matches!(late, BlockError::Fenced { .. }), "{late}");
    assert_eq!(bytes(&new, 3 * OBJECT, 2).await, [0, 0]);
    // It has understood now.
    assert!(old.lost() && old.flush().is_err());
    assert!(matches!(old.write(7 * OBJECT, vec![9].into()).await, Err(BlockError::Fenced { .. })));
    new.write(0, vec![2].into()).await.unwrap();
    assert_eq!(bytes(&new, 0, 2).await, [2, 1]);
    new.flush().unwrap();
}

#[tokio::test]
async fn what_was_looked_at_written_or_cleared_keeps_old_writers_out() {
    for kind in 0..4 {
        let (_, images) = world();
        images.create("a", 2 * OBJECT, layout()).await.unwrap();
        let old = open(&images, "a").await;
        old.write(0, vec![1; 100].into()).await.unwrap();
        let new = open(&images, "a").await;
        match kind {
            0 => new.write(50, vec![2].into()).await.unwrap(),
            1 => new.discard(0, OBJECT).await.unwrap(),
            2 => new.discard(0, 10).await.unwrap(),
            _ => drop(new.extents(0, OBJECT, false).await.unwrap()),
        }
        let before = bytes(&new, 0, OBJECT).await;
        let late = old.discard(0, OBJECT).await.unwrap_err();
        assert!(matches!(late, BlockError::Fenced { .. }), "{kind}: {late}");
        assert!(bytes(&new, 0, OBJECT).await == before, "{kind}");
    }
}

#[tokio::test]
async fn after_an_orderly_change_nothing_needs_guarding() {
    let (rados, images) = world();
    images.create("a", 4 * OBJECT, layout()).await.unwrap();
    open(&images, "a").await.close().await.unwrap();
    let image = open(&images, "a").await;
    let before = objects(&rados).await;
    assert_eq!(bytes(&image, 0, 4 * OBJECT).await, vec![0; 4 * OBJECT as usize]);
    assert_eq!(objects(&rados).await, before, "reading holes makes no objects");
}

#[tokio::test]
async fn an_image_in_use_is_not_removed_or_shrunk() {
    let (_, images) = world();
    let images = images.with_lease(Duration::from_secs(3));
    images.create("a", 2 * OBJECT, layout()).await.unwrap();
    let image = open(&images, "a").await;
    let (removed, shrunk) =
        tokio::join!(images.remove("a", "client.admin"), images.resize("a", OBJECT, true, "client.other"));
    for refused in [removed.unwrap_err(), shrunk.unwrap_err()] {
        assert!(matches!(refused, BlockError::InUse { .. }), "{refused}");
    }
    image.write(OBJECT, vec![1].into()).await.unwrap();
}
