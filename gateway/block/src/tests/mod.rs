//! Images over a cluster in memory: against a model, with crashes at every step, and with two who want the same one.

mod chains;
mod crashes;
mod diffs;
mod groups;
mod keeping;
mod locks;
mod model;
mod overtaken;
mod snapshots;

use crate::{BlockError, Image, Images, Layout, ReadExtent};
use gateway_client::{MemoryRados, Rados};
use std::collections::BTreeSet;
use std::sync::Arc;

const POOL: &str = "rbd";
const DATA: &str = "cheap";
/// Small objects, so that small images have many.
const OBJECT: u64 = 64 << 10;
const OWNER: &str = "gateway.0";

fn world() -> (MemoryRados, Images<MemoryRados>) {
    let rados = MemoryRados::new(&[POOL]);
    (rados.clone(), Images::new(rados, POOL))
}

/// The same, with the data in another pool.
fn world_of_two_pools() -> (MemoryRados, Images<MemoryRados>) {
    let rados = MemoryRados::new(&[POOL, DATA]);
    (rados.clone(), Images::new(rados, POOL).with_data_pool(Some(DATA.to_string())))
}

fn layout() -> Layout {
    Layout::of_object_bytes(OBJECT).unwrap()
}

async fn bytes(image: &Image<MemoryRados>, offset: u64, len: u64) -> Vec<u8> {
    let mut all = Vec::new();
    for extent in image.read(offset, len).await.unwrap() {
        match extent {
            ReadExtent::Data(data) => all.extend_from_slice(&data),
            ReadExtent::Hole(len) => all.resize(all.len() + len as usize, 0),
        }
    }
    assert_eq!(all.len() as u64, len, "extents cover the range");
    all
}

async fn objects(rados: &MemoryRados) -> BTreeSet<String> {
    objects_in(rados, POOL).await
}

async fn objects_in(rados: &MemoryRados, pool: &str) -> BTreeSet<String> {
    let page = rados.list(pool, None, 10_000).await.unwrap();
    page.objects.into_iter().map(|o| o.name).collect()
}

async fn open(images: &Images<MemoryRados>, name: &str) -> Arc<Image<MemoryRados>> {
    images.open(name, OWNER).await.unwrap()
}

#[tokio::test]
async fn images_are_made_listed_renamed_and_removed() {
    let (rados, images) = world();
    assert_eq!(images.list().await.unwrap(), []);
    assert!(matches!(images.info("a").await, Err(BlockError::NoSuchImage { .. })));
    images.create("b", 1 << 20, layout()).await.unwrap();
    images.create("a", 1 << 30, Layout::new(22).unwrap()).await.unwrap();
    assert!(matches!(images.create("a", 512, layout()).await, Err(BlockError::Exists { .. })));
    for bad in [images.create("x/y", 512, layout()).await, images.create("x", 100, layout()).await] {
        assert!(matches!(bad, Err(BlockError::Invalid(_))));
    }
    let names = |rows: Vec<crate::ImageRow>| rows.into_iter().map(|r| r.name).collect::<Vec<_>>();
    assert_eq!(names(images.list().await.unwrap()), ["a", "b"]);
    let info = images.info("a").await.unwrap();
    assert_eq!((info.header.size, info.header.layout.order(), info.holder), (1 << 30, 22, None));

    assert!(matches!(images.rename("a", "b").await, Err(BlockError::Exists { .. })));
    assert!(matches!(images.rename("none", "c").await, Err(BlockError::NoSuchImage { .. })));
    images.rename("a", "c").await.unwrap();
    assert_eq!(images.info("c").await.unwrap().id, info.id, "the same image under another name");

    let image = open(&images, "b").await;
    image.write(0, vec![1; 3 * OBJECT as usize].into()).await.unwrap();
    image.close().await.unwrap();
    images.remove("b", OWNER).await.unwrap();
    images.remove("c", OWNER).await.unwrap();
    assert_eq!(objects(&rados).await, ["rbd_directory".to_string()].into(), "nothing is left of them");
    assert!(matches!(images.remove("b", OWNER).await, Err(BlockError::NoSuchImage { .. })));
    let elsewhere = Images::new(rados, "nowhere").list().await.unwrap_err();
    assert!(elsewhere.to_string().contains("no pool"), "{elsewhere}");
}

#[tokio::test]
async fn growing_works_in_use_and_shrinking_wants_to_be_meant() {
    let (_, images) = world();
    images.create("a", 10 * OBJECT, layout()).await.unwrap();
    let image = open(&images, "a").await;
    image.write(0, vec![7; 10 * OBJECT as usize].into()).await.unwrap();
    images.resize("a", 12 * OBJECT, false, OWNER).await.unwrap();
    assert!(image.write(10 * OBJECT, vec![1].into()).await.is_err(), "known only to who opens it again");
    image.set_size(12 * OBJECT);
    image.write(10 * OBJECT, vec![1].into()).await.unwrap();
    image.close().await.unwrap();

    let refused = images.resize("a", OBJECT, false, OWNER).await.unwrap_err();
    assert!(refused.to_string().contains("--allow-shrink"), "{refused}");
    images.resize("a", 2 * OBJECT + 512, true, OWNER).await.unwrap();
    images.resize("a", 12 * OBJECT, false, OWNER).await.unwrap();
    let image = open(&images, "a").await;
    let all = bytes(&image, 0, 12 * OBJECT).await;
    let kept = 2 * OBJECT as usize + 512;
    assert!(
        all[..kept].iter().all(|b| *b == 7) && all[kept..].iter().all(|b| *b == 0),
        "what was cut is gone"
    );
}

#[tokio::test]
async fn clearing_frees_whole_objects_and_holes_are_seen() {
    let (rados, images) = world();
    images.create("a", 8 * OBJECT, layout()).await.unwrap();
    let empty = objects(&rados).await.len();
    let image = open(&images, "a").await;
    image.write(OBJECT, vec![5; 3 * OBJECT as usize].into()).await.unwrap();
    assert_eq!(images.usage("a").await.unwrap().used, 3 * OBJECT);
    let seen = image.extents(0, 8 * OBJECT, false).await.unwrap();
    assert_eq!(
        seen.iter().map(|e| (e.len / OBJECT, e.hole)).collect::<Vec<_>>(),
        [(1, true), (3, false), (4, true)]
    );
    let first = image.extents(OBJECT + 1, 100, true).await.unwrap();
    assert_eq!(first, [crate::Extent { len: 100, hole: false }]);

    image.discard(OBJECT, 2 * OBJECT).await.unwrap();
    image.discard(3 * OBJECT + 10, OBJECT - 10).await.unwrap();
    assert_eq!(objects(&rados).await.len(), empty + 1);
    let usage = images.usage("a").await.unwrap();
    assert_eq!((usage.used, usage.objects), (10, 1));
    image.zero(0, 100, crate::ZeroMode::Punch).await.unwrap();
    assert_eq!(objects(&rados).await.len(), empty + 1, "clearing nothing makes nothing");
    image.zero(0, OBJECT, crate::ZeroMode::Allocate).await.unwrap();
    assert_eq!(images.usage("a").await.unwrap().used, OBJECT + 10);

    for (offset, len) in [(8 * OBJECT, 1), (u64::MAX, 2), (0, 8 * OBJECT + 1)] {
        assert!(
            matches!(image.read(offset, len).await, Err(BlockError::OutOfRange { .. })),
            "{offset} {len}"
        );
        assert!(matches!(image.discard(offset, len).await, Err(BlockError::OutOfRange { .. })));
    }
    let reader = images.open_read_only("a").await.unwrap();
    assert!(matches!(reader.write(0, vec![1].into()).await, Err(BlockError::ReadOnly { .. })));
}
