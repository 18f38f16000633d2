//! Snapshots as exports.

use super::tools::text;
use super::{ExportError, SIZE, Server, images};
use crate::{Export, Exports};
use bytes::Bytes;
use gateway_block::ReadExtent;

#[tokio::test]
async fn a_snapshot_is_an_export_that_nobody_writes() {
    let (images, exports) = images().await;
    let image = exports.open("rbd/a").await.unwrap();
    image.write(0, Bytes::from_static(b"one")).await.unwrap();
    images.snap_create("a", "monday").await.unwrap();
    image.write(0, Bytes::from_static(b"two")).await.unwrap();

    let then = exports.open("rbd/a@monday").await.unwrap();
    assert!(then.facts().read_only && !image.facts().read_only);
    assert!(exports.info("a@monday").await.unwrap().read_only);
    assert_eq!(then.read(0, 3).await.unwrap(), [ReadExtent::Data(Bytes::from_static(b"one"))]);
    assert_eq!(image.read(0, 3).await.unwrap(), [ReadExtent::Data(Bytes::from_static(b"two"))]);
    assert!(then.write(0, Bytes::from_static(b"x")).await.is_err());
    for missing in ["rbd/a@tuesday", "rbd/none@monday"] {
        assert!(matches!(exports.info(missing).await, Err(ExportError::Unknown(_))), "{missing}");
        assert!(matches!(exports.open(missing).await, Err(ExportError::Unknown(_))), "{missing}");
    }
    // One in use does not keep the other in use.
    exports.close(image).await;
    images.snap_rollback("a", "monday", "somebody").await.unwrap();
    assert_eq!(then.read(0, 3).await.unwrap(), [ReadExtent::Data(Bytes::from_static(b"one"))]);
    exports.close(then).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_since_a_snapshot_is_a_block_status() {
    let (images, exports) = images().await;
    let image = exports.open("rbd/a").await.unwrap();
    image.write(0, Bytes::from(vec![1; 1 << 20])).await.unwrap();
    images.snap_create("a", "monday").await.unwrap();
    image.write(65536, Bytes::from(vec![2; 4096])).await.unwrap();
    images.snap_create("a", "tuesday").await.unwrap();
    image.write(2 << 20, Bytes::from(vec![3; 4096])).await.unwrap();
    let server = Server::start(exports.clone());
    let map = async |export: &str, since: &str| {
        let context = format!("--map=nacre:diff:{since}");
        let told = text("nbdinfo", &["--json", &context, &server.uri(export)]).await?;
        let rows: Vec<(u64, u64, u64)> = told
            .split('}')
            .filter(|row| row.contains("offset"))
            .map(|row| {
                let number = |name: &str| {
                    let rest = &row[row.find(name).unwrap() + name.len() + 2..];
                    let rest = rest.trim_start();
                    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                    rest[..digits].parse::<u64>().unwrap()
                };
                (number("\"offset\""), number("\"length\""), number("\"type\""))
            })
            .collect();
        Some(rows)
    };
    let changed = |rows: Vec<(u64, u64, u64)>| -> Vec<(u64, u64)> {
        rows.into_iter().filter(|(_, _, kind)| *kind == 1).map(|(at, len, _)| (at, len)).collect()
    };
    if let Some(rows) = map("rbd/a", "monday").await {
        assert_eq!(rows.iter().map(|(_, len, _)| len).sum::<u64>(), SIZE);
        assert_eq!(changed(rows), [(65536, 4096), (2 << 20, 4096)]);
        assert_eq!(changed(map("rbd/a", "tuesday").await.unwrap()), [(2 << 20, 4096)]);
        assert_eq!(changed(map("rbd/a@tuesday", "monday").await.unwrap()), [(65536, 4096)]);
        // QEMU reads it as a dirty bitmap.
        let (path, export) = (server.path(), "a");
        let node = format!(
            "driver=nbd,server.type=unix,server.path={path},export={export},x-dirty-bitmap=nacre:diff:monday"
        );
        let seen = text("qemu-img", &["map", "--output=json", "--image-opts", &node]).await.unwrap();
        assert!(seen.contains("\"data\": false") && seen.contains("\"data\": true"), "{seen}");
        let listed = text("nbdinfo", &[&server.uri("rbd/a")]).await.unwrap();
        assert!(listed.contains("nacre:diff:monday") && listed.contains("nacre:diff:tuesday"), "{listed}");
    }
    images.snap_remove("a", "monday").await.unwrap();
    assert!(image.changes("monday", 0, SIZE).await.is_err(), "never an answer about what is gone");
    exports.close(image).await;
    server.stop().await;
}
