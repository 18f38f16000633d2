//! What overtakes something slow, or comes after it was given up, finds and leaves the image right.

use super::{DATA, OBJECT, OWNER, bytes, layout, objects, open, world, world_of_two_pools};
use crate::{BlockError, name};
use gateway_client::{Fault, MemoryRados, Rados};
use osd_object::ObjectName;
use std::time::Duration;
use stdx::Errno;

#[tokio::test]
async fn a_write_that_a_read_overtook_is_read_once_it_is_acknowledged() {
    let (rados, images) = world();
    images.create("a", 4 * OBJECT, layout()).await.unwrap();
    let prefix = images.info("a").await.unwrap().header.data_prefix;
    let image = open(&images, "a").await;
    // Twice: the object is absent, and absent again.
    for round in 1..3u8 {
        let mut held = rados.hold(&name::data(&prefix, 1), 0);
        let writer = image.clone();
        let write = tokio::spawn(async move { writer.write(OBJECT, vec![round; 8].into()).await });
        held.arrived().await;
        assert_eq!(bytes(&image, OBJECT + 100, 8).await, [0; 8], "nothing was acknowledged");
        assert!(image.extents(OBJECT, OBJECT, true).await.unwrap()[0].hole);
        drop(held);
        write.await.unwrap().unwrap();
        assert_eq!(bytes(&image, OBJECT, 8).await, [round; 8]);
        assert!(!image.extents(OBJECT, OBJECT, true).await.unwrap()[0].hole);
        image.discard(OBJECT, OBJECT).await.unwrap();
        assert_eq!(bytes(&image, OBJECT, 8).await, [0; 8]);
    }
}

#[tokio::test]
async fn a_clone_whose_user_was_killed_goes_on_to_show_its_parent() {
    for flatten in [false, true] {
        let (rados, images) = world();
        images.create("p", 4 * OBJECT, layout()).await.unwrap();
        let parent = open(&images, "p").await;
        parent.write(0, vec![7; 2 * OBJECT as usize].into()).await.unwrap();
        parent.close().await.unwrap();
        images.snap_create("p", "s").await.unwrap();
        images.snap_protect("p", "s", true).await.unwrap();
        images.clone_snapshot("p", "s", &images, "c").await.unwrap();
        images.snap_create("c", "first").await.unwrap();
        let old = open(&images, "c").await;
        let new = open(&images, "c").await;
        let wanted = [vec![7; 2 * OBJECT as usize], vec![0; 2 * OBJECT as usize]].concat();
        match flatten {
            true => {
                drop(new);
                assert!(images.flatten("c", OWNER, |_, _| ()).await.unwrap());
            }
            false => {
                let changed = new.changes_since("first", 0, 4 * OBJECT).await.unwrap();
                assert!(!changed.is_empty());
                assert!(!new.extents(0, OBJECT, true).await.unwrap()[0].hole);
                assert!(bytes(&new, 0, 4 * OBJECT).await == wanted);
                let late = old.write(OBJECT, vec![9; 9].into()).await.unwrap_err();
                assert!(matches!(late, BlockError::Fenced { .. }), "{late}");
                new.write(0, vec![7; 3].into()).await.unwrap();
                drop(new);
            }
        }
        let new = open(&images, "c").await;
        assert!(bytes(&new, 0, 4 * OBJECT).await == wanted);
        assert!(new.extents(0, OBJECT, true).await.unwrap()[0].len == OBJECT);
        drop((new, rados));
    }
}

#[tokio::test]
async fn an_image_that_is_entered_late_is_not_tidied_away() {
    let (rados, images) = world();
    let begun = rados.now();
    rados.set_now(begun);
    // The third operation on the directory enters it; before it is announced, and what others left is looked up.
    let mut entering = rados.hold("rbd_directory", 2);
    let slow = images.clone();
    let making = tokio::spawn(async move { slow.create("slow", OBJECT, layout()).await });
    entering.arrived().await;
    rados.set_now(stdx::time::WallTime(begun.0 + Duration::from_secs(7200).as_nanos() as u64));
    // The other sees it in the list ...
    let mut tidying = rados.hold("rbd_directory", 1);
    let other = images.clone();
    let other = tokio::spawn(async move { other.create("other", OBJECT, layout()).await });
    tidying.arrived().await;
    // ... and it is entered before it is removed from there.
    drop(entering);
    making.await.unwrap().unwrap();
    drop(tidying);
    other.await.unwrap().unwrap();
    let image = open(&images, "slow").await;
    image.write(0, vec![1].into()).await.unwrap();
    image.close().await.unwrap();
    for name in ["slow", "other"] {
        images.remove(name, OWNER).await.unwrap();
    }
    assert_eq!(objects(&rados).await, ["rbd_directory".to_string()].into());
}

#[tokio::test]
async fn what_died_while_it_was_made_is_tidied_away_after_an_hour() {
    for step in 3..6 {
        let (rados, images) = world();
        let begun = rados.now();
        rados.set_now(begun);
        rados.inject(step, u64::MAX, Fault::Refuse(Errno::EIO));
        let died = images.create("a", OBJECT, layout()).await.is_err();
        rados.heal();
        rados.set_now(stdx::time::WallTime(begun.0 + Duration::from_secs(7200).as_nanos() as u64));
        images.create("b", OBJECT, layout()).await.unwrap();
        images.remove("b", OWNER).await.unwrap();
        if died {
            assert_eq!(objects(&rados).await, ["rbd_directory".to_string()].into(), "{step}");
        }
        assert!(images.directory().making().await.unwrap().is_empty());
        assert!(images.directory().removing().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn late_writes_do_not_come_back_when_an_image_was_shrunk_and_grows() {
    let (rados, images) = world();
    images.create("a", 8 * OBJECT, layout()).await.unwrap();
    let old = open(&images, "a").await;
    old.write(0, vec![1; 6 * OBJECT as usize].into()).await.unwrap();
    // It stands still; its image is taken over, shrunk and grown.
    images.resize("a", 2 * OBJECT + 512, true, OWNER).await.unwrap();
    for object in 2..8 {
        let late = old.write(object * OBJECT + 1024, vec![9; 512].into()).await.unwrap_err();
        assert!(matches!(late, BlockError::Fenced { .. }), "{object}: {late}");
    }
    late_write(&rados, &images, 7).await;
    images.resize("a", 8 * OBJECT, false, OWNER).await.unwrap();
    let image = open(&images, "a").await;
    let kept = 2 * OBJECT as usize + 512;
    let all = bytes(&image, 0, 8 * OBJECT).await;
    assert!(all[..kept].iter().all(|b| *b == 1) && all[kept..].iter().all(|b| *b == 0));
    image.close().await.unwrap();
    // What guards the range goes with the image.
    images.resize("a", 512, true, OWNER).await.unwrap();
    images.remove("a", OWNER).await.unwrap();
    assert_eq!(objects(&rados).await, ["rbd_directory".to_string()].into());
}

/// A write of the first generation, as one would be that was under way all the time.
async fn late_write(rados: &MemoryRados, images: &crate::Images<MemoryRados>, object: u64) {
    let prefix = images.info("a").await.unwrap().header.data_prefix;
    let ops = vec![
        crate::fence::not_newer(1),
        osd_object::Op::Write { offset: 0, data: vec![9; 9].into() },
        crate::fence::mark(1),
    ];
    let refused = rados.operate(super::POOL, ObjectName::new(name::data(&prefix, object)), ops).await;
    assert_eq!(refused.unwrap_err().code, Errno::ECANCELED);
}

#[tokio::test]
async fn what_changed_is_known_of_an_image_with_a_data_pool() {
    let (rados, images) = world_of_two_pools();
    images.create("a", 4 * OBJECT, layout()).await.unwrap();
    let image = open(&images, "a").await;
    image.write(0, vec![1; OBJECT as usize].into()).await.unwrap();
    images.snap_create("a", "s").await.unwrap();
    image.write(OBJECT, vec![2; OBJECT as usize].into()).await.unwrap();
    let spans = image.changes_since("s", 0, 4 * OBJECT).await.unwrap();
    let seen: Vec<(u64, bool)> = spans.iter().map(|s| (s.len / OBJECT, s.changed)).collect();
    assert_eq!(seen, [(1, false), (1, true), (2, false)]);
    assert!(!super::objects_in(&rados, DATA).await.is_empty());
}
