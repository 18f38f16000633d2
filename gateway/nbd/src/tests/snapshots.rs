//! Snapshots as exports.

use super::{ExportError, images};
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
