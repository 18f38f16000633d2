//! What changes in a range while it is copied, page by page: passes over the changes that are noted, each from the
//! beginning, until one finds nothing.

use crate::storage::Storage;
use crate::storage::types::BucketId;
use bytes::Bytes;
use gateway_client::{OpError, Rados};
use osd_class::index::{DeltaPage, SplitDelta};
use stdx::codec::to_bytes;

/// Changes of a page.
const DELTAS_MAX: u32 = 1024;
/// With fewer changes than this in a page, handing over is tried.
pub(super) const FEW_DELTAS: usize = 64;
/// Bytes of a page, about.
const PAGE_BYTES: u32 = 512 << 10;

/// Where a pass stands.
#[derive(Default)]
pub(super) struct Pass {
    after: Bytes,
}

impl Pass {
    /// The next page of changes. An empty one: there were none when a pass was begun just now.
    pub(super) async fn page<R: Rados>(
        &mut self,
        storage: &Storage<R>,
        bucket: BucketId,
        shard: u64,
        driver: u64,
    ) -> Result<DeltaPage, OpError> {
        loop {
            let begun_now = self.after.is_empty();
            let after = std::mem::take(&mut self.after);
            let ask = SplitDelta { driver, max: DELTAS_MAX, bytes_max: PAGE_BYTES, after };
            let page: DeltaPage = storage.call_shard(bucket, shard, "split_delta", to_bytes(&ask)).await?;
            if page.more
                && let Some(last) = page.changes.last()
            {
                self.after = last.row.clone();
            }
            if !page.changes.is_empty() || begun_now {
                return Ok(page);
            }
        }
    }
}
