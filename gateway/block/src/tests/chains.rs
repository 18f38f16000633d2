//! Chains of clones: how much reading them asks of storage.

use super::{OBJECT, bytes, layout, open, world};

const OBJECTS: u64 = 16;
const DEPTH: u64 = 10;

/// Ten clones, each of the one before, with an object of its own each; the same content in a flat image. Once it was
/// read, the chain asks for as much as the flat image.
#[tokio::test]
async fn a_chain_that_was_read_asks_no_more_than_a_flat_image() {
    let (rados, images) = world();
    let size = OBJECTS * OBJECT;
    images.create("i0", size, layout()).await.unwrap();
    images.create("flat", size, layout()).await.unwrap();
    let flat = open(&images, "flat").await;
    for depth in 0..DEPTH {
        let image = open(&images, &format!("i{depth}")).await;
        for to in [&image, &flat] {
            to.write(depth * OBJECT, vec![depth as u8 + 1; OBJECT as usize].into()).await.unwrap();
        }
        image.close().await.unwrap();
        images.snap_create(&format!("i{depth}"), "s").await.unwrap();
        images.snap_protect(&format!("i{depth}"), "s", true).await.unwrap();
        images.clone_snapshot(&format!("i{depth}"), "s", &images, &format!("i{}", depth + 1)).await.unwrap();
    }
    let top = open(&images, &format!("i{DEPTH}")).await;
    let asked = async |of: &crate::Image<_>| {
        let before = rados.operations();
        let all = bytes(of, 0, size).await;
        (rados.operations() - before, all)
    };
    let (first, there) = asked(&top).await;
    assert!(first > 5 * OBJECTS, "each level was asked: {first}");
    let (_, wanted) = asked(&flat).await;
    assert!(there == wanted);
    let ((again, there), (flat_again, _)) = (asked(&top).await, asked(&flat).await);
    assert!(there == wanted);
    assert_eq!((again, flat_again), (DEPTH, DEPTH), "objects that are there, and nothing else");
    // What is written is seen at once, also where nothing was known to be.
    for object in [3, OBJECTS - 1] {
        top.write(object * OBJECT + 5, vec![9; 5].into()).await.unwrap();
        assert_eq!(bytes(&top, object * OBJECT + 5, 5).await, [9; 5]);
    }
    top.discard(3 * OBJECT, OBJECT).await.unwrap();
    assert_eq!(bytes(&top, 3 * OBJECT, 5).await, [0; 5]);
    top.close().await.unwrap();
    // A reader without the lock believes nothing of the image itself.
    let reader = images.open_read_only("flat").await.unwrap();
    assert_eq!(bytes(&reader, (OBJECTS - 1) * OBJECT, 1).await, [0]);
    flat.write((OBJECTS - 1) * OBJECT, vec![7].into()).await.unwrap();
    assert_eq!(bytes(&reader, (OBJECTS - 1) * OBJECT, 1).await, [7]);
}
