//! Trash, metadata and limits.

use super::{OBJECT, OWNER, bytes, layout, objects, open, world};
use crate::{BlockError, Limits, Of};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn what_is_in_the_trash_comes_back_whole_or_goes_for_good() {
    let (rados, images) = world();
    for name in ["a", "b"] {
        images.create(name, 4 * OBJECT, layout()).await.unwrap();
        let image = open(&images, name).await;
        image.write(OBJECT, vec![7; 10].into()).await.unwrap();
        image.close().await.unwrap();
    }
    let a = images.trash("a", OWNER, HOUR).await.unwrap();
    let b = images.trash("b", OWNER, Duration::ZERO).await.unwrap();
    assert!(matches!(images.info("a").await, Err(BlockError::NoSuchImage { .. })));
    let trashed = images.trashed().await.unwrap();
    let seen: Vec<&str> = trashed.iter().map(|entry| entry.name.as_str()).collect();
    assert!(seen.len() == 2 && seen.contains(&"a") && seen.contains(&"b"), "{seen:?}");

    // The name is free meanwhile.
    images.create("a", OBJECT, layout()).await.unwrap();
    assert!(matches!(images.restore(&a, None).await, Err(BlockError::Exists { .. })));
    assert_eq!(images.restore(&a, Some("c")).await.unwrap(), "c");
    let image = open(&images, "c").await;
    assert_eq!(bytes(&image, OBJECT, 11).await, [&[7u8; 10][..], &[0]].concat());
    image.close().await.unwrap();
    assert!(matches!(images.restore(&a, None).await, Err(BlockError::NotInTrash { .. })));

    let a = images.trash("c", OWNER, HOUR).await.unwrap();
    let early = images.purge(Some(&a), false, OWNER).await.unwrap_err();
    assert!(early.to_string().contains("--force"), "{early}");
    assert_eq!(images.purge(None, false, OWNER).await.unwrap(), [b], "what was promised is kept");
    assert_eq!(images.purge(None, true, OWNER).await.unwrap(), [a]);
    images.remove("a", OWNER).await.unwrap();
    assert_eq!(objects(&rados).await, ["rbd_directory".to_string()].into(), "nothing is left");
}

#[tokio::test]
async fn what_is_in_use_does_not_go_to_the_trash() {
    let (_, images) = world();
    let images = images.with_lease(Duration::from_secs(3));
    images.create("a", OBJECT, layout()).await.unwrap();
    let image = open(&images, "a").await;
    let refused = images.trash("a", "client.admin", HOUR).await.unwrap_err();
    assert!(matches!(refused, BlockError::InUse { .. }), "{refused}");
    image.write(0, vec![1].into()).await.unwrap();
    assert_eq!(images.trashed().await.unwrap(), []);
}

#[tokio::test]
async fn metadata_are_kept_beside_the_properties() {
    let (_, images) = world();
    images.create("a", OBJECT, layout()).await.unwrap();
    let a = Of::Image("a");
    images.set_metadata(a, "owner", Some("größe")).await.unwrap();
    images.set_metadata(a, "note", Some("")).await.unwrap();
    let pair = |k: &str, v: &str| (k.to_string(), v.to_string());
    assert_eq!(images.metadata(a).await.unwrap(), [pair("note", ""), pair("owner", "größe")]);
    images.set_metadata(a, "note", None).await.unwrap();
    images.set_metadata(a, "never", None).await.unwrap();
    assert_eq!(images.metadata(a).await.unwrap(), [pair("owner", "größe")]);
    for (key, value) in [("", "x"), (&*"k".repeat(256), "x"), ("k", &*"v".repeat(1025))] {
        assert!(matches!(images.set_metadata(a, key, Some(value)).await, Err(BlockError::Invalid(_))));
    }
    for n in 0..99 {
        images.set_metadata(a, &format!("k{n}"), Some("v")).await.unwrap();
    }
    assert!(images.set_metadata(a, "one more", Some("v")).await.is_err());
    images.set_metadata(a, "k0", Some("again")).await.unwrap();
    assert_eq!(images.info("a").await.unwrap().header.size, OBJECT, "and hide nothing");
    let none = images.set_metadata(Of::Image("none"), "k", Some("v")).await.unwrap_err();
    assert!(matches!(none, BlockError::NoSuchImage { .. }));
    assert_eq!(images.metadata(Of::Pool).await.unwrap(), []);
}

#[tokio::test]
async fn an_images_own_limits_go_before_the_pools() {
    let (_, images) = world();
    images.create("a", OBJECT, layout()).await.unwrap();
    let id = images.info("a").await.unwrap().id;
    assert_eq!(images.limits_of(&id).await.unwrap(), Limits::default());
    let pool = Limits { iops: Some(100), bps: Some(1 << 20), ..Limits::default() };
    images.set_limits(Of::Pool, pool).await.unwrap();
    let own = Limits { iops: Some(50), iops_burst: Some(500), ..Limits::default() };
    images.set_limits(Of::Image("a"), own).await.unwrap();
    assert_eq!(images.limits_of(&id).await.unwrap(), Limits { bps: Some(1 << 20), ..own });
    assert_eq!(images.limits_set(Of::Image("a")).await.unwrap(), own);
    // 0 lifts what the pool says.
    images.set_metadata(Of::Image("a"), "conf_rbd_qos_bps_limit", Some("0")).await.unwrap();
    assert_eq!(images.limits_of(&id).await.unwrap(), own);
    images.set_limits(Of::Image("a"), Limits::default()).await.unwrap();
    assert_eq!(images.limits_of(&id).await.unwrap(), pool);
}
