//! Users, access keys and bucket records, in the meta pool.

mod accounts;
mod bucket_delete;
mod bucket_owner;
mod buckets;
mod keys;
mod usage;
mod users;

pub(crate) use buckets::BucketCache;
pub(crate) use keys::KeyCache;
pub use keys::{UserKey, check_key_pair};
pub use usage::BucketStats;
pub(crate) use usage::UsageCache;
pub(crate) use users::UserCache;

use super::Storage;
use bytes::Bytes;
use gateway_client::{OpError, Rados};
use osd_object::view::{OmapRange, prefix_end};
use osd_object::{ObjectName, Op, OpResult};
use std::ops::Bound;
use stdx::Errno;

/// Most answers a cache holds before it starts anew.
const CACHE_MAX: usize = 10_000;

impl<R: Rados> Storage<R> {
    /// All omap rows that begin with `prefix`; none if the object is absent.
    pub(crate) async fn omap_rows(
        &self,
        pool: &str,
        object: ObjectName,
        prefix: Bytes,
    ) -> Result<Vec<(Bytes, Bytes)>, OpError> {
        let end = prefix_end(&prefix).map_or(Bound::Unbounded, Bound::Excluded);
        let range = OmapRange { start: Bound::Included(prefix), end, ..OmapRange::all() };
        self.omap_rows_in(pool, object, range, usize::MAX).await
    }

    /// Omap rows of a range, at most `max`.
    pub(crate) async fn omap_rows_in(
        &self,
        pool: &str,
        object: ObjectName,
        mut range: OmapRange,
        max: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, OpError> {
        let mut out: Vec<(Bytes, Bytes)> = Vec::new();
        while out.len() < max {
            range.rows_max = u32::try_from(max - out.len()).unwrap_or(u32::MAX).min(1000);
            let ops = vec![Op::OmapGetRange { range: range.clone() }];
            let page = match self.inner.rados.operate(pool, object.clone(), ops).await {
                Ok(reply) => reply.results.into_iter().next(),
                Err(e) if e.code == Errno::ENOENT && e.step.is_some() => None,
                Err(e) => return Err(e),
            };
            let Some(OpResult::Rows(page)) = page else { break };
            if let Some((last, _)) = page.rows.last() {
                range.start = Bound::Excluded(last.clone());
            }
            out.extend(page.rows);
            if !page.more {
                break;
            }
        }
        Ok(out)
    }
}
