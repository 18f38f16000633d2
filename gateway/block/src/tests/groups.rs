//! Groups: their snapshots are of one moment, whoever writes meanwhile.

use super::{OBJECT, OWNER, bytes, layout, open, world};
use crate::{BlockError, Images};
use gateway_client::{Fault, MemoryRados};
use std::sync::Arc;
use stdx::Errno;

async fn group_of_two() -> (MemoryRados, Images<MemoryRados>) {
    let (rados, images) = world();
    for name in ["data", "log"] {
        images.create(name, 4 * OBJECT, layout()).await.unwrap();
    }
    images.group_create("db").await.unwrap();
    for name in ["data", "log"] {
        images.group_add("db", name).await.unwrap();
    }
    (rados, images)
}

async fn number(images: &Images<MemoryRados>, export: &str) -> u64 {
    let open = images.open_read_only(export).await.unwrap();
    u64::from_le_bytes(bytes(&open, OBJECT, 8).await.try_into().unwrap())
}

#[tokio::test]
async fn groups_are_made_filled_and_removed() {
    let (_, images) = group_of_two().await;
    assert!(images.group_create("db").await.unwrap_err().to_string().contains("exists already"));
    assert!(images.group_create("a/b").await.is_err());
    images.group_create("db2").await.unwrap();
    images.group_add("db", "log").await.unwrap();
    let names = |group: crate::Group| group.members.into_iter().map(|m| m.name.unwrap()).collect::<Vec<_>>();
    assert_eq!(names(images.group("db").await.unwrap()), ["data", "log"]);
    assert!(matches!(images.group_add("none", "log").await, Err(BlockError::NoSuchGroup { .. })));
    assert!(matches!(images.group_add("db", "none").await, Err(BlockError::NoSuchImage { .. })));
    assert!(images.group_snap_create("db2", "s").await.unwrap_err().to_string().contains("needs an image"));
    assert_eq!(images.group("db2").await.unwrap().snapshots, []);

    images.group_snap_create("db", "s").await.unwrap();
    assert!(matches!(images.group_snap_create("db", "s").await, Err(BlockError::SnapshotExists { .. })));
    let refused = images.group_delete("db").await.unwrap_err();
    assert!(refused.to_string().contains("snapshots"), "{refused}");
    images.group_remove("db", "log").await.unwrap();
    assert!(images.group_remove("db", "log").await.is_err());
    // The snapshot is of what the group had then.
    images.group_snap_remove("db", "s").await.unwrap();
    for name in ["data", "log"] {
        assert_eq!(images.snapshots(name).await.unwrap(), []);
    }
    images.group_delete("db").await.unwrap();
    images.group_delete("db2").await.unwrap();
    assert_eq!(images.groups().await.unwrap(), []);
}

/// A database: number N goes to the log before it goes to the data. In every snapshot the log has what the data has, or
/// one more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_depends_on_something_is_not_kept_without_it() {
    let (_, images) = group_of_two().await;
    let (data, log) = (open(&images, "data").await, open(&images, "log").await);
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = stop.clone();
    let writer = tokio::spawn(async move {
        let mut n: u64 = 0;
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            n += 1;
            for image in [&log, &data] {
                image.write(OBJECT, n.to_le_bytes().to_vec().into()).await.unwrap();
            }
            tokio::task::yield_now().await;
        }
        n
    });
    for i in 0..40 {
        images.group_snap_create("db", &format!("s{i}")).await.unwrap();
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let written = writer.await.unwrap();
    let mut seen = Vec::new();
    for i in 0..40 {
        let log = number(&images, &format!("log@.group.db.s{i}")).await;
        let data = number(&images, &format!("data@.group.db.s{i}")).await;
        assert!(log == data || log == data + 1, "snapshot {i}: log {log}, data {data}");
        seen.push(log);
    }
    assert!(seen.is_sorted() && seen.iter().all(|n| *n <= written), "{seen:?}");
}

#[tokio::test]
async fn a_group_goes_back_together_or_not_at_all() {
    let (_, images) = group_of_two().await;
    for name in ["data", "log"] {
        let image = open(&images, name).await;
        image.write(OBJECT, vec![1; 8].into()).await.unwrap();
        image.close().await.unwrap();
    }
    images.group_snap_create("db", "s").await.unwrap();
    for name in ["data", "log"] {
        let image = open(&images, name).await;
        image.write(OBJECT, vec![2; 8].into()).await.unwrap();
        image.close().await.unwrap();
    }
    let used = open(&images, "log").await;
    let refused = images.group_snap_rollback("db", "s", OWNER).await.unwrap_err();
    assert!(matches!(refused, BlockError::InUse { .. }), "{refused}");
    assert_eq!(number(&images, "data").await, u64::from_le_bytes([2; 8]));
    used.close().await.unwrap();
    images.group_snap_rollback("db", "s", OWNER).await.unwrap();
    for name in ["data", "log"] {
        assert_eq!(number(&images, name).await, u64::from_le_bytes([1; 8]));
    }
}

/// Storage fails at every step of a creation in turn: what is left is complete, or can be removed and made again.
#[tokio::test]
async fn a_creation_cut_short_leaves_nothing_that_counts() {
    for step in 0..60 {
        let (rados, images) = group_of_two().await;
        rados.inject(step, 1, Fault::Refuse(Errno::EIO));
        let made = images.group_snap_create("db", "s").await;
        rados.heal();
        let group = images.group("db").await.unwrap();
        match (made, group.snapshots.first()) {
            (Ok(()), Some(found)) => assert!(found.complete),
            (Ok(()), None) => panic!("step {step}: made, and not there"),
            (Err(_), Some(found)) => {
                assert!(!found.complete, "step {step}");
                assert!(images.group_snap_rollback("db", "s", OWNER).await.is_err());
                images.group_snap_remove("db", "s").await.unwrap();
            }
            (Err(_), None) => {}
        }
        if images.group("db").await.unwrap().snapshots.is_empty() {
            images.group_snap_create("db", "s").await.unwrap();
        }
        for name in ["data", "log"] {
            assert_eq!(images.snapshots(name).await.unwrap().len(), 1, "step {step}");
            open(&images, name).await.write(0, vec![1].into()).await.unwrap();
        }
    }
}
