//! Random requests against an image and against an array of bytes.

use super::{OBJECT, bytes, layout, open, world};
use crate::ZeroMode;
use stdx::Rng;

const SIZE: u64 = 9 * OBJECT + 512;

/// Three sectors at a time with odd ends, across object borders, while the image is closed, and taken over by a
/// second life of its gateway, which must guard every object from then on.
#[tokio::test]
async fn an_image_is_an_array_of_bytes() {
    for seed in 0..20 {
        let mut rng = Rng::new(seed);
        let (_, images) = world();
        images.create("a", SIZE, layout()).await.unwrap();
        let mut model = vec![0u8; SIZE as usize];
        let mut image = open(&images, "a").await;
        for step in 0..200 {
            let offset = rng.below(SIZE);
            let most = if rng.chance(1, 4) { SIZE } else { 3 * 512 };
            let len = (1 + rng.below(most)).min(SIZE - offset);
            let range = offset as usize..(offset + len) as usize;
            match rng.below(12) {
                0..4 => {
                    let fill = vec![1 + rng.below(255) as u8; len as usize];
                    model[range].copy_from_slice(&fill);
                    image.write(offset, fill.into()).await.unwrap();
                }
                4..6 => {
                    model[range].fill(0);
                    let mode = if rng.chance(1, 4) { ZeroMode::Allocate } else { ZeroMode::Punch };
                    image.zero(offset, len, mode).await.unwrap();
                }
                6 => {
                    image.close().await.unwrap();
                    image = open(&images, "a").await;
                }
                7 if rng.chance(1, 3) => {
                    drop(image);
                    image = open(&images, "a").await;
                }
                8 => {
                    let extents = image.extents(offset, len, rng.chance(1, 2)).await.unwrap();
                    let mut at = offset as usize;
                    for e in extents {
                        let end = at + e.len as usize;
                        assert!(!e.hole || model[at..end].iter().all(|b| *b == 0), "seed {seed} step {step}");
                        at = end;
                    }
                    assert!(at <= range.end && at > range.start);
                }
                _ => assert!(bytes(&image, offset, len).await == model[range], "seed {seed} step {step}"),
            }
        }
        assert!(bytes(&image, 0, SIZE).await == model, "seed {seed}");
    }
}
