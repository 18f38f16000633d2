//! A client that dies after any number of its operations: what it was doing can be taken up, and leaves nothing.

use super::{OBJECT, OWNER, bytes, layout, objects, open, world};
use crate::BlockError;
use gateway_client::Fault;
use stdx::Errno;

/// More operations than any of these commands takes.
const STEPS: u64 = 60;

#[tokio::test]
async fn a_creation_that_dies_can_be_repeated() {
    let mut died = 0;
    for step in 0..STEPS {
        for fault in [Fault::Refuse(Errno::EIO), Fault::LoseReply(Errno::EIO)] {
            let (rados, images) = world();
            rados.inject(step, u64::MAX, fault);
            died += u64::from(images.create("a", 4 * OBJECT, layout()).await.is_err());
            rados.heal();
            match images.create("a", 4 * OBJECT, layout()).await {
                Ok(()) | Err(BlockError::Exists { .. }) => {}
                Err(other) => panic!("{step}: {other}"),
            }
            let image = open(&images, "a").await;
            image.write(0, vec![1].into()).await.unwrap();
        }
    }
    assert!((6..STEPS).contains(&died), "{died}: the faults reach every step and not beyond");
}

#[tokio::test]
async fn a_removal_that_dies_is_finished_by_the_next_and_leaves_nothing() {
    for step in 0..STEPS {
        let (rados, images) = world();
        images.create("a", 4 * OBJECT, layout()).await.unwrap();
        let image = open(&images, "a").await;
        image.write(0, vec![1; 4 * OBJECT as usize].into()).await.unwrap();
        image.close().await.unwrap();
        rados.inject(step, u64::MAX, Fault::Refuse(Errno::EIO));
        let _ = images.remove("a", OWNER).await;
        rados.heal();
        match images.remove("a", OWNER).await {
            Ok(()) => {}
            Err(BlockError::NoSuchImage { .. }) => {
                // Its name is gone; the next removal of anything takes the rest along.
                images.create("b", OBJECT, layout()).await.unwrap();
                images.remove("b", OWNER).await.unwrap();
            }
            Err(other) => panic!("{step}: {other}"),
        }
        assert_eq!(objects(&rados).await, ["rbd_directory".to_string()].into(), "{step}");
    }
}

#[tokio::test]
async fn a_shrink_that_dies_never_lets_cut_bytes_come_back() {
    for step in 0..STEPS {
        let (rados, images) = world();
        images.create("a", 4 * OBJECT, layout()).await.unwrap();
        let image = open(&images, "a").await;
        image.write(0, vec![7; 4 * OBJECT as usize].into()).await.unwrap();
        image.close().await.unwrap();
        rados.inject(step, u64::MAX, Fault::Refuse(Errno::EIO));
        let _ = images.resize("a", OBJECT + 512, true, OWNER).await;
        rados.heal();
        let size = images.info("a").await.unwrap().header.size;
        images.resize("a", 4 * OBJECT, false, OWNER).await.unwrap();
        let image = open(&images, "a").await;
        let all = bytes(&image, 0, 4 * OBJECT).await;
        let kept = size as usize;
        assert!(all[..kept].iter().all(|b| *b == 7), "{step}");
        assert!(all[kept..].iter().all(|b| *b == 0), "{step}: size {size}");
    }
}
