//! Differences between snapshots: images kept alike from one cluster to another, and what is refused.

use super::{OBJECT, OWNER, bytes, layout, open, world, world_of_two_pools};
use crate::{BlockError, DiffError, Image, Images, Span, ZeroMode};
use gateway_client::{Fault, MemoryRados};
use std::sync::Arc;
use stdx::{Errno, Rng};

const SIZE: u64 = 6 * OBJECT + 512;

async fn content(images: &Images<MemoryRados>, export: &str) -> Vec<u8> {
    let open = images.open_read_only(export).await.unwrap();
    bytes(&open, 0, open.size()).await
}

async fn diff(images: &Images<MemoryRados>, image: &str, from: Option<&str>, to: &str) -> Vec<u8> {
    let mut out = Vec::new();
    images.export_diff(image, from, to, &mut out, |_, _| {}).await.unwrap();
    out
}

async fn apply(images: &Images<MemoryRados>, image: &str, diff: &[u8]) -> Result<(), DiffError> {
    images.import_diff(image, "importer", diff, |_, _| {}).await.map(drop)
}

async fn change(rng: &mut Rng, image: &Image<MemoryRados>) {
    let size = image.size();
    let offset = rng.below(size);
    let most = if rng.chance(1, 3) { size } else { 9000 };
    let len = (1 + rng.below(most)).min(size - offset);
    match rng.below(4) {
        0 | 1 => image.write(offset, vec![1 + rng.below(255) as u8; len as usize].into()).await.unwrap(),
        2 => image.zero(offset, len, ZeroMode::Punch).await.unwrap(),
        _ => image.zero(offset & !(OBJECT - 1), len, ZeroMode::Punch).await.unwrap(),
    }
}

/// An image, or a clone, is changed in every way; each snapshot of it is carried over as a difference and is the same
/// there.
#[tokio::test]
async fn an_image_is_kept_alike_by_differences() {
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let ((_, here), (_, there)) = (world(), world());
        here.create("a", SIZE, layout()).await.unwrap();
        if seed % 2 == 0 {
            let image = open(&here, "a").await;
            image.write(OBJECT / 2, vec![9; 3 * OBJECT as usize].into()).await.unwrap();
            image.close().await.unwrap();
            here.snap_create("a", "p").await.unwrap();
            here.snap_protect("a", "p", true).await.unwrap();
            here.rename("a", "parent").await.unwrap();
            here.clone_snapshot("parent", "p", &here, "a").await.unwrap();
        }
        let mut made: Vec<String> = Vec::new();
        for round in 0..8 {
            let image = open(&here, "a").await;
            for _ in 0..rng.below(6) {
                change(&mut rng, &image).await;
            }
            image.close().await.unwrap();
            match rng.below(8) {
                0 => {
                    let size = OBJECT + 512 * rng.below(1000);
                    here.resize("a", size, true, OWNER).await.unwrap();
                }
                1 if !made.is_empty() => {
                    let back = &made[rng.below(made.len() as u64) as usize];
                    match here.snap_rollback("a", back, OWNER).await {
                        Ok(()) | Err(BlockError::Invalid(_)) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
                2 => drop(here.flatten("a", OWNER, |_, _| {}).await.unwrap()),
                _ => {}
            }
            let snap = format!("s{round}");
            here.snap_create("a", &snap).await.unwrap();
            // While the image goes on.
            let image = open(&here, "a").await;
            change(&mut rng, &image).await;
            image.close().await.unwrap();
            let sent = diff(&here, "a", made.last().map(String::as_str), &snap).await;
            apply(&there, "copy", &sent).await.unwrap_or_else(|e| panic!("seed {seed}, round {round}: {e}"));
            let (wanted, got) =
                (content(&here, &format!("a@{snap}")).await, content(&there, &format!("copy@{snap}")).await);
            assert!(wanted == got, "seed {seed}, round {round}");
            made.push(snap);
        }
        // In one step too, and from the copy on, which knows the same snapshots.
        let sent = diff(&there, "copy", Some("s2"), "s7").await;
        let (_, third) = world();
        apply(&third, "b", &diff(&here, "a", None, "s2").await).await.unwrap();
        apply(&third, "b", &sent).await.unwrap();
        assert!(content(&third, "b").await == content(&here, "a@s7").await, "seed {seed}");
    }
}

/// A small difference: two objects written, one cleared.
async fn small() -> (Images<MemoryRados>, Vec<u8>, Vec<u8>) {
    let (_, here) = world();
    here.create("a", SIZE, layout()).await.unwrap();
    let image = open(&here, "a").await;
    image.write(0, vec![1; 3 * OBJECT as usize].into()).await.unwrap();
    here.snap_create("a", "one").await.unwrap();
    image.write(4096, vec![2; 5000].into()).await.unwrap();
    image.zero(2 * OBJECT, OBJECT, ZeroMode::Punch).await.unwrap();
    image.write(5 * OBJECT, vec![3; 100].into()).await.unwrap();
    here.snap_create("a", "two").await.unwrap();
    image.close().await.unwrap();
    let (first, second) = (diff(&here, "a", None, "one").await, diff(&here, "a", Some("one"), "two").await);
    (here, first, second)
}

#[tokio::test]
async fn only_what_changed_is_in_it_and_holes_stay_holes() {
    let (here, first, second) = small().await;
    assert!(first.len() as u64 > 3 * OBJECT && (first.len() as u64) < 3 * OBJECT + 1000);
    assert!(second.len() < 30_000, "{}", second.len());
    let (_, there) = world();
    apply(&there, "a", &first).await.unwrap();
    assert_eq!(there.usage("a").await.unwrap().used, 3 * OBJECT);
    apply(&there, "a", &second).await.unwrap();
    assert!(content(&there, "a").await == content(&here, "a@two").await);
    let usage = there.usage("a").await.unwrap();
    assert!(usage.used < 2 * OBJECT + 5000, "{usage:?}");
    // What NBD tells of it.
    let open = there.open_read_only("a").await.unwrap();
    let snapshot = there.snapshots("a").await.unwrap().remove(0);
    let spans = open.changes(&snapshot, 0, SIZE).await.unwrap();
    assert_eq!(spans[0], Span { len: 4096, changed: false });
    assert_eq!(spans.iter().map(|s| s.len).sum::<u64>(), SIZE);
    let changed: u64 = spans.iter().filter(|s| s.changed).map(|s| s.len).sum();
    assert!((OBJECT + 5100..OBJECT + 16_384).contains(&changed), "{changed}");
}

/// The snapshot's name is in the header, wherever the data lie.
#[tokio::test]
async fn changes_are_told_of_an_image_with_a_data_pool() {
    let (_, images) = world_of_two_pools();
    images.create("a", SIZE, layout()).await.unwrap();
    let image = open(&images, "a").await;
    image.write(0, vec![1; OBJECT as usize].into()).await.unwrap();
    images.snap_create("a", "one").await.unwrap();
    image.write(4096, vec![2; 4096].into()).await.unwrap();
    let changed = image.changes_since("one", 0, 12_288).await.unwrap();
    let span = |changed| Span { len: 4096, changed };
    assert_eq!(changed, [span(false), span(true), span(false)]);
}

#[tokio::test]
async fn what_is_cut_or_damaged_is_refused_and_goes_on_with_the_whole() {
    let (here, first, second) = small().await;
    let wanted = content(&here, "a@two").await;
    let mut rng = Rng::new(1);
    let mut cuts: Vec<usize> = (0..120).chain([second.len() - 1, second.len() - 30]).collect();
    cuts.extend((0..20).map(|_| rng.below(second.len() as u64) as usize));
    for cut in cuts {
        let (_, there) = world();
        apply(&there, "a", &first).await.unwrap();
        let refused = apply(&there, "a", &second[..cut]).await.unwrap_err();
        assert!(matches!(refused, DiffError::Cut { .. } | DiffError::NotADiff), "{cut}: {refused}");
        assert!(there.open_read_only("a@two").await.is_err(), "no snapshot of a half");
        apply(&there, "a", &second).await.unwrap_or_else(|e| panic!("{cut}: {e}"));
        assert!(content(&there, "a@two").await == wanted, "{cut}");
    }
    for _ in 0..60 {
        let (_, there) = world();
        apply(&there, "a", &first).await.unwrap();
        let mut bad = second.clone();
        bad[rng.below(second.len() as u64) as usize] ^= 1 << rng.below(8);
        apply(&there, "a", &bad).await.unwrap_err();
        assert!(there.open_read_only("a@two").await.is_err());
        apply(&there, "a", &second).await.unwrap();
        assert!(content(&there, "a@two").await == wanted);
    }
    let twice = [second.clone(), second.clone()].concat();
    let (_, there) = world();
    apply(&there, "a", &first).await.unwrap();
    assert!(matches!(apply(&there, "a", &twice).await, Err(DiffError::Damaged { .. })));
}

/// Storage fails at each of the importer's operations in turn; the next attempt goes on.
#[tokio::test]
async fn an_import_that_fails_anywhere_is_repeated() {
    let (here, first, second) = small().await;
    let wanted = content(&here, "a@two").await;
    for step in 0..70 {
        let (rados, there) = world();
        apply(&there, "a", &first).await.unwrap();
        rados.inject(step, 1, Fault::Refuse(Errno::EIO));
        let died = apply(&there, "a", &second).await;
        rados.heal();
        if died.is_err() {
            match apply(&there, "a", &second).await {
                Ok(()) | Err(DiffError::Image(BlockError::SnapshotExists { .. })) => {}
                Err(other) => panic!("{step}: {other}"),
            }
        }
        assert!(content(&there, "a@two").await == wanted, "{step}");
    }
}

#[tokio::test]
async fn a_difference_fits_only_where_it_begins() {
    let (here, first, second) = small().await;
    let (_, there) = world();
    assert!(matches!(
        apply(&there, "a", &second).await,
        Err(DiffError::Image(BlockError::NoSuchImage { .. }))
    ));
    there.create("a", SIZE, layout()).await.unwrap();
    assert!(matches!(apply(&there, "a", &second).await, Err(DiffError::StartMissing { .. })));
    assert!(matches!(apply(&there, "a", &first).await, Err(DiffError::Image(BlockError::Exists { .. }))));
    there.snap_create("a", "one").await.unwrap();
    assert!(matches!(apply(&there, "a", &second).await, Err(DiffError::StartDiffers { .. })));
    apply(&there, "b", &first).await.unwrap();
    let image: Arc<_> = open(&there, "b").await;
    image.write(3 * OBJECT, vec![8].into()).await.unwrap();
    let in_use = apply(&there, "b", &second).await.unwrap_err();
    assert!(matches!(in_use, DiffError::Image(BlockError::InUse { .. })), "{in_use}");
    image.close().await.unwrap();
    assert!(matches!(apply(&there, "b", &second).await, Err(DiffError::Changed { .. })));
    there.snap_rollback("b", "one", OWNER).await.unwrap();
    apply(&there, "b", &second).await.unwrap();
    assert!(matches!(
        apply(&there, "b", &second).await,
        Err(DiffError::Image(BlockError::SnapshotExists { .. }))
    ));
    // A cut one keeps others out, until the image is rolled back.
    apply(&there, "c", &first).await.unwrap();
    apply(&there, "c", &second[..second.len() - 1]).await.unwrap_err();
    here.snap_create("a", "three").await.unwrap();
    let other = diff(&here, "a", Some("one"), "three").await;
    assert!(matches!(apply(&there, "c", &other).await, Err(DiffError::Another { .. })));
    there.snap_rollback("c", "one", OWNER).await.unwrap();
    apply(&there, "c", &other).await.unwrap();
    let back = here.export_diff("a", Some("two"), "one", &mut Vec::new(), |_, _| {}).await.unwrap_err();
    assert!(matches!(back, DiffError::Backwards { .. }));
}
